"""Anthropic: scripts by a Claude model, through the Messages API.

Sources: https://platform.claude.com/docs/en/api/messages (calls, responses, usage),
https://platform.claude.com/docs/en/api/errors (statuses, ``request-id``),
https://platform.claude.com/docs/en/api/rate-limits (429, ``retry-after``, spend limits),
https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons,
https://platform.claude.com/docs/en/build-with-claude/structured-outputs (``output_config``),
https://platform.claude.com/docs/en/about-claude/models/overview (model ids and prices).

Current models refuse sampling parameters, prefilled responses and thinking budgets, so
none is sent.
There is no idempotency key: a lost response may have been generated and charged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from darkroom.generation.documents import document_artifact
from darkroom.generation.ports import (
    Artifact,
    GenerationRequest,
    Meter,
    capability_of,
)
from darkroom.generation.script import (
    prompt_of,
    script_of_response,
    script_schema,
    write_script,
)
from darkroom.generation.vendor_errors import (
    ErrorRule,
    content_rejected,
    incomplete,
    later,
    quota_exceeded,
    unsupported,
)
from darkroom.generation.vendors.api_key import api_key_of
from darkroom.generation.vendors.http import HttpVendor, Json, json_object_of

API_BASE: Final = "https://api.anthropic.com"
API_VERSION: Final = "2023-06-01"
DEFAULT_MODELS: Final[Mapping[str, str]] = {"script": "claude-haiku-5-5"}
TIMEOUT_SECONDS: Final = 120.0
"""A script takes seconds; a model that thinks first, a minute."""
MAX_TOKENS: Final = 16_000
"""What a model thinks counts too; ten minutes of speech are about six thousand."""
_ERROR_RULES: Final = (
    # An account without credit, or at its own spend limit, gets 400 and a message.
    ErrorRule(
        meaning=quota_exceeded,
        words=re.compile(
            r"credit balance|billing|spend(?:ing)? limit|usage limits?\b", re.IGNORECASE
        ),
        statuses=frozenset({400}),
    ),
    # The API says itself that it is busy and has not begun.
    ErrorRule(meaning=later, words=re.compile("overloaded_error"), statuses=frozenset({529})),
    # A 429 that lasts until next month.
    ErrorRule(
        meaning=quota_exceeded,
        words=re.compile("enforced_spend_limit_reached"),
        statuses=frozenset({429}),
    ),
)
_ENDED: Final = frozenset({"end_turn", "stop_sequence"})


class Anthropic(HttpVendor):
    """The vendor behind its HTTP API; ``read_secret`` gives ``{"apiKey": "sk-ant-…"}``."""

    name = "anthropic"
    default_api_base = API_BASE
    default_models = DEFAULT_MODELS
    default_timeout_seconds = TIMEOUT_SECONDS
    error_rules = _ERROR_RULES

    @staticmethod
    def headers_of(secret: Json) -> Mapping[str, str]:
        return {"x-api-key": api_key_of(secret), "anthropic-version": API_VERSION}

    def generate(self, request: GenerationRequest) -> list[Artifact]:
        if capability_of(request.kind) != "script":
            raise unsupported(f"no {request.kind} here")
        system, user = prompt_of(request.params, request.language)
        response = self._http.call(
            "POST", "/v1/messages", json=_body(self.model_of(request.kind), system, user)
        )
        request.meter.ref = response.headers.get("request-id")
        self.check(response)
        message = json_object_of(response)
        _charge(request.meter, message)
        script = script_of_response(_text_of(message), request.params, request.language)
        return [document_artifact(request, script, write_script(script))]


def _body(model: str, system: str, user: str) -> Json:
    return {
        "model": model,
        "max_tokens": MAX_TOKENS,
        "system": system,
        "messages": [{"role": "user", "content": user}],
        "output_config": {"format": {"type": "json_schema", "schema": script_schema()}},
    }


def _charge(meter: Meter, message: Json) -> None:
    """Charge the usage of the message, even if its content is unusable."""
    usage = message.get("usage")
    if not isinstance(usage, dict):
        return
    for unit, name in (("input_token", "input_tokens"), ("output_token", "output_tokens")):
        count = usage.get(name)
        if isinstance(count, int) and count > 0:
            meter.charge(unit, count)


def _text_of(message: Json) -> str:
    """The text of the message, without the model's thinking.

    Raises:
        ModerationRefused: the model or a classifier declined.
        TransientProviderError: ``BAD_RESULT``; it is incomplete.
    """
    reason = message.get("stop_reason")
    if reason == "refusal":
        raise content_rejected("the model declined")
    if reason not in _ENDED:
        # Most often ``max_tokens``: it thought or wrote for too long, this time.
        raise incomplete("the response is incomplete")
    blocks = message.get("content")
    texts = [
        block["text"]
        for block in (blocks if isinstance(blocks, list) else ())
        if isinstance(block, dict)
        and block.get("type") == "text"
        and isinstance(block.get("text"), str)
    ]
    return "".join(texts)
