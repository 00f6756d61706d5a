"""The parts of a large file, and which of them are missing. Pure.

S3 accepts 1 to 10 000 parts of at least 5 MiB (but the last). Here all but the last have one size.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from darkroom.kernel.limits import (
    PART_MIN_BYTES,
    PARTS_AIM,
    PARTS_LIMIT,
    SIGNED_PARTS_LIMIT,
    SINGLE_PUT_LIMIT_BYTES,
)

_MIB = 1 << 20


class ArrivedPart(Protocol):
    """A part in the storage."""

    @property
    def part_number(self) -> int: ...
    @property
    def size_bytes(self) -> int: ...
    @property
    def etag(self) -> str: ...


def is_cut(size_bytes: int) -> bool:
    """Whether a file of this size is sent in parts; a smaller one is sent with a single PUT."""
    return size_bytes > SINGLE_PUT_LIMIT_BYTES


def part_size_of(size_bytes: int) -> int:
    """The part size in whole mebibytes, so that a file has about a thousand parts."""
    mib = -(-size_bytes // (PARTS_AIM * _MIB))
    part_size_bytes = max(PART_MIN_BYTES, mib * _MIB)
    assert part_count(size_bytes, part_size_bytes) <= PARTS_LIMIT
    return part_size_bytes


def part_count(size_bytes: int, part_size_bytes: int) -> int:
    return -(-size_bytes // part_size_bytes)


def part_length(size_bytes: int, part_size_bytes: int, part_number: int) -> int:
    """The length of this part; the last one has the remaining bytes."""
    before = (part_number - 1) * part_size_bytes
    return min(part_size_bytes, size_bytes - before)


def missing_parts(
    arrived: Iterable[ArrivedPart],
    *,
    size_bytes: int,
    part_size_bytes: int,
    claimed: Mapping[int, str] | None = None,
) -> list[int]:
    """Numbers of the parts that are still to be sent.

    A part that arrived in another size, or with another ETag than the client ``claimed``, counts as
    missing.
    """
    there = {part.part_number: part for part in arrived}

    def is_there(number: int) -> bool:
        part = there.get(number)
        if part is None or part.size_bytes != part_length(size_bytes, part_size_bytes, number):
            return False
        return not claimed or number not in claimed or _bare(claimed[number]) == part.etag

    numbers = range(1, part_count(size_bytes, part_size_bytes) + 1)
    return [number for number in numbers if not is_there(number)]


def first_page(size_bytes: int, part_size_bytes: int, *, files: int) -> range:
    """The parts whose links are in the response: a hundred links for all files of the request."""
    page = max(1, SIGNED_PARTS_LIMIT // files)
    return range(1, min(page, part_count(size_bytes, part_size_bytes)) + 1)


def _bare(etag: str) -> str:
    return etag.removeprefix("W/").strip('"').lower()
