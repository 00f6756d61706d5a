"""The land of a painted scene, from far to near: ridges, trees, houses, water, ground.

Owns how each is drawn and how distance and light change it. Knows no words, and of the sky only
its colors.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np
from PIL import Image, ImageDraw

from darkroom.media.portable_math import exp, power, sin
from darkroom.studio.pictures.canvas import (
    Rgb,
    below,
    blend,
    color,
    drawn,
    lay,
    line,
    polygons,
    sample,
    texture,
)
from darkroom.studio.pictures.raster import (
    FloatImage,
    Mask,
    grid,
    screen,
    smoothstep,
)
from darkroom.studio.pictures.scenery import Scene
from darkroom.studio.pictures.scenery_sky import COLORS, Sky

_FLOWERS: Final[tuple[Rgb, ...]] = (
    (0.93, 0.26, 0.30), (0.98, 0.78, 0.25), (0.96, 0.95, 0.92), (0.80, 0.42, 0.78),
    (0.99, 0.60, 0.68), (0.42, 0.50, 0.90),
)  # fmt: skip
_LEAVES: Final[dict[str, Rgb]] = {
    "": (0.16, 0.30, 0.16),
    "orange": (0.72, 0.34, 0.10),
    "red": (0.62, 0.16, 0.12),
    "gold": (0.74, 0.56, 0.16),
    "pink": (0.90, 0.58, 0.68),
}


def lit(sky: Sky, paint: Rgb | FloatImage, shine: float = 1.0) -> FloatImage:
    """A surface's color in this light: dimmer, and tinted by the sky, as the day ends."""
    bright = np.asarray(paint, dtype=np.float32) * (0.10 + 0.90 * sky.daylight) * shine
    tint = bright * blend((1.0, 1.0, 1.0), sky.light, 0.55)
    return np.clip(blend(tint, sky.haze * 0.30, 0.22 * (1 - sky.daylight)), 0, 1)


def far_away(sky: Sky, paint: FloatImage, depth: float) -> FloatImage:
    """The color of what is far: 0 is near, 1 is lost in the haze."""
    return blend(paint, sky.haze, depth)


def paint_far(
    name: str, pixels: FloatImage, scene: Scene, sky: Sky, rng: np.random.Generator
) -> FloatImage:
    """What stands between the sky and the foreground."""
    if name == "forest" and scene.color in ("orange", "red", "gold"):
        name = "trees"  # Conifers do not turn.
    painter = _FAR.get(name)
    return pixels if painter is None else painter(pixels, scene, sky, rng)


def paint_near(
    name: str, pixels: FloatImage, scene: Scene, sky: Sky, rng: np.random.Generator
) -> FloatImage:
    """The foreground, from the horizon down."""
    return _NEAR[name](pixels, scene, sky, rng)


# Far


