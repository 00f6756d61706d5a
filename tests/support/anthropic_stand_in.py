"""A stand-in for Anthropic: a local server that speaks the part of the Messages API that we call.

It checks what the real one checks (key, version, model, settings that current models refuse) and
responses with messages of the documented shape. What the model says is a field here.

Sources: https://platform.claude.com/docs/en/api/messages,
https://platform.claude.com/docs/en/api/errors,
https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons. From memory: the
wording of refusals for money.
"""

from __future__ import annotations

import itertools
import json
from typing import Any

from tests.support.http_stand_in import HttpStandIn, Json, Request, Response

API_KEY = "sk-ant-of-the-stand-in"
MODELS = {"claude-haiku-5-5", "claude-sonnet-5-5"}
REFUSED_SETTINGS = {"temperature", "top_p", "top_k"}


def an_error(kind: str, message: str = "") -> Json:
    return {
        "type": "error",
        "error": {"type": kind, "message": message or kind},
        "request_id": "req_011CSHoEeqs5C35K2UUqR7Fy",
    }


def a_script(*texts: str, title: str = "Rain", language: str = "en", ms: int = 30_000) -> str:
    """The text of a model that follows its instructions."""
    step = ms // len(texts)
    names = ["INTRO", *(f"BODY_{n}" for n in range(1, len(texts) - 1)), "OUTRO"]
    sections = [
        {"name": name, "startMs": step * n, "endMs": step * (n + 1), "text": text}
        for n, (name, text) in enumerate(zip(names, texts, strict=True))
    ]
    return json.dumps({"title": title, "language": language, "sections": sections})


class AnthropicStandIn(HttpStandIn):
    """The server, and what its model does next."""

    def __init__(self) -> None:
        super().__init__()
        self.says = a_script("It rains.", "Clouds are water.", "So much for rain.")
        self.thinks = ""
        self.stop_reason: str | None = "end_turn"
        self.usage: Any = {"input_tokens": 412, "output_tokens": 230}
        self._numbers = itertools.count(1)

    @property
    def secret_text(self) -> str:
        return json.dumps({"apiKey": API_KEY})

    def respond(self, request: Request) -> Response:
        headers = {"request-id": f"req_{next(self._numbers):024}"}
        problem = self._problem(request)
        if problem is not None:
            return Response(*problem, headers)
        content: list[Json] = []
        if self.thinks:
            content.append({"type": "thinking", "thinking": self.thinks, "signature": "c2ln"})
        if self.stop_reason != "refusal":
            content.append({"type": "text", "text": self.says})
        message = {
            "id": "msg_01XFDUDYJgAACzvnptvVoYEL",
            "type": "message",
            "role": "assistant",
            "model": request.json["model"],
            "content": content,
            "stop_reason": self.stop_reason,
            "stop_sequence": None,
            "usage": self.usage,
        }
        return Response(200, message, headers)

    def _problem(self, request: Request) -> tuple[int, Json] | None:
        if (request.method, request.path) != ("POST", "/v1/messages"):
            return 404, an_error("not_found_error")
        if request.headers.get("x-api-key") != API_KEY:
            return 401, an_error("authentication_error", "invalid x-api-key")
        body = request.json
        if request.headers.get("anthropic-version") != "2023-06-01":
            return 400, an_error("invalid_request_error", "anthropic-version")
        if body.get("model") not in MODELS:
            return 404, an_error("not_found_error", f"model: {body.get('model')}")
        if REFUSED_SETTINGS & set(body) or body["messages"][-1]["role"] != "user":
            return 400, an_error("invalid_request_error", "not supported on this model")
        if not isinstance(body.get("max_tokens"), int) or body["max_tokens"] < 1:
            return 400, an_error("invalid_request_error", "max_tokens")
        form = body.get("output_config", {}).get("format", {"type": "json_schema", "schema": {}})
        if form["type"] != "json_schema" or not _is_closed(form["schema"]):
            return 400, an_error("invalid_request_error", "output_config.format")
        return None


def _is_closed(schema: Any) -> bool:
    """Structured outputs want every object closed and know no lengths."""
    if isinstance(schema, dict):
        if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
            return False
        if {"minLength", "maxLength", "minimum", "maximum", "maxItems"} & set(schema):
            return False
        return all(map(_is_closed, schema.values()))
    return not isinstance(schema, list) or all(map(_is_closed, schema))
