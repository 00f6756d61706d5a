"""Uploaded pictures made safe: what is kept is decoded pixels, written anew.

Owns which files count as pictures, the pixel cap, orientation, colour space and the removal of all
metadata. The content decides, never a name or a header a client sent. Pure: bytes in, bytes out.
"""

from __future__ import annotations

import io
import struct
import warnings
from dataclasses import dataclass
from typing import Final

from PIL import Image, ImageCms, ImageFile

from darkroom.kernel.errors import DarkroomError

MAX_PIXELS: Final = 50_000_000
THUMBNAIL_SIDE_PX: Final = 480
_JPEG_QUALITY: Final = 92
_THUMBNAIL_QUALITY: Final = 82
_MIN_SIDE_PX: Final = 1
_SNIFFED_BYTES: Final = 1024
_ZIP_END: Final = b"PK\x05\x06"
_ZIP_END_REACH_BYTES: Final = 22 + 65_535
"""A ZIP's end record and the longest comment that may follow it."""
_MARKUP: Final = (b"<script", b"<html", b"<svg", b"<!doctype html", b"<?php")
_AVIF_BRANDS: Final = (b"avif", b"avis")
_HEIC_BRANDS: Final = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1")
_MEDIA_BRANDS: Final = frozenset(
    {b"isom", b"iso2", b"iso4", b"iso5", b"iso6", b"mp41", b"mp42", b"avc1", b"dash"}
    | {b"qt  ", b"M4A ", b"M4B ", b"M4V ", b"MSNV"}
)
_MEDIA_STARTS: Final = (b"ID3", b"\x1a\x45\xdf\xa3")

_ORIENTATION_TAG: Final = 0x0112
_UPRIGHT_BY: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# What Pillow's decoders raise for broken data; libavif's says RuntimeError.
_DECODER_ERRORS: Final = (
    OSError, SyntaxError, ValueError, EOFError, IndexError, OverflowError, RuntimeError,
)  # fmt: skip

# A file that breaks off must fail, not come out grey below the break.
ImageFile.LOAD_TRUNCATED_IMAGES = False


class ImageRejected(DarkroomError):
    """The upload is no picture that can be kept; the code says why."""

    code = "UNSUPPORTED_TYPE"


@dataclass(frozen=True, kw_only=True)
class CleanImage:
    """A picture without metadata, upright and in sRGB."""

    jpeg_bytes: bytes
    width: int
    height: int
    mime_type: str
    """Of ``jpeg_bytes``: always ``image/jpeg``."""
    source_mime_type: str
    """What the upload was."""
    thumbnail_jpeg: bytes
    """At most 480 px on the long side."""


def inspect_and_clean(data: bytes, *, max_pixels: int = MAX_PIXELS) -> CleanImage:
    """Decodes ``data`` fully and writes it anew as JPEG.

    Raises:
        ImageRejected: ``UNSUPPORTED_TYPE`` (no JPEG, PNG, WebP, HEIC or AVIF, or something else
            hidden in one), ``TYPE_MISMATCH`` (a video or sound), ``IMAGE_TOO_LARGE`` (more than
            ``max_pixels``), ``CORRUPT_FILE``.
    """
    kind, mime_type = _sniff(data)
    _refuse_polyglot(data)
    # A picture of 50 million pixels takes 200 MB: each step works in place where it can.
    picture = _decode(data, kind, max_pixels)
    picture = _flatten(_to_srgb(_upright(picture)))
    width, height = picture.size
    jpeg = _jpeg(picture, _JPEG_QUALITY)
    picture.thumbnail(
        (THUMBNAIL_SIDE_PX, THUMBNAIL_SIDE_PX), Image.Resampling.LANCZOS, reducing_gap=3.0
    )
    return CleanImage(
        jpeg_bytes=jpeg,
        width=width,
        height=height,
        mime_type="image/jpeg",
        source_mime_type=mime_type,
        thumbnail_jpeg=_jpeg(picture, _THUMBNAIL_QUALITY),
    )


