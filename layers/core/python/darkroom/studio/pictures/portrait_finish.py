"""The last touch on a portrait: frames, paper, wear, haze and letterbox.

Owns what is drawn over or around the finished picture. Knows nothing of people or styles.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from darkroom.media.portable_math import exp
from darkroom.studio.pictures.portrait_frame import HEIGHT, WIDTH
from darkroom.studio.pictures.raster import (
    FloatImage,
    Mask,
    grid,
    resize_mask,
    screen,
    smoothstep,
)

_ASPECT: Final = WIDTH / HEIGHT
_PAPER: Final = np.array((0.925, 0.885, 0.800), dtype=np.float32)
_HAZE: Final = np.array((1.0, 0.93, 0.89), dtype=np.float32)
_BAR: Final = 0.062
"""Of the height: each of the letterbox's bars."""


def apply_finish(name: str, pixels: FloatImage, rng: np.random.Generator) -> FloatImage:
    """The picture with its finish, same shape."""
    return np.clip(_FINISHES[name](pixels, rng), 0.0, 1.0).astype(np.float32)


def _none(pixels: FloatImage, rng: np.random.Generator) -> FloatImage:
    return pixels


def _frame(pixels: FloatImage, rng: np.random.Generator) -> FloatImage:
    """A clean white border."""
    white = 1.0 - _rounded(34, 34, 0, 0.6)[..., None]
    return pixels * (1.0 - white) + np.float32(0.985) * white


def _album(pixels: FloatImage, rng: np.random.Generator) -> FloatImage:
    """An oval window in cream paper, with the dust and scratches of many years."""
    x, y = grid(WIDTH, HEIGHT)
    worn = pixels + _wear(rng)[..., None]
    # Silver fades first where air and light come in.
    patches = _noise(rng, 4)
    worn = worn * (0.93 + 0.10 * patches[..., None]) + 0.03 * (1.0 - patches[..., None])
    oval = np.sqrt(((x - 0.5) / 0.405) ** 2 + ((y - 0.478) / 0.425) ** 2)
    edge = HEIGHT * 0.42
    inside = np.clip((1.0 - oval) * edge / 1.6 + 0.5, 0.0, 1.0)[..., None]
    line = exp(-(((oval - 1.028) * edge / 2.2) ** 2))[..., None]
    inner_shadow = smoothstep(0.90, 1.0, oval)[..., None]
    fibre = rng.standard_normal((HEIGHT // 2, WIDTH // 2), dtype=np.float32)
    fibre = np.repeat(np.repeat(fibre, 2, 0), 2, 1)[..., None] * 0.010
    age = _noise(rng, 6)[..., None]
    corner = smoothstep(0.52, 0.78, np.sqrt((x - 0.5) ** 2 + (y - 0.5) ** 2))[..., None]
    paper = _PAPER * (0.955 + 0.06 * age - 0.13 * corner) + fibre
    paper = paper * (1.0 - 0.42 * line)
    return paper * (1.0 - inside) + worn * (1.0 - 0.34 * inner_shadow) * inside


def _haze(pixels: FloatImage, rng: np.random.Generator) -> FloatImage:
    """Light from one corner, and edges that melt into it."""
    x, y = grid(WIDTH, HEIGHT)
    side = float(rng.choice([-1.0, 1.0]))
    level = float(rng.uniform(-0.05, 0.25))
    leak = exp(-(((x - 0.5 - 0.62 * side) / 0.42) ** 2) - ((y - level) / 0.55) ** 2)
    lit = screen(pixels, leak[..., None] * np.array((0.62, 0.38, 0.26), dtype=np.float32))
    away = np.sqrt(((x - 0.5) / 0.60) ** 2 + ((y - 0.47) / 0.62) ** 2)
    melt = (0.80 * smoothstep(0.72, 1.22, away))[..., None]
    return lit * (1.0 - melt) + _HAZE * melt


def _letterbox(pixels: FloatImage, rng: np.random.Generator) -> FloatImage:
    """Black bars, and the long thin streak that a wide lens draws through a lamp."""
    x, y = grid(WIDTH, HEIGHT)
    at = float(rng.uniform(0.10, 0.17))
    middle = float(rng.choice([0.08, 0.92])) + float(rng.uniform(-0.06, 0.06))
    across = exp(-(((x - middle) / 0.42) ** 2))
    streak = exp(-(((y - at) * HEIGHT / 3.0) ** 2)) + 0.28 * exp(-(((y - at) * HEIGHT / 26.0) ** 2))
    core = exp(-(((x - middle) * WIDTH / 46) ** 2) - ((y - at) * HEIGHT / 46) ** 2)
    light = (0.40 * across * streak + 0.75 * core)[..., None]
    lit = screen(pixels, light * np.array((0.50, 0.80, 1.0), dtype=np.float32))
    bar = round(HEIGHT * _BAR)
    lit[:bar] = 0.0
    lit[HEIGHT - bar :] = 0.0
    return lit


def _rounded(side_px: int, end_px: int, radius_px: int, soft_px: float) -> Mask:
    window = Image.new("L", (WIDTH, HEIGHT))
    box = (side_px, end_px, WIDTH - side_px - 1, HEIGHT - end_px - 1)
    ImageDraw.Draw(window).rounded_rectangle(box, radius_px, fill=255)
    soft = window.filter(ImageFilter.GaussianBlur(soft_px))
    return np.asarray(soft, dtype=np.float32) / np.float32(255.0)


def _noise(rng: np.random.Generator, count: int) -> Mask:
    coarse = rng.random((round(count / _ASPECT) + 1, count + 1), dtype=np.float32)
    return resize_mask(coarse, WIDTH, HEIGHT)


def _wear(rng: np.random.Generator) -> Mask:
    """Dust and hairs, white and black, and a few fine scratches; signed, mostly 0."""
    marks = Image.new("L", (WIDTH, HEIGHT), 128)
    draw = ImageDraw.Draw(marks)
    for _ in range(90):
        x, y = float(rng.uniform(0, WIDTH)), float(rng.uniform(0, HEIGHT))
        size = float(rng.exponential(1.3)) + 0.6
        draw.ellipse([x - size, y - size, x + size, y + size], fill=int(rng.choice([76, 196])))
    for _ in range(int(rng.integers(3, 7))):
        x, y = float(rng.uniform(0, WIDTH)), float(rng.uniform(0, HEIGHT))
        length, lean = float(rng.uniform(120, 620)), float(rng.uniform(-0.12, 0.12))
        draw.line([x, y, x + lean * length, y + length], fill=176, width=1)
    soft = marks.filter(ImageFilter.GaussianBlur(0.8))
    return (np.asarray(soft, dtype=np.float32) - 128.0) / np.float32(255.0)


_FINISHES: Final[dict[str, Callable[[FloatImage, np.random.Generator], FloatImage]]] = {
    "none": _none,
    "frame": _frame,
    "album": _album,
    "haze": _haze,
    "letterbox": _letterbox,
}
