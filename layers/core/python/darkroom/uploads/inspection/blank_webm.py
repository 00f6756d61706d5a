"""Which bytes of a WebM file are its structure and its blocks.

Elements that are listed here are kept; all others become ``Void`` of the same length, so nothing
moves. The names of the writing programs must be there, and are emptied.

Sources: RFC 8794 (EBML), RFC 9559 (Matroska).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from darkroom.uploads.inspection.blank_copy import NoCopy, Structure
from darkroom.uploads.inspection.ranged_file import SeekableFile

_EBML, _SEGMENT, _CLUSTER, _VOID = 0x1A45DFA3, 0x18538067, 0x1F43B675, 0xEC
_SEEK_HEAD, _SEEK, _SEEK_ID, _CUES = 0x114D9B74, 0x4DBB, 0x53AB, 0x1C53BB6B
_INFO, _TRACKS, _TRACK = 0x1549A966, 0x1654AE6B, 0xAE
_CONTAINERS: Final = frozenset({_SEEK_HEAD, _INFO, _TRACKS, _TRACK})
_KEPT: Final = frozenset(
    {_EBML, _CLUSTER, _CUES}
    | {0x2AD7B1, 0x4489}  # Of the file: the unit of its times, its duration.
    # Of a track: its number, id, kind, flags and languages, the times of its frames, what they
    # carry besides, its codec with its settings, and what a picture or sound is like.
    | {0xD7, 0x73C5, 0x83, 0xB9, 0x88, 0x55AA, 0x55AB, 0x55AC, 0x55AD, 0x55AE, 0x55AF, 0x9C}
    | {0x22B59C, 0x22B59D, 0x23E383, 0x234E7A, 0x23314F, 0x6DE7, 0x6DF8, 0x55EE, 0x41E4}
    | {0x86, 0x63A2, 0x56AA, 0x56BB, 0xE0, 0xE1, 0x6D80}
)
_EMPTIED: Final = frozenset({0x4D80, 0x5741})
_LENGTH_OF_LENGTH: Final = 8
_ELEMENTS_LIMIT: Final = 100_000
_DEPTH_LIMIT: Final = 16


@dataclass(frozen=True)
class _Element:
    name: int
    start: int
    body: int
    end: int


def webm_structure(file: SeekableFile, size_bytes: int) -> Structure:
    """What of the file is kept, with all its clusters.

    Raises:
        NoCopy: it is no chain of elements of known lengths.
    """
    walk = _Walk(file)
    walk.keep(0, size_bytes)
    return walk.found


class _Walk:
    def __init__(self, file: SeekableFile) -> None:
        self._file = file
        self._elements = 0
        self.found = Structure()

    def keep(self, start: int, end: int, depth: int = 0) -> None:
        if depth > _DEPTH_LIMIT:
            raise NoCopy("elements nested too deep")
        for element in self._elements_in(start, end):
            self._keep_element(element, depth)

    def _keep_element(self, element: _Element, depth: int) -> None:
        found = self.found
        if element.name in _CONTAINERS or (element.name == _SEGMENT and depth == 0):
            found.kept.append((element.start, element.body))
            self.keep(element.body, element.end, depth + 1)
        elif element.name in _KEPT or (element.name == _SEEK and self._leads_to_kept(element)):
            found.kept.append((element.start, element.end))
        elif element.name in _EMPTIED:
            found.kept.append((element.start, element.body))
        else:
            void = _void(element.end - element.start)
            found.kept.append((element.start, element.start + len(void)))
            found.patches.append((element.start, void))

    def _leads_to_kept(self, seek: _Element) -> bool:
        for element in self._elements_in(seek.body, seek.end):
            if element.name == _SEEK_ID:
                self._file.seek(element.body)
                name = self._file.read(min(4, element.end - element.body))
                return int.from_bytes(name, "big") in _KEPT | _CONTAINERS
        return False

    def _elements_in(self, at: int, end: int) -> Iterator[_Element]:
        """Those that fill the place; only a segment may leave its length open."""
        while at < end:
            self._elements += 1
            if self._elements > _ELEMENTS_LIMIT:
                raise NoCopy("too many elements")
            element = _element_at(self._file, at, end)
            yield element
            at = element.end


def _void(length: int) -> bytes:
    """The head of an empty element that takes so many bytes."""
    head_bytes = 1 + _LENGTH_OF_LENGTH
    if length < head_bytes:
        return bytes([_VOID, 0x80 | length - 2])
    return bytes([_VOID, 1]) + (length - head_bytes).to_bytes(_LENGTH_OF_LENGTH - 1, "big")


def _element_at(file: SeekableFile, at: int, end: int) -> _Element:
    file.seek(at)
    head = file.read(12)
    name_bytes = _number_bytes(head[:1])
    size_bytes = _number_bytes(head[name_bytes : name_bytes + 1])
    body = at + name_bytes + size_bytes
    if name_bytes > 4 or body > end:
        raise NoCopy("no element")
    name = int.from_bytes(head[:name_bytes], "big")
    mask = (1 << 7 * size_bytes) - 1
    size = int.from_bytes(head[name_bytes : name_bytes + size_bytes], "big") & mask
    if size == mask and name == _SEGMENT:
        size = end - body
    if body + size > end:
        raise NoCopy("an element without an end")
    return _Element(name, at, body, body + size)


def _number_bytes(first: bytes) -> int:
    """As many as zeros stand before the first one."""
    if not first or not first[0]:
        raise NoCopy("no number")
    return 9 - first[0].bit_length()