def shrink(picture: bytes, side_px: int) -> bytes:
    """A checked picture as a JPEG with at most this long a side, for who takes no larger one."""
    with Image.open(io.BytesIO(picture), formats=("JPEG", "PNG", "WEBP")) as opened:
        opened.draft("RGB", (side_px, side_px))
        small = opened.convert("RGB")
    small.thumbnail((side_px, side_px), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return _jpeg(small, _JPEG_QUALITY)


def _sniff(data: bytes) -> tuple[str, str]:
    """Pillow's format name and the MIME type, by the first bytes."""
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG", "image/jpeg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG", "image/png"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP", "image/webp"
    if data[4:8] == b"ftyp" and data[8:12] in _AVIF_BRANDS:
        return "AVIF", "image/avif"
    if data[4:8] == b"ftyp" and data[8:12] in _HEIC_BRANDS:
        return "HEIF", "image/heic"
    is_film = data[4:8] == b"ftyp" and data[8:12] in _MEDIA_BRANDS
    is_wave = data[:4] == b"RIFF" and data[8:12] == b"WAVE"
    if is_film or is_wave or data.startswith(_MEDIA_STARTS):
        raise ImageRejected("a video or a sound", code="TYPE_MISMATCH")
    raise ImageRejected("not a JPEG, PNG, WebP, HEIC or AVIF image")


def _refuse_polyglot(data: bytes) -> None:
    """Re-encoding would drop what hides in the file; but nobody sends such a file by mistake."""
    head = data[:_SNIFFED_BYTES].lower()
    if any(mark in head for mark in _MARKUP):
        raise ImageRejected("the image contains markup")
    if _ends_in_a_zip(data):
        raise ImageRejected("the image contains an archive")


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


def _decode(data: bytes, kind: str, max_pixels: int) -> Image.Image:
    """The first frame, fully decoded; its size is checked before a pixel is."""
    if kind == "HEIF":
        # Only here: the studio reads clean copies, and has no decoder for this.
        from pillow_heif import register_heif_opener

        register_heif_opener()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=(kind,)) as picture:
                if picture.width * picture.height > max_pixels:
                    raise _too_large(picture.width, picture.height, max_pixels)
                picture.load()
                return picture
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageRejected("too many pixels", code="IMAGE_TOO_LARGE") from error
    except _DECODER_ERRORS as error:
        raise ImageRejected("the image cannot be decoded", code="CORRUPT_FILE") from error


def _too_large(width: int, height: int, max_pixels: int) -> ImageRejected:
    return ImageRejected(
        f"{width} x {height} pixels are too many",
        code="IMAGE_TOO_LARGE", width=width, height=height, maxPixels=max_pixels,
    )  # fmt: skip


def _upright(picture: Image.Image) -> Image.Image:
    """Turned as the camera was held; a broken note about that counts as none."""
    try:
        orientation = picture.getexif().get(_ORIENTATION_TAG, 1)
    except (*_DECODER_ERRORS, KeyError, TypeError, struct.error):
        return picture
    method = _UPRIGHT_BY.get(orientation)
    if method is None:
        return picture
    turned = picture.transpose(method)
    turned.info = dict(picture.info)
    return turned


def _to_srgb(picture: Image.Image) -> Image.Image:
    """Colours as any browser shows them; a profile that is broken is ignored."""
    profile = picture.info.get("icc_profile")
    if not profile or picture.mode not in ("RGB", "RGBA", "L", "CMYK"):
        return picture
    alpha = picture.getchannel("A") if picture.mode == "RGBA" else None
    plain = picture.convert("RGB") if alpha is not None else picture
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(
            plain, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        return picture
    if converted is None:
        return picture
    if alpha is not None:
        converted.putalpha(alpha)
    return converted


def _flatten(picture: Image.Image) -> Image.Image:
    """RGB, on white where it was transparent, with pixels and nothing else."""
    if picture.has_transparency_data:
        layered = picture.convert("RGBA")
        white = Image.new("RGBA", layered.size, "white")
        plain = Image.alpha_composite(white, layered).convert("RGB")
    elif picture.mode.startswith("I") or picture.mode == "F":
        # 16-bit greys: Pillow would clip them to white.
        plain = picture.convert("I").point(lambda value: value / 256).convert("L").convert("RGB")
    else:
        plain = picture if picture.mode == "RGB" else picture.convert("RGB")
    # Pillow writes comments and XMP it finds here into the new file.
    plain.info = {}
    return plain


def _jpeg(picture: Image.Image, quality: int) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=quality, exif=b"", icc_profile=None)
    return out.getvalue()
