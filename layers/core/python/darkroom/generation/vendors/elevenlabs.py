"""ElevenLabs: speech, as an MP3.

Sources: https://elevenlabs.io/docs/api-reference/text-to-speech/convert (call, settings, seed),
https://elevenlabs.io/docs/eleven-api/resources/errors (the error's ``type`` and ``code``),
https://help.elevenlabs.io/hc/en-us/articles/19572237925521 and
https://help.elevenlabs.io/hc/en-us/articles/19571824571921 (older ``status`` words; which 429 may
be tried again), https://elevenlabs.io/docs/overview/models (characters a request, languages).
From public clients, not from the reference: the headers ``request-id`` and ``character-cost``.

There is no idempotency key: a lost response may have been generated and charged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from darkroom.generation.ports import (
    Artifact,
    GenerationRequest,
    capability_of,
)
from darkroom.generation.speech_text import speech_text_of
from darkroom.generation.vendor_errors import (
    ErrorRule,
    bad_result,
    content_rejected,
    not_configured,
    quota_exceeded,
    refused,
    unsupported,
)
from darkroom.generation.vendors.api_key import api_key_of
from darkroom.generation.vendors.http import HttpVendor, Json, VendorResponse
from darkroom.kernel.limits import RESULT_LIMIT_BYTES

API_BASE: Final = "https://api.elevenlabs.io"
DEFAULT_MODELS: Final[Mapping[str, str]] = {"speech": "eleven_multilingual_v2"}
DEFAULT_VOICE: Final = "JBFqnCBsd6RMkjVDRZzb"
"""George, a stock voice; multilingual models speak every language with any voice."""
TIMEOUT_SECONDS: Final = 180.0
OUTPUT_FORMAT: Final = "mp3_44100_128"
_BYTES_PER_MS: Final = 16
"""Of MP3 at 128 kbit/s, which is of constant rate."""
SLOWEST_PERCENT: Final = 70
FASTEST_PERCENT: Final = 120
_CHARACTER_LIMITS: Final = {
    "eleven_flash_v2_5": 40_000, "eleven_turbo_v2_5": 40_000,
    "eleven_flash_v2": 30_000, "eleven_turbo_v2": 30_000,
    "eleven_multilingual_v2": 10_000, "eleven_v3": 5_000,
}  # fmt: skip
_CHARACTER_LIMIT: Final = 5_000
"""Of a model that is not known here."""
_DETECTS_LANGUAGE_ITSELF: Final = frozenset({"eleven_multilingual_v2"})
"""Models that take no ``language_code``."""
_VOICE: Final = re.compile(r"[A-Za-z0-9]{20}")
# The error word counts more than the status, which has changed (400, 401 and 402 have all stood for
# an empty account).
_ERROR_RULES: Final = (
    ErrorRule(
        meaning=quota_exceeded,
        words=re.compile(r"\A(?:quota_exceeded|insufficient_credits|payment_required)\Z"),
    ),
    # Another voice or another length may do elsewhere.
    ErrorRule(
        meaning=unsupported,
        words=re.compile(
            r"\A(?:voice_not_found|invalid_voice_id|voice_access_denied|voice_does_not_exist"
            r"|max_character_limit_exceeded|text_too_long)\Z"
        ),
    ),
    ErrorRule(
        meaning=not_configured,
        words=re.compile(r"\A(?:unsupported_model|model_not_found|model_access_denied)\Z"),
    ),
    ErrorRule(
        meaning=content_rejected,
        words=re.compile(r"moderat|content_policy|against_policy|safety"),
        statuses=frozenset({400, 422}),
    ),
)


class ElevenLabs(HttpVendor):
    """The vendor behind its HTTP API; ``read_secret`` gives ``{"apiKey": "sk_…"}``."""

    name = "elevenlabs"
    default_api_base = API_BASE
    default_models = DEFAULT_MODELS
    default_timeout_seconds = TIMEOUT_SECONDS
    error_rules = _ERROR_RULES

    @staticmethod
    def headers_of(secret: Json) -> Mapping[str, str]:
        return {"xi-api-key": api_key_of(secret)}

    def generate(self, request: GenerationRequest) -> list[Artifact]:
        if capability_of(request.kind) != "speech":
            raise unsupported(f"no {request.kind} here")
        voice = _voice_of(request.params)
        body = _body(request, self.model_of(request.kind))
        response = self._http.call(
            "POST",
            f"/v1/text-to-speech/{voice}",
            params={"output_format": OUTPUT_FORMAT},
            json=body,
            headers={"accept": "audio/mpeg"},
        )
        request.meter.ref = response.headers.get("request-id")
        self.check(response)
        request.meter.charge("character", _cost_of(response, len(body["text"])))
        content = _mp3_of(response)
        path = request.workdir / f"{request.key}.mp3"
        path.write_bytes(content)
        return [
            Artifact(
                type="audio",
                mime_type="audio/mpeg",
                path=path,
                duration_ms=_duration_ms(content),
            )
        ]

    def error_text(self, response: VendorResponse) -> str:
        """``detail.code``, or ``detail.status`` of older responses; empty if there is neither."""
        detail = response.object.get("detail")
        if not isinstance(detail, dict):
            return ""
        word = detail.get("code") or detail.get("status")
        return word if isinstance(word, str) else ""


def _voice_of(params: Mapping[str, Any]) -> str:
    """The requested voice, safe in a path.

    Raises:
        PermanentProviderError: ``UNSUPPORTED_KIND``; it is no voice of this vendor, but may be one
            of another.
    """
    voice = params.get("voiceId") or DEFAULT_VOICE
    if not isinstance(voice, str) or _VOICE.fullmatch(voice) is None:
        raise unsupported("no such voice here")
    return voice


def _body(request: GenerationRequest, model: str) -> dict[str, Any]:
    text = speech_text_of(request)
    if len(text) > _CHARACTER_LIMITS.get(model, _CHARACTER_LIMIT):
        raise unsupported("longer than the model takes")
    body: dict[str, Any] = {"text": text, "model_id": model, "seed": request.seed}
    if model not in _DETECTS_LANGUAGE_ITSELF:
        body["language_code"] = request.language
    speed = _speed_of(request.params)
    if speed != 1:
        body["voice_settings"] = {"speed": speed}
    return body


def _speed_of(params: Mapping[str, Any]) -> float:
    """The speed for ``rate``, in percent.

    Raises:
        PermanentProviderError: ``UNSUPPORTED_KIND``; other vendors speak as slowly or fast. The
            nearest speed would be another length than the requested one.
    """
    rate = params.get("rate", 100)
    if isinstance(rate, bool) or not isinstance(rate, int | float):
        raise refused("rate is no percentage")
    if not SLOWEST_PERCENT <= rate <= FASTEST_PERCENT:
        raise unsupported("no speech at this rate here")
    return round(rate / 100, 2)


def _cost_of(response: VendorResponse, characters: int) -> int:
    """How many characters are charged: fewer than were sent with the cheaper models."""
    cost = response.headers.get("character-cost", "")
    return int(cost) if cost.isdecimal() and len(cost) < 10 else characters


def _mp3_of(response: VendorResponse) -> bytes:
    content = response.content
    if len(content) > RESULT_LIMIT_BYTES or not _is_mp3(content):
        raise bad_result("the result is no speech")
    return content


def _is_mp3(content: bytes) -> bool:
    """Whether it begins with a tag or with the sync word of an MPEG audio frame."""
    return content[:3] == b"ID3" or (
        len(content) > 4 and content[0] == 0xFF and content[1] & 0xE0 == 0xE0
    )


def _duration_ms(content: bytes) -> int:
    """How long the frames after the tag are; to within one of them, 26 ms."""
    tag_bytes = 0
    if content[:3] == b"ID3" and len(content) > 10:
        # A tag's size stands in four bytes of seven bits each (id3.org, ID3v2 3.1).
        high, upper, lower, low = content[6:10]
        tag_bytes = 10 + ((high << 21) | (upper << 14) | (lower << 7) | low)
    return max(0, len(content) - tag_bytes) // _BYTES_PER_MS
