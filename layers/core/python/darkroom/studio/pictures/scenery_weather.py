"""The weather before a painted scene: rain, snow, petals, fog.

Owns how each is drawn; how many pieces fall and how large they are is data.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np
from PIL import ImageDraw

from darkroom.media.portable_math import cos, exp, sin
from darkroom.studio.pictures.canvas import blend, drawn, lay, sample, texture
from darkroom.studio.pictures.raster import FloatImage, grid, screen, smoothstep
from darkroom.studio.pictures.scenery import Scene
from darkroom.studio.pictures.scenery_land import lit
from darkroom.studio.pictures.scenery_sky import Sky
from darkroom.studio.pictures.scenery_values import Flakes, scenery
from darkroom.studio.values import Rgb

_RAINDROPS: Final = 900
_RAIN_SLANT: Final = 0.16
"""How far a drop moves to the side while it falls by its own length."""
_RAIN_OPACITY: Final = 0.42
_RAIN_LIGHT: Final[Rgb] = (0.85, 0.90, 0.96)
_FOG_LIGHT: Final[Rgb] = (0.93, 0.95, 0.97)
_FOG_BAND: Final = 0.20
"""How far fog reaches above and below the horizon."""
_CORNERS: Final = 14
"""Of a flake's outline."""


def let_fall(pixels: FloatImage, scene: Scene, sky: Sky, rng: np.random.Generator) -> FloatImage:
    """The scene behind what the weather lets fall, if it does."""
    falling = _FALLING.get(scenery().weather[scene.weather].falling)
    return pixels if falling is None else falling(pixels, sky, rng)


def _rain(pixels: FloatImage, sky: Sky, rng: np.random.Generator) -> FloatImage:
    def draw(pen: ImageDraw.ImageDraw, wide: float, tall: float) -> None:
        for _ in range(_RAINDROPS):
            x, y = float(rng.uniform(-0.05, 1.05)) * wide, float(rng.uniform(-0.1, 1.0)) * tall
            length = float(rng.uniform(0.02, 0.06)) * tall
            end = (x - length * _RAIN_SLANT, y + length)
            pen.line([(x, y), end], fill=int(rng.integers(60, 190)), width=2)

    mask = drawn((pixels.shape[1], pixels.shape[0]), draw) * _RAIN_OPACITY
    misty = pixels * 0.90 + sky.haze * 0.10
    return screen(misty, mask[..., None] * blend(sky.haze, _RAIN_LIGHT, 0.4))


def _flakes(name: str, pixels: FloatImage, sky: Sky, rng: np.random.Generator) -> FloatImage:
    size = (pixels.shape[1], pixels.shape[0])
    for flakes in scenery().flakes[name]:
        mask = drawn(size, partial(_draw_flakes, flakes, rng))
        paint = blend(lit(sky, flakes.color, 1.1), flakes.color, 0.35)
        pixels = lay(pixels, mask * flakes.opacity, np.clip(paint, 0, 1))
    return pixels


def _draw_flakes(
    flakes: Flakes, rng: np.random.Generator, pen: ImageDraw.ImageDraw, wide: float, tall: float
) -> None:
    turns = np.linspace(0, 2 * np.pi, _CORNERS)
    outline_x, outline_y = cos(turns), sin(turns) * flakes.flatness
    for _ in range(flakes.count):
        x, y = float(rng.random()) * wide, float(rng.random()) * tall
        reach = max(float(rng.uniform(*flakes.radius)) * tall, 1.0)
        if flakes.flatness == 1.0:
            pen.ellipse((x - reach, y - reach, x + reach, y + reach), fill=255)
            continue
        turn = np.array([float(rng.uniform(0, np.pi))])
        lean, rise = float(cos(turn)[0]), float(sin(turn)[0])
        across = x + reach * (outline_x * lean - outline_y * rise)
        down = y + reach * (outline_x * rise + outline_y * lean)
        pen.polygon(list(zip(across.tolist(), down.tolist(), strict=True)), fill=255)


def _fog(pixels: FloatImage, sky: Sky, rng: np.random.Generator) -> FloatImage:
    height, width = pixels.shape[:2]
    x, y = grid(width, height)
    drift = sample(texture(rng, 6, 4), x * width / height * 0.6, y * 1.6)
    band = exp(-(((y - sky.horizon) / _FOG_BAND) ** 2))
    mask = np.clip(band * (0.30 + 0.62 * drift) + 0.16 * smoothstep(0.2, 1.0, y), 0, 0.92)
    paint = blend(sky.haze, _FOG_LIGHT, 0.25 * sky.daylight)
    return lay(pixels, mask.astype(np.float32), paint)


_FALLING: Final[dict[str, Callable[[FloatImage, Sky, np.random.Generator], FloatImage]]] = {
    "rain": _rain,
    "snow": partial(_flakes, "snow"),
    "petals": partial(_flakes, "petals"),
    "fog": _fog,
}
