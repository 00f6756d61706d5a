"""The land of a painted scene: ridges, trees, a city, water and open ground.

Owns how each is drawn and how distance and light change it; their sizes and colors are data.
Knows no words, and of the sky only its colors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from PIL import Image, ImageDraw

from darkroom.media.portable_math import exp, power
from darkroom.studio.pictures.canvas import (
    below,
    blend,
    color,
    drawn,
    lay,
    line,
    sample,
    texture,
)
from darkroom.studio.pictures.raster import FloatImage, Floats, Mask, grid, screen, smoothstep
from darkroom.studio.pictures.scenery import Scene
from darkroom.studio.pictures.scenery_sky import Sky
from darkroom.studio.pictures.scenery_values import (
    City,
    Meadow,
    Ridges,
    Row,
    Trees,
    Water,
    scenery,
)
from darkroom.studio.values import Rgb

_SNOW: Final[Rgb] = (0.93, 0.96, 1.0)
_SNOW_IN_HAZE: Final = 0.35
"""How much of the haze snow shines through."""
_FOAM: Final[Rgb] = (0.96, 0.98, 1.0)
_SAND: Final[Rgb] = (0.86, 0.75, 0.58)
_BANK: Final[Rgb] = (0.11, 0.14, 0.09)
_STEM: Final[Rgb] = (0.20, 0.36, 0.14)
_POLLEN: Final[Rgb] = (0.98, 0.80, 0.30)
_UNDER_THE_HORIZON: Final = 0.012
"""Far land ends a little below the horizon, so that no sky shows between it and the ground."""
_BRANCHES: Final = 7
"""Tiers of a conifer."""
_WINDOW_PITCH: Final = 0.0135
"""The distance of two rows of windows in the nearest row of buildings."""
_SMALL_BLOSSOM_PX: Final = 9
"""Smaller ones, at twice the picture's size, are drawn as dots."""
_Painter = Callable[[Any, FloatImage, Scene, Sky, np.random.Generator], FloatImage]


def lit(sky: Sky, paint: Rgb | FloatImage, shine: float = 1.0) -> FloatImage:
    """A surface's color in this light: dimmer, and tinted by the sky, as the day ends."""
    bright = np.asarray(paint, dtype=np.float32) * (0.10 + 0.90 * sky.daylight) * shine
    tint = bright * blend((1.0, 1.0, 1.0), sky.light, 0.55)
    return np.clip(blend(tint, sky.haze * 0.30, 0.22 * (1 - sky.daylight)), 0, 1)


def _white(sky: Sky) -> FloatImage:
    """Snow in this light: it stays white where other things take on the color of the hour."""
    snow = lit(sky, _SNOW)
    return blend(snow, color(_SNOW) * max(float(snow.max()), 0.30), 0.65)


def paint_far(pixels: FloatImage, scene: Scene, sky: Sky, rng: np.random.Generator) -> FloatImage:
    """What stands between the sky and the foreground."""
    land = scenery().backgrounds.get(scene.far)
    return pixels if land is None else _PAINTERS[land.kind](land, pixels, scene, sky, rng)


def paint_near(pixels: FloatImage, scene: Scene, sky: Sky, rng: np.random.Generator) -> FloatImage:
    """The foreground, from the horizon down."""
    land = scenery().foregrounds[scene.near]
    return _PAINTERS[land.kind](land, pixels, scene, sky, rng)


def _in_season(plain: Rgb, turns: float, scene: Scene, seasons: Mapping[str, Rgb]) -> FloatImage:
    """The color of leaves or grass in the season that the text's color speaks of."""
    season = seasons.get(scene.color)
    return color(plain) if season is None else blend(plain, season, turns)


# Ridges


def _ridges(
    land: Ridges, pixels: FloatImage, scene: Scene, sky: Sky, rng: np.random.Generator
) -> FloatImage:
    noise = texture(rng, 7, 4)
    for row in land.rows:
        ridge = _ridge_line(land, row, pixels, sky, rng)
        pixels = _ridge(land, row, ridge, noise, pixels, scene, sky)
    return pixels


