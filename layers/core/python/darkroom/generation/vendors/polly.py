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
from darkroom.generation.speech_text import text_to_say
from darkroom.generation.text_chunks import pieces_of
from darkroom.generation.vendors.aws import (
    Client,
    bad_result,
    not_configured,
    ref_of,
    refused,
    understood,
    unsupported,
)
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
# The first of a language speaks unless another is asked for.
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
        """One MP3, spoken in as many calls as the text needs."""
        if request.kind != "speech":
            raise unsupported(f"no {request.kind} here")
        voice = self._voice(request)
        text, rate = text_to_say(request), _rate(request.params)
        parts = [self._speak(request, piece, voice, rate) for piece in _pieces(text, request, rate)]
        path = request.workdir / f"{request.key}.mp3"
        try:
            content = join_mp3(parts)
            duration_ms = mp3_duration_ms(content)
        except NoMp3 as error:
            raise bad_result("what was spoken is no sound") from error
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
        asked = {
            "Engine": self.model_of("speech"),
            "VoiceId": voice,
            "OutputFormat": "mp3",
            "TextType": "ssml",
            "Text": f'<speak><prosody rate="{rate}%">{_markup(text)}</prosody></speak>',
        }
        if request.language in _LANGUAGE_CODES:
            asked["LanguageCode"] = _LANGUAGE_CODES[request.language]
        with understood(_MEANINGS):
            answer = self._client().synthesize_speech(**asked)
            request.meter.ref = ref_of(answer)
            # They bill what they speak, whether or not it reaches us.
            request.meter.charge("character", answer.get("RequestCharacters") or len(text))
            return answer["AudioStream"].read()


def _pieces(text: str, request: GenerationRequest, rate: int) -> Iterator[str]:
    share = _CALL_SHARE[request.language] * min(1.0, rate / 100)
    pieces = pieces_of(_NOT_XML.sub("", text), int(CALL_LIMIT_CHARS * share), _size)
    if len(pieces) > CALLS_LIMIT:
        raise refused("the text is too long")
    return filter(None, map(str.strip, pieces))


def _size(text: str) -> int:
    """In units of UTF-16, with the markup: whatever they count, it is not more."""
    return len(_markup(text).encode("utf-16-le")) // 2


def _markup(text: str) -> str:
    return _PARAGRAPH.sub(_PAUSE, escape(text))


def _rate(params: Mapping[str, Any]) -> int:
    rate = params.get("rate", RATE_PERCENT)
    is_number = isinstance(rate, int) and not isinstance(rate, bool)
    if not (is_number and SLOWEST_PERCENT <= rate <= FASTEST_PERCENT):
        raise refused("no such rate")
    return rate
