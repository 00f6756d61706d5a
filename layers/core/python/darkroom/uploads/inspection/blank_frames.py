"""Which bytes of an MP3 or AAC (ADTS) file are frames: everything between them goes.

Such files have no index, so they are read as a whole. ID3 tags keep their heads, because readers
pass over a tag of any length, and not over as many zeros.

Source: https://id3.org/id3v2.4.0-structure.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from darkroom.media.mp3 import ID3_HEAD_BYTES, id3_bytes
from darkroom.uploads.inspection.blank_copy import NoCopy, Structure
from darkroom.uploads.inspection.ranged_file import SeekableFile

_WINDOW_BYTES: Final = 8 << 20
_HEAD_BYTES: Final = ID3_HEAD_BYTES
"""The longest of what a frame or a tag is known by."""
_SEARCHES_LIMIT: Final = 1_000_000
_BEGINNING: Final = re.compile(rb"\xff|ID3")

FrameBytes = Callable[[bytes], int | None]


def frames_structure(file: SeekableFile, size_bytes: int, frame_bytes: FrameBytes) -> Structure:
    """What of the file is kept; ``frame_bytes`` reads a frame's length from its header.

    Raises:
        NoCopy: too much of it is neither frame nor tag.
    """
    found, window = Structure(), _Window(file, size_bytes)
    at, searches, is_in_step = 0, 0, False
    while at < size_bytes:
        head = window.bytes_at(at)
        tag_bytes = min(id3_bytes(head), size_bytes - at)
        length = 0 if tag_bytes else frame_bytes(head) or 0
        if tag_bytes >= _HEAD_BYTES:
            _keep_head(found, at, head, tag_bytes)
            at, is_in_step = at + tag_bytes, False
        elif 0 < length <= size_bytes - at and (
            # Out of step, the header of one frame may be chance.
            is_in_step or at + length == size_bytes or frame_bytes(window.bytes_at(at + length))
        ):
            _keep_frame(found, at, at + length)
            at, is_in_step = at + length, True
        else:
            at, is_in_step, searches = window.find_beginning(at + 1), False, searches + 1
            if searches > _SEARCHES_LIMIT:
                raise NoCopy("too much of it is no sound")
    return found


def _keep_head(found: Structure, at: int, head: bytes, tag_bytes: int) -> None:
    """An empty tag of the same length: its version, no flags, and nothing but padding."""
    left = tag_bytes - _HEAD_BYTES
    length = bytes(left >> shift & 0x7F for shift in (21, 14, 7, 0))
    found.kept.append((at, at + _HEAD_BYTES))
    found.patches.append((at, head[:5] + b"\0" + length))


def _keep_frame(found: Structure, start: int, end: int) -> None:
    if found.kept and found.kept[-1][1] == start:
        found.kept[-1] = (found.kept[-1][0], end)
    else:
        found.kept.append((start, end))


class _Window:
    """A file that is read from its beginning to its end."""

    def __init__(self, file: SeekableFile, size_bytes: int) -> None:
        self._file, self._size_bytes = file, size_bytes
        self._start, self._content = 0, b""

    def bytes_at(self, at: int) -> bytes:
        """As many as a header takes; fewer only at the end."""
        if not self._start <= at <= at + _HEAD_BYTES <= self._start + len(self._content):
            self._move(at)
        return self._content[at - self._start : at - self._start + _HEAD_BYTES]

    def find_beginning(self, at: int) -> int:
        """Where a frame or a tag may begin next, or the end of the file."""
        while at < self._size_bytes:
            self.bytes_at(at)
            found = _BEGINNING.search(self._content, at - self._start)
            if found is not None:
                return self._start + found.start()
            # A name may be cut by the end of what was read.
            at = max(at + 1, self._start + len(self._content) - 2)
        return self._size_bytes

    def _move(self, at: int) -> None:
        self._file.seek(at)
        self._start, self._content = at, self._file.read(_WINDOW_BYTES)