def _ridge_line(
    land: Ridges, row: Row, pixels: FloatImage, sky: Sky, rng: np.random.Generator
) -> Mask:
    """The height of each column's top, from the picture's top."""
    height, width = pixels.shape[:2]
    cells = row.cells * width / height
    wave = line(rng, width, cells=cells, octaves=land.octaves, gain=land.gain)
    shape: Floats = wave * 0.5 + 0.5
    if land.is_sharp:
        crest = 1.0 - np.abs(wave)
        shape = power((crest - crest.min()) / max(float(np.ptp(crest)), 1e-6), 1.5)
    up = row.rise * (land.lowest + (1.0 - land.lowest) * shape)
    return (sky.horizon + _UNDER_THE_HORIZON + row.below_horizon - up).astype(np.float32)


def _ridge(
    land: Ridges,
    row: Row,
    ridge: Mask,
    noise: Mask,
    pixels: FloatImage,
    scene: Scene,
    sky: Sky,
) -> FloatImage:
    """One row: bright where its slope or a fold faces the light, and misty at its foot."""
    height, width = pixels.shape[:2]
    # Above its highest point there is nothing of it, and the foreground hides what is far below.
    end = 1.0 if row.below_horizon else sky.horizon + 5 * _UNDER_THE_HORIZON
    part = slice(int(ridge.min() * height), math.ceil(end * height))
    x, y = (axis[part] for axis in grid(width, height))
    across, start = x * width / height, 3.7 * row.haze
    drop = np.clip((y - ridge[None, :]) / row.rise, 0, 1)
    slope = np.gradient(_smooth(ridge, width // 24 * 2 + 1)) * height
    u, v = across * 1.2 + start, y * 1.6 + start
    toward = 0.012 * sky.light_side
    # A fold faces the light where the ground becomes higher away from it.
    folds = 0.65 * (sample(noise, u - toward, v) - sample(noise, u + toward, v))
    folds = folds + 0.35 * (
        sample(noise, u * 2.7 - toward, v * 2.7) - sample(noise, u * 2.7 + toward, v * 2.7)
    )
    # Further down, the shape of the crest matters less.
    slopes = sky.light_side * land.relief * slope[None, :] * (1.0 - 0.7 * drop)
    faces = np.clip(0.5 + slopes + folds * land.folds, 0, 1)
    dark, bright = land.brightness
    shine = (dark + (bright - dark) * faces)[..., None]
    share = power(drop, 0.8)[..., None]
    crest = lit(sky, _in_season(land.crest, land.turns, scene, scenery().grass))
    foot = lit(sky, _in_season(land.foot, land.turns, scene, scenery().grass))
    paint = (crest * (1 - share) + foot * share) * shine
    depth = land.snow_depth[1 if scene.is_snowy else 0]
    if depth:
        rough = (sample(noise, u * 1.9, v * 1.9) - 0.5) * 0.5
        snow = smoothstep(depth + 0.10, depth - 0.12, drop + rough)[..., None]
        paint = paint * (1 - snow) + _white(sky) * np.sqrt(shine) * snow
    haze = np.clip(row.haze * (0.50 + 0.75 * drop), 0, 0.96)[..., None]
    if depth:
        haze = haze * (1 - _SNOW_IN_HAZE * snow)
    paint = np.clip(paint * (1 - haze) + sky.haze * haze, 0, 1)
    result = pixels.copy()
    result[part] = lay(pixels[part], below(ridge, height)[part], paint)
    return result


# Trees


def _trees(
    land: Trees, pixels: FloatImage, scene: Scene, sky: Sky, rng: np.random.Generator
) -> FloatImage:
    height, width = pixels.shape[:2]
    x, y = grid(width, height)
    noise = texture(rng, 6, 32)
    leaf = lit(sky, _in_season(land.color, land.turns, scene, scenery().leaves))
    for row in land.rows:
        tops, tones = _treetops(land, row, width, sky, rng)
        ridge = sky.horizon + _UNDER_THE_HORIZON + row.below_horizon - tops
        drop = np.clip((y - ridge[None, :]) / row.rise, 0, 1)
        clumps = sample(noise, x * width / height * 1.7 + row.haze, y * 1.7)
        shine = (1.20 - 0.62 * drop) * (0.66 + 0.68 * clumps) * tones[None, :]
        paint = leaf * shine[..., None]
        if scene.is_snowy:
            snow = (smoothstep(0.35, 0.65, clumps) * (1.0 - 0.6 * drop) * 0.9)[..., None]
            paint = paint * (1 - snow) + _white(sky) * snow
        haze = np.clip(row.haze * (0.75 + 0.4 * drop), 0, 0.96)[..., None]
        paint = np.clip(paint * (1 - haze) + sky.haze * haze, 0, 1)
        pixels = lay(pixels, below(ridge.astype(np.float32), height), paint)
    return pixels


def _treetops(
    land: Trees, row: Row, width: int, sky: Sky, rng: np.random.Generator
) -> tuple[Mask, Mask]:
    """How high the trees reach in each column, and how bright the highest tree is there."""
    aspect = width / sky.pixels.shape[0]
    count = math.ceil(row.cells * aspect) + 2
    middles = (np.arange(count) - 0.5 + rng.uniform(-0.4, 0.4, count)) / row.cells
    heights = row.rise * rng.uniform(0.55, 1.0, count)
    halves = heights / land.slenderness / 2 * (1.6 if land.is_round else 1.0)
    across = (np.arange(width) + 0.5) / width * aspect
    offsets = (across[None, :] - middles[:, None]) / halves[:, None]
    near = np.clip(1.0 - np.abs(offsets), 0, 1)
    if land.is_round:
        tops = np.sqrt(1.0 - (1.0 - near) ** 2)
    else:
        # Branches hang: each tier bulges a little over the one below.
        tier = near * _BRANCHES
        tops = (np.floor(tier) + power(tier - np.floor(tier), 0.35)) / _BRANCHES
    tops = tops * heights[:, None]
    tallest = tops.argmax(axis=0)
    # Between the trees there is undergrowth, and no gap.
    twigs = line(rng, width, cells=row.cells * 6 * aspect, octaves=3, gain=0.6)
    outline = np.maximum(tops.max(axis=0), row.rise * 0.18) + row.rise * 0.04 * twigs
    sides = np.clip(offsets[tallest, np.arange(width)], -1, 1)
    tones = rng.uniform(0.92, 1.08, count)[tallest] + 0.12 * sky.light_side * sides
    return outline.astype(np.float32), tones.astype(np.float32)


# City


def _city(
    land: City, pixels: FloatImage, scene: Scene, sky: Sky, rng: np.random.Generator
) -> FloatImage:
    height, width = pixels.shape[:2]
    if scene.is_dark:
        _, y = grid(width, height)
        glow = exp(-(((y - sky.horizon) / (0.30 * sky.horizon)) ** 2)) * 0.30
        pixels = screen(pixels, glow[..., None] * color(land.glow))
    foot = sky.horizon + _UNDER_THE_HORIZON
    for row in land.rows:
        canvas = Image.new("RGBA", (width * 2, height * 2))
        pen = ImageDraw.Draw(canvas)
        left = -0.02
        while left < 1.02:
            wide = float(rng.uniform(0.55, 1.45)) / row.cells * height / width
            top = foot - row.rise * math.pow(rng.uniform(0.30, 1.0), 1.3)
            gray = lit(sky, color(land.wall) * rng.uniform(0.7, 1.25))
            if scene.is_dark:
                gray = np.clip(gray + color(land.glow) * 0.13 * (1.3 - row.haze), 0, 1)
            wall = blend(gray, sky.haze, row.haze)
            _building(pen, (left, top, left + wide, foot), wall, land, row, scene, sky, rng)
            left += wide * float(rng.uniform(0.86, 1.25))
        pixels = _lay_canvas(pixels, canvas)
    return pixels


def _building(
    pen: ImageDraw.ImageDraw,
    box: tuple[float, float, float, float],
    wall: FloatImage,
    land: City,
    row: Row,
    scene: Scene,
    sky: Sky,
    rng: np.random.Generator,
) -> None:
    """A wall with one side in the shade, and its windows."""
    wide, high = pen.im.size
    left, top, right, bottom = box[0] * wide, box[1] * high, box[2] * wide, box[3] * high
    pen.rectangle((left, top, right, bottom), fill=_rgba(wall))
    third = (right - left) * 0.30
    shaded = (left, left + third) if sky.light_side > 0 else (right - third, right)
    pen.rectangle((shaded[0], top, shaded[1], bottom), fill=_rgba(wall * 0.80))
    if rng.random() < 0.25:
        middle = (left + right) / 2
        pen.rectangle((middle - 2, top - 0.02 * high, middle + 2, top), fill=_rgba(wall))
    glowing = land.lit_windows[scene.time]
    plain = wall * (0.80 if glowing else 0.88)
    warm, cold = color(land.warm_window), color(land.cold_window)
    cell = _WINDOW_PITCH * high * (1.0 - 0.40 * row.haze)
    for y in np.arange(top + cell * 0.7, bottom - cell, cell):
        for x in np.arange(left + cell * 0.5, right - cell * 0.7, cell * 0.95):
            paint = plain
            if rng.random() < glowing:
                lamp = (warm if rng.random() < 0.8 else cold) * rng.uniform(0.6, 1.0)
                paint = blend(lamp.astype(np.float32), sky.haze, row.haze * 0.25)
            pen.rectangle((x, y, x + cell * 0.42, y + cell * 0.52), fill=_rgba(paint))


# Water


def _water(
    land: Water, pixels: FloatImage, scene: Scene, sky: Sky, rng: np.random.Generator
) -> FloatImage:
    """The picture above the horizon, upside down and broken by waves, which grow towards us."""
    height, width = pixels.shape[:2]
    x, y = grid(width, height)
    depth = np.clip((y - sky.horizon) / (1 - sky.horizon), 0, 1)
    waves = _waves(x, depth, width / height, rng)
    shift = (waves - 0.5) * land.roughness * (0.012 + 0.16 * depth)
    mirror = sky.horizon - (y - sky.horizon) * 0.92 - np.abs(shift) * 0.6
    rows = np.clip(mirror * height, 0, sky.horizon * height - 1).astype(int)
    columns = np.clip((x + shift * 0.25) * width, 0, width - 1).astype(int)
    tint = scenery().colors[scene.color] if scene.color in ("teal", "blue", "green") else land.color
    share = np.clip(0.30 + 0.42 * depth - 0.25 * (1 - land.roughness), 0.10, 0.75)[..., None]
    water = pixels[rows, columns] * (1 - share) * 0.94 + lit(sky, tint, 0.9) * share
    crest = (waves - 0.5) * (0.10 + 0.22 * land.roughness)
    water = np.clip(water * (1.0 + crest[..., None]), 0, 1).astype(np.float32)
    if scene.light != "none" and scene.weather not in ("rain", "overcast"):
        path = exp(-(((x - sky.light_at[0]) / (0.020 + 0.13 * depth)) ** 2))
        glints = smoothstep(0.58, 0.80, waves + 0.10 * (1 - depth)) * path * (0.95 - 0.5 * depth)
        water = screen(water, glints[..., None] * sky.light)
    foam = smoothstep(0.80, 0.93, waves) * depth * land.foam
    water = lay(water, foam, lit(sky, _FOAM))
    haze = exp(-depth * 16)[..., None] * 0.55
    water = water * (1 - haze) + sky.haze * haze
    edge = np.clip((y - sky.horizon) * height, 0, 1)
    pixels = lay(pixels, edge.astype(np.float32), np.clip(water, 0, 1))
    bank = _BANKS.get(land.bank)
    return pixels if bank is None else bank(pixels, sky, rng)


def _waves(x: Mask, depth: Mask, aspect: float, rng: np.random.Generator) -> Mask:
    noise = texture(rng, 6, 8)
    near = 0.045 / (depth + 0.035)
    u, v = (x - 0.5) * aspect * near * 3.0, near * 7.0
    return 0.6 * sample(noise, u * 0.6, v) + 0.4 * sample(noise, u * 1.9 + 0.3, v * 2.6)


def _reeds(pixels: FloatImage, sky: Sky, rng: np.random.Generator) -> FloatImage:
    """Our side of the lake, dark against the water."""
    height, width = pixels.shape[:2]
    shape = line(rng, width, cells=2.5, octaves=5, gain=0.5)
    tilt = np.linspace(-1, 1, width) * float(rng.choice([-1.0, 1.0]))
    ridge = 0.955 + 0.030 * shape - 0.035 * tilt
    paint = lit(sky, _BANK, 0.8)
    pixels = lay(pixels, below(ridge.astype(np.float32), height), paint)
    foot = ridge[np.minimum((rng.random(360) * width).astype(int), width - 1)] + 0.01
    return _blades(pixels, foot, paint * 0.85, rng, high=0.075)


def _sand(pixels: FloatImage, sky: Sky, rng: np.random.Generator) -> FloatImage:
    """A beach: dry, then wet sand, and the lace of three waves that run out."""
    height, width = pixels.shape[:2]
    x, y = grid(width, height)
    noise = texture(rng, 6, 4)
    bend = line(rng, width, cells=1.6, octaves=3, gain=0.4)
    shore = sky.horizon + (1 - sky.horizon) * (0.50 + 0.10 * bend) + 0.04
    depth = np.clip((y - shore[None, :]) / 0.3, 0, 1)
    grain = sample(noise, x * 3.0, y * 9.0)[..., None]
    wet = exp(-depth * 9)[..., None]
    sand = lit(sky, _SAND) * (0.86 + 0.22 * grain)
    sand = sand * (1 - 0.42 * wet) + pixels * 0.16 * wet
    pixels = lay(pixels, below(shore.astype(np.float32), height), np.clip(sand, 0, 1))
    lace = 0.45 + 0.55 * sample(noise, x * 6, y * 6)
    for out, strength in ((0.0, 0.9), (0.035, 0.5), (0.075, 0.34)):
        curl = 0.006 * line(rng, width, cells=22, octaves=3, gain=0.6)
        away = (y - (shore - out + curl)[None, :]) / 0.006
        foam = exp(-(away**2)) * strength * lace
        pixels = lay(pixels, foam.astype(np.float32), lit(sky, _FOAM))
    return pixels


# Open ground


def _meadow(
    land: Meadow, pixels: FloatImage, scene: Scene, sky: Sky, rng: np.random.Generator
) -> FloatImage:
    tone = _in_season(land.color, land.turns, scene, scenery().grass)
    pixels = _grass(pixels, sky, tone, rng)
    if land.blossoms:
        pixels = _blossoms(land.blossoms, pixels, scene, sky, rng)
    if land.blades:
        pixels = _blades(pixels, np.full(land.blades, 1.03), lit(sky, tone, 0.55), rng, high=0.12)
    return pixels


def _grass(pixels: FloatImage, sky: Sky, tone: FloatImage, rng: np.random.Generator) -> FloatImage:
    height, width = pixels.shape[:2]
    x, y = grid(width, height)
    noise = texture(rng, 7, 8)
    roll = 0.014 * line(rng, width, cells=2.0, octaves=2, gain=0.4)
    ridge = (sky.horizon + _UNDER_THE_HORIZON / 2 + roll).astype(np.float32)
    depth = np.clip((y - ridge[None, :]) / (1 - sky.horizon), 0, 1)
    near = 0.06 / (depth + 0.05)
    across = (x - 0.5) * width / height
    grass = 0.55 * sample(noise, across * near * 7, near * 9)
    grass = grass + 0.45 * sample(noise, across * near * 26, near * 21)
    light, dark = lit(sky, tone, 1.15), lit(sky, tone, 0.42)
    share = np.clip(grass * 1.15 - 0.30 * depth + 0.12, 0, 1)[..., None]
    paint = dark * (1 - share) + light * share
    haze = exp(-depth * 7)[..., None] * 0.50
    paint = paint * (1 - haze) + sky.haze * haze
    return lay(pixels, below(ridge, height), np.clip(paint, 0, 1))


def _blossoms(
    count: int, pixels: FloatImage, scene: Scene, sky: Sky, rng: np.random.Generator
) -> FloatImage:
    """Dots far away, petals near; in the color that the text names, or in three."""
    height, width = pixels.shape[:2]
    tones = [color(rgb) for rgb in rng.permutation(np.array(scenery().blossoms))[:3]]
    if scene.color in scenery().colors:
        named = color(scenery().colors[scene.color])
        tones = [named, named, blend(named, (1.0, 1.0, 1.0), 0.35)]
    canvas = Image.new("RGBA", (width * 2, height * 2))
    pen = ImageDraw.Draw(canvas)
    stem = lit(sky, _STEM, 0.75)
    for depth in np.sort(power(rng.random(count), 1.5)):
        place = sky.horizon + 0.012 + (1.02 - sky.horizon) * float(depth)
        size = (0.0016 + 0.0150 * math.pow(depth, 1.5)) * height * 2
        tint = np.clip(tones[int(rng.integers(len(tones)))] * rng.uniform(0.80, 1.12), 0, 1)
        paint = blend(lit(sky, tint.astype(np.float32)), sky.haze, 0.45 * math.pow(1 - depth, 3))
        at = (float(rng.uniform(-0.02, 1.02)) * width * 2, place * height * 2)
        _blossom(pen, at, size, paint, stem, lit(sky, _POLLEN), rng)
    return _lay_canvas(pixels, canvas)


def _blossom(
    pen: ImageDraw.ImageDraw,
    at: tuple[float, float],
    size: float,
    paint: FloatImage,
    stem: FloatImage,
    pollen: FloatImage,
    rng: np.random.Generator,
) -> None:
    x, y = at
    if size < _SMALL_BLOSSOM_PX:
        pen.ellipse((x - size, y - size * 0.6, x + size, y + size * 0.6), fill=_rgba(paint))
        return
    foot = (x + rng.uniform(-0.6, 0.6) * size, y + size * 4.2)
    pen.line((x, y, *foot), fill=_rgba(stem), width=max(2, round(size * 0.16)))
    turn, flat = rng.uniform(0, 2 * np.pi), rng.uniform(0.55, 0.9)
    for angle in turn + np.arange(5) * 2 * np.pi / 5:
        px, py = x + math.cos(angle) * size * 0.62, y + math.sin(angle) * size * 0.62 * flat
        shade = np.clip(paint * (0.86 + 0.14 * math.sin(angle)), 0, 1)
        _oval(pen, (px, py), size * 0.56, flat, shade)
    _oval(pen, (x, y), size * 0.30, flat, pollen)


def _oval(
    pen: ImageDraw.ImageDraw, at: tuple[float, float], reach: float, flat: float, paint: FloatImage
) -> None:
    x, y = at
    pen.ellipse((x - reach, y - reach * flat, x + reach, y + reach * flat), fill=_rgba(paint))


def _blades(
    pixels: FloatImage, feet: Mask, paint: FloatImage, rng: np.random.Generator, *, high: float
) -> FloatImage:
    """Stalks before everything else, one for each foot (from the picture's top)."""
    places = rng.random(len(feet))

    def draw(pen: ImageDraw.ImageDraw, wide: float, tall: float) -> None:
        half = 0.0014 * tall
        for place, y in zip(places, feet, strict=True):
            lean, size = float(rng.normal(0, 0.35)), high * float(rng.uniform(0.35, 1.0))
            x = float(place) * wide
            tip = (x + lean * size * tall, (y - size) * tall)
            pen.polygon([(x - half, y * tall), tip, (x + half, y * tall)], fill=255)

    return lay(pixels, drawn((pixels.shape[1], pixels.shape[0]), draw), paint)


# Shared


def _lay_canvas(pixels: FloatImage, canvas: Image.Image) -> FloatImage:
    """What was drawn at twice the size, with its transparency."""
    small = np.asarray(canvas.reduce(2), dtype=np.float32) / 255.0
    share = small[..., 3]
    return np.clip(lay(pixels, share, small[..., :3] / np.maximum(share, 1e-3)[..., None]), 0, 1)


def _smooth(values: Mask, wide: int) -> Mask:
    padded = np.pad(values, wide // 2, mode="edge")
    sums = np.concatenate([[0.0], np.cumsum(padded, dtype=np.float64)])
    return ((sums[wide:] - sums[:-wide]) / wide).astype(np.float32)


def _rgba(paint: FloatImage) -> tuple[int, int, int, int]:
    red, green, blue = (int(value) for value in np.clip(paint, 0, 1) * 255)
    return red, green, blue, 255


_PAINTERS: Final[dict[str, _Painter]] = {
    "ridges": _ridges, "trees": _trees, "city": _city, "water": _water, "meadow": _meadow,
}  # fmt: skip
_BANKS: Final[dict[str, Callable[[FloatImage, Sky, np.random.Generator], FloatImage]]] = {
    "reeds": _reeds, "sand": _sand,
}  # fmt: skip
