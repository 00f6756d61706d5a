"""Amazon Polly, against a server that behaves as its documentation says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from darkroom.generation.ports import (
    Charge,
    GenerationRequest,
    PermanentProviderError,
    Provider,
    ProviderError,
    SourceFile,
)
from darkroom.generation.script import script_of_texts, write_script
from darkroom.generation.vendors.polly import Polly
from darkroom.media.mp3 import mp3_duration_ms
from tests.support.aws_stand_in import AwsError
from tests.support.polly_stand_in import FRAME_MS, PollyStandIn


@pytest.fixture
def stand_in() -> Iterator[PollyStandIn]:
    with PollyStandIn() as server:
        yield server


@pytest.fixture
def polly(stand_in: PollyStandIn) -> Polly:
    client = stand_in.client(read_timeout=3)
    return Polly(lambda: client)


def a_request(tmp_path: Path, text: str | None = "Hello there.", **changes: Any) -> Any:
    params = {} if text is None else {"text": text}
    given: dict[str, Any] = {
        "job_id": "job_1",
        "key": "speech",
        "kind": "speech",
        "attempt": 1,
        "seed": 1,
        "language": "en",
        "params": params | changes.pop("params", {}),
        "sources": (),
        "workdir": tmp_path,
    }
    return GenerationRequest(**given | changes)


def code_of(polly: Polly, request: GenerationRequest) -> str:
    with pytest.raises(ProviderError) as caught:
        polly.generate(request)
    return caught.value.error_code


def test_a_text_is_synthesized_once_by_the_neural_voice_of_its_language(
    stand_in: PollyStandIn, polly: Polly, tmp_path: Path
) -> None:
    made: Provider = polly
    [artifact] = made.generate(a_request(tmp_path))

    [sent] = stand_in.calls_of("SynthesizeSpeech")
    assert (sent["Engine"], sent["VoiceId"], sent["OutputFormat"]) == ("neural", "Joanna", "mp3")
    assert stand_in.texts == ["Hello there."]
    assert (artifact.type, artifact.mime_type) == ("audio", "audio/mpeg")
    assert artifact.duration_ms == len("Hello there.") * FRAME_MS
    assert mp3_duration_ms(artifact.path.read_bytes()) == artifact.duration_ms
    assert polly.model_of("speech") == "neural"


def test_korean_has_a_korean_voice(stand_in: PollyStandIn, polly: Polly, tmp_path: Path) -> None:
    polly.generate(a_request(tmp_path, "안녕하세요.", language="ko"))

    [sent] = stand_in.calls_of("SynthesizeSpeech")
    assert (sent["VoiceId"], sent["LanguageCode"]) == ("Seoyeon", "ko-KR")


def test_voice_and_rate_may_be_requested(
    stand_in: PollyStandIn, polly: Polly, tmp_path: Path
) -> None:
    polly.generate(a_request(tmp_path, params={"voiceId": "Amy", "rate": 150}))

    [sent] = stand_in.calls_of("SynthesizeSpeech")
    assert sent["VoiceId"] == "Amy"
    assert '<prosody rate="150%">' in sent["Text"]


def test_an_engine_may_be_configured(stand_in: PollyStandIn, tmp_path: Path) -> None:
    client = stand_in.client()
    polly = Polly(lambda: client, models={"speech": "standard"})

    polly.generate(a_request(tmp_path, params={"voiceId": "Nicole"}))

    assert stand_in.calls_of("SynthesizeSpeech")[0]["Engine"] == "standard"


def test_text_is_never_markup(stand_in: PollyStandIn, polly: Polly, tmp_path: Path) -> None:
    text = '</prosody><break time="9s"/> Tom & "Jerry" <3 \ufffe\x07 & so on'

    polly.generate(a_request(tmp_path, text))

    assert stand_in.texts == ['</prosody><break time="9s"/> Tom & "Jerry" <3  & so on']


def test_a_script_has_pauses_between_its_sections(
    stand_in: PollyStandIn, polly: Polly, tmp_path: Path
) -> None:
    path = tmp_path / "script.json"
    script = script_of_texts(
        title="T", language="en", texts=["One.", "Two.", "Three."], duration_ms=9000
    )
    path.write_bytes(write_script(script))
    source = SourceFile(key="script", mime_type="application/json", path=path)

    polly.generate(a_request(tmp_path, None, sources=(source,)))

    [sent] = stand_in.calls_of("SynthesizeSpeech")
    assert sent["Text"].count("<break") == 2
    assert stand_in.texts == ["One.Two.Three."]


@pytest.mark.parametrize(
    ("language", "rate", "most"), [("en", 100, 3000), ("ko", 100, 1500), ("en", 50, 1500)]
)
def test_a_long_text_is_split_into_calls_that_end_with_a_sentence(
    stand_in: PollyStandIn, polly: Polly, tmp_path: Path, language: str, rate: int, most: int
) -> None:
    """A slow pace and Korean fill ten minutes sooner, after which Polly cuts the sound off."""
    sentence = "This & that is a sentence of some length, said again. "
    text = (sentence * 150).strip()

    [artifact] = polly.generate(a_request(tmp_path, text, language=language, params={"rate": rate}))

    assert " ".join(stand_in.texts) == text
    assert all(len(part) <= most and part.endswith(".") for part in stand_in.texts)
    assert len(stand_in.texts) > len(text) // most
    assert artifact.duration_ms == sum(map(len, stand_in.texts)) * FRAME_MS
    content = artifact.path.read_bytes()
    marks = [content[place] for place in range(143, len(content), 144)]
    assert marks == [n for n, part in enumerate(stand_in.texts, 1) for _ in part]


def test_a_failed_attempt_is_charged_what_was_billed(
    stand_in: PollyStandIn, polly: Polly, tmp_path: Path
) -> None:
    whole = a_request(tmp_path, "Hello there.")
    half = a_request(tmp_path, "A sentence here. " * 300)

    polly.generate(whole)
    stand_in.faults.extend([None, AwsError("ServiceFailureException", 500)])
    code = code_of(polly, half)

    assert whole.meter.charges == [Charge(unit="character", quantity=12)]
    assert whole.meter.ref
    assert code == "PROVIDER_UNAVAILABLE"
    assert half.meter.charges == [Charge(unit="character", quantity=len(stand_in.texts[1]))]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"kind": "clip"}, "UNSUPPORTED_KIND"),
        ({"language": "ja"}, "UNSUPPORTED_KIND"),
        ({"params": {"voiceId": "Seoyeon"}}, "UNSUPPORTED_KIND"),
        ({"params": {"voiceId": "21m00Tcm4TlvDq8ikWAM"}}, "UNSUPPORTED_KIND"),
        ({"params": {"rate": 49}}, "PROVIDER_REFUSED"),
        ({"params": {"rate": True}}, "PROVIDER_REFUSED"),
        ({"params": {"text": "  "}}, "BAD_SOURCE"),
        ({"params": {"text": "word " * 50_000}}, "PROVIDER_REFUSED"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_impossible_text_is_never_sent(
    stand_in: PollyStandIn, polly: Polly, tmp_path: Path, changes: Any, code: str
) -> None:
    assert code_of(polly, a_request(tmp_path, **changes)) == code
    assert stand_in.requests == []


def test_an_unknown_engine_is_not_configured(stand_in: PollyStandIn, tmp_path: Path) -> None:
    polly = Polly(stand_in.client, models={"speech": "shouting"})

    assert code_of(polly, a_request(tmp_path)) == "PROVIDER_NOT_CONFIGURED"


@pytest.mark.parametrize(
    ("fault", "error", "code"),
    [
        (AwsError("EngineNotSupportedException"), PermanentProviderError,
         "PROVIDER_NOT_CONFIGURED"),
        (AwsError("LanguageNotSupportedException"), PermanentProviderError, "UNSUPPORTED_KIND"),
        (AwsError("InvalidSsmlException"), PermanentProviderError, "PROVIDER_REFUSED"),
        (AwsError("TextLengthExceededException"), PermanentProviderError, "PROVIDER_REFUSED"),
    ],
    ids=lambda value: str(value)[:50],
)  # fmt: skip
def test_errors_of_the_service_s_own_map_to_one_error(
    stand_in: PollyStandIn,
    polly: Polly,
    tmp_path: Path,
    fault: Any,
    error: type[Exception],
    code: str,
) -> None:
    stand_in.faults.append(fault)

    with pytest.raises(ProviderError) as caught:
        polly.generate(a_request(tmp_path))

    assert (type(caught.value), caught.value.error_code) == (error, code)
    assert len(stand_in.requests) == 1, "never sent twice"
