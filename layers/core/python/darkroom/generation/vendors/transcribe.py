"""Amazon Transcribe: what is said in a media file of our bucket, as a transcript.

Sources: https://docs.aws.amazon.com/transcribe/latest/APIReference/API_StartTranscriptionJob.html
(call, names of jobs, formats), …/API_GetTranscriptionJob.html, …/API_TranscriptionJob.html (reasons
of failure), …/API_Transcript.html (results lie in a bucket of the service's for 15 minutes at a
time), …/API_DeleteTranscriptionJob.html, https://docs.aws.amazon.com/transcribe/latest/dg/
limits-guidelines.html (2 GB, 4 hours), …/dg/how-input.html (formats), …/dg/diarization-output-
batch.html (the JSON), …/dg/lang-id.html, https://aws.amazon.com/transcribe/pricing/ (by the second,
15 at least). From memory: the sentences of BadRequestException and of some failures, the hosts of
the service's buckets, and that its JSON may come with a generic content type.

A job's name is ours and unique in the account, so starting one twice is refused, and one whose
response was lost is found by its name. The service sends no callbacks.
"""

from __future__ import annotations

import hashlib
import re
import wave
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from darkroom.generation.ports import (
    Finished,
    GenerationRequest,
    ProviderError,
    ResponseLost,
    ResultFile,
    SourceFile,
)
from darkroom.generation.vendor_errors import (
    bad_source,
    failed,
    later,
    not_configured,
    refused,
    result_expired,
    unsupported,
)
from darkroom.generation.vendors.aws import Client, ref_of, require_field, translate_errors
from darkroom.generation.vendors.transcribe_json import convert
from darkroom.kernel.errors import Unauthorized
from darkroom.media.media_size import read_size
from darkroom.media.mp3 import NoMp3, mp3_duration_ms

DEFAULT_MODELS: Final[Mapping[str, str]] = {}
"""There is one model, and it has no name."""
SIZE_LIMIT_BYTES: Final = 2 * 1024**3
DURATION_LIMIT_MS: Final = 4 * 3_600_000
LEAST_BILLED_SECONDS: Final = 15
SPEAKERS_LIMIT: Final = 10
FETCHED_MIME_TYPES: Final = (
    "application/json",
    "application/octet-stream",
    "binary/octet-stream",
)
_AUTO: Final = "auto"
_HEAD_BYTES: Final = 4 * 1024 * 1024
"""Of an MP3, by which the rest is judged: its frames have a length, the file header has none."""
_REF: Final = re.compile(r"darkroom-[0-9a-f]{40}")
_FORMATS: Final = {
    "audio/mpeg": "mp3", "audio/mp3": "mp3", "audio/mp4": "m4a", "audio/x-m4a": "m4a",
    "audio/m4a": "m4a", "audio/wav": "wav", "audio/x-wav": "wav", "audio/wave": "wav",
    "audio/flac": "flac", "audio/ogg": "ogg", "audio/webm": "webm", "video/webm": "webm",
    "video/mp4": "mp4",
}  # fmt: skip
# One variant per language: the most common one.
_CODES: Final = {
    "en": "en-US", "ko": "ko-KR", "ja": "ja-JP", "zh": "zh-CN", "zh-TW": "zh-TW", "es": "es-ES",
    "fr": "fr-FR", "de": "de-DE", "it": "it-IT", "pt": "pt-BR", "nl": "nl-NL", "sv": "sv-SE",
    "da": "da-DK", "no": "no-NO", "fi": "fi-FI", "pl": "pl-PL", "cs": "cs-CZ", "ro": "ro-RO",
    "uk": "uk-UA", "ru": "ru-RU", "tr": "tr-TR", "ar": "ar-SA", "he": "he-IL", "hi": "hi-IN",
    "id": "id-ID", "ms": "ms-MY", "th": "th-TH", "vi": "vi-VN",
}  # fmt: skip
_TRADITIONAL: Final = frozenset({"zh-TW", "zh-HK"})
# The service's errors are sentences.
_UNKNOWN_JOB: Final = re.compile(r"couldn.t be found|not found|doesn.t exist", re.IGNORECASE)
_NOT_ALLOWED: Final = re.compile(
    r"permission|can.t be accessed|access.?denied|isn.t authorized", re.IGNORECASE
)
_NO_OBJECT: Final = re.compile(r"point to an S3 object|object exists|NoSuchKey", re.IGNORECASE)
_TOO_MANY: Final = re.compile(r"too many|rate|concurren", re.IGNORECASE)
_TOO_MUCH: Final = re.compile(r"too long|too large|duration", re.IGNORECASE)
_UNFIT_MEDIA: Final = re.compile(
    r"media format|sample rate|file size|number of channels|isn.t valid|audio track|"
    r"unsupported|speech segment|duration|too short|too long",
    re.IGNORECASE,
)


