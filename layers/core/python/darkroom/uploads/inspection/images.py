"""Uploaded pictures made safe: what is kept is decoded pixels, re-encoded.

Owns the limits of size, orientation, transparency and the removal of all metadata. The content
decides, never a name or a header a client sent. Pure: bytes in, bytes out.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image, ImageFile, PngImagePlugin

from darkroom.kernel.limits import (
    CLEAN_IMAGE_PIXELS_LIMIT,
    IMAGE_PIXELS_LIMIT,
    IMAGE_SIDE_LIMIT_PX,
    IMAGE_SIDE_MIN_PX,
    WEBP_PIXELS_LIMIT,
)
from darkroom.media.small_jpeg import small_jpeg
from darkroom.uploads.inspection.picture_format import (
    ImageRejected,
    for_decoder,
    refuse_polyglot,
    sniff,
)
from darkroom.uploads.inspection.srgb import color_codes, to_srgb

__all__ = ["CleanImage", "ImageRejected", "inspect_and_clean", "shrink"]

THUMBNAIL_SIDE_PX: Final = 480
_JPEG_QUALITY: Final = 92
_WHITE: Final = (255, 255, 255)
_GRAY: Final = (128, 128, 128)
_SEEN_BELOW: Final = 232
"""On white, only what is darker than this can be seen."""
_SEEN_SHARE: Final = 0.01
_OPAQUE_FROM: Final = 32

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
# What Pillow's decoders and encoders raise for broken data; libavif's says RuntimeError.
_CODEC_ERRORS: Final = (
    OSError, SyntaxError, ValueError, EOFError, IndexError, OverflowError, RuntimeError,
    KeyError, TypeError, struct.error, zlib.error,
)  # fmt: skip

# A file that breaks off must fail, not come out gray below the break.
ImageFile.LOAD_TRUNCATED_IMAGES = False
# Texts are removed before; this bounds color profiles, of which some printers' take 2 MB.
PngImagePlugin.MAX_TEXT_CHUNK = 8 << 20


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
    """At most 480 px on the long side, and 60 KB."""


def inspect_and_clean(data: bytes, *, max_pixels: int = IMAGE_PIXELS_LIMIT) -> CleanImage:
    """Decodes ``data`` fully and re-encodes it as JPEG, a very large one at half its size.

    Raises:
        ImageRejected: ``UNSUPPORTED_TYPE`` (no JPEG, PNG, WebP, HEIC or AVIF, or something else
            hidden in one), ``TYPE_MISMATCH`` (a video or sound), ``IMAGE_TOO_LARGE`` (more than
            ``max_pixels``, or a side that no JPEG can have), ``IMAGE_TOO_SMALL``,
            ``CORRUPT_FILE``.
    """
    kind, mime_type = sniff(data)
    refuse_polyglot(data)
    try:
        return _cleaned(data, kind, mime_type, max_pixels)
    except (Image.DecompressionBombError, MemoryError) as error:
        raise ImageRejected("too many pixels", code="IMAGE_TOO_LARGE") from error
    except _CODEC_ERRORS as error:
        raise ImageRejected("the image cannot be decoded", code="CORRUPT_FILE") from error


def _cleaned(data: bytes, kind: str, mime_type: str, max_pixels: int) -> CleanImage:
    # A hundred million pixels take 300 MB: no step keeps what the one before it had.
    picture = _decode(for_decoder(data, kind), kind, max_pixels)
    picture = to_srgb(_upright(picture), color_codes(data, kind))
    picture = _flatten(picture)
    width, height = picture.size
    jpeg = _jpeg(picture, _JPEG_QUALITY)
    return CleanImage(
        jpeg_bytes=jpeg,
        width=width,
        height=height,
        mime_type="image/jpeg",
        source_mime_type=mime_type,
        thumbnail_jpeg=small_jpeg(picture, side_px=THUMBNAIL_SIDE_PX),
    )


def shrink(picture: bytes, side_px: int) -> bytes:
    """A checked picture as a JPEG with at most this long a side, for who takes no larger one."""
    with Image.open(io.BytesIO(picture), formats=("JPEG", "PNG", "WEBP")) as opened:
        opened.draft("RGB", (side_px, side_px))
        small = opened.convert("RGB")
    small.thumbnail((side_px, side_px), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return _jpeg(small, _JPEG_QUALITY)


def _decode(data: bytes, kind: str, max_pixels: int) -> Image.Image:
    """The first frame, decoded; its size is checked before a pixel is."""
    if kind == "HEIF":
        # Only here: the studio reads clean copies, and has no decoder for this.
        from pillow_heif import register_heif_opener

        register_heif_opener()
    with warnings.catch_warnings():
        # The limit below is ours; Pillow's own is lower than the pictures of phones.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with Image.open(io.BytesIO(data), formats=(kind,)) as picture:
            width, height = picture.size
            if kind == "WEBP":
                max_pixels = min(max_pixels, WEBP_PIXELS_LIMIT)
            _check_size(width, height, max_pixels)
            is_huge = width * height > CLEAN_IMAGE_PIXELS_LIMIT
            if is_huge:
                # JPEG decodes at half its size; other formats take no notice.
                picture.draft(None, (width // 2, height // 2))
            picture.load()
            eight_bits = _eight_bits(picture)
            if is_huge and eight_bits.size == (width, height):
                return _halved(eight_bits)
            return eight_bits


def _check_size(width: int, height: int, max_pixels: int) -> None:
    size = {"width": width, "height": height}
    if width * height > max_pixels or max(width, height) > IMAGE_SIDE_LIMIT_PX:
        raise ImageRejected(
            f"{width} x {height} pixels are too many",
            code="IMAGE_TOO_LARGE", maxPixels=max_pixels, maxSide=IMAGE_SIDE_LIMIT_PX, **size,
        )  # fmt: skip
    if min(width, height) < IMAGE_SIDE_MIN_PX:
        raise ImageRejected(
            f"{width} x {height} pixels are too few",
            code="IMAGE_TOO_SMALL", minSide=IMAGE_SIDE_MIN_PX, **size,
        )  # fmt: skip


def _halved(picture: Image.Image) -> Image.Image:
    """Half the width and height; palettes become colors, for only these can be averaged."""
    if picture.mode in ("P", "PA", "1"):
        picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    half = picture.reduce(2)
    half.info = dict(picture.info)
    return half


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Grays of 16 bits as 8: Pillow would clip them to white."""
    if not (picture.mode.startswith("I") or picture.mode == "F"):
        return picture
    values = np.asarray(picture)
    gray = Image.fromarray((np.clip(values, 0, 65_535).astype(np.uint16) >> 8).astype(np.uint8))
    gray.info = dict(picture.info)
    clear = gray.info.pop("transparency", None)
    if isinstance(clear, int):
        gray.putalpha(Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8)))
    return gray


