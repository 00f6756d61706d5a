"""A copy of an MP4 or MOV file that holds its structure and its kept samples, and nothing else.

For files whose tracks no muxer takes, though they can be read. The copy has the size of the
original, so that every offset stays right: boxes that are listed here are copied, all others are
left empty as ``free``, and of the media data only the bytes of the kept tracks' samples are
copied. What is not listed (places, makers, dates, tracks of measurements) is therefore gone.

Source: ISO/IEC 14496-12 (boxes, 4.2 and 8), Apple's QuickTime File Format Specification.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

_CONTAINERS: Final = frozenset(
    {b"moov", b"trak", b"edts", b"mdia", b"minf", b"dinf", b"stbl", b"mvex", b"moof", b"traf"}
)
_KEPT: Final = frozenset(
    {
        b"ftyp", b"mvhd", b"tkhd", b"elst", b"mdhd", b"hdlr", b"vmhd", b"smhd", b"dref", b"stsd",
        b"stts", b"ctts", b"cslg", b"stss", b"stps", b"sdtp", b"stsc", b"stsz", b"stz2", b"stco",
        b"co64", b"sgpd", b"sbgp", b"mehd", b"trex", b"mfhd", b"tfhd", b"tfdt", b"trun",
    }
)  # fmt: skip
_DATED: Final = frozenset({b"mvhd", b"tkhd", b"mdhd"})
_HANDLER_HEAD_BYTES: Final = 24
"""Version, flags, what the track is for, three reserved words; the name follows."""
_COMPRESSOR: Final = slice(50, 82)
"""Of a picture track's sample entry: the name of its encoder."""
_BOXES_LIMIT: Final = 20_000
_TABLE_LIMIT_BYTES: Final = 64 << 20
_CHUNK_BYTES: Final = 1 << 20


class NoCopy(ValueError):
    """The boxes are not as they should be."""


@dataclass(frozen=True)
class Box:
    kind: bytes
    start: int
    body: int
    end: int


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
        walk = _Walk(read, write, tracks)
        walk.copy(boxes_in(read, 0, size_bytes, ends_early=True))
        for at, length in samples:
            if at + length > size_bytes:
                raise NoCopy("a sample behind the end")
            _copy_range(read, write, at, length)


class _Walk:
    def __init__(self, read: BinaryIO, write: BinaryIO, tracks: frozenset[int]) -> None:
        self._read, self._write, self._tracks = read, write, tracks
        self._boxes = 0
        self._handler = b""

    def copy(self, boxes: Iterable[Box]) -> None:
        for box in boxes:
            self._boxes += 1
            if self._boxes > _BOXES_LIMIT:
                raise NoCopy("too many boxes")
            self._copy_box(box)

    def _copy_box(self, box: Box) -> None:
        if box.kind == b"trak" and self._track_id(box) not in self._tracks:
            self._empty(box, b"free")
        elif box.kind in _CONTAINERS:
            self._empty(box, box.kind)
            self.copy(boxes_in(self._read, box.body, box.end))
        elif box.kind == b"mdat":
            self._empty(box, box.kind)
        elif box.kind in _KEPT:
            self._keep(box)
        else:
            self._empty(box, b"free")

    def _track_id(self, track: Box) -> int:
        for box in boxes_in(self._read, track.body, track.end):
            if box.kind == b"tkhd":
                self._read.seek(box.body)
                head = self._read.read(24)
                at = 20 if head[:1] == b"\x01" else 12
                return int.from_bytes(head[at : at + 4], "big")
        return 0

    def _empty(self, box: Box, kind: bytes) -> None:
        self._read.seek(box.start)
        head = self._read.read(box.body - box.start)
        self._put(box.start, head[:4] + kind + head[8:])

    def _keep(self, box: Box) -> None:
        if box.end - box.start > _TABLE_LIMIT_BYTES:
            raise NoCopy("a table too large")
        self._read.seek(box.body)
        content = bytearray(self._read.read(box.end - box.body))
        if box.kind in _DATED:
            _blank(content, 4, 20 if content[:1] == b"\x01" else 12)
        if box.kind == b"hdlr":
            self._handler = bytes(content[8:12])
            _blank(content, _HANDLER_HEAD_BYTES, len(content))
        if box.kind == b"stsd" and self._handler == b"vide":
            _blank_compressors(content)
        self._empty(box, box.kind)
        self._put(box.body, bytes(content))

    def _put(self, at: int, content: bytes) -> None:
        self._write.seek(at)
        self._write.write(content)


def boxes_in(file: BinaryIO, start: int, end: int, *, ends_early: bool = False) -> Iterator[Box]:
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
