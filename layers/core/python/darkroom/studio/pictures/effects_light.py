"""Effects made of light and shadow: bokeh, leaks, burns, halation, blinds, vignette.

Owns their shapes and how they move. Soft light is drawn on small pictures and enlarged, which is
quick and moves smoothly by fractions of a pixel. Knows nothing of files or encoders.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import Final

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from darkroom.media.portable_math import exp, sin
from darkroom.studio.pictures.effect import Stage, rng_of
from darkroom.studio.pictures.raster import (
    HEIGHT,
    WIDTH,
    FloatImage,
    Mask,
    grid,
    mask_image,
    smoothstep,
    to_image,
)
from darkroom.studio.pictures.tones import grades
from darkroom.studio.values import Rgb, read_values

_LOW: Final = (90, 160)
_SIZE: Final = (WIDTH, HEIGHT)
_LEAK_COLORS: Final[tuple[Rgb, Rgb]] = ((1.0, 0.66, 0.30), (0.96, 0.24, 0.30))
"""At the edge of the frame, and further in."""
_SILVER_LEAK_COLORS: Final[tuple[Rgb, Rgb]] = ((0.96, 0.96, 0.96), (0.74, 0.74, 0.76))
_HALO: Final[Rgb] = (1.0, 0.42, 0.20)
_SILVER_HALO: Final[Rgb] = (0.72, 0.72, 0.74)


@cache
def light_palettes() -> Mapping[str, tuple[Rgb, Rgb, Rgb]]:
    """The colors of ``catalog/studio/lights.json``, by the name that a grade has."""
    return read_values("lights.json", dict[str, tuple[Rgb, Rgb, Rgb]])


def light_colors(grade: str) -> tuple[Rgb, Rgb, Rgb]:
    """Three colors of light that suit a grade."""
    return light_palettes()[grades()[grade].lights]


def _is_black_and_white(stage: Stage) -> bool:
    return grades()[stage.grade].is_black_and_white


def _enlarge(pixels: FloatImage) -> Image.Image:
    return to_image(pixels).resize(_SIZE, Image.Resampling.BICUBIC)


def _off_face(stage: Stage, x: Mask, y: Mask, reach: float = 1.0) -> Mask:
    """0 on the face, 1 well away from it."""
    dx = (x - stage.focus.x) * (WIDTH / HEIGHT) / (stage.focus.head * 0.5 * reach)
    dy = (y - stage.focus.y) / (stage.focus.head * 0.62 * reach)
    return smoothstep(0.75, 1.5, np.sqrt(dx * dx + dy * dy))


class Bokeh:
    """Discs of out-of-focus light in two depths that drift and twinkle."""

    _COUNT: Final = (20, 12)
    _MARGIN: Final = 0.10
    _SMALL: Final = (WIDTH // 3, HEIGHT // 3)

    def __init__(self, stage: Stage) -> None:
        self._layers = [self._layer(stage, depth) for depth in (0, 1)]
        rng = rng_of(stage, 12)
        self._phase = rng.uniform(0, 2 * math.pi, 2)
        self._way = rng.choice([-1.0, 1.0], 2)

    def _layer(self, stage: Stage, depth: int) -> Image.Image:
        rng = rng_of(stage, 10 + depth)
        width, height = self._SMALL
        total = Image.new("RGB", (width, height))
        colors = light_colors(stage.grade)
        for _ in range(self._COUNT[depth]):
            radius = rng.uniform(9, 20) if depth == 0 else rng.uniform(20, 38)
            x, y = rng.uniform(0, width), rng.uniform(0, height)
            # Most of the light hangs in the upper half, where lamps and windows are.
            y = y * 0.75 if rng.random() < 0.6 else y
            level = rng.uniform(0.30, 0.66) * (1.0 if depth == 0 else 0.6) * stage.strength
            color = colors[int(rng.integers(len(colors)))]
            total = ImageChops.screen(
                total, _disc(width, height, x, y, radius, color, level, soft=0.7 + 1.3 * depth)
            )
        xx, yy = grid(width, height)
        keep = mask_image(0.12 + 0.88 * _off_face(stage, xx, yy, 1.15))
        return ImageChops.multiply(total, keep.convert("RGB"))

    def draw(self, frame: Image.Image, seconds: float) -> Image.Image:
        light = None
        for depth, layer in enumerate(self._layers):
            pulse = 0.80 + 0.20 * math.cos(1.7 * seconds * (1 + 0.4 * depth) + self._phase[depth])
            part = layer.resize(self._SMALL, Image.Resampling.BILINEAR, self._box(depth, seconds))
            part = part.point([round(v * pulse) for v in range(256)] * 3)
            light = part if light is None else ImageChops.screen(light, part)
        assert light is not None
        return ImageChops.screen(frame, light.resize(_SIZE, Image.Resampling.BILINEAR))

    def _box(self, depth: int, seconds: float) -> tuple[float, float, float, float]:
        """The window on a layer: sways forever, but never out of the layer's margin."""
        width, height = self._layers[depth].size
        space_x, space_y = width * self._MARGIN / 2, height * self._MARGIN / 2
        turn = 0.5 * seconds * (0.7 + 0.5 * depth)
        shift_x = space_x * self._way[depth] * math.sin(turn)
        shift_y = -space_y * 0.6 * math.sin(turn * 0.8)
        return (
            space_x + shift_x, space_y + shift_y,
            width - space_x + shift_x, height - space_y + shift_y,
        )  # fmt: skip


