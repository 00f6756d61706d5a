"""Amazon Translate, against a server that behaves as its documentation says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from darkroom.generation.captions.transcript import (
    Segment,
    Transcript,
    read_transcript,
)
from darkroom.generation.ports import (
    Charge,
    GenerationRequest,
    PermanentProviderError,
    ProviderError,
    TransientProviderError,
)
from darkroom.generation.vendors import translate as module
from darkroom.generation.vendors.translate import Translate
from tests.support.aws_stand_in import AwsError
from tests.support.translate_stand_in import LIMIT_BYTES, TranslateStandIn, translated
from tests.support.vendor_requests import a_translation_request as a_request
from tests.support.vendor_requests import said


@pytest.fixture
def stand_in() -> Iterator[TranslateStandIn]:
    with TranslateStandIn() as server:
        yield server


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def translate(stand_in: TranslateStandIn, pauses: list[float]) -> Translate:
    # Long enough for a busy machine; only a missing response takes all of it.
    client = stand_in.client(read_timeout=3)
    return Translate(lambda: client, sleep=pauses.append)


def made_by(translate: Translate, request: GenerationRequest) -> Transcript:
    [artifact] = translate.generate(request)
    assert (artifact.type, artifact.mime_type) == ("json", "application/json")
    assert artifact.extra == {"language": request.params["targetLang"]}
    return read_transcript(artifact.path.read_bytes())


def failure_of(translate: Translate, request: GenerationRequest) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        translate.generate(request)
    return caught.value


def pair_of(stand_in: TranslateStandIn) -> tuple[str, str]:
    [sent] = stand_in.calls_of("TranslateText")
    return sent["SourceLanguageCode"], sent["TargetLanguageCode"]


def test_every_segment_keeps_its_times_and_drops_its_words(
    translate: Translate, tmp_path: Path
) -> None:
    segments = (said(0, "One two.", speaker="Speaker 1"), said(1, "Three."), said(2, "Four five."))

    transcript = made_by(translate, a_request(tmp_path, *segments))

    assert (transcript.language, transcript.duration_ms) == ("ko", 9000)
    assert transcript.segments == (
        Segment(start_ms=0, end_ms=1500, text="ko:two. One", speaker="Speaker 1"),
        Segment(start_ms=2000, end_ms=3500, text="ko:Three."),
        Segment(start_ms=4000, end_ms=5500, text="ko:five. Four"),
    )


def test_many_segments_come_back_in_their_order(
    stand_in: TranslateStandIn, translate: Translate, tmp_path: Path
) -> None:
    texts = [f"Number {number}." for number in range(60)]

    transcript = made_by(
        translate, a_request(tmp_path, *(said(*pair) for pair in enumerate(texts)))
    )

    assert [s.text for s in transcript.segments] == [translated(text, "ko") for text in texts]
    assert len(stand_in.requests) == 60


def test_equal_texts_are_sent_once_and_empty_ones_never(
    stand_in: TranslateStandIn, translate: Translate, tmp_path: Path
) -> None:
    request = a_request(tmp_path, said(0, "Yes."), said(1, ""), said(2, "Yes."), said(3, "Yes."))

    transcript = made_by(translate, request)

    assert [s.text for s in transcript.segments] == ["ko:Yes.", "", "ko:Yes.", "ko:Yes."]
    assert request.meter.charges == [Charge(unit="character", quantity=4)]
    assert request.meter.ref
    assert len(stand_in.requests) == 1


def test_silence_costs_nothing(
    stand_in: TranslateStandIn, translate: Translate, tmp_path: Path
) -> None:
    request = a_request(tmp_path)

    assert made_by(translate, request).segments == ()
    assert (request.meter.charges, stand_in.requests) == ([], [])


def test_a_segment_over_the_limit_is_sent_in_chunks(
    stand_in: TranslateStandIn, translate: Translate, tmp_path: Path
) -> None:
    text = " ".join(f"문장 {number}입니다." for number in range(1500))

    request = a_request(tmp_path, said(0, text), language="ko", params={"targetLang": "en"})
    [segment] = made_by(translate, request).segments

    pieces = [sent["Text"] for sent in stand_in.calls_of("TranslateText")]
    assert len(pieces) == -(-len(text.encode()) // LIMIT_BYTES)
    assert "".join(pieces) == text
    assert segment.text == " ".join(translated(piece, "en") for piece in pieces)
    assert request.meter.charges == [Charge(unit="character", quantity=len(text))]


@pytest.mark.parametrize(
    ("spoken", "requested", "target", "pair"),
    [
        ("en", "auto", "ko", ("en", "ko")),
        ("en-US", "auto", "zh", ("en", "zh")),
        ("en", "fr", "ko", ("en", "ko")),
        ("zh-TW", "auto", "en", ("zh-TW", "en")),
        ("zh_Hant_HK", "zh", "en", ("zh", "en")),
        ("zh-CN", "auto", "zh-TW", ("zh", "zh-TW")),
        ("pt-BR", "auto", "pt-PT", ("pt", "pt-PT")),
        ("nb", "auto", "fr-CA", ("no", "fr-CA")),
        ("", "de", "ko", ("de", "ko")),
        ("und", "auto", "ko", ("auto", "ko")),
    ],
)
def test_languages_have_the_codes_of_the_service(
    stand_in: TranslateStandIn,
    translate: Translate,
    tmp_path: Path,
    spoken: str,
    requested: str,
    target: str,
    pair: tuple[str, str],
) -> None:
    params = {"sourceLang": requested, "targetLang": target}

    made_by(translate, a_request(tmp_path, said(0, "One."), language=spoken, params=params))

    assert pair_of(stand_in) == pair


def test_the_same_language_is_only_copied(
    stand_in: TranslateStandIn, translate: Translate, tmp_path: Path
) -> None:
    request = a_request(tmp_path, said(0, "하나."), language="ko-KR")

    assert made_by(translate, request).segments[0].text == "하나."
    assert stand_in.requests == []


def test_half_a_character_is_dropped(translate: Translate, tmp_path: Path) -> None:
    request = a_request(tmp_path, said(0, "x"))
    path = request.sources[0].path
    path.write_bytes(path.read_bytes().replace(b'"text":"x"', b'"text":"One \\ud83d."', 1))

    assert made_by(translate, request).segments[0].text == "ko:. One"


@pytest.mark.parametrize(
    ("changes", "language", "code"),
    [
        ({"kind": "clip"}, "en", "UNSUPPORTED_KIND"),
        ({"params": {"targetLang": "tlh"}}, "en", "UNSUPPORTED_KIND"),
        ({}, "la", "UNSUPPORTED_KIND"),
        ({"sources": ()}, "en", "BAD_SOURCE"),
    ],
)
def test_an_unsupported_language_is_never_sent(
    stand_in: TranslateStandIn,
    translate: Translate,
    tmp_path: Path,
    changes: Any,
    language: str,
    code: str,
) -> None:
    request = a_request(tmp_path, said(0, "One."), language=language, **changes)

    assert failure_of(translate, request).error_code == code
    assert stand_in.requests == []


def test_an_invalid_transcript_is_a_bad_source(translate: Translate, tmp_path: Path) -> None:
    request = a_request(tmp_path, said(0, "One."))
    request.sources[0].path.write_bytes(b"{}")

    assert failure_of(translate, request).error_code == "BAD_SOURCE"


def test_a_throttled_call_is_retried_after_a_pause(
    stand_in: TranslateStandIn, translate: Translate, pauses: list[float], tmp_path: Path
) -> None:
    stand_in.throttles = 3
    request = a_request(tmp_path, said(0, "One."))

    assert made_by(translate, request).segments[0].text == "ko:One."
    assert pauses == [0.5, 1.0, 2.0]
    assert request.meter.charges == [Charge(unit="character", quantity=4)]


def test_repeated_throttling_is_a_transient_error(
    stand_in: TranslateStandIn, translate: Translate, pauses: list[float], tmp_path: Path
) -> None:
    stand_in.throttles = 1000
    request = a_request(tmp_path, said(0, "One."))

    error = failure_of(translate, request)

    assert type(error) is TransientProviderError
    assert pauses == list(module.PAUSES_SECONDS)
    assert request.meter.charges == []


def test_after_a_failure_no_call_follows_and_finished_segments_are_charged(
    stand_in: TranslateStandIn, translate: Translate, tmp_path: Path
) -> None:
    stand_in.faults.extend([*[None] * 20, AwsError("AccessDeniedException")])
    request = a_request(tmp_path, *(said(n, f"Number {n:03}.") for n in range(300)))

    error = failure_of(translate, request)

    assert error.error_code == "PROVIDER_NOT_CONFIGURED"
    assert len(stand_in.requests) <= 21 + 2 * module.CALLS_AT_ONCE
    [charge] = request.meter.charges
    assert charge.quantity == len("Number 000.") * (len(stand_in.requests) - 1)


@pytest.mark.parametrize(
    ("fault", "error", "code"),
    [
        (AwsError("UnsupportedLanguagePairException"), PermanentProviderError, "UNSUPPORTED_KIND"),
        (AwsError("DetectedLanguageLowConfidenceException"), PermanentProviderError,
         "UNSUPPORTED_KIND"),
        (AwsError("TextSizeLimitExceededException"), PermanentProviderError, "PROVIDER_REFUSED"),
    ],
    ids=lambda value: str(value)[:50],
)  # fmt: skip
def test_errors_of_the_service_s_own_map_to_one_error(
    stand_in: TranslateStandIn,
    translate: Translate,
    tmp_path: Path,
    fault: Any,
    error: type[Exception],
    code: str,
) -> None:
    stand_in.faults.append(fault)

    found = failure_of(translate, a_request(tmp_path, said(0, "One.")))

    assert (type(found), found.error_code) == (error, code)
    assert len(stand_in.requests) == 1, "only what was throttled is sent twice"
