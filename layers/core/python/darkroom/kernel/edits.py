"""Edits of a stored file that keep its length: ranges that are set to zero, and patches.

Pure, and shared by the reader that finds what has to go and the storage that copies the rest.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, kw_only=True)
class Edits:
    """Applied in this order: the ranges are erased, then the patches are written."""

    erased: Sequence[tuple[int, int]] = ()
    """Start and end of each range; in order, and apart from each other."""
    patches: Sequence[tuple[int, bytes]] = ()
    """Where each begins, and its bytes; in order, and apart from each other."""

    def apply(self, content: bytes, start: int) -> bytes:
        """A part of the file, which begins at ``start``, as it is after the edits."""
        end = start + len(content)
        edited = bytearray(content)
        for first, last in _overlapping(self.erased, start, end):
            first, last = max(first, start), min(last, end)
            edited[first - start : last - start] = bytes(last - first)
        # Only the one that begins before this part can reach into it.
        number = max(0, bisect_right(self.patches, start, key=_start_of) - 1)
        while number < len(self.patches) and self.patches[number][0] < end:
            place, patch = self.patches[number]
            written = patch[max(0, start - place) : end - place]
            at = max(0, place - start)
            edited[at : at + len(written)] = written
            number += 1
        return bytes(edited)

    def cells(self, cell_bytes: int) -> set[int]:
        """The numbers of the equal cells of the file that the edits change."""
        ranges = [*self.erased, *((at, at + len(patch)) for at, patch in self.patches)]
        return {
            cell
            for start, end in ranges
            if end > start
            for cell in range(start // cell_bytes, (end - 1) // cell_bytes + 1)
        }

    def to_json(self) -> dict[str, Any]:
        return {
            "erased": [list(pair) for pair in self.erased],
            "patches": [[at, patch.hex()] for at, patch in self.patches],
        }

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> Edits:
        return cls(
            erased=[(start, end) for start, end in found["erased"]],
            patches=[(at, bytes.fromhex(patch)) for at, patch in found["patches"]],
        )


UNCHANGED: Final = Edits()


@dataclass(frozen=True)
class Part:
    """A part of the copy of a file: copied as it is, or edited."""

    start: int
    end: int
    is_edited: bool


def parts_of(size_bytes: int, edits: Edits, *, cell_bytes: int, copied_bytes: int) -> list[Part]:
    """The parts in which a file is copied: edited ones of a cell, others of several cells.

    None but the last is smaller than a cell, and none is larger than the larger limit.
    """
    changed = edits.cells(cell_bytes)
    parts: list[Part] = []
    for cell, start in enumerate(range(0, size_bytes, cell_bytes)):
        end, is_edited = min(start + cell_bytes, size_bytes), cell in changed
        last = parts[-1] if parts else None
        if (
            last is not None
            and not (is_edited or last.is_edited)
            and end - last.start <= copied_bytes
        ):
            parts[-1] = Part(last.start, end, is_edited=False)
        else:
            parts.append(Part(start, end, is_edited))
    return parts


def _overlapping(
    ranges: Sequence[tuple[int, int]], start: int, end: int
) -> Iterator[tuple[int, int]]:
    for number in range(max(0, bisect_right(ranges, start, key=_start_of) - 1), len(ranges)):
        first, last = ranges[number]
        if first >= end:
            return
        if last > start:
            yield first, last


def _start_of(item: tuple[int, Any]) -> int:
    return item[0]