def _bad_request(message: str) -> ProviderError:
    if _NO_OBJECT.search(message):
        return bad_source("The media file is gone.")
    return not_configured(message) if _NOT_ALLOWED.search(message) else refused(message)


def _limit_exceeded(message: str) -> ProviderError:
    """Too many requests and too long a file have one code, and sometimes one sentence."""
    if _TOO_MUCH.search(message) and not _TOO_MANY.search(message):
        return bad_source("The media file is too long.")
    return later("too many requests")


_MEANINGS: Final = {
    "BadRequestException": _bad_request,
    "LimitExceededException": _limit_exceeded,
}


class Transcribe:
    """The service behind a boto3 client of ``transcribe`` in ``region``."""

    name = "transcribe"

    def __init__(
        self,
        client: Client,
        *,
        region: str,
        models: Mapping[str, str] | None = None,
        result_hosts: frozenset[str] | None = None,
    ) -> None:
        self._client = client
        self._models = dict(DEFAULT_MODELS) | dict(models or {})
        self.result_hosts = result_hosts or hosts_of(region)

    def model_of(self, kind: str) -> str:
        return self._models.get(kind, "")

    def submit(self, request: GenerationRequest, callback_url: str) -> str:
        if request.kind != "transcribe":
            raise unsupported(f"no {request.kind} here")
        source = _media_of(request)
        name = _name_of(callback_url)
        arguments = {
            "TranscriptionJobName": name,
            "Media": {"MediaFileUri": source.storage_uri},
            "MediaFormat": _format_of(source),
            **_language_of(request.params),
            **_speakers_of(request.params),
        }
        duration_ms = _checked_duration_ms(source)
        with translate_errors(_MEANINGS):
            client = self._client()
            try:
                response = client.start_transcription_job(**arguments)
            except client.exceptions.ConflictException:
                # The name belongs to this attempt alone: an earlier call was accepted and charged.
                return name
            require_field(response, "TranscriptionJob")
        request.meter.ref = ref_of(response)
        if duration_ms is not None:
            seconds = -(-duration_ms // 1000)
            request.meter.charge("second", max(LEAST_BILLED_SECONDS, seconds))
        return name

    def poll(self, ref: str) -> Finished | None:
        job = self._find(_checked(ref))
        if job is None:
            raise result_expired("the job is unknown there")
        status = job.get("TranscriptionJobStatus")
        if status in ("QUEUED", "IN_PROGRESS"):
            return None
        if status == "FAILED":
            raise _failure(str(job.get("FailureReason", "")))
        url = job.get("Transcript", {}).get("TranscriptFileUri")
        if status != "COMPLETED" or not url:
            raise ResponseLost("of an unknown status")
        language = _language_tag(str(job.get("LanguageCode", "")))
        file = ResultFile(
            url=url,
            type="json",
            mime_type="application/json",
            suffix=".json",
            convert=partial(_converted, language=language),
            fetched_mime_types=FETCHED_MIME_TYPES,
        )
        return Finished(files=(file,))

    def find(self, callback_url: str, since: datetime) -> str | None:
        """By its name alone: it is unique to the attempt, so ``since`` adds nothing."""
        name = _name_of(callback_url)
        return name if self._find(name) is not None else None

    def cancel(self, ref: str) -> None:
        """Only a job that has ended can be deleted; one under way goes on, and costs."""
        with _polling():
            client = self._client()
            try:
                client.delete_transcription_job(TranscriptionJobName=_checked(ref))
            except client.exceptions.BadRequestException:
                return

    def read_callback(self, body: bytes, headers: Mapping[str, str], now: datetime) -> str:
        raise Unauthorized("Transcribe sends no callbacks", code="BAD_SIGNATURE")

    def _find(self, name: str) -> Mapping[str, Any] | None:
        with _polling():
            client = self._client()
            try:
                response = client.get_transcription_job(TranscriptionJobName=name)
                job: Mapping[str, Any] = require_field(response, "TranscriptionJob")
                return job
            except client.exceptions.NotFoundException:
                return None
            except client.exceptions.BadRequestException as error:
                # The real service's response for an unknown job.
                if _UNKNOWN_JOB.search(str(error)):
                    return None
                raise


@contextmanager
def _polling() -> Iterator[None]:
    """A failed poll proves nothing about the run: poll again later."""
    try:
        with translate_errors():
            yield
    except ResponseLost:
        raise
    except ProviderError as error:
        raise ResponseLost(error.detail) from error


def hosts_of(region: str) -> frozenset[str]:
    """Where S3 of a region serves the bucket that results lie in."""
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    regional = {
        f"s3.{region}.{domain}",
        f"aws-transcribe-{region}-prod.s3.{region}.{domain}",
    }
    return frozenset(regional | ({"s3.amazonaws.com"} if region == "us-east-1" else set()))


def _converted(path: Path, *, language: str) -> Path:
    made = path.with_name(f"{path.stem}.transcript.json")
    convert(path, made, language=language)
    return made


def _name_of(callback_url: str) -> str:
    """The job's name: the callback address contains job, key, attempt and a secret."""
    return f"darkroom-{hashlib.sha256(callback_url.encode()).hexdigest()[:40]}"


def _checked(ref: str) -> str:
    if not _REF.fullmatch(ref):
        raise ValueError(f"not a name of ours: {ref!r}")
    return ref


def _media_of(request: GenerationRequest) -> SourceFile:
    for source in request.sources:
        if source.key.startswith("media_"):
            if not source.storage_uri.startswith("s3://"):
                raise not_configured("the media file is not in a bucket")
            return source
    raise bad_source("no media file")


def _format_of(source: SourceFile) -> str:
    found = _FORMATS.get(source.mime_type)
    if found is None:
        raise unsupported(f"no transcription of {source.mime_type}")
    return found


def _language_of(params: Mapping[str, Any]) -> dict[str, Any]:
    language = params.get("sourceLang", _AUTO)
    if language == _AUTO:
        return {"IdentifyLanguage": True}
    if language not in _CODES:
        raise unsupported(f"no transcription of {language}")
    return {"LanguageCode": _CODES[language]}


def _speakers_of(params: Mapping[str, Any]) -> dict[str, Any]:
    if not params.get("diarization"):
        return {}
    return {"Settings": {"ShowSpeakerLabels": True, "MaxSpeakerLabels": SPEAKERS_LIMIT}}


def _language_tag(code: str) -> str:
    return "zh-TW" if code in _TRADITIONAL else code.partition("-")[0]


def _checked_duration_ms(source: SourceFile) -> int | None:
    """The file's duration, where the headers contain it; of an MP3, an estimate.

    Raises:
        PermanentProviderError: BAD_SOURCE; more than the service takes.
    """
    if not source.path.is_file():
        return None
    if source.path.stat().st_size > SIZE_LIMIT_BYTES:
        raise bad_source("The media file is too large.")
    duration_ms = _duration_ms(source)
    is_exact = _FORMATS[source.mime_type] != "mp3"
    if is_exact and duration_ms is not None and duration_ms > DURATION_LIMIT_MS:
        raise bad_source("The media file is too long.")
    return duration_ms


def _duration_ms(source: SourceFile) -> int | None:
    kind = _FORMATS[source.mime_type]
    try:
        if kind == "wav":
            with wave.open(str(source.path), "rb") as file:
                return round(1000 * file.getnframes() / max(1, file.getframerate()))
        if kind == "mp3":
            return _mp3_duration_ms(source.path)
    except (NoMp3, wave.Error, EOFError):
        return None
    return read_size(source.path, source.mime_type).duration_ms


def _mp3_duration_ms(path: Path) -> int:
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    return round(mp3_duration_ms(head) * path.stat().st_size / len(head))


def _failure(reason: str) -> ProviderError:
    if _NO_OBJECT.search(reason):
        return bad_source("The media file is gone.")
    if _NOT_ALLOWED.search(reason):
        return not_configured(reason)
    if _UNFIT_MEDIA.search(reason):
        return bad_source("The media file cannot be transcribed.")
    return failed("The transcription failed.")