def _disc(
    width: int,
    height: int,
    x: float,
    y: float,
    radius: float,
    color: Rgb,
    level: float,
    *,
    soft: float,
) -> Image.Image:
    """One disc with the slightly brighter rim that lenses draw."""
    scale = 2
    big = Image.new("L", (width * scale, height * scale))
    draw = ImageDraw.Draw(big)
    box = [(x - radius) * scale, (y - radius) * scale, (x + radius) * scale, (y + radius) * scale]
    draw.ellipse(box, fill=round(205 * level), outline=round(255 * level), width=2 * scale)
    small = big.reduce(scale).filter(ImageFilter.GaussianBlur(soft))
    return Image.merge("RGB", [small.point([round(v * c) for v in range(256)]) for c in color])


class LightLeak:
    """A wash of colored light from one side, as from a camera back that does not close."""

    def __init__(self, stage: Stage) -> None:
        rng = rng_of(stage, 20)
        self._side = 1 if rng.random() < 0.5 else -1
        self._level = 0.92 * stage.strength
        self._slope = float(rng.uniform(-0.25, 0.25))
        self._speed = float(rng.uniform(0.05, 0.09))
        self._phase = float(rng.uniform(0, 6.28))
        self._x, self._y = grid(*_LOW)
        self._keep = 0.40 + 0.60 * _off_face(stage, self._x, self._y, 1.3)
        hot, deep = _SILVER_LEAK_COLORS if _is_black_and_white(stage) else _LEAK_COLORS
        far = (self._x if self._side < 0 else 1.0 - self._x)[..., None]
        mix = smoothstep(0.02, 0.34, far)
        self._color = _enlarge(
            np.array(hot, dtype=np.float32) * (1 - mix) + np.array(deep, dtype=np.float32) * mix
        )

    def draw(self, frame: Image.Image, seconds: float) -> Image.Image:
        x = self._x if self._side < 0 else 1.0 - self._x
        wave = 0.06 * sin(self._y * 4.0 + self._phase + seconds * 0.8)
        # It comes and goes, as light does when something passes before the lens.
        reach = 0.10 * math.sin(self._speed * 9.0 * seconds)
        depth = x + self._slope * (self._y - 0.5) + wave - reach
        core = exp(-((np.maximum(depth + 0.04, 0.0) / 0.17) ** 2))
        wide = exp(-((np.maximum(depth, 0.0) / 0.42) ** 2))
        breath = self._level * (0.88 + 0.12 * math.sin(seconds * 2.1 + self._phase))
        amount = np.minimum((core * 0.62 + wide * 0.36) * self._keep * breath, 0.9)
        # Laid over, not added: on a bright picture added light would be lost in the white.
        mask = mask_image(amount).resize(_SIZE, Image.Resampling.BICUBIC)
        return Image.composite(self._color, frame, mask)


class FilmBurn:
    """The reel's end burning in from the edges: red, orange, then white."""

    _NOISE_SIDE: Final = 12

    def __init__(self, stage: Stage) -> None:
        rng = rng_of(stage, 30)
        shape = (self._NOISE_SIDE, self._NOISE_SIDE)
        self._noise = [rng.random(shape, dtype=np.float32) for _ in range(2)]
        self._level = stage.strength
        self._x, self._y = grid(*_LOW)
        self._keep = 0.25 + 0.75 * _off_face(stage, self._x, self._y, 1.5)
        self._corner = (float(rng.choice([0.0, 1.0])), float(rng.uniform(0.0, 0.9)))
        self._mono = _is_black_and_white(stage)

    def _flow(self, index: int, seconds: float) -> Mask:
        noise = Image.fromarray(np.tile(self._noise[index], (2, 2)), "F")
        speed = 0.9 + 0.5 * index
        # The noise repeats after its side, so the window may wrap there without a jump.
        left = 1.0 + (seconds * speed) % self._NOISE_SIDE
        top = 1.0 + (seconds * speed * 0.7) % self._NOISE_SIDE
        span = 4.0 + 2.0 * index
        box = (left, top, left + span, top + span * 1.6)
        return np.asarray(noise.resize(_LOW, Image.Resampling.BICUBIC, box=box), dtype=np.float32)

    def draw(self, frame: Image.Image, seconds: float) -> Image.Image:
        edge = np.minimum(self._x, 1 - self._x) * 1.5
        corner = np.sqrt(
            (self._x - self._corner[0]) ** 2 + ((self._y - self._corner[1]) * 1.2) ** 2
        )
        flicker = 0.06 * math.sin(seconds * 9.0) * math.sin(seconds * 5.3 + 1.0)
        near = exp(-corner * 2.1) * 1.15 + exp(-edge * 7.0) * 0.34 + flicker
        texture = 0.62 * self._flow(0, seconds) + 0.38 * self._flow(1, seconds)
        heat = np.clip((near + (texture - 0.5) * 0.75 - 0.12), 0, 1.2) * self._keep * self._level
        red, green, blue = (
            smoothstep(0.02, 0.50, heat) * 0.92,
            smoothstep(0.22, 0.85, heat) * 0.78,
            smoothstep(0.55, 1.15, heat) * 0.60,
        )
        if self._mono:
            red = green = blue = (red + green) * 0.5
        return ImageChops.screen(frame, _enlarge(np.stack([red, green, blue], axis=-1)))


