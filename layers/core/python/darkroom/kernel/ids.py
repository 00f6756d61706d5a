"""Ids: prefixed ULIDs, random or derived from their cause.

A ULID is 26 characters of Crockford's base 32: 48 bits of Unix milliseconds and 80 bits of
randomness (https://github.com/ulid/spec). Derived ids fill all 128 bits from SHA-256, so the
same cause always has the same id. They do not sort by time, and no code relies on that.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable
from datetime import datetime

from darkroom.kernel.clock import Clock
from darkroom.kernel.limits import KEY_LIMIT_CHARS

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ULID_BITS = 128
_OUTPUT_BITS = 10
MAX_OUTPUTS_PER_JOB = (1 << _OUTPUT_BITS) - 1
_OUTPUT_MASK = MAX_OUTPUTS_PER_JOB
_ULID_PATTERN = "[0-7][0-9A-HJKMNP-TV-Z]{25}"
_ID_PATTERN = re.compile(f"[a-z]{{2,5}}_{_ULID_PATTERN}")


def _encode(number: int) -> str:
    return "".join(_ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5))


def _decode(ulid: str) -> int:
    number = 0
    for character in ulid:
        number = number << 5 | _ALPHABET.index(character)
    return number


class Ids:
    """Makes new ids from the injected clock and source of randomness."""

    def __init__(
        self, clock: Clock, random_bytes: Callable[[int], bytes] = secrets.token_bytes
    ) -> None:
        self._clock = clock
        self._random_bytes = random_bytes

    def new(self, prefix: str) -> str:
        millis = int(self._clock.now().timestamp() * 1000)
        number = millis << 80 | int.from_bytes(self._random_bytes(10), "big")
        return f"{prefix}_{_encode(number & ~_OUTPUT_MASK)}"

    def token(self, size_bytes: int = 16) -> str:
        return self._random_bytes(size_bytes).hex()


def derived_id(prefix: str, *cause: str) -> str:
    """The id of what ``cause`` creates: always the same for the same cause."""
    digest = hashlib.sha256("\x1f".join(cause).encode()).digest()
    number = int.from_bytes(digest[:16], "big") & ((1 << _ULID_BITS) - 1)
    return f"{prefix}_{_encode(number & ~_OUTPUT_MASK)}"


def derived_id_at(prefix: str, at: datetime, *cause: str) -> str:
    """The id of what ``cause`` created at this moment. It derives from both, and sorts by the
    moment among the random ids of its kind."""
    millis = int(at.timestamp() * 1000)
    digest = hashlib.sha256("\x1f".join(cause).encode()).digest()
    number = millis << 80 | int.from_bytes(digest[:10], "big")
    return f"{prefix}_{_encode(number & ~_OUTPUT_MASK)}"


def output_id(job_id: str, number: int) -> str:
    """The id of a job's output ``number`` (1 … 1023).

    The low ten bits of a job's ULID are always zero; in the id of an output they hold its number.
    So ``job_of_output`` finds the job without an index.
    """
    if not 1 <= number <= MAX_OUTPUTS_PER_JOB:
        raise ValueError(f"output number {number} is outside 1..{MAX_OUTPUTS_PER_JOB}")
    return f"out_{_encode(_decode(job_id.partition('_')[2]) | number)}"


def job_of_output(output: str) -> str:
    return f"job_{_encode(_decode(output.partition('_')[2]) & ~_OUTPUT_MASK)}"


def id_to_bytes(name: str) -> bytes:
    """The 16 bytes of an id, without its prefix."""
    return _decode(name.partition("_")[2]).to_bytes(_ULID_BITS // 8, "big")


def id_from_bytes(prefix: str, raw: bytes) -> str:
    return f"{prefix}_{_encode(int.from_bytes(raw, 'big'))}"


def is_key_text(text: str) -> bool:
    """Whether an external name (of an account, of an event) can be the key of an item."""
    return 1 <= len(text) <= KEY_LIMIT_CHARS and text.isprintable()


def id_pattern(prefix: str) -> str:
    """The pattern of ids with this prefix, for the API's document."""
    return f"^{prefix}_{_ULID_PATTERN}$"


def is_id(text: object, prefix: str) -> bool:
    """Whether this is an id with this prefix: the one check of ids that clients send.

    Stores check it too before they use an id as a key, since DynamoDB refuses keys that are empty,
    too long, or not Unicode.
    """
    return (
        isinstance(text, str)
        and text.startswith(f"{prefix}_")
        and _ID_PATTERN.fullmatch(text) is not None
    )
