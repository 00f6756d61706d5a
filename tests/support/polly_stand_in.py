"""A stand-in for Amazon Polly: checks the markup, the voice and the limits, and speaks in frames.

What it sends is an MP3 as the real one sends it: a tag, a header frame with the length of
this part, and then sound; here a frame to a billed character. Sources: as darkroom's adapter.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from typing import Any, ClassVar

from tests.support.aws_stand_in import AwsError, AwsStandIn, Json, Raw

FRAME_MS = 24
"""576 samples at 24 kHz."""
_FRAME_HEADER = b"\xff\xf3\x64\xc4"  # MPEG 2, layer III, 48 kbit/s, 24 kHz, mono
_FRAME_BYTES = 144
_TAGS = {"speak", "prosody", "break", "p", "s"}
VOICES = {
    "neural": {"Joanna": "en-US", "Matthew": "en-US", "Amy": "en-GB", "Seoyeon": "ko-KR",
               "Jihye": "ko-KR"},
    "standard": {"Joanna": "en-US", "Seoyeon": "ko-KR", "Nicole": "en-AU"},
}  # fmt: skip


class PollyStandIn(AwsStandIn):
    service = "polly"
    rest: ClassVar = {"SynthesizeSpeech": "POST /v1/speech"}

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        """The synthesized texts, call by call."""

    def do(self, operation: str, fields: Json) -> Any:
        voices = VOICES.get(fields.get("Engine", "standard"), {})
        if fields["VoiceId"] not in voices:
            raise AwsError("EngineNotSupportedException", 400)
        if fields.get("LanguageCode", voices[fields["VoiceId"]]) != voices[fields["VoiceId"]]:
            raise AwsError("LanguageNotSupportedException", 400)
        text = self._said(fields)
        if len(text) > 3000 or len(fields["Text"]) > 6000:
            raise AwsError("TextLengthExceededException", 400)
        self.texts.append(text)
        headers = {"content-type": "audio/mpeg", "x-amzn-requestcharacters": str(len(text))}
        return Raw(200, an_mp3(len(text), mark=len(self.texts)), headers)

    def _said(self, fields: Json) -> str:
        if fields.get("TextType") != "ssml":
            return fields["Text"]
        try:
            root = ElementTree.fromstring(fields["Text"])
        except ElementTree.ParseError as error:
            raise AwsError("InvalidSsmlException", 400, str(error)) from error
        for element in root.iter():
            rate = element.get("rate", "100%")
            is_rate = rate.endswith("%") and 20 <= int(rate[:-1]) <= 200
            if element.tag not in _TAGS or "pitch" in element.attrib or not is_rate:
                raise AwsError("InvalidSsmlException", 400, element.tag)
        return "".join(root.itertext())


def an_mp3(frames: int, *, mark: int = 0) -> bytes:
    """Silence of so many frames; ``mark`` is a byte in each, by which a part is known again."""
    tag = b"ID3\x04\x00\x00" + bytes([0, 0, 0, 45]) + b"TSSE" + bytes(41)
    xing = _frame(bytes(9) + b"Xing" + b"\x00\x00\x00\x01" + frames.to_bytes(4, "big"))
    return tag + xing + b"".join(_frame(bytes(139) + bytes([mark])) for _ in range(frames))


def _frame(content: bytes) -> bytes:
    return (_FRAME_HEADER + content).ljust(_FRAME_BYTES, b"\x00")
