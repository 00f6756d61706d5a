"""Amazon Transcribe, against a server that behaves as its documentation says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from darkroom.adapters.fetch import Fetcher, FetchLimits
from darkroom.generation.captions.transcript import Transcript, read_transcript
from darkroom.generation.ports import (
    AsyncProvider,
    Charge,
    Finished,
    PermanentProviderError,
    ProviderError,
    ResponseLost,
    SourceFile,
    TransientProviderError,
)
from darkroom.generation.vendors import transcribe as module
from darkroom.generation.vendors.transcribe import Transcribe, hosts_of
from darkroom.kernel.errors import Unauthorized
from tests.support.aws_stand_in import AwsError, Raw
from tests.support.polly_stand_in import an_mp3
from tests.support.transcribe_stand_in import TranscribeStandIn
from tests.support.vendor_requests import a_transcription_request as a_request

CALLBACK = "https://api.example/api/webhooks/transcribe?job=j&key=transcribe&attempt=1&nonce=n"
NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
LOOPBACK = frozenset({"127.0.0.1"})


@pytest.fixture
def stand_in() -> Iterator[TranscribeStandIn]:
    with TranscribeStandIn() as server:
        yield server


@pytest.fixture
def transcribe(stand_in: TranscribeStandIn) -> Transcribe:
    client = stand_in.client(read_timeout=3)
    return Transcribe(lambda: client, region="us-east-1", result_hosts=LOOPBACK)


def submitted(transcribe: Transcribe, tmp_path: Path, **changes: Any) -> str:
    return transcribe.submit(a_request(tmp_path, **changes), CALLBACK)


def word(start: float, end: float, text: str, speaker: str | None = None) -> dict[str, Any]:
    item = {"start_time": f"{start:.2f}", "end_time": f"{end:.2f}", "type": "pronunciation"}
    item["alternatives"] = [{"confidence": "0.99", "content": text}]  # type: ignore[assignment]
    return item | ({"speaker_label": speaker} if speaker else {})


def mark(text: str) -> dict[str, Any]:
    return {"type": "punctuation", "alternatives": [{"confidence": "0.0", "content": text}]}


def a_document(*items: Any, **results: Any) -> dict[str, Any]:
    content = {"transcripts": [{"transcript": "…"}], "items": list(items)} | results
    return {"jobName": "x", "accountId": "1", "status": "COMPLETED", "results": content}


def fetched(transcribe: Transcribe, ref: str, tmp_path: Path) -> Transcript:
    """As the product does it: by the allowed hosts and types, then converted."""
    result = transcribe.poll(ref)
    assert isinstance(result, Finished)
    [file] = result.files
    assert file.convert is not None
    assert (file.type, file.mime_type, file.suffix) == ("json", "application/json", ".json")
    path = tmp_path / "1.json"
    limits = FetchLimits(
        hosts=transcribe.result_hosts,
        mime_types=frozenset(file.fetched_mime_types),
        size_bytes=1_000_000,
        seconds=5,
    )
    Fetcher(allow_loopback=True).fetch(file.url, path, limits)
    return read_transcript(file.convert(path).read_bytes())


# Submitting


def test_a_request_becomes_one_job_on_the_file_in_our_bucket(
    stand_in: TranscribeStandIn, transcribe: Transcribe, tmp_path: Path
) -> None:
    assert isinstance(transcribe, AsyncProvider)
    ref = submitted(transcribe, tmp_path)

    [(name, job)] = stand_in.jobs.items()
    assert name == ref
    assert job["Media"] == {"MediaFileUri": "s3://bucket/clean/a/b.wav"}
    assert (job["MediaFormat"], job["IdentifyLanguage"]) == ("wav", True)
    assert "Settings" not in job


def test_language_and_speakers_may_be_requested(
    stand_in: TranscribeStandIn, transcribe: Transcribe, tmp_path: Path
) -> None:
    submitted(transcribe, tmp_path, params={"sourceLang": "ko", "diarization": True})

    [job] = stand_in.jobs.values()
    assert job["LanguageCode"] == "ko-KR"
    assert "IdentifyLanguage" not in job
    assert job["Settings"] == {"ShowSpeakerLabels": True, "MaxSpeakerLabels": 10}


def test_every_language_of_the_catalog_has_a_code_of_the_service(
    stand_in: TranscribeStandIn, transcribe: Transcribe, tmp_path: Path
) -> None:
    from darkroom.recipes.captions import target_languages

    for number, language in enumerate(target_languages()):
        request = a_request(tmp_path, params={"sourceLang": language})
        ref = transcribe.submit(request, f"{CALLBACK}{number}")
        stand_in.finish(ref, a_document(), language=stand_in.jobs[ref]["LanguageCode"])
        result = transcribe.poll(ref)

        assert result is not None and result.files[0].convert is not None
        [content] = set(stand_in.results.values())
        path = tmp_path / "1.json"
        path.write_bytes(content)
        assert read_transcript(result.files[0].convert(path).read_bytes()).language == language


def test_a_part_of_a_long_recording_is_a_source_too(
    stand_in: TranscribeStandIn, transcribe: Transcribe, tmp_path: Path
) -> None:
    part = SourceFile(
        key="media_02", mime_type="audio/mp4", path=tmp_path / "none", storage_uri="s3://b/k.m4a"
    )

    submitted(transcribe, tmp_path, sources=(part,))

    [job] = stand_in.jobs.values()
    assert (job["Media"]["MediaFileUri"], job["MediaFormat"]) == ("s3://b/k.m4a", "m4a")


def test_submitting_an_attempt_again_returns_the_same_job(
    stand_in: TranscribeStandIn, transcribe: Transcribe, tmp_path: Path
) -> None:
    first, second = submitted(transcribe, tmp_path), submitted(transcribe, tmp_path)

    assert first == second
    assert len(stand_in.jobs) == 1


def test_another_attempt_is_another_job(
    stand_in: TranscribeStandIn, transcribe: Transcribe, tmp_path: Path
) -> None:
    first = submitted(transcribe, tmp_path)
    second = transcribe.submit(a_request(tmp_path), CALLBACK.replace("attempt=1", "attempt=2"))

    assert first != second
    assert set(stand_in.jobs) == {first, second}


@pytest.mark.parametrize(
    ("mime_type", "content", "seconds"),
    [
        ("audio/wav", None, 21),
        ("audio/mpeg", an_mp3(1000), 24),
        ("audio/mpeg", an_mp3(10), 15),
        ("audio/mpeg", an_mp3(40_000), 960),
        ("audio/mpeg", b"no sound", None),
        ("video/webm", b"whatever", None),
    ],
)
def test_seconds_are_charged_where_the_file_has_a_duration(
    transcribe: Transcribe, tmp_path: Path, mime_type: str, content: bytes | None, seconds: Any
) -> None:
    """Begun seconds, fifteen at least: as the service bills them."""
    request = a_request(tmp_path, mime_type)
    if content is not None:
        request.sources[0].path.write_bytes(content)

    transcribe.submit(request, CALLBACK)

    wanted = [] if seconds is None else [Charge(unit="second", quantity=seconds)]
    assert request.meter.charges == wanted
    assert request.meter.ref


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"kind": "clip"}, "UNSUPPORTED_KIND"),
        ({"mime_type": "video/quicktime"}, "UNSUPPORTED_KIND"),
        ({"params": {"sourceLang": "la"}}, "UNSUPPORTED_KIND"),
        ({"sources": ()}, "BAD_SOURCE"),
    ],
)
def test_unsupported_sound_is_not_submitted(
    stand_in: TranscribeStandIn, transcribe: Transcribe, tmp_path: Path, changes: Any, code: str
) -> None:
    with pytest.raises(PermanentProviderError) as caught:
        submitted(transcribe, tmp_path, **changes)

    assert caught.value.error_code == code
    assert stand_in.requests == []


@pytest.mark.parametrize(
    ("limit", "value"), [("SIZE_LIMIT_BYTES", 1000), ("DURATION_LIMIT_MS", 20_000)]
)
def test_a_request_over_the_limits_is_not_submitted(
    stand_in: TranscribeStandIn,
    transcribe: Transcribe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
    value: int,
) -> None:
    monkeypatch.setattr(module, limit, value)

    with pytest.raises(PermanentProviderError) as caught:
        submitted(transcribe, tmp_path)

    assert caught.value.error_code == "BAD_SOURCE"
    assert stand_in.requests == []


NO_RIGHT = (
    "The S3 URI that you provided can't be accessed. Make sure that you have read permission."
)
NO_FILE = "The URI that you provided doesn't point to an S3 object."
TOO_LONG = "Your input file is too long."
TOO_MANY = "You've either sent too many requests or your input file is too long."


@pytest.mark.parametrize(
    ("fault", "error", "code"),
    [
        (AwsError("BadRequestException", 400, NO_RIGHT), PermanentProviderError,
         "PROVIDER_NOT_CONFIGURED"),
        (AwsError("BadRequestException", 400, NO_FILE), PermanentProviderError, "BAD_SOURCE"),
        (AwsError("BadRequestException", 400, "no"), PermanentProviderError, "PROVIDER_REFUSED"),
        (AwsError("LimitExceededException", 400, TOO_LONG), PermanentProviderError, "BAD_SOURCE"),
        (AwsError("LimitExceededException", 400, TOO_MANY), TransientProviderError,
         "PROVIDER_UNAVAILABLE"),
    ],
    ids=lambda value: str(value)[:70],
)  # fmt: skip
def test_errors_of_the_service_s_own_map_to_one_error(
    stand_in: TranscribeStandIn,
    transcribe: Transcribe,
    tmp_path: Path,
    fault: Any,
    error: type[Exception],
    code: str,
) -> None:
    stand_in.faults.append(fault)

    with pytest.raises(ProviderError) as caught:
        submitted(transcribe, tmp_path)

    assert (type(caught.value), caught.value.error_code) == (error, code)
    assert len(stand_in.requests) == 1, "never sent twice"


# Finding again


def test_a_job_whose_response_was_lost_is_found_by_its_name(
    stand_in: TranscribeStandIn, transcribe: Transcribe, tmp_path: Path
) -> None:
    request = a_request(tmp_path)
    ref = transcribe.submit(request, CALLBACK)

    assert transcribe.find(CALLBACK, NOW) == ref
    assert transcribe.find(CALLBACK + "0", NOW) is None


def test_a_job_that_was_never_accepted_is_not_found(
    stand_in: TranscribeStandIn, transcribe: Transcribe, tmp_path: Path
) -> None:
    stand_in.faults.append(Raw(504, b""))
    with pytest.raises(ResponseLost):
        submitted(transcribe, tmp_path)

    assert transcribe.find(CALLBACK, NOW) is None


@pytest.mark.parametrize(
    "fault", [AwsError("ThrottlingException"), AwsError("AccessDeniedException"), Raw(200, b"{}")]
)
def test_a_search_that_failed_says_nothing(
    stand_in: TranscribeStandIn, transcribe: Transcribe, tmp_path: Path, fault: Any
) -> None:
    submitted(transcribe, tmp_path)
    stand_in.faults.append(fault)

    with pytest.raises(ResponseLost):
        transcribe.find(CALLBACK, NOW)


# Its end


def test_a_job_is_polled_until_it_ends(
    stand_in: TranscribeStandIn, transcribe: Transcribe, tmp_path: Path
) -> None:
    ref = submitted(transcribe, tmp_path)

    queued = transcribe.poll(ref)
    stand_in.begin(ref)
    begun = transcribe.poll(ref)
    stand_in.finish(ref, a_document(word(0, 0.5, "Hello"), mark(".")))

    assert (queued, begun) == (None, None)
    assert fetched(transcribe, ref, tmp_path).segments[0].text == "Hello."


@pytest.mark.parametrize(
    ("reason", "code", "error"),
    [
        ("Unsupported media format.", "BAD_SOURCE", PermanentProviderError),
        ("The media format provided does not match the detected media format.", "BAD_SOURCE",
         PermanentProviderError),
        ("Invalid sample rate for audio file.", "BAD_SOURCE", PermanentProviderError),
        ("Invalid file size: file size too large.", "BAD_SOURCE", PermanentProviderError),
        ("Invalid number of channels: number of channels too large.", "BAD_SOURCE",
         PermanentProviderError),
        ("The data in your input media file isn't valid.", "BAD_SOURCE", PermanentProviderError),
        (NO_RIGHT, "PROVIDER_NOT_CONFIGURED", PermanentProviderError),
        ("Internal error.", "PROVIDER_FAILED", TransientProviderError),
        ("", "PROVIDER_FAILED", TransientProviderError),
    ],
)  # fmt: skip
def test_each_failure_maps_to_one_error(
    stand_in: TranscribeStandIn,
    transcribe: Transcribe,
    tmp_path: Path,
    reason: str,
    code: str,
    error: type[Exception],
) -> None:
    ref = submitted(transcribe, tmp_path)
    stand_in.fail(ref, reason)

    with pytest.raises(ProviderError) as caught:
        transcribe.poll(ref)

    assert (caught.value.error_code, type(caught.value)) == (code, error)


def test_a_deleted_job_has_no_result(
    stand_in: TranscribeStandIn, transcribe: Transcribe, tmp_path: Path
) -> None:
    ref = submitted(transcribe, tmp_path)
    stand_in.forget(ref)

    with pytest.raises(TransientProviderError) as caught:
        transcribe.poll(ref)

    assert caught.value.error_code == "RESULT_EXPIRED"


def test_a_job_is_deleted_unless_it_is_in_progress(
    stand_in: TranscribeStandIn, transcribe: Transcribe, tmp_path: Path
) -> None:
    ref = submitted(transcribe, tmp_path)
    stand_in.begin(ref)
    transcribe.cancel(ref)
    assert ref in stand_in.jobs

    stand_in.fail(ref, "x")
    transcribe.cancel(ref)
    transcribe.cancel(ref)

    assert stand_in.jobs == {}


def test_a_name_that_is_not_ours_is_never_sent(
    stand_in: TranscribeStandIn, transcribe: Transcribe
) -> None:
    for call in (transcribe.poll, transcribe.cancel):
        with pytest.raises(ValueError, match="name"):
            call("job-of-another-system")
    assert stand_in.requests == []


def test_every_callback_is_refused(transcribe: Transcribe) -> None:
    with pytest.raises(Unauthorized):
        transcribe.read_callback(b"{}", {}, NOW)


@pytest.mark.parametrize(
    ("region", "url"),
    [
        ("us-east-1", "https://s3.us-east-1.amazonaws.com/aws-transcribe-us-east-1-prod/1/a.json"),
        ("us-east-1", "https://s3.amazonaws.com/aws-transcribe-us-east-1-prod/1/a.json"),
        ("eu-west-1", "https://aws-transcribe-eu-west-1-prod.s3.eu-west-1.amazonaws.com/1/a.json"),
        ("cn-north-1", "https://s3.cn-north-1.amazonaws.com.cn/aws-transcribe/1/a.json"),
    ],
)
def test_results_are_fetched_from_the_region_s_own_s3(region: str, url: str) -> None:
    Fetcher().check(url, hosts_of(region))

    assert all(not host.startswith("*") for host in hosts_of(region))


# Results


def test_segments_end_with_sentences_pauses_and_speakers(
    stand_in: TranscribeStandIn, transcribe: Transcribe, tmp_path: Path
) -> None:
    ref = submitted(transcribe, tmp_path)
    items = [
        word(4.87, 5.02, "I've", "spk_0"), word(5.02, 5.64, "waited", "spk_0"), mark("."),
        word(5.70, 6.00, "Long", "spk_0"), mark(","), word(6.10, 6.50, "really", "spk_0"),
        word(7.30, 7.60, "long", "spk_0"),
        word(7.70, 8.00, "Sorry", "spk_1"), mark("!"),
    ]  # fmt: skip
    stand_in.finish(ref, a_document(*items))

    transcript = fetched(transcribe, ref, tmp_path)

    assert (transcript.language, transcript.duration_ms) == ("en", 0)
    found = [(s.start_ms, s.end_ms, s.text, s.speaker) for s in transcript.segments]
    assert found == [
        (4870, 5640, "I've waited.", "Speaker 1"),
        (5700, 6500, "Long, really", "Speaker 1"),
        (7300, 7600, "long", "Speaker 1"),
        (7700, 8000, "Sorry!", "Speaker 2"),
    ]
    first = transcript.segments[0].words
    assert [(w.start_ms, w.end_ms, w.text) for w in first] == [
        (4870, 5020, "I've"), (5020, 5640, "waited.")]  # fmt: skip


def test_speakers_of_older_files_are_found_by_time(
    stand_in: TranscribeStandIn, transcribe: Transcribe, tmp_path: Path
) -> None:
    ref = submitted(transcribe, tmp_path)
    spoken = [("4.87", "spk_0"), ("5.02", "spk_1")]
    labels = [
        {"speaker_label": who, "items": [{"start_time": at, "speaker_label": who}]}
        for at, who in spoken
    ]
    items = [word(4.87, 5.02, "One"), word(5.02, 5.64, "two")]
    stand_in.finish(ref, a_document(*items, speaker_labels={"speakers": 2, "segments": labels}))

    transcript = fetched(transcribe, ref, tmp_path)

    assert [(s.text, s.speaker) for s in transcript.segments] == [
        ("One", "Speaker 1"), ("two", "Speaker 2")]  # fmt: skip


def test_opening_marks_belong_to_the_next_word(
    stand_in: TranscribeStandIn, transcribe: Transcribe, tmp_path: Path
) -> None:
    ref = submitted(transcribe, tmp_path)
    items = [mark("."), mark("¿"), word(0, 1, "Qué"), mark("?"), word(1, 2, "")]
    stand_in.finish(ref, a_document(*items), language="es-US")

    transcript = fetched(transcribe, ref, tmp_path)

    assert [s.text for s in transcript.segments] == ["¿Qué?"]


def test_japanese_is_written_without_spaces(
    stand_in: TranscribeStandIn, transcribe: Transcribe, tmp_path: Path
) -> None:
    ref = submitted(transcribe, tmp_path)
    items = [word(0, 0.4, "今日"), word(0.4, 0.6, "は"), mark("、"), word(0.7, 1, "雨"), mark("。")]
    stand_in.finish(ref, a_document(*items), language="ja-JP")

    [segment] = fetched(transcribe, ref, tmp_path).segments

    assert segment.text == "今日は、雨。"
    assert len(segment.words) == 3


def test_speech_without_punctuation_is_split_too(
    stand_in: TranscribeStandIn, transcribe: Transcribe, tmp_path: Path
) -> None:
    ref = submitted(transcribe, tmp_path)
    stand_in.finish(ref, a_document(*(word(n / 4, n / 4 + 0.2, "la") for n in range(300))))

    transcript = fetched(transcribe, ref, tmp_path)

    assert [len(s.words) for s in transcript.segments] == [120, 120, 60]


def test_silence_has_no_segments(
    stand_in: TranscribeStandIn, transcribe: Transcribe, tmp_path: Path
) -> None:
    ref = submitted(transcribe, tmp_path)
    stand_in.finish(ref, a_document())

    assert fetched(transcribe, ref, tmp_path).segments == ()


@pytest.mark.parametrize(
    "document",
    [
        "nothing",
        [],
        {"results": {}},
        {"results": {"items": {"a": 1}}},
        {"results": {"items": [{"type": "pronunciation"}]}},
        a_document({**word(0, 1, "x"), "start_time": "NaN"}),
        a_document({**word(0, 1, "x"), "start_time": "-4"}),
        a_document({**word(0, 1, "x"), "end_time": "1e300"}),
        a_document({**word(0, 1, "x"), "end_time": 10**400}),
        a_document({**word(0, 1, "x"), "start_time": None}),
        a_document({**word(0, 1, "x"), "start_time": []}),
        a_document({**word(0, 1, "x"), "speaker_label": 7}),
        a_document({**word(0, 1, "x"), "alternatives": [{}]}),
        a_document({**word(0, 1, "x"), "alternatives": 7}),
        a_document(word(0, 1, "x"), speaker_labels=[]),
        a_document(*[7] * 100),
    ],
    ids=lambda value: str(value)[:60],
)
def test_an_invalid_transcript_is_a_bad_result(
    stand_in: TranscribeStandIn, transcribe: Transcribe, tmp_path: Path, document: Any
) -> None:
    ref = submitted(transcribe, tmp_path)
    stand_in.finish(ref, document)

    with pytest.raises(PermanentProviderError) as caught:
        fetched(transcribe, ref, tmp_path)

    assert caught.value.error_code == "BAD_RESULT"
