"""The signatures of fal's calls: which are genuine, and by whose keys.

Owns the check and the keys' cache, nothing of what is signed. ED25519 over four lines: id of the
request, id of the user, time, SHA-256 of the body in hexadecimal digits; the signature is in
hexadecimal digits too. The keys are public, in a JWK set that may be kept for a day.

Source: https://docs.fal.ai/model-apis/model-endpoints/webhooks ("Verifying your webhook").
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from darkroom.kernel.errors import Unauthorized

TOLERANCE_SECONDS: Final = 300
KEYS_LIMIT: Final = 20
KEPT_FOR: Final = timedelta(hours=24)
RENEWED_AFTER: Final = timedelta(minutes=5)
"""How soon an unknown signature may cause another fetch of the keys: they may have been rotated,
but forged calls must not cause a fetch each."""
_KEY_BYTES: Final = 32
_TIMESTAMP: Final = re.compile(r"[0-9]{1,12}", re.ASCII)
# Without spaces and line ends, which keep the lines apart.
_ID: Final = re.compile(r"[!-~]{1,200}", re.ASCII)
_SIGNATURE: Final = re.compile(r"[0-9a-f]{128}", re.ASCII)

Json = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class SignedCall:
    """What was signed, and the signature; not yet known to be genuine."""

    message: bytes
    signature: bytes


class KeyRing:
    """The vendor's keys, fetched when needed and kept for a day at most."""

    def __init__(self, fetch: Callable[[], Json]) -> None:
        self._fetch = fetch
        self._keys: tuple[bytes, ...] = ()
        self._fetched_at: datetime | None = None

    def keys(self, now: datetime, *, at_most: timedelta = KEPT_FOR) -> tuple[bytes, ...]:
        """Keys that are no older than ``at_most``; raises what fetching them raises."""
        if self._fetched_at is None or not timedelta(0) <= now - self._fetched_at < at_most:
            self._keys = keys_of(self._fetch())
            self._fetched_at = now
        return self._keys


def verify(body: bytes, headers: Mapping[str, str], ring: KeyRing, *, now: datetime) -> None:
    """Check a call by its raw body and headers (names in lower case).

    Raises:
        Unauthorized: BAD_SIGNATURE; not signed, by another one, altered, or of another time.
    """
    # Before any key is fetched: most forged calls are not even well formed.
    call = signed_call(body, headers, now)
    if not is_genuine(call, ring.keys(now)) and not is_genuine(
        call, ring.keys(now, at_most=RENEWED_AFTER)
    ):
        raise _refused("the signature does not fit")


def signed_call(body: bytes, headers: Mapping[str, str], now: datetime) -> SignedCall:
    """The parts of a call that is well formed and of this time.

    Raises:
        Unauthorized: BAD_SIGNATURE; it is not.
    """
    request_id = headers.get("x-fal-webhook-request-id", "")
    user_id = headers.get("x-fal-webhook-user-id", "")
    timestamp = headers.get("x-fal-webhook-timestamp", "")
    signature = headers.get("x-fal-webhook-signature", "")
    if not (_ID.fullmatch(request_id) and _ID.fullmatch(user_id)):
        raise _refused("the headers are missing or malformed")
    if not (_TIMESTAMP.fullmatch(timestamp) and _SIGNATURE.fullmatch(signature)):
        raise _refused("the headers are missing or malformed")
    if abs(now.timestamp() - int(timestamp)) > TOLERANCE_SECONDS:
        raise _refused("of another time")
    return SignedCall(
        message=message_of(request_id, user_id, timestamp, body),
        signature=bytes.fromhex(signature),
    )


def message_of(request_id: str, user_id: str, timestamp: str, body: bytes) -> bytes:
    """The signed message of a call."""
    digest = hashlib.sha256(body).hexdigest()
    return "\n".join((request_id, user_id, timestamp, digest)).encode()


def is_genuine(call: SignedCall, keys: Iterable[bytes]) -> bool:
    """Whether one of the keys has signed it."""
    # Here, as only the function that takes in calls carries this library.
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    for key in keys:
        try:
            Ed25519PublicKey.from_public_bytes(key).verify(call.signature, call.message)
        except (InvalidSignature, ValueError):
            continue
        return True
    return False


def keys_of(jwks: Json) -> tuple[bytes, ...]:
    """The ED25519 keys of a JWK set (RFC 8037); what is none is left out."""
    entries = jwks.get("keys")
    found = entries[:KEYS_LIMIT] if isinstance(entries, list) else []
    keys = (_key_of(entry) for entry in found if isinstance(entry, dict))
    return tuple(key for key in keys if key is not None)


def _key_of(entry: Json) -> bytes | None:
    if (entry.get("kty"), entry.get("crv")) != ("OKP", "Ed25519"):
        return None
    text = entry.get("x")
    if not isinstance(text, str):
        return None
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return key if len(key) == _KEY_BYTES else None


def _refused(detail: str) -> Unauthorized:
    return Unauthorized(detail, code="BAD_SIGNATURE")
