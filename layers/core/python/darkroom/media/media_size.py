"""Width, height and duration of a file, read from its headers alone.

For workers without media libraries. Nothing is decoded: the headers are what a player reads, no
proof that the rest of the file is intact. Odd files are no error here: what cannot be read is
None, and the caller decides what that means.

Sources: PNG https://www.w3.org/TR/png-3/#11IHDR; JPEG ITU-T T.81 B.2.2 (frame header); WebP
https://developers.google.com/speed/webp/docs/riff_container and RFC 9649; MP4 ISO/IEC 14496-12,
8.2.2 ``mvhd``, 8.3.2 ``tkhd``, 8.4.3 ``hdlr``, 8.8.2 ``mehd``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

SIDE_LIMIT: Final = 16_384
DURATION_LIMIT_MS: Final = 24 * 60 * 60 * 1000
HEAD_LIMIT_BYTES: Final = 1024 * 1024
"""How far into a JPEG its size is searched: before it are only profiles and previews."""
MOOV_LIMIT_BYTES: Final = 32 * 1024 * 1024
BOXES_LIMIT: Final = 10_000
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_PNG_END: Final = b"IEND\xaeB`\x82"
_PNG_TAIL_BYTES: Final = 4096
"""Where the end of a whole file must be; some writers leave a few bytes behind it."""
# Start of frame 0 … 15, without the three of that range which are something else.
_FRAME_STARTS: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ALONE: Final = frozenset({0x01, *range(0xD0, 0xD9)})
_NO_LONGER_VALID: Final = (struct.error, IndexError, ValueError, OverflowError)


@dataclass(frozen=True, kw_only=True)
class MediaSize:
    width: int | None = None
    height: int | None = None
    duration_ms: int | None = None


def read_size(path: Path, mime_type: str) -> MediaSize:
    """What the file's headers say; all None for types and files that are not understood.

    A file of another type than ``mime_type`` is not understood either, and so is a PNG that
    breaks off.
    """
    read = _READERS.get(mime_type)
    if read is None:
        return MediaSize()
    with path.open("rb") as file:
        try:
            found = read(file)
        except _NO_LONGER_VALID:
            return MediaSize()
    return found if _is_sane(found) else MediaSize()


def _is_sane(size: MediaSize) -> bool:
    sides = (size.width, size.height)
    has_sides = all(side is not None and 0 < side <= SIDE_LIMIT for side in sides)
    if not has_sides and sides != (None, None):
        return False
    return size.duration_ms is None or 0 < size.duration_ms <= DURATION_LIMIT_MS


def _read_png(file: BinaryIO) -> MediaSize:
    head = file.read(33)
    if not head.startswith(_PNG) or head[12:16] != b"IHDR":
        return MediaSize()
    file.seek(0, 2)
    file.seek(max(0, file.tell() - _PNG_TAIL_BYTES))
    if _PNG_END not in file.read():
        return MediaSize()
    width, height = struct.unpack(">II", head[16:24])
    return MediaSize(width=width, height=height)


def _read_jpeg(file: BinaryIO) -> MediaSize:
    head = file.read(HEAD_LIMIT_BYTES)
    if head[:2] != b"\xff\xd8":
        return MediaSize()
    at = 2
    while at < len(head):
        if head[at] != 0xFF:
            return MediaSize()
        marker = head[at + 1]
        if marker == 0xFF:  # Fill bytes may stand before a marker.
            at += 1
            continue
        if marker in _ALONE:
            at += 2
            continue
        (length,) = struct.unpack_from(">H", head, at + 2)
        if marker in _FRAME_STARTS:
            height, width = struct.unpack_from(">HH", head, at + 5)
            return MediaSize(width=width, height=height)
        at += 2 + max(2, length)
    return MediaSize()


def _read_webp(file: BinaryIO) -> MediaSize:
    head = file.read(30)
    if head[:4] != b"RIFF" or head[8:12] != b"WEBP":
        return MediaSize()
    chunk = head[12:16]
    if chunk == b"VP8X":
        width, height = (int.from_bytes(head[at : at + 3], "little") + 1 for at in (24, 27))
    elif chunk == b"VP8L" and head[20] == 0x2F:
        (bits,) = struct.unpack_from("<I", head, 21)
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    elif chunk == b"VP8 " and head[23:26] == b"\x9d\x01\x2a":
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", head, 26))
    else:
        return MediaSize()
    return MediaSize(width=width, height=height)


def _read_mp4(file: BinaryIO) -> MediaSize:
    moov = _moov_of(file)
    duration_ms, sides = None, None
    for kind, body in _boxes(moov):
        if kind == b"mvhd":
            duration_ms = _duration_ms(body, moov)
        elif kind == b"trak" and sides is None:
            sides = _sides(body)
    width, height = sides or (None, None)
    return MediaSize(width=width, height=height, duration_ms=duration_ms)


def _moov_of(file: BinaryIO) -> bytes:
    """The body of the box that describes the film; it may stand before or after the media."""
    at = 0
    for _ in range(BOXES_LIMIT):
        file.seek(at)
        head = file.read(16)
        size, kind = struct.unpack(">I4s", head[:8])
        header_bytes = 8
        if at == 0 and kind != b"ftyp":
            raise ValueError("not an MP4")
        if size == 1:
            (size,) = struct.unpack(">Q", head[8:16])
            header_bytes = 16
        if kind == b"moov":
            body_bytes = size - header_bytes if size else MOOV_LIMIT_BYTES
            file.seek(at + header_bytes)
            return file.read(min(max(0, body_bytes), MOOV_LIMIT_BYTES))
        if size < header_bytes:
            break
        at += size
    raise ValueError("no moov")


def _boxes(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kinds and bodies of the boxes side by side in ``body``."""
    at = 0
    for _ in range(BOXES_LIMIT):
        if at + 8 > len(body):
            return
        size, kind = struct.unpack_from(">I4s", body, at)
        header_bytes = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", body, at + 8)
            header_bytes = 16
        end = at + size if size else len(body)
        if size and size < header_bytes:
            return
        yield kind, body[at + header_bytes : end]
        at = end


