"""Small pictures for lists and pages, as JPEG of a limited size."""

from __future__ import annotations

import io
from typing import Final

from PIL import Image

from darkroom.kernel.limits import THUMBNAIL_LIMIT_BYTES, THUMBNAIL_SIDE_PX

_QUALITIES: Final = (82, 72, 60, 45, 30)


def small_jpeg(picture: Image.Image, *, side_px: int = THUMBNAIL_SIDE_PX) -> bytes:
    """The picture with at most this long a side, in at most ``THUMBNAIL_LIMIT_BYTES``.

    A picture that shows little but noise gets a lower quality, and then fewer pixels.
    """
    small = picture.convert("RGB")
    small.thumbnail((side_px, side_px), Image.Resampling.LANCZOS, reducing_gap=3.0)
    # Neither a color profile nor a comment of the picture goes along.
    small.info = {}
    for quality in _QUALITIES:
        encoded = io.BytesIO()
        small.save(encoded, "JPEG", quality=quality, optimize=True, progressive=True)
        if encoded.tell() <= THUMBNAIL_LIMIT_BYTES:
            return encoded.getvalue()
    return small_jpeg(small, side_px=side_px // 2)
