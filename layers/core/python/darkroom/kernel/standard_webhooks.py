"""Signatures by the specification ``Standard Webhooks``, of incoming calls and of our own.

Owns the signature and nothing of what is signed. HMAC-SHA256 over ``id.timestamp.body``; the secret
is ``whsec_`` and base 64; the header holds ``v1,<base 64>`` once or more, with spaces between.

Sources: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md,
https://replicate.com/docs/topics/webhooks/verify-webhook.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from datetime import datetime

from darkroom.kernel.errors import Unauthorized

TOLERANCE_SECONDS = 300
SIGNATURES_LIMIT = 10
_PREFIX = "whsec_"
_TIMESTAMP = re.compile(r"[0-9]{1,12}", re.ASCII)


def verify(
    body: bytes, headers: Mapping[str, str], secrets: Iterable[str], *, now: datetime
) -> None:
    """Check a call by its raw body and headers (names in lower case).

    Any of the secrets will do: there are two while one is being replaced.

    Raises:
        Unauthorized: BAD_SIGNATURE; not signed, by another one, altered, or of another time.
    """
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not message_id or not _TIMESTAMP.fullmatch(timestamp):
        raise _refused("the headers are missing or malformed")
    if abs(now.timestamp() - int(timestamp)) > TOLERANCE_SECONDS:
        raise _refused("of another time")
    # Compared as text: base 64 has several spellings of the same bytes, vendors send one.
    given = headers.get("webhook-signature", "").split(" ")[:SIGNATURES_LIMIT]
    signed = f"{message_id}.{timestamp}.".encode() + body
    expected = [f"v1,{_sign(key, signed)}".encode() for key in map(key_of, secrets)]
    if "" in given:
        raise _refused("the signatures are malformed")
    matches = [hmac.compare_digest(one.encode(), own) for one in given for own in expected]
    if not any(matches):
        raise _refused("the signature does not fit")


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """One signature, as the header of a call has it."""
    return f"v1,{_sign(key_of(secret), f'{message_id}.{timestamp}.'.encode() + body)}"


def headers_of(
    secrets: Iterable[str], message_id: str, *, now: datetime, body: bytes
) -> dict[str, str]:
    """The headers of a call that is signed with each of the secrets: two while one is being
    replaced."""
    timestamp = int(now.timestamp())
    signatures = [sign(secret, message_id, timestamp, body) for secret in secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }


def secret_of(key: bytes) -> str:
    """The spelling of a key, which the specification wants to be of 24 to 64 bytes."""
    return _PREFIX + base64.b64encode(key).decode()


def key_of(secret: str) -> bytes:
    """The key that a secret spells.

    Raises:
        ValueError: not base 64, or empty: nothing must ever be accepted with it.
    """
    text = secret.removeprefix(_PREFIX)
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError("the webhook secret is not base 64") from error
    if not key:
        raise ValueError("the webhook secret is empty")
    return key


def _sign(key: bytes, signed: bytes) -> str:
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def _refused(detail: str) -> Unauthorized:
    return Unauthorized(detail, code="BAD_SIGNATURE")
