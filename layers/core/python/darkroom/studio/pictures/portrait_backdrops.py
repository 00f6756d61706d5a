"""What stands behind a portrait: five painted backdrops.

Owns how each is drawn from three colors and a seed. Knows nothing of people or styles.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from darkroom.media.portable_math import exp
from darkroom.studio.pictures.focus import Focus
from darkroom.studio.pictures.portrait_frame import HEIGHT, WIDTH
from darkroom.studio.pictures.raster import (
    FloatImage,
    Mask,
    grid,
    resize_mask,
    screen,
    smoothstep,
)
from darkroom.studio.pictures.styles import Palette
from darkroom.studio.values import Rgb

_ASPECT: Final = WIDTH / HEIGHT


@dataclass(frozen=True, kw_only=True)
class _Discs:
    """Lights out of focus: how many, how large, how bright at most and how soft."""

    count: int
    radius_px: tuple[int, int]
    level: float
    blur_px: float


_GARDEN_LIGHTS: Final = (
    _Discs(count=16, radius_px=(80, 150), level=0.30, blur_px=9.0),
    _Discs(count=30, radius_px=(26, 70), level=0.50, blur_px=3.0),
)
_LAMP_RADIUS_PX: Final = (16, 58)
_STREET_LAMPS: Final = _Discs(count=11, radius_px=_LAMP_RADIUS_PX, level=0.62, blur_px=2.0)
_OTHER_LAMPS: Final = _Discs(count=7, radius_px=_LAMP_RADIUS_PX, level=0.34, blur_px=2.0)
_FAR_LAMPS: Final = _Discs(count=22, radius_px=_LAMP_RADIUS_PX, level=0.22, blur_px=2.0)


def paint_backdrop(
    name: str, palette: Palette, focus: Focus, rng: np.random.Generator
) -> FloatImage:
    """A whole picture, shape (HEIGHT, WIDTH, 3)."""
    return np.clip(_PAINTERS[name](palette, focus, rng), 0.0, 1.0).astype(np.float32)


def _color(rgb: Rgb) -> FloatImage:
    return np.array(rgb, dtype=np.float32)


def _mix(low: Rgb, high: Rgb, amount: Mask) -> FloatImage:
    share = amount[..., None]
    return _color(low) * (1.0 - share) + _color(high) * share


def _clouds(rng: np.random.Generator, cells: tuple[int, ...]) -> Mask:
    """Smooth noise, 0 … 1, of several sizes; each size counts half as much as the one before."""
    total = np.zeros((HEIGHT, WIDTH), dtype=np.float32)
    weight = 1.0
    for count in cells:
        coarse = rng.random((round(count / _ASPECT) + 1, count + 1), dtype=np.float32)
        total += weight * resize_mask(coarse, WIDTH, HEIGHT)
        weight *= 0.5
    low, high = float(total.min()), float(total.max())
    return ((total - low) / max(high - low, 1e-6)).astype(np.float32)


def _pool(focus: Focus, dx: float, dy: float, reach: float) -> Mask:
    """A pool of light around the head, 1 in its middle."""
    x, y = grid(WIDTH, HEIGHT)
    away = np.sqrt(((x - focus.x - dx) * _ASPECT) ** 2 + (y - focus.y - dy) ** 2)
    return exp(-((away / reach) ** 2)).astype(np.float32)


def _canvas(palette: Palette, focus: Focus, rng: np.random.Generator) -> FloatImage:
    """A photographer's painted cloth: mottled, lit behind the head."""
    dark, light, accent = palette.dark, palette.light, palette.accent
    side = float(rng.choice([-1.0, 1.0]))
    mottle = 0.62 * _clouds(rng, (3, 7, 15)) + 0.38 * _clouds(rng, (5, 11, 40))
    lit = _pool(focus, side * float(rng.uniform(0.08, 0.26)), float(rng.uniform(-0.06, 0.2)), 0.52)
    base = _mix(dark, accent, smoothstep(0.15, 0.85, mottle))
    # The weave of the cloth, seen only where light falls across it.
    weave = rng.standard_normal((HEIGHT // 2, WIDTH // 2), dtype=np.float32) * 0.012
    cloth = np.kron(weave, np.ones((2, 2), dtype=np.float32))[..., None]
    glow = np.clip(lit * (0.55 + 0.75 * mottle), 0.0, 1.0)
    lit_cloth = base + (_color(light) - base) * glow[..., None] + cloth
    return lit_cloth.astype(np.float32)


def _disc(palette: Palette, focus: Focus, rng: np.random.Generator) -> FloatImage:
    """Flat color with one large disc behind the head."""
    base, light, accent = palette.dark, palette.light, palette.accent
    x, y = grid(WIDTH, HEIGHT)
    tilt = float(rng.uniform(-0.5, 0.5))
    wall = _mix(base, light, np.clip(1.0 - y + tilt * (x - 0.5), 0.0, 1.0))
    cx = focus.x + float(rng.uniform(-0.16, 0.16))
    cy = focus.y + float(rng.uniform(-0.05, 0.10))
    radius = float(rng.uniform(0.30, 0.38))
    away = np.sqrt(((x - cx) * _ASPECT) ** 2 + (y - cy) ** 2)
    disc = np.clip((radius - away) * HEIGHT / 1.5 + 0.5, 0.0, 1.0)[..., None]
    # The disc is a little lighter towards its top, like paper under a lamp.
    face = _color(accent) * (1.06 - 0.14 * (y - cy + radius) / (2 * radius))[..., None]
    shadow = smoothstep(radius + 0.06, radius - 0.02, np.sqrt(
        ((x - cx - 0.012) * _ASPECT) ** 2 + (y - cy - 0.018) ** 2))  # fmt: skip
    wall = wall * (1.0 - 0.16 * shadow[..., None])
    return (wall * (1.0 - disc) + face * disc).astype(np.float32)


def _mist(palette: Palette, focus: Focus, rng: np.random.Generator) -> FloatImage:
    """An old studio's cloth: pale around the head, darker to the corners."""
    dark, light, middle = palette.dark, palette.light, palette.accent
    drift = float(rng.uniform(-0.16, 0.16))
    mottle = _clouds(rng, (2, 5, 9))
    lit = np.clip(_pool(focus, drift, 0.02, 0.50) * 0.9 + 0.2 * mottle, 0.0, 1.0)
    return _mix(dark, light, lit) * 0.75 + _mix(dark, middle, mottle) * 0.25


def _bokeh(palette: Palette, focus: Focus, rng: np.random.Generator) -> FloatImage:
    """A garden out of focus: veils of color, and lights that have become discs."""
    base, light, accent = palette.dark, palette.light, palette.accent
    veil = _clouds(rng, (2, 4, 7))
    x, y = grid(WIDTH, HEIGHT)
    side = float(rng.choice([-1.0, 1.0]))
    sun = exp(-(((x - 0.5 - 0.55 * side) / 0.7) ** 2) - ((y - 0.08) / 0.6) ** 2)
    scene = _mix(base, light, np.clip(0.75 * veil + 0.65 * sun, 0.0, 1.0))
    for discs in _GARDEN_LIGHTS:
        lights = _draw_discs(rng, discs)
        scene = screen(scene, lights[..., None] * _color(accent))
    return scene


def _night(palette: Palette, focus: Focus, rng: np.random.Generator) -> FloatImage:
    """A street at night, far out of focus: low haze and strings of lamps."""
    dark, haze, lamp = palette.dark, palette.light, palette.accent
    _, y = grid(WIDTH, HEIGHT)
    horizon = float(rng.uniform(0.42, 0.62))
    glow = exp(-(((y - horizon) / 0.34) ** 2)) * (0.35 + 0.65 * _clouds(rng, (2, 4)))
    scene = _mix(dark, haze, np.clip(glow, 0.0, 1.0))
    other = tuple(0.25 + 0.6 * (1.0 - c) for c in lamp)
    for color, discs in ((lamp, _STREET_LAMPS), (other, _OTHER_LAMPS), (lamp, _FAR_LAMPS)):
        lights = _draw_discs(rng, discs, around=horizon - 0.06, spread=0.20)
        scene = screen(scene, lights[..., None] * np.array(color, dtype=np.float32))
    return scene


def _draw_discs(
    rng: np.random.Generator,
    discs: _Discs,
    *,
    around: float | None = None,
    spread: float = 0.3,
) -> Mask:
    """Discs of light with the slightly brighter rim that lenses draw."""
    scale = 2
    total = Image.new("L", (WIDTH // scale, HEIGHT // scale))
    for _ in range(discs.count):
        radius = float(rng.uniform(*discs.radius_px)) / scale
        x = float(rng.uniform(0, total.width))
        y = float(rng.random() if around is None else around + spread * rng.standard_normal())
        shine = discs.level * float(rng.uniform(0.45, 1.0))
        disc = Image.new("L", total.size)
        box = [x - radius, y * total.height - radius, x + radius, y * total.height + radius]
        rim = max(1, math.ceil(radius / 14))
        ImageDraw.Draw(disc).ellipse(
            box, fill=round(200 * shine), outline=round(255 * shine), width=rim
        )
        total = ImageChops.screen(total, disc)
    wide = total.filter(ImageFilter.GaussianBlur(discs.blur_px / scale)).resize(
        (WIDTH, HEIGHT), Image.Resampling.BICUBIC
    )
    return np.asarray(wide, dtype=np.float32) / np.float32(255.0)


_PAINTERS: Final[dict[str, Callable[[Palette, Focus, np.random.Generator], FloatImage]]] = {
    "canvas": _canvas,
    "disc": _disc,
    "mist": _mist,
    "bokeh": _bokeh,
    "night": _night,
}
