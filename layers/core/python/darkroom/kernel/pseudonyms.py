"""Pseudonyms: what the books of an erased account are kept under. Pure.

A pseudonym is a keyed hash of the account's id: without the signing secret it cannot be traced
back, not even by trying every known id.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

PREFIX: Final = "_erased_"
"""No token's ``sub`` begins like this."""
ANONYMOUS: Final = PREFIX
"""The owner of what is left of a deleted job that never held credits."""
_PURPOSE: Final = b"pseudonym\x00"
_CHARS: Final = 32


def pseudonym_of(secret: bytes, account_id: str) -> str:
    """The pseudonym of an account; that of a pseudonym is itself."""
    if is_pseudonym(account_id):
        return account_id
    digest = hmac.new(secret, _PURPOSE + account_id.encode(), hashlib.sha256)
    return PREFIX + digest.hexdigest()[:_CHARS]


def is_pseudonym(account_id: str) -> bool:
    return account_id.startswith(PREFIX)