class Halation:
    """The red-orange halo that film draws around bright light; it breathes."""

    def __init__(self, stage: Stage) -> None:
        self._strength = stage.strength
        # A sepia print is mostly of one tone, too.
        self._tint = _SILVER_HALO if grades()[stage.grade].mono > 0.5 else _HALO
        self._phase = float(rng_of(stage, 40).uniform(0, 6.28))

    def draw(self, frame: Image.Image, seconds: float) -> Image.Image:
        small = frame.reduce(8).convert("L")
        pulse = 0.92 + 0.08 * math.sin(2.3 * seconds + self._phase)
        level = 1.1 * self._strength * pulse
        bright = small.point([round(min(255.0, max(0, v - 120) * 1.9)) for v in range(256)])
        near = bright.filter(ImageFilter.GaussianBlur(3.5))
        far = bright.filter(ImageFilter.GaussianBlur(12.0))
        halo = Image.blend(near, far, 0.5)
        channels = [halo.point([min(255, round(v * c * level)) for v in range(256)])
                    for c in self._tint]  # fmt: skip
        light = Image.merge("RGB", channels).resize(_SIZE, Image.Resampling.BILINEAR)
        return ImageChops.screen(frame, light)


class Venetian:
    """Slatted window light across the scene; the shadow slides as a car passes outside."""

    _LOW: Final = (180, 320)
    _PITCH: Final = 0.082
    """Distance of two slats, as a fraction of the frame's height."""

    def __init__(self, stage: Stage) -> None:
        rng = rng_of(stage, 50)
        self._x, self._y = grid(*self._LOW)
        self._slope = float(rng.uniform(0.10, 0.20)) * (1 if rng.random() < 0.5 else -1)
        # A gap between two slats begins on the eyes: the face stays readable.
        eyes = stage.focus.y - 0.02 * stage.focus.head
        self._phase = 0.5 - (eyes + self._slope * (stage.focus.x - 0.5)) / self._PITCH
        self._dark = min(0.80, 0.54 * stage.strength)
        # The pool of light lies around the person, everything else is dark.
        dx = (self._x - stage.focus.x) / 0.62
        dy = (self._y - stage.focus.y - 0.08) / 0.46
        self._pool = 0.64 + 0.36 * smoothstep(1.25, 0.45, np.sqrt(dx * dx + dy * dy))

    def draw(self, frame: Image.Image, seconds: float) -> Image.Image:
        slide = self._phase + 0.22 * math.sin(seconds * 0.55)
        along = (self._y + self._slope * (self._x - 0.5)) / self._PITCH + slide
        wave = np.abs((along % 1.0) - 0.5) * 2.0
        slat = smoothstep(0.40, 0.66, wave)
        sweep = exp(-(((self._x - (-0.3 + 0.55 * seconds)) / 0.25) ** 2)) * 0.16
        light = (1.0 - self._dark * slat) * self._pool * 1.06 + sweep * (1 - slat)
        mask = mask_image(np.minimum(light, 1.0)).resize(_SIZE, Image.Resampling.BICUBIC)
        return ImageChops.multiply(frame, mask.convert("RGB"))


class Vignette:
    """Dark corners that close in very slowly."""

    def __init__(self, stage: Stage) -> None:
        self._x, self._y = grid(*_LOW)
        self._focus = stage.focus
        self._strength = min(0.92, 0.78 * stage.strength)

    def draw(self, frame: Image.Image, seconds: float) -> Image.Image:
        dx = (self._x - (0.5 + self._focus.x) / 2) / 0.66
        dy = (self._y - (0.42 + self._focus.y) / 2) / 0.60
        close = 0.06 * (1.0 - math.cos(min(seconds, 6.0) * 0.52))
        shade = smoothstep(0.42 - close, 1.15 - close, np.sqrt(dx * dx + dy * dy))
        mask = mask_image(1.0 - self._strength * shade).resize(_SIZE, Image.Resampling.BICUBIC)
        return ImageChops.multiply(frame, mask.convert("RGB"))
