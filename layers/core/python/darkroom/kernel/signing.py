"""Signed, readable tokens: HMAC-SHA256 over compact JSON, URL-safe base 64.

Used for cursors and tickets. A client can read a token but not change it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from typing import Any

_SIGNATURE_BYTES = 16


class BadSignature(ValueError):
    """The token was not made with this secret for this purpose."""


def sign(secret: bytes, purpose: str, value: Any) -> str:
    """A token of ``value``, valid only for the same ``purpose`` (for example a route)."""
    body = json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()
    return base64.urlsafe_b64encode(_signature(secret, purpose, body) + body).decode().rstrip("=")


def verify(secret: bytes, purpose: str, token: str) -> Any:
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadSignature("not base 64") from error
    signature, body = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]
    if not hmac.compare_digest(signature, _signature(secret, purpose, body)):
        raise BadSignature("signature does not match")
    return json.loads(body)


def seal(secret: bytes, purpose: str, *parts: str) -> str:
    """A short signature of these parts, in this order; it does not contain them."""
    body = json.dumps(parts, separators=(",", ":"), ensure_ascii=False).encode()
    return base64.urlsafe_b64encode(_signature(secret, purpose, body)).decode().rstrip("=")


def is_seal(given: str, secret: bytes, purpose: str, *parts: str) -> bool:
    """Whether the text is the seal of these parts, compared in constant time."""
    return hmac.compare_digest(given.encode(), seal(secret, purpose, *parts).encode())


def _signature(secret: bytes, purpose: str, body: bytes) -> bytes:
    message = purpose.encode() + b"\x00" + body
    return hmac.new(secret, message, hashlib.sha256).digest()[:_SIGNATURE_BYTES]
