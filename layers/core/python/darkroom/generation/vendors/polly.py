"""Amazon Polly: a text spoken by a neural voice, as MP3.

Sources: https://docs.aws.amazon.com/polly/latest/dg/API_SynthesizeSpeech.html (call, errors),
https://docs.aws.amazon.com/polly/latest/dg/limits.html (3 000 billed of 6 000 characters a call,
10 minutes of sound, anything longer is cut off; tags are not billed),
https://docs.aws.amazon.com/polly/latest/dg/supportedtags.html,
https://docs.aws.amazon.com/polly/latest/dg/voice-speed-change-vip.html (20 to 200 %),
https://docs.aws.amazon.com/polly/latest/dg/available-voices.html (from memory: which voice has
which engine).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from xml.sax.saxutils import escape

from darkroom.generation.ports import Artifact, GenerationRequest
from darkroom.generation.speech_text import speech_text_of
from darkroom.generation.text_chunks import chunks_of
from darkroom.generation.vendor_errors import bad_result, not_configured, refused, unsupported
from darkroom.generation.vendors.aws import Client, read_stream, ref_of, translate_errors
from darkroom.media.mp3 import NoMp3, join_mp3, mp3_duration_ms

DEFAULT_MODELS: Final = {"speech": "neural"}
"""A model is an engine of Polly's."""
CALL_LIMIT_CHARS: Final = 3000
CALLS_LIMIT: Final = 60
SLOWEST_PERCENT, FASTEST_PERCENT = 50, 200
RATE_PERCENT: Final = 100
# At an even pace 3 000 characters of English take about four minutes, of Korean, with a syllable to
# a character, up to ten: at which the sound would be cut off.
_CALL_SHARE: Final = {"en": 1.0, "ko": 0.5}
# The first voice of a language is the default.
_VOICES: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "neural": {
        "en": ("Joanna", "Matthew", "Danielle", "Gregory", "Kendra", "Kimberly", "Salli", "Joey",
               "Ruth", "Stephen", "Amy", "Emma", "Brian", "Arthur", "Olivia", "Kajal", "Niamh",
               "Aria", "Ayanda"),
        "ko": ("Seoyeon", "Jihye"),
    },
    "standard": {
        "en": ("Joanna", "Matthew", "Kendra", "Kimberly", "Salli", "Joey", "Amy", "Emma", "Brian",
               "Nicole", "Russell", "Raveena"),
        "ko": ("Seoyeon",),
    },
}  # fmt: skip
_LANGUAGE_CODES: Final = {"ko": "ko-KR"}
"""Only for voices with more than one."""
_PARAGRAPH: Final = re.compile(r"\s*\n\s*\n\s*")
_PAUSE: Final = '<break strength="x-strong"/>'
_NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MEANINGS: Final = {
    "EngineNotSupportedException": not_configured,
    "LanguageNotSupportedException": unsupported,
    "InvalidSsmlException": refused,
    "TextLengthExceededException": refused,
}


class Polly:
    """The service behind a boto3 client of ``polly``. ``models`` may name the engine."""

    name = "polly"

    def __init__(self, client: Client, *, models: Mapping[str, str] | None = None) -> None:
        self._client = client
        self._models = DEFAULT_MODELS | dict(models or {})

    def model_of(self, kind: str) -> str:
        return self._models.get(kind, "")

    def generate(self, request: GenerationRequest) -> list[Artifact]:
        """One MP3, synthesized in as many calls as the text needs."""
        if request.kind != "speech":
            raise unsupported(f"no {request.kind} here")
        voice = self._voice(request)
        text, rate = speech_text_of(request), _rate(request.params)
        parts = [self._speak(request, chunk, voice, rate) for chunk in _chunks(text, request, rate)]
        path = request.workdir / f"{request.key}.mp3"
        try:
            content = join_mp3(parts)
            duration_ms = mp3_duration_ms(content)
        except NoMp3 as error:
            raise bad_result("the result is no MP3") from error
        path.write_bytes(content)
        return [
            Artifact(
                type="audio",
                mime_type="audio/mpeg",
                path=path,
                duration_ms=duration_ms,
                extra={"language": request.language},
            )
        ]

    def _voice(self, request: GenerationRequest) -> str:
        engine = self.model_of("speech")
        if engine not in _VOICES:
            raise not_configured(f"no engine {engine}")
        voices = _VOICES[engine].get(request.language, ())
        wanted = request.params.get("voiceId") or next(iter(voices), "")
        if wanted not in voices:
            raise unsupported(f"no such voice in {request.language}")
        return wanted

    def _speak(self, request: GenerationRequest, text: str, voice: str, rate: int) -> bytes:
        arguments = {
            "Engine": self.model_of("speech"),
            "VoiceId": voice,
            "OutputFormat": "mp3",
            "TextType": "ssml",
            "Text": f'<speak><prosody rate="{rate}%">{_markup(text)}</prosody></speak>',
        }
        if request.language in _LANGUAGE_CODES:
            arguments["LanguageCode"] = _LANGUAGE_CODES[request.language]
        with translate_errors(_MEANINGS):
            response = self._client().synthesize_speech(**arguments)
            request.meter.ref = ref_of(response)
            # Polly bills each synthesis, even if the response is lost.
            request.meter.charge("character", response.get("RequestCharacters") or len(text))
            return read_stream(response["AudioStream"])


def _chunks(text: str, request: GenerationRequest, rate: int) -> Iterator[str]:
    share = _CALL_SHARE[request.language] * min(1.0, rate / 100)
    chunks = chunks_of(_NOT_XML.sub("", text), int(CALL_LIMIT_CHARS * share), _size)
    if len(chunks) > CALLS_LIMIT:
        raise refused("the text is too long")
    return filter(None, map(str.strip, chunks))


def _size(text: str) -> int:
    """In units of UTF-16, with the markup: an upper bound of what Polly counts."""
    return len(_markup(text).encode("utf-16-le")) // 2


def _markup(text: str) -> str:
    return _PARAGRAPH.sub(_PAUSE, escape(text))


def _rate(params: Mapping[str, Any]) -> int:
    rate: int = params.get("rate", RATE_PERCENT)
    is_number = isinstance(rate, int) and not isinstance(rate, bool)
    if not (is_number and SLOWEST_PERCENT <= rate <= FASTEST_PERCENT):
        raise refused("no such rate")
    return rate
