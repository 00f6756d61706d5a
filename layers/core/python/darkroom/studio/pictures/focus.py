"""Where the person is in a photo, without a face detector.

Owns the guess that framing and lighting lean on: skin-colored, detailed, compact, above the
middle. A guess may be wrong, so what uses it must look right for a wrong one too. Knows nothing
of frames, looks or video.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from darkroom.media.portable_math import exp
from darkroom.studio.pictures.raster import Mask

_WORK_SIDE_PX: Final = 128
_FACE_SIZES: Final = (0.10, 0.13, 0.17, 0.22, 0.28, 0.35, 0.44)
"""Face widths tried, as fractions of the photo's short side."""
_LEAST_SCORE: Final = 0.10
_HEAD_PER_FACE: Final = 1.5
"""A head with hair and chin is about this much taller than the skin of its face."""


@dataclass(frozen=True, kw_only=True)
class Focus:
    """The subject's head, in fractions of the picture: center, and height of the head."""

    x: float
    y: float
    head: float
    sure: bool
    """False when nothing face-like was found and this is only the usual place of a head."""


def find_focus(photo: Image.Image, hint: Mapping[str, Any] | None = None) -> Focus:
    """The most face-like spot of ``photo``; ``hint`` is a face box ``x, y, width, height``
    in fractions of the photo, from a real detector, and is believed."""
    hinted = _from_hint(hint)
    if hinted is not None:
        return hinted
    scale = _WORK_SIDE_PX / max(photo.size)
    size = (max(8, round(photo.width * scale)), max(8, round(photo.height * scale)))
    small = photo.resize(size, Image.Resampling.BOX)
    skin = _skin(small) * _detail(small)
    best_score, best = 0.0, None
    for score, box in _candidates(skin):
        if score > best_score:
            best_score, best = score, box
    if best is None or best_score < _LEAST_SCORE:
        return Focus(x=0.5, y=0.36 if photo.height > photo.width else 0.4, head=0.3, sure=False)
    x0, y0, x1, y1 = best
    head = (y1 - y0) * _HEAD_PER_FACE / size[1]
    # Hair makes the head reach further above the face's skin than the chin reaches below it.
    center_y = (y0 + y1) / 2 / size[1] - head * 0.10
    return Focus(x=(x0 + x1) / 2 / size[0], y=center_y, head=min(head, 0.9), sure=True)


def _from_hint(hint: Mapping[str, Any] | None) -> Focus | None:
    if not isinstance(hint, Mapping):
        return None
    try:
        x, y, width, height = (float(hint[name]) for name in ("x", "y", "width", "height"))
    except (KeyError, TypeError, ValueError):
        return None
    if not (0 < width <= 1 and 0 < height <= 1 and 0 <= x <= 1 and 0 <= y <= 1):
        return None
    return Focus(
        x=x + width / 2, y=y + height * 0.42, head=min(height * _HEAD_PER_FACE, 0.9), sure=True
    )


def _skin(small: Image.Image) -> Mask:
    """How skin-colored each pixel is; chroma of skin varies little between people."""
    ycc = np.asarray(small.convert("YCbCr"), dtype=np.float32)
    y, cb, cr = ycc[..., 0], ycc[..., 1] - 128.0, ycc[..., 2] - 128.0
    # An ellipse along skin's line in the Cb/Cr plane, narrow across it.
    along = (cr - 22.0) * 0.8 - (cb + 17.0) * 0.6
    across = (cr - 22.0) * 0.6 + (cb + 17.0) * 0.8
    color = exp(-((along / 14.0) ** 2) - (across / 9.0) ** 2)
    bright = np.clip((y - 35.0) / 40.0, 0, 1) * np.clip((252.0 - y) / 20.0, 0, 1)
    return (color * bright).astype(np.float32)


def _detail(small: Image.Image) -> Mask:
    """0.4 … 1: walls and sand are smooth where faces have eyes and mouths."""
    gray = np.asarray(small.convert("L"), dtype=np.float32)
    edge = np.zeros_like(gray)
    edge[:, 1:] += np.abs(np.diff(gray, axis=1))
    edge[1:, :] += np.abs(np.diff(gray, axis=0))
    spread = _box_mean(edge, 4)
    return (0.4 + 0.6 * np.clip(spread / 14.0, 0, 1)).astype(np.float32)


def _box_mean(values: Mask, radius: int) -> Mask:
    padded = np.pad(values, radius, mode="edge")
    table = _integral(padded)
    side = 2 * radius + 1
    total = table[side:, side:] - table[:-side, side:] - table[side:, :-side]
    return ((total + table[:-side, :-side]) / side**2).astype(np.float32)


def _integral(values: Mask) -> npt.NDArray[np.float64]:
    table = np.zeros((values.shape[0] + 1, values.shape[1] + 1), dtype=np.float64)
    table[1:, 1:] = values.cumsum(0, dtype=np.float64).cumsum(1)
    return table


def _candidates(skin: Mask) -> Iterator[tuple[float, tuple[int, int, int, int]]]:
    """Scores of face-shaped boxes: skin inside, little beside and above, a likely place."""
    height, width = skin.shape
    table = _integral(skin)

    def mean(x0: int, y0: int, x1: int, y1: int) -> float:
        x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, width), min(y1, height)
        area = (x1 - x0) * (y1 - y0)
        if area <= 0:
            return 0.0
        return float(table[y1, x1] - table[y0, x1] - table[y1, x0] + table[y0, x0]) / area

    for size in _FACE_SIZES:
        w = max(4, round(size * min(width, height)))
        h = round(w * 1.25)
        step = max(1, w // 6)
        for y0 in range(0, height - h + 1, step):
            for x0 in range(0, width - w + 1, step):
                inside = mean(x0, y0, x0 + w, y0 + h)
                margin = max(2, w // 2)
                sides = mean(x0 - margin, y0, x0, y0 + h) + mean(
                    x0 + w, y0, x0 + w + margin, y0 + h
                )
                above = mean(x0, y0 - margin, x0 + w, y0)
                contrast = inside - 0.3 * sides - 0.3 * above
                cx, cy = (x0 + w / 2) / width, (y0 + h / 2) / height
                place = math.exp(-(((cx - 0.5) / 0.42) ** 2) - ((cy - 0.36) / 0.36) ** 2)
                yield float(contrast * place * math.pow(size, 0.35)), (x0, y0, x0 + w, y0 + h)
