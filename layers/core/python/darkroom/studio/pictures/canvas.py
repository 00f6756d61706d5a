"""Noise, ridges and antialiased shapes: what painted scenery is made of.

Owns no colors and no scenes. Masks are float32 (height, width), 0 … 1; ``x`` and ``y`` of shapes
are fractions of the picture's width and height.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from PIL import Image, ImageDraw

from darkroom.studio.pictures.raster import FloatImage, Floats, Mask
from darkroom.studio.values import Rgb

Size = tuple[int, int]
"""Width and height in pixels."""
_OVERSAMPLING: Final = 2
_TEXTURE_PX: Final = 512


def color(rgb: Rgb) -> FloatImage:
    return np.array(rgb, dtype=np.float32)


def blend(low: Rgb | FloatImage, high: Rgb | FloatImage, share: float) -> FloatImage:
    first, second = np.asarray(low, dtype=np.float32), np.asarray(high, dtype=np.float32)
    return (first * (1 - share) + second * share).astype(np.float32)


def lay(pixels: FloatImage, mask: Mask, paint: Floats) -> FloatImage:
    """``paint`` (a color or a picture) where the mask is."""
    share = mask[..., None]
    return (pixels * (1.0 - share) + paint * share).astype(np.float32)


def ramp(stops: Sequence[tuple[float, FloatImage]], at: Floats) -> FloatImage:
    """Colors between the stops (place, color), which are in order."""
    places = [place for place, _ in stops]
    channels = [np.interp(at, places, [paint[i] for _, paint in stops]) for i in range(3)]
    return np.stack(channels, axis=-1).astype(np.float32)


def texture(rng: np.random.Generator, octaves: int = 6, first: int = 4) -> Mask:
    """Tileable fractal noise, 0 … 1, that is sampled at will; each octave counts half."""
    total = np.zeros((_TEXTURE_PX, _TEXTURE_PX), dtype=np.float32)
    weight, cells = 1.0, first
    for _ in range(octaves):
        coarse = rng.random((cells, cells), dtype=np.float32)
        tiled = np.pad(coarse, 2, mode="wrap")
        scale = _TEXTURE_PX / cells
        size = round((cells + 4) * scale)
        smooth = Image.fromarray(tiled, "F").resize((size, size), Image.Resampling.BICUBIC)
        at = round(2 * scale)
        total += (
            weight
            * np.asarray(smooth, dtype=np.float32)[at : at + _TEXTURE_PX, at : at + _TEXTURE_PX]
        )
        weight, cells = weight * 0.5, min(cells * 2, _TEXTURE_PX)
    low, high = np.percentile(total, [0.5, 99.5])
    return np.clip((total - low) / max(float(high - low), 1e-6), 0, 1).astype(np.float32)


def sample(noise: Mask, u: Floats, v: Floats) -> Mask:
    """The texture at (u, v), where 1 is its side; bilinear, repeating."""
    side, flat = noise.shape[0], noise.ravel()
    x, y = u * side, v * side
    left, top = np.floor(x), np.floor(y)
    fx, fy = (x - left).astype(np.float32), (y - top).astype(np.float32)
    columns, rows = left.astype(np.int64) % side, top.astype(np.int64) % side * side
    next_columns, next_rows = (columns + 1) % side, (rows + side) % (side * side)
    upper = flat.take(rows + columns) * (1 - fx) + flat.take(rows + next_columns) * fx
    lower = flat.take(next_rows + columns) * (1 - fx) + flat.take(next_rows + next_columns) * fx
    return (upper * (1 - fy) + lower * fy).astype(np.float32)


def line(rng: np.random.Generator, width: int, *, cells: float, octaves: int, gain: float) -> Mask:
    """A wandering line, one value a pixel, -1 … 1; a small ``gain`` makes it smooth."""
    total, weight, count = np.zeros(width), 1.0, cells
    for _ in range(octaves):
        knots = rng.uniform(-1, 1, int(count) + 4)
        at = np.linspace(0, count, width) + rng.random()
        left = np.floor(at).astype(int)
        t = at - left
        t = t * t * (3 - 2 * t)
        total += weight * (knots[left] * (1 - t) + knots[left + 1] * t)
        weight, count = weight * gain, count * 2
    return (total / max(float(np.abs(total).max()), 1e-6)).astype(np.float32)


def below(ridge: Floats, height: int) -> Mask:
    """1 below a line of heights (fractions of the picture), with a soft edge of a pixel."""
    y = (np.arange(height, dtype=np.float32) + 0.5)[:, None]
    return np.clip(y - ridge[None, :] * height + 0.5, 0.0, 1.0).astype(np.float32)


def drawn(size: Size, draw: Callable[[ImageDraw.ImageDraw, float, float], None]) -> Mask:
    """What ``draw(pen, width, height)`` draws with 255 on black, antialiased."""
    wide, high = size[0] * _OVERSAMPLING, size[1] * _OVERSAMPLING
    image = Image.new("L", (wide, high))
    draw(ImageDraw.Draw(image), float(wide), float(high))
    return np.asarray(image.reduce(_OVERSAMPLING), dtype=np.float32) / 255.0


def disc(x: Floats, y: Floats, at: tuple[float, float], radius: float, soft: float) -> Mask:
    """A disc in coordinates where both axes have the same scale."""
    away = np.sqrt((x - at[0]) ** 2 + (y - at[1]) ** 2)
    return np.clip((radius + soft - away) / (2 * soft), 0.0, 1.0).astype(np.float32)