def _mountains(pixels: FloatImage, scene: Scene, sky: Sky, rng: np.random.Generator) -> FloatImage:
    height, width = pixels.shape[:2]
    x, y = grid(width, height)
    across = x * width / height
    noise = texture(rng, 7, 4)
    for number, (depth, high, cells) in enumerate(
        ((0.70, 0.52, 1.7), (0.46, 0.34, 2.4), (0.24, 0.16, 3.6))
    ):
        shape = 1.0 - np.abs(line(rng, width, cells=cells, octaves=7, gain=0.44))
        shape = (shape - shape.min()) / max(float(np.ptp(shape)), 1e-6)
        shape = shape + 0.012 * line(rng, width, cells=48, octaves=4, gain=0.6)
        shape = np.clip(shape, 0, None)
        ridge = sky.horizon + 0.012 - high * sky.horizon * (0.14 + 0.86 * power(shape, 1.5))
        mask = below(ridge, height) * (y < sky.horizon + 0.02)
        drop = np.clip((y - ridge[None, :]) / (high * sky.horizon), 0, 1)
        slope = np.gradient(_smooth(ridge, width // 12 * 2 + 1)) * height
        lean = 1.0 if number % 2 else -1.0
        folds = sample(noise, across * 1.1 + lean * y * 0.9, y * 0.7 + number * 0.31)
        folds = 0.7 * folds + 0.3 * sample(noise, across * 3.1 - lean * y * 2.4, y * 1.9)
        side = 1.0 if sky.light_at[0] > 0.5 else -1.0
        shine = np.clip(0.5 + side * slope[None, :] * 0.34 + (folds - 0.5) * 2.1, 0, 1)
        rock = lit(sky, (0.34, 0.36, 0.40))
        meadow = lit(sky, (0.24, 0.32, 0.24))
        low = power(drop, 0.8)[..., None]
        paint = rock * (1 - low) + meadow * low
        paint = paint * (0.52 + 0.78 * shine[..., None])
        line_of_snow = 0.66 if scene.is_snowy else 0.16
        snow = smoothstep(line_of_snow + 0.10, line_of_snow - 0.12, drop + (folds - 0.5) * 0.55)
        snow = snow * (1.0 if scene.is_snowy or number < 2 else 0.0)
        white = lit(sky, (0.97, 0.98, 1.0), 1.0) * (0.66 + 0.40 * shine[..., None])
        white = np.clip(white, 0, 1)
        paint = paint * (1 - snow[..., None]) + white * snow[..., None]
        haze = np.clip(depth * (0.50 + 0.75 * drop), 0, 0.96)[..., None]
        pixels = lay(pixels, mask, paint * (1 - haze) + sky.haze * haze)
    return pixels


def _hills(pixels: FloatImage, scene: Scene, sky: Sky, rng: np.random.Generator) -> FloatImage:
    height, width = pixels.shape[:2]
    _, y = grid(width, height)
    green = COLORS[scene.color] if scene.color in ("orange", "gold") else (0.26, 0.42, 0.20)
    if scene.near == "snow":
        green = (0.86, 0.90, 0.96)
    for depth, high, cells in ((0.70, 0.17, 2.2), (0.46, 0.11, 2.8), (0.22, 0.055, 3.4)):
        shape = line(rng, width, cells=cells, octaves=3, gain=0.35) * 0.5 + 0.5
        ridge = sky.horizon + 0.012 - high * sky.horizon * (0.2 + 0.8 * shape)
        mask = below(ridge, height) * (y < sky.horizon + 0.02)
        drop = np.clip((y - ridge[None, :]) / 0.12, 0, 1)[..., None]
        paint = lit(sky, green) * (1.06 - 0.40 * drop)
        pixels = lay(pixels, mask, far_away(sky, paint.astype(np.float32), depth))
    return pixels


def _forest(pixels: FloatImage, scene: Scene, sky: Sky, rng: np.random.Generator) -> FloatImage:
    """Conifers in rows, each darker than the one behind."""
    pixels = _hills(pixels, scene, sky, rng)
    aspect = pixels.shape[1] / pixels.shape[0]
    for depth, tall, step in ((0.62, 0.075, 0.016), (0.38, 0.13, 0.027), (0.12, 0.21, 0.046)):
        foot = sky.horizon + 0.012 + (0.22 - depth) * 0.02
        shapes, caps = [], []
        for x in np.arange(-0.02, 1.02, step / aspect):
            if rng.random() < 0.10:
                continue
            at = float(x + rng.uniform(-0.4, 0.4) * step / aspect)
            high = float(tall * rng.uniform(0.55, 1.10))
            tree = conifer(at, foot, high, high * 0.30 / aspect, rng)
            shapes += tree
            caps += [[(at, p[0][1]), *[((a + at) / 2, b - 0.12 * high) for a, b in p[1:]]]
                     for p in tree[1:]]  # fmt: skip
        mask = np.maximum(polygons((pixels.shape[1], pixels.shape[0]), shapes),
                          _strip(pixels, foot - tall * 0.14, sky.horizon + 0.02))  # fmt: skip
        paint = far_away(sky, lit(sky, _LEAVES.get("", (0.1, 0.2, 0.1)), 0.80), depth)
        pixels = lay(pixels, mask, paint)
        if scene.is_snowy:
            white = far_away(sky, lit(sky, (0.94, 0.96, 1.0)), depth * 0.8)
            pixels = lay(pixels, polygons((pixels.shape[1], pixels.shape[0]), caps) * 0.62, white)
    return pixels


def _trees(pixels: FloatImage, scene: Scene, sky: Sky, rng: np.random.Generator) -> FloatImage:
    """Round crowns, in the color of the season."""
    pixels = _hills(pixels, scene, sky, rng)
    for depth, tall, count in ((0.52, 0.07, 60), (0.30, 0.11, 42), (0.10, 0.17, 24)):
        foot = sky.horizon + 0.018
        for x in rng.permutation(np.linspace(-0.02, 1.02, count)):
            leaf = color(_LEAVES.get(scene.color, _LEAVES[""]))
            varied = leaf * rng.uniform(0.72, 1.35) + rng.uniform(-0.03, 0.03, 3)
            leaf = varied.astype(np.float32)
            high = tall * rng.uniform(0.6, 1.1)
            paint = partial(_leaf_at, sky, depth)
            pixels = crown(
                pixels, (float(x), foot - high * 0.55), high * 0.5, leaf, sky, paint, rng
            )
    return pixels


def _leaf_at(sky: Sky, depth: float, tone: FloatImage) -> FloatImage:
    return far_away(sky, lit(sky, tone), depth)


def _city(pixels: FloatImage, scene: Scene, sky: Sky, rng: np.random.Generator) -> FloatImage:
    if scene.is_dark:
        _, y = grid(pixels.shape[1], pixels.shape[0])
        glow = exp(-(((y - sky.horizon) / (0.30 * sky.horizon)) ** 2)) * 0.30
        pixels = screen(pixels, glow[..., None] * color((0.95, 0.62, 0.48)))
    return _buildings(pixels, scene, sky, rng, tall=(0.44, 0.58, 0.40), wide=(0.028, 0.075))


def _town(pixels: FloatImage, scene: Scene, sky: Sky, rng: np.random.Generator) -> FloatImage:
    pixels = _hills(pixels, scene, sky, rng)
    return _buildings(pixels, scene, sky, rng, tall=(0.05, 0.07, 0.09), wide=(0.035, 0.07),
                      roofs=True)  # fmt: skip


def _buildings(
    pixels: FloatImage,
    scene: Scene,
    sky: Sky,
    rng: np.random.Generator,
    *,
    tall: tuple[float, ...],
    wide: tuple[float, float],
    roofs: bool = False,
) -> FloatImage:
    height, width = pixels.shape[:2]
    glowing = 0.50 if scene.is_dark else 0.22 if scene.time == "sunset" else 0.0
    foot = sky.horizon + 0.012
    for depth, high in zip((0.62, 0.36, 0.14), tall, strict=True):
        canvas = Image.new("RGBA", (width * 2, height * 2))
        pen = ImageDraw.Draw(canvas)
        x = -0.02
        while x < 1.02:
            share = float(rng.uniform(*wide)) * height / width
            top = foot - high * sky.horizon * math.pow(rng.uniform(0.30, 1.0), 1.3)
            gray = color((0.36, 0.38, 0.42)) * rng.uniform(0.7, 1.25)
            if roofs:
                gray = color((0.78, 0.70, 0.62)) * rng.uniform(0.7, 1.15)
            wall = far_away(sky, lit(sky, gray), depth)
            if scene.is_dark:
                # What the city's own lamps throw up at its walls.
                wall = np.clip(wall + color((0.075, 0.062, 0.055)) * (1.2 - depth), 0, 1)
            _house(pen, (x, top, x + share, foot), wall, sky, depth, glowing, roofs, rng)
            x += share * float(rng.uniform(0.86, 1.25))
        small = np.asarray(canvas.reduce(2), dtype=np.float32) / 255.0
        pixels = lay(pixels, small[..., 3], small[..., :3] / np.maximum(small[..., 3:], 1e-3))
        pixels = np.clip(pixels, 0, 1).astype(np.float32)
    return pixels


def _house(
    pen: ImageDraw.ImageDraw,
    box: tuple[float, float, float, float],
    wall: FloatImage,
    sky: Sky,
    depth: float,
    glowing: float,
    roofs: bool,
    rng: np.random.Generator,
) -> None:
    wide, high = pen.im.size
    left, top, right, bottom = box[0] * wide, box[1] * high, box[2] * wide, box[3] * high
    pen.rectangle((left, top, right, bottom), fill=_rgba(wall))
    # One side faces away from the light.
    shade = left + (right - left) * (0.30 if sky.light_at[0] > 0.5 else 0.70)
    edges = (left, shade) if sky.light_at[0] > 0.5 else (shade, right)
    pen.rectangle((edges[0], top, edges[1], bottom), fill=_rgba(wall * 0.80))
    if roofs:
        peak = top - (right - left) * 0.45
        roof = far_away(sky, lit(sky, (0.52, 0.26, 0.20)), depth)
        over = (right - left) * 0.08
        pen.polygon([(left - over, top), ((left + right) / 2, peak), (right + over, top)],
                    fill=_rgba(roof))  # fmt: skip
    elif rng.random() < 0.25:
        middle = (left + right) / 2
        pen.rectangle((middle - 2, top - 0.02 * high, middle + 2, top), fill=_rgba(wall))
    cell = 0.0135 * high * (1.0 - 0.40 * depth)
    warm, cold = color((1.0, 0.80, 0.46)), color((0.80, 0.90, 1.0))
    plain = wall * (0.80 if glowing else 0.88)
    for row in np.arange(top + cell * 0.7, bottom - cell, cell):
        for column in np.arange(left + cell * 0.5, right - cell * 0.7, cell * 0.95):
            lamp = rng.random() < glowing
            tone = (warm if rng.random() < 0.8 else cold) * rng.uniform(0.6, 1.0)
            paint = blend(tone.astype(np.float32), sky.haze, depth * 0.25) if lamp else plain
            pen.rectangle((column, row, column + cell * 0.42, row + cell * 0.52),
                          fill=_rgba(paint))  # fmt: skip


def _dunes(pixels: FloatImage, scene: Scene, sky: Sky, rng: np.random.Generator) -> FloatImage:
    return _sand(pixels, scene, sky, rng, ((0.62, -0.03), (0.40, 0.02)))


# Near


def _sea(pixels: FloatImage, scene: Scene, sky: Sky, rng: np.random.Generator) -> FloatImage:
    return _water(pixels, scene, sky, rng, rough=1.0)


def _lake(pixels: FloatImage, scene: Scene, sky: Sky, rng: np.random.Generator) -> FloatImage:
    pixels = _water(pixels, scene, sky, rng, rough=0.34)
    return _bank(pixels, scene, sky, rng)


def _water(
    pixels: FloatImage, scene: Scene, sky: Sky, rng: np.random.Generator, *, rough: float
) -> FloatImage:
    """The picture above the horizon, upside down and broken by waves, which grow towards us."""
    height, width = pixels.shape[:2]
    x, y = grid(width, height)
    noise = texture(rng, 6, 8)
    depth = np.clip((y - sky.horizon) / (1 - sky.horizon), 0, 1)
    near = 0.045 / (depth + 0.035)
    across = (x - 0.5) * width / height
    u, v = across * near * 3.0, near * 7.0
    waves = 0.6 * sample(noise, u * 0.6, v) + 0.4 * sample(noise, u * 1.9 + 0.3, v * 2.6)
    shift = (waves - 0.5) * rough * (0.012 + 0.16 * depth)
    mirror = sky.horizon - (y - sky.horizon) * 0.92 - np.abs(shift) * 0.6
    rows = np.clip(mirror * height, 0, sky.horizon * height - 1).astype(int)
    columns = np.clip((x + shift * 0.25) * width, 0, width - 1).astype(int)
    mirrored = pixels[rows, columns]
    tint = COLORS.get(scene.color) if scene.color in ("teal", "blue", "green") else None
    body = lit(sky, tint or (0.07, 0.25, 0.36), 0.9)
    share = np.clip(0.30 + 0.42 * depth - 0.25 * (1 - rough), 0.10, 0.75)[..., None]
    water = mirrored * (1 - share) * 0.94 + body * share
    crest = (waves - 0.5) * (0.06 + 0.14 * rough)
    water = water * (1.0 + crest[..., None] * 1.6)
    if scene.light != "none" and scene.weather not in ("rain", "overcast"):
        spread = 0.020 + 0.13 * depth
        path = exp(-(((x - sky.light_at[0]) / spread) ** 2))
        glints = smoothstep(0.58, 0.80, waves + 0.10 * (1 - depth)) * path
        water = screen(np.clip(water, 0, 1), (glints * (0.95 - 0.5 * depth))[..., None] * sky.light)
    if rough >= 1.0:
        foam = smoothstep(0.80, 0.93, waves) * depth * 0.34
        water = lay(np.clip(water, 0, 1).astype(np.float32), foam, lit(sky, (0.95, 0.97, 1.0)))
    edge = np.clip((y - sky.horizon) * height, 0, 1)
    haze = exp(-depth * 16)[..., None] * 0.55
    water = water * (1 - haze) + sky.haze * haze
    return lay(pixels, edge.astype(np.float32), np.clip(water, 0, 1))


def _bank(pixels: FloatImage, scene: Scene, sky: Sky, rng: np.random.Generator) -> FloatImage:
    """Reeds and stones at our side of the lake, dark against the water."""
    height, width = pixels.shape[:2]
    shape = line(rng, width, cells=2.5, octaves=5, gain=0.5)
    tilt = np.linspace(-1, 1, width) * float(rng.choice([-1.0, 1.0]))
    ridge = 0.955 + 0.030 * shape - 0.035 * tilt
    paint = lit(sky, (0.11, 0.14, 0.09), 0.8)
    pixels = lay(pixels, below(ridge.astype(np.float32), height), paint)
    return blades(pixels, lambda x: float(ridge[min(int(x * width), width - 1)]) + 0.01,
                  paint * 0.85, rng, count=360, high=0.075)  # fmt: skip


def _beach(pixels: FloatImage, scene: Scene, sky: Sky, rng: np.random.Generator) -> FloatImage:
    pixels = _water(pixels, scene, sky, rng, rough=0.85)
    height, width = pixels.shape[:2]
    x, y = grid(width, height)
    noise = texture(rng, 6, 4)
    shore = sky.horizon + (1 - sky.horizon) * (0.50 + 0.10 * line(
        rng, width, cells=1.6, octaves=3, gain=0.4)) + 0.04  # fmt: skip
    depth = np.clip((y - shore[None, :]) / 0.3, 0, 1)
    grain = sample(noise, x * 3.0, y * 9.0)[..., None]
    wet = exp(-depth * 9)[..., None]
    sand = lit(sky, (0.86, 0.75, 0.58)) * (0.86 + 0.22 * grain)
    sand = sand * (1 - 0.42 * wet) + pixels * 0.16 * wet
    pixels = lay(pixels, below(shore.astype(np.float32), height), np.clip(sand, 0, 1))
    for offset, strength in ((0.0, 0.9), (-0.035, 0.5), (-0.075, 0.34)):
        curl = 0.006 * line(rng, width, cells=22, octaves=3, gain=0.6)
        away = np.abs(y - (shore + offset + curl)[None, :]) * height
        lace = 0.45 + 0.55 * sample(noise, x * 6, y * 6)
        foam = exp(-((away / (0.006 * height)) ** 2)) * strength * lace
        pixels = lay(pixels, foam.astype(np.float32), lit(sky, (0.97, 0.98, 1.0)))
    return pixels


def _meadow(pixels: FloatImage, scene: Scene, sky: Sky, rng: np.random.Generator) -> FloatImage:
    tone = {"orange": (0.62, 0.46, 0.18), "gold": (0.74, 0.60, 0.24)}.get(
        scene.color, (0.28, 0.46, 0.16)
    )
    pixels = _ground(pixels, sky, tone, rng)
    return blades(pixels, lambda x: 1.03, lit(sky, tone, 0.55), rng, count=700, high=0.12)


def _flowers(pixels: FloatImage, scene: Scene, sky: Sky, rng: np.random.Generator) -> FloatImage:
    """A field of blossoms: dots far away, petals near."""
    tone = (0.24, 0.42, 0.17)
    pixels = _ground(pixels, sky, tone, rng)
    named = COLORS.get(scene.color)
    tones = [named] * 3 + [(0.98, 0.96, 0.90)] if named else list(
        rng.permutation(np.array(_FLOWERS))[:3])  # fmt: skip
    height, width = pixels.shape[:2]
    canvas = Image.new("RGBA", (width * 2, height * 2))
    pen = ImageDraw.Draw(canvas)
    depths = np.sort(power(rng.random(3200), 1.5))
    for depth in depths:
        place = sky.horizon + 0.012 + (1.02 - sky.horizon) * float(depth)
        size = (0.0016 + 0.0150 * math.pow(depth, 1.5)) * height * 2
        tint = color(tuple(tones[int(rng.integers(len(tones)))])) * rng.uniform(0.80, 1.12)
        paint = far_away(sky, lit(sky, np.clip(tint, 0, 1)), 0.45 * math.pow(1 - depth, 3))
        at = (float(rng.uniform(-0.02, 1.02)) * width * 2, place * height * 2)
        _blossom(pen, at, size, paint, lit(sky, (0.20, 0.36, 0.14), 0.75), sky, rng)
    small = np.asarray(canvas.reduce(2), dtype=np.float32) / 255.0
    paint = small[..., :3] / np.maximum(small[..., 3:], 1e-3)
    return lay(pixels, small[..., 3], np.clip(paint, 0, 1))


def _blossom(
    pen: ImageDraw.ImageDraw,
    at: tuple[float, float],
    size: float,
    paint: FloatImage,
    stem: FloatImage,
    sky: Sky,
    rng: np.random.Generator,
) -> None:
    x, y = at
    if size < 9:
        pen.ellipse((x - size, y - size * 0.6, x + size, y + size * 0.6), fill=_rgba(paint))
        return
    pen.line((x, y, x + rng.uniform(-0.6, 0.6) * size, y + size * 4.2), fill=_rgba(stem),
             width=max(2, round(size * 0.16)))  # fmt: skip
    turn, flat = rng.uniform(0, 2 * np.pi), rng.uniform(0.55, 0.9)
    for number in range(5):
        angle = turn + number * 2 * np.pi / 5
        px, py = x + math.cos(angle) * size * 0.62, y + math.sin(angle) * size * 0.62 * flat
        reach, shade = size * 0.56, 0.86 + 0.14 * math.sin(angle)
        pen.ellipse((px - reach, py - reach * flat, px + reach, py + reach * flat),
                    fill=_rgba(np.clip(paint * shade, 0, 1)))  # fmt: skip
    middle = size * 0.30
    pen.ellipse((x - middle, y - middle * flat, x + middle, y + middle * flat),
                fill=_rgba(lit(sky, (0.98, 0.80, 0.30))))  # fmt: skip


def _snow(pixels: FloatImage, scene: Scene, sky: Sky, rng: np.random.Generator) -> FloatImage:
    height, width = pixels.shape[:2]
    x, y = grid(width, height)
    noise = texture(rng, 5, 4)
    for number, start in enumerate((0.0, 0.24, 0.56)):
        rise = 0.035 * (1 + number) * line(rng, width, cells=1.8, octaves=3, gain=0.4)
        ridge = sky.horizon + 0.012 + start * (1 - sky.horizon) - np.abs(rise)
        drop = np.clip((y - ridge[None, :]) / 0.26, 0, 1)[..., None]
        soft = sample(noise, x * 1.1 + number * 0.3, y * 3.2)[..., None]
        shade = blend(lit(sky, (0.74, 0.82, 0.95), 0.92), sky.haze, 0.18)
        white = blend(lit(sky, (0.98, 0.99, 1.0)), sky.haze, 0.12)
        share = np.clip(0.85 - 0.62 * drop + (soft - 0.5) * 0.34, 0, 1)
        pixels = lay(pixels, below(ridge.astype(np.float32), height),
                     shade * (1 - share) + white * share)  # fmt: skip
    return pixels


def _near_dunes(pixels: FloatImage, scene: Scene, sky: Sky, rng: np.random.Generator) -> FloatImage:
    return _sand(pixels, scene, sky, rng, ((0.24, 0.08), (0.12, 0.20), (0.0, 0.34)))


def _sand(
    pixels: FloatImage,
    scene: Scene,
    sky: Sky,
    rng: np.random.Generator,
    rows: tuple[tuple[float, float], ...],
) -> FloatImage:
    """Dunes: one side of each crest in the light, the other not, with ripples of wind."""
    height, width = pixels.shape[:2]
    x, y = grid(width, height)
    noise = texture(rng, 6, 4)
    side = 1.0 if sky.light_at[0] > 0.5 else -1.0
    for depth, start in rows:
        shape = line(rng, width, cells=1.5 + depth * 2, octaves=3, gain=0.30)
        ridge = sky.horizon + start + 0.075 * shape * (1.25 - depth)
        slope = np.gradient(_smooth(ridge, 31)) * height
        crest = np.cumsum(slope) * 0
        bend = sample(noise, x * 0.5 + start, y * 0.9)
        face = np.clip(0.5 + side * slope[None, :] * 1.1 + (bend - 0.5) * 0.8 + crest, 0, 1)
        ripples = 0.5 + 0.5 * sin((y * 190 + bend * 26 + x * 12) * (0.6 + depth))
        drop = np.clip((y - ridge[None, :]) / 0.3, 0, 1)
        tone = lit(sky, (0.90, 0.66, 0.40))
        dark = lit(sky, (0.46, 0.28, 0.22), 0.86)
        share = smoothstep(0.30, 0.66, face)[..., None]
        paint = dark * (1 - share) + tone * share
        paint = paint * (0.95 + 0.07 * ripples * (1 - drop * 0.4))[..., None]
        pixels = lay(pixels, below(ridge.astype(np.float32), height),
                     np.clip(far_away(sky, paint.astype(np.float32), depth), 0, 1))  # fmt: skip
    return pixels


_FAR: Final[dict[str, Callable[..., FloatImage]]] = {
    "mountains": _mountains, "hills": _hills, "forest": _forest, "trees": _trees,
    "city": _city, "town": _town, "dunes": _dunes,
}  # fmt: skip
_NEAR: Final[dict[str, Callable[..., FloatImage]]] = {
    "sea": _sea, "lake": _lake, "beach": _beach, "meadow": _meadow, "flowers": _flowers,
    "snow": _snow, "dunes": _near_dunes,
}  # fmt: skip


# Parts


def conifer(
    x: float, foot: float, high: float, wide: float, rng: np.random.Generator
) -> list[list[tuple[float, float]]]:
    """The polygons of a conifer: its trunk, and tiers that grow towards the ground."""
    tiers = 5
    shapes = [[(x - wide * 0.06, foot), (x - wide * 0.06, foot - high * 0.3),
               (x + wide * 0.06, foot - high * 0.3), (x + wide * 0.06, foot)]]  # fmt: skip
    for tier in range(tiers):
        top = foot - high * (1 - 0.80 * tier / tiers)
        bottom = foot - high * (1 - (tier + 1.45) / (tiers + 0.9))
        reach = wide * (0.22 + 0.78 * (tier + 1) / tiers) * float(rng.uniform(0.85, 1.1))
        shapes.append([(x, top), (x - reach * 0.5, min(bottom, foot - high * 0.06)),
                       (x + reach * 0.5, min(bottom, foot - high * 0.06))])  # fmt: skip
    return shapes


def crown(
    pixels: FloatImage,
    at: tuple[float, float],
    radius: float,
    leaf: FloatImage,
    sky: Sky,
    paint: Callable[[FloatImage], FloatImage],
    rng: np.random.Generator,
    *,
    trunk: bool = True,
) -> FloatImage:
    """A tree's crown of many clumps of leaves, lit from where the light stands."""
    height, width = pixels.shape[:2]
    x0, y0 = at[0] * width, at[1] * height
    reach = radius * height
    pad = int(reach * 1.6) + 3
    left, top = int(max(x0 - pad, 0)), int(max(y0 - pad, 0))
    right, bottom = int(min(x0 + pad, width)), int(min(y0 + pad * 1.35, height))
    if right - left < 3 or bottom - top < 3:
        return pixels
    canvas = Image.new("RGBA", ((right - left) * 2, (bottom - top) * 2))
    pen = ImageDraw.Draw(canvas)
    cx, cy = (x0 - left) * 2, (y0 - top) * 2
    if trunk:
        bark = paint(color((0.20, 0.14, 0.10)))
        thick = max(2.0, reach * 0.14)
        pen.polygon([(cx - thick, cy + reach * 2.2), (cx - thick * 0.5, cy), (cx + thick * 0.5, cy),
                     (cx + thick, cy + reach * 2.2)], fill=_rgba(bark))  # fmt: skip
    toward = 1.0 if sky.light_at[0] > at[0] else -1.0
    count = int(np.clip(reach * 6.0, 24, 620))
    for number in range(count):
        angle, away = rng.uniform(0, 2 * np.pi), np.sqrt(rng.random())
        dx, dy = math.cos(angle) * away, math.sin(angle) * away * 0.84
        light = 0.66 + 0.30 * (toward * dx - dy) + 0.26 * (number / count - 0.5)
        light = float(np.clip(light * rng.uniform(0.86, 1.14), 0.25, 1.35))
        size = reach * 2 * rng.uniform(0.05, 0.15)
        px, py = cx + dx * reach * 1.7, cy + dy * reach * 1.7
        pen.ellipse((px - size, py - size * 0.8, px + size, py + size * 0.8),
                    fill=_rgba(paint(np.clip(leaf * light, 0, 1).astype(np.float32))))  # fmt: skip
    small = np.asarray(canvas.reduce(2), dtype=np.float32) / 255.0
    inside = pixels[top:bottom, left:right]
    share = small[..., 3:]
    painted = inside * (1 - share) + small[..., :3] / np.maximum(share, 1e-3) * share
    result = pixels.copy()
    result[top:bottom, left:right] = np.clip(painted, 0, 1)
    return result


def blades(
    pixels: FloatImage,
    foot: Callable[[float], float],
    paint: FloatImage,
    rng: np.random.Generator,
    *,
    count: int,
    high: float,
) -> FloatImage:
    """Grass before everything else."""

    def draw(pen: ImageDraw.ImageDraw, wide: float, tall: float) -> None:
        for _ in range(count):
            x, lean = float(rng.random()), float(rng.normal(0, 0.35))
            y, size = foot(x), high * float(rng.uniform(0.35, 1.0))
            tip = ((x * wide + lean * size * tall), (y - size) * tall)
            half = 0.0014 * tall
            pen.polygon([(x * wide - half, y * tall), tip, (x * wide + half, y * tall)], fill=255)

    return lay(pixels, drawn((pixels.shape[1], pixels.shape[0]), draw), paint)


def _ground(pixels: FloatImage, sky: Sky, tone: Rgb, rng: np.random.Generator) -> FloatImage:
    height, width = pixels.shape[:2]
    x, y = grid(width, height)
    noise = texture(rng, 7, 8)
    roll = 0.014 * line(rng, width, cells=2.0, octaves=2, gain=0.4)
    ridge = (sky.horizon + 0.006 + roll).astype(np.float32)
    depth = np.clip((y - ridge[None, :]) / (1 - sky.horizon), 0, 1)
    near = 0.06 / (depth + 0.05)
    across = (x - 0.5) * width / height
    grass = 0.55 * sample(noise, across * near * 7, near * 9) + 0.45 * sample(
        noise, across * near * 26, near * 21
    )
    light, dark = lit(sky, tone, 1.15), lit(sky, tone, 0.42)
    share = np.clip(grass * 1.15 - 0.30 * depth + 0.12, 0, 1)[..., None]
    paint = dark * (1 - share) + light * share
    haze = exp(-depth * 7)[..., None] * 0.50
    paint = paint * (1 - haze) + sky.haze * haze
    return lay(pixels, below(ridge, height), np.clip(paint, 0, 1))


def _strip(pixels: FloatImage, top: float, bottom: float) -> Mask:
    _, y = grid(pixels.shape[1], pixels.shape[0])
    return ((y > top) & (y < bottom)).astype(np.float32)


def _smooth(values: Mask, wide: int) -> Mask:
    padded = np.pad(values, wide // 2, mode="edge")
    sums = np.concatenate([[0.0], np.cumsum(padded, dtype=np.float64)])
    return ((sums[wide:] - sums[:-wide]) / wide).astype(np.float32)


def _rgba(paint: FloatImage) -> tuple[int, int, int, int]:
    red, green, blue = (int(np.clip(value, 0, 1) * 255) for value in np.asarray(paint))
    return red, green, blue, 255
