"""Drawn text laid over planar video frames.

Owns the arithmetic of blending in YUV, so that a film never has to go through RGB. Knows nothing
of typography or time.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from darkroom.studio.films.video import Yuv
from darkroom.studio.pictures.raster import HEIGHT, WIDTH

_HALF_W, _HALF_H = WIDTH // 2, HEIGHT // 2


class Overlay:
    """A layer ready to be blended; only the rows it touches are kept."""

    def __init__(self, layer: npt.NDArray[np.float32]) -> None:
        """``layer``: premultiplied RGBA, 0 … 1, shape (1280, 720, 4)."""
        rows = np.flatnonzero(layer[..., 3].max(axis=1) > 0.002)
        first, last = (int(rows[0]), int(rows[-1]) + 1) if rows.size else (0, 0)
        # Chroma has half the rows: keep whole pairs.
        self._top, self._bottom = first - first % 2, last + last % 2
        part = layer[self._top : self._bottom]
        red, green, blue, alpha = (part[..., channel] for channel in range(4))
        luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
        self._alpha = alpha
        # Rec. 709, limited range; offsets are premultiplied like the color itself.
        self._luma = 16.0 * alpha + 219.0 * luma
        self._alpha_half = _halve(alpha)
        self._cb = _halve(128.0 * alpha + 224.0 * (blue - luma) / 1.8556)
        self._cr = _halve(128.0 * alpha + 224.0 * (red - luma) / 1.5748)

    def blend(self, frame: Yuv, opacity: float) -> None:
        """Lays the layer over the frame, in place."""
        if opacity <= 0 or self._top >= self._bottom:
            return
        _mix(frame[self._top : self._bottom], self._luma, self._alpha, opacity)
        top, bottom = self._top // 2, self._bottom // 2
        for plane, color in zip(chroma_planes(frame), (self._cb, self._cr), strict=True):
            _mix(plane[top:bottom], color, self._alpha_half, opacity)


def chroma_planes(frame: Yuv) -> tuple[Yuv, Yuv]:
    """Views of both chroma planes, each (640, 360)."""
    chroma = frame[HEIGHT:].reshape(2, _HALF_H, _HALF_W)
    return chroma[0], chroma[1]


def _mix(
    target: Yuv,
    color: npt.NDArray[np.float32],
    alpha: npt.NDArray[np.float32],
    opacity: float,
) -> None:
    keep = 1.0 - alpha * np.float32(opacity)
    mixed = target * keep + color * np.float32(opacity) + np.float32(0.5)
    target[:] = np.clip(mixed, 0, 255).astype(np.uint8)


def _halve(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return (
        values[0::2, 0::2] + values[1::2, 0::2] + values[0::2, 1::2] + values[1::2, 1::2]
    ) * np.float32(0.25)
