"""The box that says that a video is one of Dolby Vision, passed on into a MOV file.

Phones record such videos. FFmpeg's muxer writes the box into MP4 only. So it writes
``PLACEHOLDER`` as the title of the video track, and here the box takes the space of the title:
nothing after the track moves.

Source: Dolby Vision Streams Within the ISO Base Media File Format, 3.1; ISO/IEC 14496-12, 8.5.2.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO, Final

from darkroom.uploads.inspection.blank_copy import Box, boxes_in

PLACEHOLDER: Final = "." * 64
_NAMES: Final = (b"dvcC", b"dvvC", b"dvwC")
_BOX_LIMIT_BYTES: Final = 64 - 8
_TRACK_LIMIT_BYTES: Final = 64 << 20
_TO_ENTRY: Final = (b"mdia", b"minf", b"stbl", b"stsd", b"")
_STSD_HEAD_BYTES: Final = 16
_ENTRY_HEAD_BYTES: Final = 86
"""Of a video's sample entry; the boxes follow."""


class NoSpace(ValueError):
    """The file is not as the muxer writes it."""


def find_dolby_vision(source: Path, track_id: int) -> bytes | None:
    """The box of this track of an MP4 or MOV file; None if the track has none."""
    with source.open("rb") as file:
        for track in _tracks(file):
            content = _read(file, track)
            entry = _innermost(content) if _id_of(content) == track_id else b""
            for kind, start, end in _children(entry, _ENTRY_HEAD_BYTES):
                if kind in _NAMES and end - start <= _BOX_LIMIT_BYTES:
                    return entry[start:end]
    return None


def write_dolby_vision(path: Path, box: bytes) -> None:
    """Add the box to the track that is titled ``PLACEHOLDER``.

    Raises:
        NoSpace: there is none.
    """
    with path.open("r+b") as file:
        for track in _tracks(file):
            content = _read(file, track)
            if PLACEHOLDER.encode() in content:
                file.seek(track.start)
                file.write(_with_box(content, box))
                return
    raise NoSpace("no track of that title")


def _tracks(file: BinaryIO) -> list[Box]:
    end = file.seek(0, 2)
    return [
        track
        for index in boxes_in(file, 0, end, ends_early=True)
        if index.kind == b"moov"
        for track in boxes_in(file, index.body, index.end, ends_early=True)
        if track.kind == b"trak" and track.end - track.start <= _TRACK_LIMIT_BYTES
    ]


def _read(file: BinaryIO, box: Box) -> bytes:
    file.seek(box.start)
    return file.read(box.end - box.start)


def _with_box(track: bytes, box: bytes) -> bytes:
    grown = _grown(track, _TO_ENTRY, box)
    for kind, start, end in _children(grown, 8):
        if kind == b"udta":
            left = len(track) - len(grown) + end - start
            if left < 8:
                raise NoSpace(f"{left} bytes left")
            free = struct.pack(">I", left) + b"free" + bytes(left - 8)
            return _sized(grown[:start] + grown[end:] + free)
    raise NoSpace("no title")


def _grown(box: bytes, path: tuple[bytes, ...], more: bytes) -> bytes:
    """The box, with ``more`` at the end of the box that the path leads to."""
    if not path:
        return _sized(box + more)
    start, end = _child(box, path[0])
    return _sized(box[:start] + _grown(box[start:end], path[1:], more) + box[end:])


def _innermost(track: bytes) -> bytes:
    try:
        for kind in _TO_ENTRY:
            start, end = _child(track, kind)
            track = track[start:end]
    except NoSpace:
        return b""
    return track


def _id_of(track: bytes) -> int:
    for kind, start, _ in _children(track, 8):
        if kind == b"tkhd":
            at = start + (28 if track[start + 8] == 1 else 20)
            return int.from_bytes(track[at : at + 4], "big")
    return 0


def _child(box: bytes, kind: bytes) -> tuple[int, int]:
    """Where the first box of this kind stands within another; of any kind, if it is empty."""
    head_bytes = _STSD_HEAD_BYTES if box[4:8] == b"stsd" else 8
    for found, start, end in _children(box, head_bytes):
        if found == kind or not kind:
            return start, end
    raise NoSpace(f"no {kind!r}")


def _children(box: bytes, at: int) -> list[tuple[bytes, int, int]]:
    """Kind, beginning and end of each box within another."""
    children = []
    while at + 8 <= len(box):
        size = int.from_bytes(box[at : at + 4], "big")
        if size < 8 or at + size > len(box):
            break
        children.append((box[at + 4 : at + 8], at, at + size))
        at += size
    return children


def _sized(box: bytes) -> bytes:
    return struct.pack(">I", len(box)) + box[4:]
