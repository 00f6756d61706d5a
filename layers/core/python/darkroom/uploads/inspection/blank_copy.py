"""Which bytes of an MP4 or MOV file are its structure, and a copy that holds nothing else.

For files whose tracks cannot be written into a new one: no muxer takes them though they can be
read, or they are too large. The copy has the size of the original, so that every offset stays
right: boxes that are listed here are kept, all others are left empty as ``free``, and of the media
data only the bytes of the kept tracks' samples are kept. What is not listed (places, makers, dates,
tracks of measurements) is therefore gone.

Source: ISO/IEC 14496-12 (boxes, 4.2 and 8), Apple's QuickTime File Format Specification.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from darkroom.uploads.inspection.ranged_file import SeekableFile

_CONTAINERS: Final = frozenset(
    {b"moov", b"trak", b"edts", b"mdia", b"minf", b"dinf", b"stbl", b"mvex", b"moof", b"traf"}
)
_KEPT: Final = frozenset(
    {
        b"ftyp", b"mvhd", b"tkhd", b"elst", b"mdhd", b"hdlr", b"vmhd", b"smhd", b"dref", b"stsd",
        b"stts", b"ctts", b"cslg", b"stss", b"stps", b"sdtp", b"stsc", b"stsz", b"stz2", b"stco",
        b"co64", b"sgpd", b"sbgp", b"mehd", b"trex", b"mfhd", b"tfhd", b"tfdt", b"trun", b"styp",
        b"sidx", b"mfra",
    }
)  # fmt: skip
_DATED: Final = frozenset({b"mvhd", b"tkhd", b"mdhd"})
_HANDLER_HEAD_BYTES: Final = 24
"""Version, flags, what the track is for, three reserved words; the name follows."""
_COMPRESSOR: Final = slice(50, 82)
"""Of a picture track's sample entry: the name of its encoder."""
_DEPTH_LIMIT: Final = 16
_BOXES_LIMIT: Final = 20_000
_DESCRIPTION_LIMIT_BYTES: Final = 4 << 20
_CHUNK_BYTES: Final = 1 << 20


class NoCopy(ValueError):
    """The boxes are not as they should be."""


@dataclass(frozen=True)
class Box:
    kind: bytes
    start: int
    body: int
    end: int


@dataclass
class Structure:
    """What of a file is kept beside its samples, and how that is changed."""

    kept: list[tuple[int, int]] = field(default_factory=list)
    """Start and end of each range, apart from each other."""
    patches: list[tuple[int, bytes]] = field(default_factory=list)
    """Where each begins, and its bytes; in order, and within what is kept."""
    media: list[tuple[int, int]] = field(default_factory=list)
    """The bodies of the boxes of media data."""
    is_fragmented: bool = False
    """Whether indexes of the samples stand between the media data."""


def structure_of(file: SeekableFile, size_bytes: int, tracks: frozenset[int]) -> Structure:
    """The structure of an MP4 or MOV file, with the tracks of these ids alone.

    Raises:
        NoCopy: it is no chain of boxes.
    """
    walk = _Walk(file, tracks)
    walk.keep(boxes_in(file, 0, size_bytes, ends_early=True))
    return walk.found


def write_blank_copy(
    source: Path, target: Path, samples: Iterable[tuple[int, int]], *, tracks: frozenset[int]
) -> None:
    """Copy the file's structure and ``samples`` (place and length of each), and nothing else.

    ``tracks`` are the ids of the kept tracks.

    Raises:
        NoCopy: it is no chain of boxes.
    """
    with source.open("rb") as read, target.open("wb") as write:
        size_bytes = os.fstat(read.fileno()).st_size
        write.truncate(size_bytes)
        structure = structure_of(read, size_bytes, tracks)
        for start, end in structure.kept:
            _copy_range(read, write, start, end - start)
        for at, length in samples:
            if at + length > size_bytes:
                raise NoCopy("a sample behind the end")
            _copy_range(read, write, at, length)
        for at, patch in structure.patches:
            write.seek(at)
            write.write(patch)