def _inside(body: bytes, kind: bytes) -> bytes:
    return next((inner for found, inner in _boxes(body) if found == kind), b"")


def _duration_ms(mvhd: bytes, moov: bytes) -> int | None:
    if mvhd[0] == 1:
        timescale, units = struct.unpack_from(">IQ", mvhd, 20)
        is_unknown = units == 2**64 - 1
    else:
        timescale, units = struct.unpack_from(">II", mvhd, 12)
        is_unknown = units == 2**32 - 1
    if units == 0 or is_unknown:
        # A film in fragments says how long all of them are elsewhere, if at all.
        mehd = _inside(_inside(moov, b"mvex"), b"mehd")
        units = int.from_bytes(mehd[4:12] if mehd[:1] == b"\x01" else mehd[4:8], "big")
    return round(units * 1000 / timescale) if units and timescale else None


def _sides(trak: bytes) -> tuple[int, int] | None:
    """Width and height as shown, if the track is a video: turned by its matrix if that says so."""
    handler = _inside(_inside(trak, b"mdia"), b"hdlr")
    if handler[8:12] != b"vide":
        return None
    tkhd = _inside(trak, b"tkhd")
    matrix_at = 52 if tkhd[0] == 1 else 40
    a, b = struct.unpack_from(">ii", tkhd, matrix_at)
    width, height = (side >> 16 for side in struct.unpack_from(">II", tkhd, matrix_at + 36))
    return (height, width) if a == 0 and b != 0 else (width, height)


_READERS: Final = {
    "image/png": _read_png,
    "image/jpeg": _read_jpeg,
    "image/webp": _read_webp,
    "video/mp4": _read_mp4,
    "audio/mp4": _read_mp4,
}
