"""A soft outline of the subject, so that light and blur can fall behind a person.

Owns the guess which pixels are the person: a head-and-shoulders shape, corrected by the photo's
own colours and edges. It is used for light, tint and blur only, never to cut anybody out, so an
error shows as uneven light and no more. Knows nothing of looks.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from darkroom.generation.providers.local.focus import Focus
from darkroom.generation.providers.local.raster import (
    Floats,
    Mask,
    grid,
    mask_image,
    resize_mask,
    smoothstep,
)

_WORK_SIDE_PX: Final = 192
_ROUNDS: Final = 4
_BINS: Final = 12
_HOLE_RADIUS_PX: Final = 6
_GUIDE_RADIUS_PX: Final = 3
_GUIDE_EPSILON: Final = 4e-4


def subject_mask(photo: Image.Image, focus: Focus) -> Mask:
    """1 on the person, 0 behind; shape (photo.height, photo.width)."""
    scale = _WORK_SIDE_PX / max(photo.size)
    width, height = (max(8, round(side * scale)) for side in photo.size)
    small = photo.resize((width, height), Image.Resampling.BOX)
    prior = _bust(focus, width, height, photo.width / photo.height)
    pixels = np.asarray(small, dtype=np.float32) / 255.0
    belief = prior.copy()
    bins = _colour_bins(pixels)
    for _ in range(_ROUNDS):
        odds = _colour_odds(bins, belief)
        belief = _combine(prior, odds)
        # Each channel sees other edges: an orange coat before a grey wall is none in brightness.
        guided = [_guided(pixels[..., c], belief, _GUIDE_RADIUS_PX) for c in range(3)]
        belief = np.mean(guided, axis=0, dtype=np.float32)
    # Whatever the colours say, the middle of the head is the person.
    certain = _head(focus, width, height, photo.width / photo.height, 0.60, 0.25)
    mask = smoothstep(0.32, 0.80, belief)
    # Only below the face: around hair, what shows between strands is the background.
    below = smoothstep(0.3, 0.6, (grid(width, height)[1] - focus.y) / focus.head)
    mask = np.maximum(mask + (_close_holes(mask) - mask) * below, certain)
    return resize_mask(mask, photo.width, photo.height)


def _close_holes(mask: Mask) -> Mask:
    """White shirts and badges inside the outline belong to the person."""
    picture = mask_image(mask)
    size = 2 * _HOLE_RADIUS_PX + 1
    grown = picture.filter(ImageFilter.MaxFilter(size))
    closed = grown.filter(ImageFilter.MinFilter(size)).filter(ImageFilter.GaussianBlur(1.2))
    return np.maximum(mask, np.asarray(closed, dtype=np.float32) / 255.0)


def _head(focus: Focus, width: int, height: int, aspect: float, outer: float, inner: float) -> Mask:
    x, y = grid(width, height)
    dx = (x - focus.x) * aspect / focus.head
    dy = (y - focus.y) / focus.head
    return smoothstep(outer, inner, np.sqrt((dx / 0.46) ** 2 + (dy / 0.58) ** 2))


def _bust(focus: Focus, width: int, height: int, aspect: float) -> Mask:
    """The usual outline of head, neck and shoulders around ``focus``."""
    x, y = grid(width, height)
    dx = (x - focus.x) * aspect / focus.head
    dy = (y - focus.y) / focus.head
    head = _head(focus, width, height, aspect, 1.35, 0.75)
    # Shoulders open downwards from the neck to about one and a half heads to each side.
    half = 0.34 + 0.95 * smoothstep(0.2, 1.5, dy)
    body = smoothstep(1.25, 0.75, np.abs(dx) / half) * smoothstep(0.22, 0.60, dy)
    return np.clip(np.maximum(head, body * 0.9), 0.03, 0.90)


def _colour_bins(pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    quantised = np.minimum((pixels * _BINS).astype(np.int64), _BINS - 1)
    return (quantised[..., 0] * _BINS + quantised[..., 1]) * _BINS + quantised[..., 2]


def _colour_odds(bins: npt.NDArray[np.int64], belief: Mask) -> Mask:
    """How much likelier each pixel's colour is on the person than behind, 0 … 1."""
    count = _BINS**3
    flat = bins.ravel()
    on = _spread(np.bincount(flat, belief.ravel(), count).astype(np.float64))
    off = _spread(np.bincount(flat, 1.0 - belief.ravel(), count).astype(np.float64))
    on, off = on / on.sum(), off / off.sum()
    odds = (on + 1e-6) / (on + off + 2e-6)
    return odds[bins].astype(np.float32)


def _spread(histogram: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Neighbouring colours count as nearly the same colour."""
    cube = histogram.reshape(_BINS, _BINS, _BINS)
    for axis in range(3):
        padded = np.pad(cube, [(1, 1) if a == axis else (0, 0) for a in range(3)])
        low = np.take(padded, range(_BINS), axis)
        high = np.take(padded, range(2, _BINS + 2), axis)
        cube = 0.5 * cube + 0.25 * (low + high)
    return cube.ravel()


def _combine(prior: Mask, odds: Mask) -> Mask:
    """Place and colour together, as independent evidence; colour counts a little more."""
    logit = np.log(prior / (1 - prior)) + 1.25 * np.log((odds + 0.02) / (1.02 - odds))
    return (1.0 / (1.0 + np.exp(-logit))).astype(np.float32)


def _guided(guide: Mask, values: Mask, radius: int) -> Mask:
    """A guided filter (He, Sun, Tang 2010): smooths ``values`` but keeps the guide's edges."""
    mean_g, mean_v = _mean(guide, radius), _mean(values, radius)
    covariance = _mean(guide * values, radius) - mean_g * mean_v
    variance = _mean(guide * guide, radius) - mean_g * mean_g
    slope = covariance / (variance + _GUIDE_EPSILON)
    offset = mean_v - slope * mean_g
    return np.clip(_mean(slope, radius) * guide + _mean(offset, radius), 0.02, 0.98)


def _mean(values: Floats, radius: int) -> Mask:
    side = 2 * radius + 1
    padded = np.pad(values, radius, mode="edge")
    table = np.zeros((padded.shape[0] + 1, padded.shape[1] + 1), dtype=np.float64)
    table[1:, 1:] = padded.cumsum(0, dtype=np.float64).cumsum(1)
    total = table[side:, side:] - table[:-side, side:] - table[side:, :-side]
    return ((total + table[:-side, :-side]) / side**2).astype(np.float32)
