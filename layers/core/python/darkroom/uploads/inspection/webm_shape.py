"""The pixel aspect of a video, written into a WebM file that was just made.

The muxer has no setting for it that PyAV reaches. So it writes ``PLACEHOLDER`` as the name of the
video track, and here the name is replaced by the size at which the video is shown: nothing else
moves.

Source: RFC 8794 (EBML), RFC 9559 (Matroska), 5.1.4.1.28.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PLACEHOLDER: Final = "." * 32
_HEAD_BYTES: Final = 256 * 1024
_SEGMENT, _TRACKS, _TRACK, _VIDEO = b"\x18\x53\x80\x67", b"\x16\x54\xae\x6b", b"\xae", b"\xe0"
_NAME, _VOID = b"\x53\x6e", b"\xec"
_WIDTH, _HEIGHT, _UNIT = b"\x54\xb0", b"\x54\xba", b"\x54\xb2"


class NoSpace(ValueError):
    """The file is not as the muxer writes it."""


@dataclass(frozen=True)
class _Element:
    name: bytes
    start: int
    body: int
    end: int


def write_shown_size(path: Path, width: int, height: int) -> None:
    """Show the video track that is named ``PLACEHOLDER`` at this size.

    Raises:
        NoSpace: there is none.
    """
    with path.open("r+b") as file:
        head = file.read(_HEAD_BYTES)
        track = _named_track(head)
        changed = _changed(head, track, width, height)
        file.seek(track.body)
        file.write(changed)


def _named_track(head: bytes) -> _Element:
    segment = _child(head, _Element(b"", 0, 0, len(head)), _SEGMENT)
    tracks = _child(head, segment, _TRACKS)
    for track in _elements(head, tracks.body, tracks.end):
        if track.name == _TRACK and PLACEHOLDER.encode() in head[track.body : track.end]:
            return track
    raise NoSpace("no track of that name")


def _child(head: bytes, parent: _Element, name: bytes) -> _Element:
    for element in _elements(head, parent.body, min(parent.end, len(head))):
        if element.name == name:
            return element
    raise NoSpace(f"no element {name.hex()}")


def _changed(head: bytes, track: _Element, width: int, height: int) -> bytes:
    pieces = []
    for element in _elements(head, track.body, track.end):
        if element.name == _VIDEO:
            pieces.append(_video(head, element, width, height))
        elif element.name != _NAME:
            pieces.append(head[element.start : element.end])
    content = b"".join(pieces)
    left = track.end - track.body - len(content)
    if left < 2 or left > 0x7F:
        raise NoSpace(f"{left} bytes left")
    return content + _VOID + bytes([0x80 | left - 2]) + bytes(left - 2)


def _video(head: bytes, video: _Element, width: int, height: int) -> bytes:
    kept = [
        head[element.start : element.end]
        for element in _elements(head, video.body, video.end)
        if element.name not in (_WIDTH, _HEIGHT, _UNIT)
    ]
    sizes = b"".join(
        name + b"\x82" + value.to_bytes(2, "big")
        for name, value in ((_WIDTH, width), (_HEIGHT, height))
    )
    body = b"".join(kept) + sizes
    return _VIDEO + (0x4000 | len(body)).to_bytes(2, "big") + body


def _elements(content: bytes, at: int, end: int) -> Iterator[_Element]:
    while at < end:
        name_bytes = _length(content[at])
        name, place = content[at : at + name_bytes], at + name_bytes
        if place >= end:
            return
        size_bytes = _length(content[place])
        mask = (1 << 7 * size_bytes) - 1
        size = int.from_bytes(content[place : place + size_bytes], "big") & mask
        body = place + size_bytes
        yield _Element(name, at, body, body + size)
        at = body + size


def _length(first: int) -> int:
    """Of a number of variable length: as many bytes as zeros stand before the first one."""
    return 9 - first.bit_length() if first else 8
