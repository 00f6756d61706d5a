"""A soft outline of the subject, so that light and blur can fall behind a person.

Owns the guess which pixels are the person: a head-and-shoulders shape, corrected by the photo's
own colors and edges. Keyframes use it for light, tint and blur only, so an error shows as uneven
light and no more; portraits change what is behind a person, but only as far as the refined
outline can be trusted. Knows nothing of looks.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from darkroom.media.portable_math import exp, log
from darkroom.studio.pictures.focus import Focus
from darkroom.studio.pictures.raster import (
    FloatImage,
    Floats,
    Mask,
    grid,
    mask_image,
    resize_mask,
    smoothstep,
    to_image,
)

_WORK_SIDE_PX: Final = 192
_ROUNDS: Final = 4
_BINS: Final = 12
_HOLE_RADIUS_PX: Final = 6
_GUIDE_RADIUS_PX: Final = 3
_GUIDE_EPSILON: Final = 4e-4
_FINE_SIDE_PX: Final = 768
_FINE_RADIUS_PX: Final = 4
_BAND_HEADS: Final = 0.10
_PIECE_WIDTH_PX: Final = 192
_OUTLINE_WIDTH_PX: Final = 384
_OUTLINE_BELOW_HEADS: Final = 0.3
_EDGE_SCALE: Final = 12.0
"""A step of a twelfth of full contrast from pixel to pixel is a full edge."""
_LEAST_ALIGNED: Final = 0.80
_WELL_ALIGNED: Final = 0.92


def subject_mask(photo: Image.Image, focus: Focus) -> Mask:
    """1 on the person, 0 behind; shape (photo.height, photo.width)."""
    scale = _WORK_SIDE_PX / max(photo.size)
    width, height = (max(8, round(side * scale)) for side in photo.size)
    small = photo.resize((width, height), Image.Resampling.BOX)
    prior = _bust(focus, width, height, photo.width / photo.height)
    pixels = np.asarray(small, dtype=np.float32) / 255.0
    belief = prior.copy()
    bins = _color_bins(pixels)
    for _ in range(_ROUNDS):
        odds = _color_odds(bins, belief)
        belief = _combine(prior, odds)
        # Each channel sees other edges: an orange coat before a gray wall is none in brightness.
        guided = [_guided(pixels[..., c], belief, _GUIDE_RADIUS_PX) for c in range(3)]
        belief = np.mean(guided, axis=0, dtype=np.float32)
    # Whatever the colors say, the middle of the head is the person.
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


def _color_bins(pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    quantised = np.minimum((pixels * _BINS).astype(np.int64), _BINS - 1)
    return (quantised[..., 0] * _BINS + quantised[..., 1]) * _BINS + quantised[..., 2]


def _color_odds(bins: npt.NDArray[np.int64], belief: Mask) -> Mask:
    """How much likelier each pixel's color is on the person than behind, 0 … 1."""
    count = _BINS**3
    flat = bins.ravel()
    on = _spread(np.bincount(flat, belief.ravel(), count).astype(np.float64))
    off = _spread(np.bincount(flat, 1.0 - belief.ravel(), count).astype(np.float64))
    on, off = on / on.sum(), off / off.sum()
    odds = (on + 1e-6) / (on + off + 2e-6)
    return odds[bins].astype(np.float32)