def _upright(picture: Image.Image) -> Image.Image:
    """Rotated by its EXIF orientation; a broken orientation counts as none."""
    try:
        orientation = picture.getexif().get(_ORIENTATION_TAG, 1)
    except _CODEC_ERRORS:
        return picture
    method = _UPRIGHT_BY.get(orientation)
    if method is None:
        return picture
    turned = picture.transpose(method)
    turned.info = dict(picture.info)
    return turned


def _flatten(picture: Image.Image) -> Image.Image:
    """RGB, on a plain color where it was transparent, with pixels and nothing else."""
    if picture.has_transparency_data:
        plain = _laid_on_paper(picture.convert("RGBA"))
    else:
        plain = picture if picture.mode == "RGB" else picture.convert("RGB")
    # Pillow writes comments and XMP it finds here into the new file.
    plain.info = {}
    return plain


def _laid_on_paper(layered: Image.Image) -> Image.Image:
    """On white; a drawing that cannot be seen there lies on gray."""
    alpha = layered.getchannel("A")
    plain = Image.new("RGB", layered.size, _WHITE)
    plain.paste(layered, mask=alpha)
    shares = alpha.histogram()
    clear, drawn = sum(shares[:_OPAQUE_FROM]), sum(shares[_OPAQUE_FROM:])
    seen = sum(plain.convert("L").histogram()[:_SEEN_BELOW])
    if clear and drawn and seen < drawn * _SEEN_SHARE:
        plain.paste(_GRAY, (0, 0, *plain.size))
        plain.paste(layered, mask=alpha)
    return plain


def _jpeg(picture: Image.Image, quality: int) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=quality, exif=b"", icc_profile=None)
    return out.getvalue()
