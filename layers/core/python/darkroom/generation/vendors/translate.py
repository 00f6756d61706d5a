"""Amazon Translate: a transcript in another language, segment by segment.

Sources: https://docs.aws.amazon.com/translate/latest/APIReference/API_TranslateText.html (call,
10 000 bytes, errors), https://docs.aws.amazon.com/translate/latest/dg/what-is-languages.html
(codes; the same language costs nothing), https://aws.amazon.com/translate/pricing/ (characters of
the source are billed, spaces included).

Each segment is a call of its own: a marker between several may be translated, moved or lost, and
then a line would stand under another speaker. Equal texts are sent once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count
from threading import Lock
from typing import Any, Final

from darkroom.generation.captions.characters import clean_text
from darkroom.generation.captions.transcript import (
    MAX_BYTES,
    MAX_TEXT_CHARACTERS,
    Segment,
    Transcript,
    TranscriptRejected,
    read_transcript,
    write_transcript,
)
from darkroom.generation.documents import document_artifact
from darkroom.generation.ports import (
    Artifact,
    GenerationRequest,
    ProviderError,
    TransientProviderError,
)
from darkroom.generation.text_chunks import chunks_of
from darkroom.generation.vendor_errors import bad_result, bad_source, later, refused, unsupported
from darkroom.generation.vendors.aws import Client, ref_of, require_field, translate_errors

DEFAULT_MODELS: Final[Mapping[str, str]] = {}
"""There is one model, and it has no name."""
CALL_LIMIT_BYTES: Final = 10_000
CALLS_AT_ONCE: Final = 8
PAUSES_SECONDS: Final = (0.5, 1.0, 2.0, 4.0)
"""Before a call that was throttled is made again."""
_AUTO: Final = "auto"
_THROTTLED: Final = "throttled"
_CODES: Final = """
af am ar az bg bn bs ca cs cy da de el en es et fa fi fr ga gu ha he hi hr ht hu hy id is it ja ka
kk kn ko lt lv mk ml mn mr ms mt nl no pa pl ps pt ro ru si sk sl so sq sr sv sw ta te th tl tr uk
ur uz vi zh
"""
_LANGUAGES: Final = frozenset(_CODES.split())
_BY_TAG: Final = {
    "zh-tw": "zh-TW", "zh-hk": "zh-TW", "zh-mo": "zh-TW", "zh-hant": "zh-TW", "fr-ca": "fr-CA",
    "pt-pt": "pt-PT", "es-mx": "es-MX", "fa-af": "fa-AF",
}  # fmt: skip
_BY_LANGUAGE: Final = {"nb": "no", "nn": "no", "fil": "tl", "iw": "he", "in": "id"}


def _throttled(_message: str) -> TransientProviderError:
    return TransientProviderError("throttled", reason=_THROTTLED)


_MEANINGS: Final = {
    "UnsupportedLanguagePairException": unsupported,
    "DetectedLanguageLowConfidenceException": unsupported,
    "TextSizeLimitExceededException": refused,
    "TooManyRequestsException": _throttled,
    "ThrottlingException": _throttled,
}


class Translate:
    """The service behind a boto3 client of ``translate``."""

    name = "translate"

    def __init__(
        self,
        client: Client,
        *,
        models: Mapping[str, str] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._models = dict(DEFAULT_MODELS) | dict(models or {})
        self._sleep = sleep

    def model_of(self, kind: str) -> str:
        return self._models.get(kind, "")

    def generate(self, request: GenerationRequest) -> list[Artifact]:
        """The transcript in ``targetLang``: same times and speakers, no words.

        Segments translated before a failed call are charged too.
        """
        if request.kind != "translate":
            raise unsupported(f"no {request.kind} here")
        transcript = _source_of(request)
        target = str(request.params.get("targetLang", ""))
        pair = _source_code(transcript, request.params), _code_of(target)
        if pair[0] == pair[1]:
            texts = {segment.text: segment.text for segment in transcript.segments}
        else:
            wanted = dict.fromkeys(s.text for s in transcript.segments if s.text.strip())
            texts = self._translate_all(request, list(wanted), pair)
        translated = _translated(transcript, texts, target)
        return [document_artifact(request, translated, write_transcript(translated))]

    def _translate_all(
        self, request: GenerationRequest, texts: Sequence[str], pair: tuple[str, str]
    ) -> dict[str, str]:
        run = _Run(self._client, pair, self._sleep)
        try:
            with ThreadPoolExecutor(CALLS_AT_ONCE, thread_name_prefix="translate") as pool:
                return dict(zip(texts, pool.map(run.translate, texts), strict=True))
        finally:
            if run.characters:
                request.meter.charge("character", run.characters)
            request.meter.ref = run.ref


class _Run:
    """The calls for one transcript, from several threads; after the first that fails, no more."""

    def __init__(
        self, client: Client, pair: tuple[str, str], sleep: Callable[[float], None]
    ) -> None:
        # Made here: a boto3 client may be used by several threads, but not made by them.
        with translate_errors():
            self._client = client()
        self._source, self._target = pair
        self._sleep = sleep
        self._lock = Lock()
        self._failure: ProviderError | None = None
        self.characters = 0
        self.ref: str | None = None

    def translate(self, text: str) -> str:
        if self._failure is not None:
            raise self._failure
        try:
            return "".join(map(self._call_retrying, chunks_of(text, CALL_LIMIT_BYTES, _bytes_of)))
        except ProviderError as error:
            self._failure = self._failure or error
            raise

    def _call_retrying(self, text: str) -> str:
        """One call; again after a pause while it is throttled, which is before it is charged."""
        if not text.strip():
            return text
        for turn in count():
            try:
                return self._call(text)
            except TransientProviderError as error:
                is_throttled = error.facts.get("reason") == _THROTTLED
                if not is_throttled:
                    raise
                if turn == len(PAUSES_SECONDS):
                    raise later("throttled") from error
                self._sleep(PAUSES_SECONDS[turn])
        raise AssertionError("counting ends nowhere")

    def _call(self, text: str) -> str:
        with translate_errors(_MEANINGS):
            response = self._client.translate_text(
                Text=text, SourceLanguageCode=self._source, TargetLanguageCode=self._target
            )
        with self._lock:
            self.characters += len(text)
            self.ref = ref_of(response) or self.ref
        # The spaces at the ends of a chunk join it to its neighbors.
        return _edged(text, require_field(response, "TranslatedText").strip())


def _edged(text: str, translated: str) -> str:
    head = text[: len(text) - len(text.lstrip())]
    return head + translated + text[len(text.rstrip()) :]


def _bytes_of(text: str) -> int:
    return len(text.encode("utf-8", errors="replace"))


def _source_of(request: GenerationRequest) -> Transcript:
    sources = [s for s in request.sources if s.mime_type == "application/json"]
    if not sources:
        raise bad_source("there is nothing to translate")
    try:
        with sources[0].path.open("rb") as file:
            transcript = read_transcript(file.read(MAX_BYTES + 1))
    except (OSError, TranscriptRejected) as error:
        raise bad_source("the transcript cannot be read") from error
    # A service may refuse control characters, and charges for spaces.
    segments = (replace(s, text=clean_text(s.text)) for s in transcript.segments)
    return replace(transcript, segments=tuple(segments))


def _source_code(transcript: Transcript, params: Mapping[str, Any]) -> str:
    """The detected language takes precedence over the requested one."""
    requested = str(params.get("sourceLang") or _AUTO)
    for tag in (transcript.language, requested):
        if tag and tag not in (_AUTO, "und"):
            return _code_of(tag)
    return _AUTO


def _code_of(tag: str) -> str:
    """The service's code for an IETF language tag.

    Raises:
        PermanentProviderError: UNSUPPORTED_KIND.
    """
    known = tag.lower().replace("_", "-")
    language = known.partition("-")[0]
    language = _BY_LANGUAGE.get(language, language)
    code = _BY_TAG.get(known) or (language if language in _LANGUAGES else None)
    if code is None:
        raise unsupported(f"no translation of {tag}")
    return code


def _translated(transcript: Transcript, texts: Mapping[str, str], target: str) -> Transcript:
    return Transcript(
        language=target,
        duration_ms=transcript.duration_ms,
        segments=tuple(_segments(transcript.segments, texts)),
    )


def _segments(segments: Iterable[Segment], texts: Mapping[str, str]) -> Iterable[Segment]:
    for segment in segments:
        text = clean_text(texts.get(segment.text, segment.text))
        if len(text) > MAX_TEXT_CHARACTERS:
            raise bad_result("a translation is too long")
        yield replace(segment, text=text, words=())