def _spread(histogram: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Neighboring colors count as nearly the same color."""
    cube = histogram.reshape(_BINS, _BINS, _BINS)
    for axis in range(3):
        padded = np.pad(cube, [(1, 1) if a == axis else (0, 0) for a in range(3)])
        low = np.take(padded, range(_BINS), axis)
        high = np.take(padded, range(2, _BINS + 2), axis)
        cube = 0.5 * cube + 0.25 * (low + high)
    return cube.ravel()


def _combine(prior: Mask, odds: Mask) -> Mask:
    """Place and color together, as independent evidence; color counts a little more."""
    logit = log(prior / (1 - prior)) + 1.25 * log((odds + 0.02) / (1.02 - odds))
    return (1.0 / (1.0 + exp(-logit))).astype(np.float32)


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


def refine_mask(pixels: FloatImage, mask: Mask, focus: Focus) -> Mask:
    """A rough mask drawn to the picture's own edges, good enough to change what is behind.

    Around the rough outline, as far as a tenth of a head, each pixel is placed between the
    colors of the sure person and the sure background nearby; where the two look alike, the
    rough mask is kept.
    """
    height, width = mask.shape
    scale = min(1.0, _FINE_SIDE_PX / max(width, height))
    small = (max(8, round(width * scale)), max(8, round(height * scale)))
    colors = np.asarray(to_image(pixels).resize(small, Image.Resampling.BOX), np.float32) / 255.0
    rough = resize_mask(mask, *small)
    reach = max(3, round(_BAND_HEADS * focus.head * small[1]))
    inside = _mean((rough > 0.5).astype(np.float32), reach)
    person, behind = smoothstep(0.93, 0.99, inside), smoothstep(0.07, 0.01, inside)
    near_person = _nearby_color(colors, person, reach)
    near_behind = _nearby_color(colors, behind, reach)
    way = near_person - near_behind
    length = (way**2).sum(-1)
    share = ((colors - near_behind) * way).sum(-1) / (length + 1e-4)
    trust = 0.9 * smoothstep(0.004, 0.05, length)
    blended = np.clip(share, 0.0, 1.0) * trust + rough * (1.0 - trust)
    alpha = np.clip(np.maximum(blended, person) * (1.0 - behind), 0.0, 1.0)
    guided = [_guided(colors[..., c], alpha, _FINE_RADIUS_PX) for c in range(3)]
    fine: Mask = np.mean(guided, axis=0, dtype=np.float32)
    piece = smoothstep(0.22, 0.86, fine) * _in_one_piece(fine, focus)
    piece = np.maximum(piece, _holes_in_the_head(piece, focus)).astype(np.float32)
    return resize_mask(piece, width, height)


def _in_one_piece(mask: Mask, focus: Focus) -> Mask:
    """1 on what is connected with the head, 0 on islands further away."""
    solid = _solid(mask)
    seed = (
        min(max(int(focus.x * solid.width), 0), solid.width - 1),
        min(max(int(focus.y * solid.height), 0), solid.height - 1),
    )
    ImageDraw.floodfill(solid, seed, 128)
    grown = _only(solid, 128).filter(ImageFilter.MaxFilter(5))
    return _as_mask(grown, mask.shape)


def _holes_in_the_head(mask: Mask, focus: Focus) -> Mask:
    """1 where shining hair was taken for the wall, but the head closes around it."""
    closed = ImageOps.expand(_solid(mask).filter(ImageFilter.MaxFilter(5)), 1, 0)
    ImageDraw.floodfill(closed, (0, 0), 128)
    outside = ImageOps.crop(_only(closed, 128), 1)
    enclosed = ImageOps.invert(outside).filter(ImageFilter.MinFilter(5))
    height, width = mask.shape
    near = _head(focus, width, height, width / height, 1.15, 0.95)
    return _as_mask(enclosed, mask.shape) * near


def _solid(mask: Mask) -> Image.Image:
    height, width = mask.shape
    size = (_PIECE_WIDTH_PX, max(8, round(_PIECE_WIDTH_PX * height / width)))
    return mask_image(resize_mask(mask, *size)).point(lambda level: 255 if level > 90 else 0)


def _only(image: Image.Image, wanted: int) -> Image.Image:
    return image.point(lambda level: 255 if level == wanted else 0)


def _as_mask(image: Image.Image, shape: tuple[int, ...]) -> Mask:
    soft = image.filter(ImageFilter.GaussianBlur(1.0))
    return resize_mask(np.asarray(soft, dtype=np.float32) / 255.0, shape[1], shape[0])


def _nearby_color(colors: FloatImage, where: Mask, reach: int) -> FloatImage:
    """The mean color of the nearest pixels ``where`` is 1, for every pixel."""
    result = np.zeros_like(colors)
    known = np.zeros_like(where)
    for radius in (2 * reach, 4 * reach, 12 * reach):
        share = _mean(where, radius)
        part = np.clip(share * 8.0, 0.0, 1.0) * (1.0 - known)
        for c in range(3):
            near = _mean(colors[..., c] * where, radius) / np.maximum(share, 1e-4)
            result[..., c] += near * part
        known = known + part
    return result + (1.0 - known)[..., None] * colors.mean((0, 1))


def outline_certainty(pixels: FloatImage, mask: Mask, focus: Focus) -> float:
    """0 … 1: how far the outline of the head and shoulders runs along edges of the picture.

    Where it does not, some of the background passes for the person or the other way round.
    """
    height, width = mask.shape
    size = (_OUTLINE_WIDTH_PX, round(_OUTLINE_WIDTH_PX * height / width))
    small = np.asarray(to_image(pixels).resize(size, Image.Resampling.BOX), np.float32) / 255.0
    outline = _slope(resize_mask(mask, *size))
    outline *= (grid(*size)[1] - focus.y) / focus.head < _OUTLINE_BELOW_HEADS
    edges = np.max([_slope(small[..., c]) for c in range(3)], axis=0)
    near = np.asarray(
        mask_image(edges * _EDGE_SCALE).filter(ImageFilter.MaxFilter(5)), dtype=np.float32
    )
    total = float(outline.sum())
    if total == 0:
        return 0.0
    aligned = float((outline * near).sum()) / 255.0 / total
    return float(smoothstep(_LEAST_ALIGNED, _WELL_ALIGNED, np.array(aligned, dtype=np.float32)))


def _slope(values: Mask) -> Mask:
    down, across = np.gradient(values)
    return np.sqrt(down * down + across * across).astype(np.float32)