class _Walk:
    def __init__(self, file: SeekableFile, tracks: frozenset[int]) -> None:
        self._file, self._tracks = file, tracks
        self._boxes = 0
        self._described_bytes = 0
        self._handler = b""
        self.found = Structure()

    def keep(self, boxes: Iterable[Box], depth: int = 0) -> None:
        if depth > _DEPTH_LIMIT:
            raise NoCopy("boxes nested too deep")
        for box in boxes:
            self._boxes += 1
            if self._boxes > _BOXES_LIMIT:
                raise NoCopy("too many boxes")
            self._keep_box(box, depth)

    def _keep_box(self, box: Box, depth: int) -> None:
        if box.kind == b"trak" and self._track_id(box) not in self._tracks:
            self._empty(box)
        elif box.kind in _CONTAINERS:
            self.found.is_fragmented |= box.kind == b"moof"
            self.found.kept.append((box.start, box.body))
            self.keep(boxes_in(self._file, box.body, box.end), depth + 1)
        elif box.kind == b"mdat":
            self.found.kept.append((box.start, box.body))
            self.found.media.append((box.body, box.end))
        elif box.kind in _KEPT:
            self.found.kept.append((box.start, box.end))
            self._blank_within(box)
        else:
            self._empty(box)

    def _track_id(self, track: Box) -> int:
        for box in boxes_in(self._file, track.body, track.end):
            if box.kind == b"tkhd":
                self._file.seek(box.body)
                head = self._file.read(24)
                at = 20 if head[:1] == b"\x01" else 12
                return int.from_bytes(head[at : at + 4], "big")
        return 0

    def _empty(self, box: Box) -> None:
        self.found.kept.append((box.start, box.body))
        self.found.patches.append((box.start + 4, b"free"))

    def _blank_within(self, box: Box) -> None:
        """The dates and names in a box that is kept."""
        if box.kind not in _DATED | {b"hdlr", b"stsd"}:
            return
        self._described_bytes += box.end - box.start
        if self._described_bytes > _DESCRIPTION_LIMIT_BYTES:
            raise NoCopy("descriptions too large")
        self._file.seek(box.body)
        content = self._file.read(box.end - box.body)
        changed = bytearray(content)
        if box.kind in _DATED:
            _blank(changed, 4, 20 if content[:1] == b"\x01" else 12)
        elif box.kind == b"hdlr":
            self._handler = content[8:12]
            _blank(changed, _HANDLER_HEAD_BYTES, len(changed))
        elif self._handler == b"vide":
            _blank_compressors(changed)
        if changed != content:
            self.found.patches.append((box.body, bytes(changed)))


def boxes_in(
    file: SeekableFile, start: int, end: int, *, ends_early: bool = False
) -> Iterator[Box]:
    """The boxes that fill the file between two places; ``ends_early`` allows for something else
    behind them, as some devices leave it at the end of a file.

    Raises:
        NoCopy: they do not.
    """
    while start + 8 <= end:
        file.seek(start)
        head = file.read(16)
        length, kind, body = struct.unpack(">I", head[:4])[0], head[4:8], start + 8
        if length == 1 and len(head) == 16:
            length, body = struct.unpack(">Q", head[8:])[0], start + 16
        elif length == 0:
            length = end - start
        if length < body - start or start + length > end:
            if ends_early:
                return
            raise NoCopy(f"a box of {length} bytes")
        yield Box(kind, start, body, start + length)
        start += length


def _blank(content: bytearray, start: int, stop: int) -> None:
    stop = min(len(content), stop)
    content[start:stop] = bytes(max(0, stop - start))


def _blank_compressors(content: bytearray) -> None:
    """In each sample entry, behind the version, the flags and their count."""
    at = 8
    while at + 8 <= len(content):
        length = int.from_bytes(content[at : at + 4], "big")
        if length < 8:
            return
        _blank(content, at + _COMPRESSOR.start, min(at + length, at + _COMPRESSOR.stop))
        at += length


def _copy_range(read: BinaryIO, write: BinaryIO, at: int, length: int) -> None:
    read.seek(at)
    write.seek(at)
    while length > 0:
        chunk = read.read(min(length, _CHUNK_BYTES))
        if not chunk:
            raise NoCopy("it breaks off")
        write.write(chunk)
        length -= len(chunk)
