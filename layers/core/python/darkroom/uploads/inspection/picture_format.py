"""What kind of picture some bytes are, and what hides in them.

Owns first bytes, brands of ISO containers and the refusal of polyglots. Decodes nothing.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import Final

from darkroom.kernel.errors import DarkroomError

_SNIFFED_BYTES: Final = 1024
_ZIP_END: Final = b"PK\x05\x06"
_ZIP_END_REACH_BYTES: Final = 22 + 65_535
"""A ZIP's end record and the longest comment that may follow it."""
_MARKUP: Final = re.compile(rb"<(?:script|html|svg|!doctype html|\?php)[\s/>]", re.IGNORECASE)
"""A tag and the character that ends its name: ``<HTML5`` in a comment is a word."""
_AVIF_BRANDS: Final = frozenset({b"avif", b"avis", b"MA1A", b"MA1B"})
_HEIC_BRANDS: Final = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"MiHE"})
_IMAGE_BRANDS: Final = frozenset({b"mif1", b"mif2", b"msf1", b"miaf", b"MiHB", b"MiHA", b"MiPr"})
"""Pictures in an ISO container, whatever they are coded with."""
_DECODED_BRANDS: Final = {
    "AVIF": frozenset({b"avif", b"avis"}),
    "HEIF": frozenset({b"heic", b"heix", b"heim", b"heis"}),
}
"""Major brands by which the decoders know their own files."""
_BRANDS_LIMIT_BYTES: Final = 512
_ITEMS_REACH_BYTES: Final = 16_384
_MEDIA_BRANDS: Final = frozenset(
    {b"isom", b"iso2", b"iso4", b"iso5", b"iso6", b"mp41", b"mp42", b"avc1", b"dash"}
    | {b"qt  ", b"M4A ", b"M4B ", b"M4V ", b"MSNV"}
)
_MEDIA_STARTS: Final = (b"ID3", b"\x1a\x45\xdf\xa3")
_PNG_START: Final = b"\x89PNG\r\n\x1a\n"
_PNG_TEXT: Final = frozenset({b"tEXt", b"zTXt", b"iTXt"})


class ImageRejected(DarkroomError):
    """The upload is no picture that can be kept; the code says why."""

    code = "UNSUPPORTED_TYPE"


def sniff(data: bytes) -> tuple[str, str]:
    """Pillow's format name and the MIME type, by the first bytes.

    Raises:
        ImageRejected: ``UNSUPPORTED_TYPE``, ``TYPE_MISMATCH`` (a video or a sound).
    """
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG", "image/jpeg"
    if data.startswith(_PNG_START):
        return "PNG", "image/png"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP", "image/webp"
    brands = _brands(data)
    if brands and brands[0] in _MEDIA_BRANDS:
        raise ImageRejected("a video", code="TYPE_MISMATCH")
    is_picture = not _IMAGE_BRANDS.isdisjoint(brands)
    # A file's items show the codec, whatever brand it claims.
    if not _AVIF_BRANDS.isdisjoint(brands) or (is_picture and b"av01" in data[:_ITEMS_REACH_BYTES]):
        return "AVIF", "image/avif"
    if not _HEIC_BRANDS.isdisjoint(brands) or is_picture:
        return "HEIF", "image/heic"
    if data.startswith(_MEDIA_STARTS) or (data[:4] == b"RIFF" and data[8:12] == b"WAVE"):
        raise ImageRejected("a video or a sound", code="TYPE_MISMATCH")
    raise ImageRejected("not a JPEG, PNG, WebP, HEIC or AVIF image")


def refuse_polyglot(data: bytes) -> None:
    """Re-encoding would drop what hides in the file; but no honest sender has such a file.

    Raises:
        ImageRejected: ``UNSUPPORTED_TYPE``.
    """
    if _MARKUP.search(data[:_SNIFFED_BYTES]):
        raise ImageRejected("the image contains markup")
    if _ends_in_a_zip(data):
        raise ImageRejected("the image contains an archive")


def for_decoder(data: bytes, kind: str) -> bytes:
    """The same pixels in the form that the decoder of this kind takes.

    A container gets a major brand that the decoder knows. A PNG loses its texts: they are dropped
    with all metadata anyway, and the decoder refuses a picture for the length of one.
    """
    if kind == "PNG":
        return _without_texts(data)
    known = _DECODED_BRANDS.get(kind, frozenset())
    if known and data[8:12] not in known:
        return data[:8] + ("avif" if kind == "AVIF" else "heic").encode() + data[12:]
    return data


def png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and end of each whole chunk of a PNG; ends where the file breaks off."""
    at = len(_PNG_START)
    while at + 12 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            return
        yield name, at, end
        at = end


def _brands(data: bytes) -> tuple[bytes, ...]:
    """The major brand of an ISO container, then the compatible ones; empty when it is none."""
    if data[4:8] != b"ftyp":
        return ()
    end = min(int.from_bytes(data[:4], "big"), _BRANDS_LIMIT_BYTES, len(data))
    compatible = tuple(data[at : at + 4] for at in range(16, end - 3, 4))
    return (data[8:12], *compatible)


def _ends_in_a_zip(data: bytes) -> bool:
    """True for an end record whose own comment length fits; four bytes alone may be chance."""
    start = max(0, len(data) - _ZIP_END_REACH_BYTES)
    at = data.find(_ZIP_END, start)
    while at != -1:
        record = data[at : at + 22]
        if len(record) == 22 and at + 22 + int.from_bytes(record[20:22], "little") <= len(data):
            return True
        at = data.find(_ZIP_END, at + 1)
    return False


def _without_texts(data: bytes) -> bytes:
    chunks = list(png_chunks(data))
    if not any(name in _PNG_TEXT for name, _, _ in chunks):
        return data
    # What follows the last whole chunk stays, so that a file that breaks off is still seen to.
    rest = data[chunks[-1][2] :]
    kept = (data[start:end] for name, start, end in chunks if name not in _PNG_TEXT)
    return b"".join((_PNG_START, *kept, rest))
