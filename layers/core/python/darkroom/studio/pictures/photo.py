"""Reading a source picture from disk.

Owns decoding with limits and the one error a bad source becomes. Sources were cleaned at ingest
(upright, sRGB, no metadata); this is the second lock, not the first. Knows nothing of looks.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Final

from PIL import Image

from darkroom.generation.ports import PermanentProviderError
from darkroom.kernel.limits import CLEAN_IMAGE_PIXELS_LIMIT, IMAGE_SIDE_MIN_PX

_WORK_SIDE_PX: Final = 2200
"""More than a 720 x 1280 crop can show; larger photos are halved first, for time and memory."""


def bad_source(key: str) -> PermanentProviderError:
    """The error for a source that cannot be used, whatever is wrong with it."""
    return PermanentProviderError(f"source {key} cannot be decoded", code="BAD_SOURCE", source=key)


def open_picture(path: Path, key: str) -> Image.Image:
    """The picture as RGB, its long side at most 2200 px.

    Raises:
        PermanentProviderError: ``BAD_SOURCE``; missing, truncated, too large or no picture.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=("JPEG", "PNG", "WEBP")) as picture:
                if _is_unusable(picture):
                    raise bad_source(key)
                # JPEG can decode at a half, a quarter or an eighth directly.
                picture.draft("RGB", (_WORK_SIDE_PX, _WORK_SIDE_PX))
                picture.load()
                loaded = _flatten(picture)
    except (
        OSError,
        SyntaxError,
        ValueError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ) as error:
        raise bad_source(key) from error
    loaded.thumbnail((_WORK_SIDE_PX, _WORK_SIDE_PX), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return loaded


def _is_unusable(picture: Image.Image) -> bool:
    """What ingest never keeps."""
    is_too_large = picture.width * picture.height > CLEAN_IMAGE_PIXELS_LIMIT
    return is_too_large or min(picture.size) < IMAGE_SIDE_MIN_PX


def _flatten(picture: Image.Image) -> Image.Image:
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    layered = picture.convert("RGBA")
    white = Image.new("RGBA", layered.size, "white")
    return Image.alpha_composite(white, layered).convert("RGB")
