"""A stand-in for ElevenLabs: a local server that speaks the part of its API that we call.

It checks what the real one checks (key, voice, model, format, length, speed, seed), responses with
an MP3 whose length follows the text, and refuses in the vendor's words.

Sources: https://elevenlabs.io/docs/api-reference/text-to-speech/convert,
https://elevenlabs.io/docs/eleven-api/resources/errors,
https://help.elevenlabs.io/hc/en-us/articles/19572237925521. From public clients: the headers
``request-id`` and ``character-cost``.
"""

from __future__ import annotations

import itertools
import json
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.http_stand_in import HttpStandIn, Json, Request, Response

API_KEY = "sk_of_the_stand_in"
VOICES = {"JBFqnCBsd6RMkjVDRZzb", "21m00Tcm4TlvDq8ikWAM"}
# Model → characters a request, credits a character.
MODELS = {"eleven_multilingual_v2": (10_000, 1.0), "eleven_flash_v2_5": (40_000, 0.5)}
FRAMES_A_CHARACTER = 3


def an_error(kind: str, code: str, message: str = "") -> Json:
    """As the documentation shows it now."""
    detail = {"type": kind, "code": code, "message": message or code, "status": code}
    return {"detail": detail | {"request_id": "3c807fc4c3a1705f9638ecc764a91c01"}}


def an_old_error(status: str) -> Json:
    """As older responses, which the help pages still show."""
    return {"detail": {"status": status, "message": status}}


def an_mp3(frames: int, *, tag_bytes: int = 35) -> bytes:
    """Silent frames of MPEG 1 layer III, 128 kbit/s, 44.1 kHz: 417 or 418 bytes for 26 ms each."""
    tag = b"ID3\x04\x00\x00" + bytes([0, 0, tag_bytes >> 7, tag_bytes & 0x7F]) + b"\0" * tag_bytes
    sound = bytearray()
    for number in range(1, frames + 1):
        # A frame of 1152 samples takes 417.96 bytes; padding makes up for the fractions.
        size = number * 144 * 128_000 // 44_100 - len(sound)
        sound += bytes([0xFF, 0xFB, 0x92 if size == 418 else 0x90, 0xC4]).ljust(size, b"\0")
    return tag + bytes(sound)


class ElevenLabsStandIn(HttpStandIn):
    """The server, and the costs that it reports."""

    def __init__(self) -> None:
        super().__init__()
        self.reports_cost = True
        self._numbers = itertools.count(1)

    @property
    def secret_text(self) -> str:
        return json.dumps({"apiKey": API_KEY})

    def respond(self, request: Request) -> Response:
        headers = {"request-id": f"{next(self._numbers):020}"}
        problem = self._problem(request)
        if problem is not None:
            return Response(*problem, headers)
        body = request.json
        credits = round(len(body["text"]) * MODELS[body["model_id"]][1])
        if self.reports_cost:
            headers["character-cost"] = str(credits)
        headers["content-type"] = "audio/mpeg"
        return Response(200, an_mp3(len(body["text"]) * FRAMES_A_CHARACTER), headers)

    def _problem(self, request: Request) -> tuple[int, Json] | None:
        parts = urlsplit(request.path)
        match = re.fullmatch(r"/v1/text-to-speech/([^/]+)", parts.path)
        if request.method != "POST" or match is None:
            return 404, {"detail": "Not Found"}
        if request.headers.get("xi-api-key") != API_KEY:
            return 401, an_error("authentication_error", "invalid_api_key")
        if match[1] not in VOICES:
            return 404, an_error("not_found", "voice_not_found")
        if parse_qs(parts.query).get("output_format") != ["mp3_44100_128"]:
            return 400, an_error("validation_error", "invalid_output_format")
        return self._problem_of(request.json)

    def _problem_of(self, body: Any) -> tuple[int, Json] | None:
        model = body.get("model_id")
        if model not in MODELS:
            return 404, an_error("not_found", "model_not_found")
        if not body.get("text"):
            return 400, an_error("validation_error", "empty_text")
        if len(body["text"]) > MODELS[model][0]:
            return 400, an_error("validation_error", "text_too_long")
        if "language_code" in body and model == "eleven_multilingual_v2":
            return 400, an_error("validation_error", "invalid_parameters")
        if not 0 <= body.get("seed", 0) < 2**32:
            return 422, {"detail": [{"loc": ["body", "seed"], "msg": "seed", "type": "value"}]}
        if not 0.7 <= body.get("voice_settings", {}).get("speed", 1.0) <= 1.2:
            return 400, an_error("validation_error", "invalid_voice_settings")
        return None
