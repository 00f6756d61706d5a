"""The headers of requests and responses: what each means, once, for every operation with it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from darkroom.api.app import VERSION, VERSION_HEADER
from darkroom.api.idempotency import REPLAYED_HEADER
from darkroom.api.rate_limits import RATE_LIMIT, RATE_LIMIT_POLICY
from darkroom.kernel.limits import IDEMPOTENCY_KEY_LIMIT_CHARS

IDEMPOTENCY_KEY = "Idempotency-Key"
LIMIT_HEADERS = (RATE_LIMIT, RATE_LIMIT_POLICY)
"""The headers of every response to a request that may write, but the gateway's own."""
RETRY_AFTER = "Retry-After"

_KEY = (
    "A text of your choice that names this request, best a random UUID: one for each press of a "
    "button, the same for all repeats of it. For 24 hours, a repeat with the same body returns the "
    "first successful response instead of doing anything again, with `Idempotent-Replayed: true`. "
    "Another body with the same key is 422 `IDEMPOTENCY_MISMATCH`; a repeat while the first "
    "request is running is 409 `IN_PROGRESS`. Keys belong to one account and one path."
)
_REQUEST: dict[str, tuple[str, str, dict[str, Any]]] = {
    "Accept-Language": (
        "The language of sentences for users: English (`en`, the default) or Korean (`ko`).",
        "ko",
        {"type": "string"},
    ),
    "If-Match": (
        (
            "An `ETag`, several separated by commas, or `*`. If the draft has changed since, the "
            "response is 412 and nothing is changed."
        ),
        '"d41d8cd98f00b204"',
        {"type": "string"},
    ),
    "If-None-Match": (
        (
            "The `ETag` of the response that you have, several separated by commas, or `*`. If it "
            "is still current, the response is 304 without a body."
        ),
        '"d41d8cd98f00b204"',
        {"type": "string"},
    ),
    "Last-Event-ID": (
        "The id of the last event received; EventSource sends it by itself when it reconnects.",
        "42",
        {"type": "string"},
    ),
    "Stripe-Signature": (
        "Stripe's signature of the body.",
        "t=1767603600,v1=5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd",
        {"type": "string"},
    ),
}
_RESPONSE: dict[str, tuple[str, str, bool]] = {
    "Cache-Control": ("Whether and how long the response may be kept.", "private, no-cache", True),
    "Content-Disposition": (
        "The name under which the file is to be saved.",
        'attachment; filename="jobs-2026-01-05.csv"',
        True,
    ),
    VERSION_HEADER: (
        (
            "The version of this API: that of `info.version`. Only responses of API Gateway itself "
            "lack it."
        ),
        VERSION,
        False,
    ),
    "ETag": ("Names this state of what the response shows, in quotes.", '"d41d8cd98f00b204"', True),
    REPLAYED_HEADER: (
        "`true` if this is the stored response to an earlier request with the same key.",
        "true",
        False,
    ),
    "Link": (
        'The next page, as `<path>; rel="next"`; only if there is one.',
        '</api/jobs.csv?cursor=…>; rel="next"',
        False,
    ),
    RATE_LIMIT: (
        (
            "What is left in the current windows, the nearest to its limit first: of a policy, `r` "
            "more in the next `t` seconds (draft-ietf-httpapi-ratelimit-headers). For requests "
            "that may write."
        ),
        '"generation";r=7;t=41, "requests";r=93;t=41',
        False,
    ),
    RATE_LIMIT_POLICY: (
        (
            "The policies: `q` in each window of `w` seconds, for all requests of the account. "
            "`requests` counts every POST, PATCH and DELETE; `generation` those that queued a job."
        ),
        '"generation";q=10;w=60, "requests";q=100;w=60',
        False,
    ),
    "Referrer-Policy": (
        "Keeps the link, which is a secret, from other sites.",
        "no-referrer",
        True,
    ),
    RETRY_AFTER: ("Seconds to wait before the request is repeated.", "1", False),
    "Vary": ("The request headers that the response depends on.", "Accept-Language", True),
    "X-Accel-Buffering": ("Proxies must pass events on at once.", "no", True),
}
_INTEGERS = frozenset({RETRY_AFTER})


def header_ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/headers/{name}"}


def of_response(status: int, names: Iterable[str] = ()) -> dict[str, Any]:
    """The headers of a response with this status: these, and those of every such response."""
    known = [*names, VERSION_HEADER, *([RETRY_AFTER] if status in (429, 503) else [])]
    return {name: header_ref(name) for name in sorted(known)}


def parameter_ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/parameters/{name}"}


def key_parameter(need: str, *, is_required: bool) -> dict[str, Any]:
    """The parameter of an operation with an idempotency key; ``need`` says when it is required."""
    return {
        "name": IDEMPOTENCY_KEY,
        "in": "header",
        "required": is_required,
        "description": f"{need} {_KEY}",
        "schema": {
            "type": "string",
            "minLength": 1,
            "maxLength": IDEMPOTENCY_KEY_LIMIT_CHARS,
        },
        "example": "5f0c1c9e-3a4e-4d53-9f0e-0f6f1d6f7a11",
    }


def components() -> dict[str, dict[str, Any]]:
    """``components.parameters`` and ``components.headers``."""
    return {
        "parameters": {
            name: {
                "name": name,
                "in": "header",
                "required": False,
                "description": description,
                "schema": schema,
                "example": example,
            }
            for name, (description, example, schema) in _REQUEST.items()
        },
        "headers": {
            name: {
                "description": description,
                "required": required,
                "schema": {"type": "integer" if name in _INTEGERS else "string"},
                "example": int(example) if name in _INTEGERS else example,
            }
            for name, (description, example, required) in _RESPONSE.items()
        },
    }
