"""Single things in a painted scene, and its weather: what stands, floats, flies and falls.

Knows no words; where a thing can stand depends on the land before it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np
from PIL import ImageDraw

from darkroom.media.portable_math import arctan2, cos, exp, power, sin
from darkroom.studio.pictures.canvas import (
    Rgb,
    blend,
    color,
    drawn,
    lay,
    polygons,
    sample,
    texture,
)
from darkroom.studio.pictures.raster import FloatImage, Mask, grid, screen, smoothstep
from darkroom.studio.pictures.scenery import Scene
from darkroom.studio.pictures.scenery_land import crown, far_away, lit
from darkroom.studio.pictures.scenery_sky import COLORS, Sky

_LAMP: Final[Rgb] = (1.0, 0.84, 0.50)
_BLOSSOM: Final[Rgb] = (0.97, 0.72, 0.80)


def place_thing(
    name: str, pixels: FloatImage, scene: Scene, sky: Sky, rng: np.random.Generator
) -> FloatImage:
    return _THINGS[name](pixels, scene, sky, rng)


def let_fall(pixels: FloatImage, scene: Scene, sky: Sky, rng: np.random.Generator) -> FloatImage:
    """Rain, snow, petals or fog before everything else."""
    fall = _WEATHER.get(scene.weather)
    return pixels if fall is None else fall(pixels, scene, sky, rng)


def _lighthouse(pixels: FloatImage, scene: Scene, sky: Sky, rng: np.random.Generator) -> FloatImage:
    """On a headland at one side, away from what shines."""
    height, width = pixels.shape[:2]
    aspect, size = width / height, (width, height)
    side = 1.0 if sky.light_at[0] < 0.5 else 0.0
    x = 0.76 if side else 0.24
    foot = sky.horizon + 0.015
    edge = 1.02 if side else -0.02
    inner = x - 0.20 if side else x + 0.20
    rocks = [(edge, foot - 0.02)]
    rocks += [
        (float(at), foot - 0.030 * math.sin((i + 1) * 0.35) - float(rng.uniform(0, 0.012)))
        for i, at in enumerate(np.linspace(edge, inner, 12))
    ]
    rocks += [(inner + (0.02 if side else -0.02), foot + 0.035), (edge, foot + 0.06)]
    pixels = lay(pixels, polygons(size, [rocks]), lit(sky, (0.20, 0.19, 0.18), 0.8))
    base, high = foot - 0.024, 0.30
    top, low, upper = base - high, 0.030 / aspect, 0.018 / aspect
    tower = [(x - low, base), (x - upper, top), (x + upper, top), (x + low, base)]
    body = polygons(size, [tower])
    y, across = grid(width, height)[1], grid(width, height)[0]
    white, red = lit(sky, (0.94, 0.93, 0.90)), lit(sky, (0.78, 0.20, 0.17))
    bands = ((np.floor((y - top) / high * 5).astype(int) % 2) == 1)[..., None]
    paint = np.where(bands, red, white)
    lean = (across - x) / low * (1.0 if sky.light_at[0] > x else -1.0)
    paint = paint * np.clip(0.82 + 0.28 * lean, 0.5, 1.12)[..., None]
    pixels = lay(pixels, body, np.clip(paint, 0, 1))
    dark = lit(sky, (0.12, 0.12, 0.14))
    lamp_at, box = top - 0.020, 0.013 / aspect
    gallery = [(x - upper * 1.5, top), (x + upper * 1.5, top), (x + upper * 1.5, top - 0.006),
               (x - upper * 1.5, top - 0.006)]  # fmt: skip
    roof = [(x - box * 1.4, top - 0.034), (x, top - 0.056), (x + box * 1.4, top - 0.034)]
    lantern = [(x - box, top), (x - box, top - 0.036), (x + box, top - 0.036), (x + box, top)]
    glows = scene.is_dark or scene.time == "sunset" or scene.weather in ("fog", "rain")
    glass = color(_LAMP) if glows else lit(sky, (0.70, 0.80, 0.86))
    pixels = lay(pixels, polygons(size, [lantern]), glass)
    pixels = lay(pixels, polygons(size, [gallery, roof]), dark)
    return _beam(pixels, (x, lamp_at), side, aspect) if glows else pixels


def _beam(pixels: FloatImage, lamp: tuple[float, float], side: float, aspect: float) -> FloatImage:
    x, y = grid(pixels.shape[1], pixels.shape[0])
    dx, dy = (x - lamp[0]) * aspect, y - lamp[1]
    away = np.sqrt(dx**2 + dy**2)
    turn = arctan2(dy + 0.05 * np.abs(dx), dx * (-1.0 if side else 1.0))
    cone = exp(-((turn / 0.075) ** 2)) * exp(-away * 1.5)
    glow = exp(-((away / 0.028) ** 2)) * 0.9 + exp(-((away / 0.10) ** 2)) * 0.28
    return screen(pixels, np.clip(cone * 0.50 + glow, 0, 1)[..., None] * color(_LAMP))


def _boat(pixels: FloatImage, scene: Scene, sky: Sky, rng: np.random.Generator) -> FloatImage:
    """A sailing boat with its reflection."""
    height, width = pixels.shape[:2]
    aspect, size = width / height, (width, height)
    x = float(rng.uniform(0.24, 0.40) if sky.light_at[0] > 0.5 else rng.uniform(0.58, 0.72))
    if "lighthouse" in scene.things:
        x = 0.40 if sky.light_at[0] < 0.5 else 0.60
    y, scale = sky.horizon + (1 - sky.horizon) * 0.16, 0.16
    wide = scale * 0.42 / aspect
    hull = [(-1.0, 0.0), (1.05, 0.0), (0.72, 0.20), (-0.78, 0.20)]
    main = [(-0.04, -0.06), (-0.04, -2.1), (-0.86, -0.10)]
    jib = [(0.06, -0.08), (0.02, -1.9), (0.92, -0.12)]
    mast = [(-0.03, 0.0), (-0.03, -2.2), (0.01, -2.2), (0.01, 0.0)]

    def put(shape: list[tuple[float, float]], flip: float = 1.0) -> list[tuple[float, float]]:
        return [(x + px * wide, y + (py - 0.1) * scale * 0.42 * flip) for px, py in shape]

    sail = lit(sky, (0.97, 0.94, 0.88))
    if sky.daylight < 0.7:
        sail = blend(sail, sky.light, 0.35)
    wood = lit(sky, (0.42, 0.22, 0.14), 0.9)
    mirror = polygons(size, [put(main, -0.62), put(jib, -0.62), put(hull, -0.5)])
    fade = np.clip(1.0 - (grid(width, height)[1] - y) / 0.10, 0, 1)
    pixels = lay(pixels, mirror * fade * 0.42, sail * 0.72)
    pixels = lay(pixels, polygons(size, [put(main)]), sail)
    pixels = lay(pixels, polygons(size, [put(jib)]), sail * 0.86)
    return lay(pixels, polygons(size, [put(hull), put(mast)]), wood)


def _cabin(pixels: FloatImage, scene: Scene, sky: Sky, rng: np.random.Generator) -> FloatImage:
    """A small house with light in its windows and smoke over it."""
    height, width = pixels.shape[:2]
    aspect, size = width / height, (width, height)
    x = 0.30 if sky.light_at[0] > 0.5 else 0.70
    foot = sky.horizon + (0.03 if scene.has_water else 0.075)
    wide, high = 0.085 / aspect, 0.085
    wall = [(x - wide, foot), (x - wide, foot - high), (x + wide, foot - high), (x + wide, foot)]
    roof = [(x - wide * 1.22, foot - high * 0.94), (x - wide * 0.1, foot - high * 1.95),
            (x + wide * 1.22, foot - high * 0.94)]  # fmt: skip
    gable = [(x - wide, foot - high), (x - wide * 0.1, foot - high * 1.8), (x + wide, foot - high)]
    chimney = [(x + wide * 0.45, foot - high * 1.3), (x + wide * 0.45, foot - high * 2.0),
               (x + wide * 0.65, foot - high * 2.0),
               (x + wide * 0.65, foot - high * 1.1)]  # fmt: skip
    tiles = lit(sky, (0.93, 0.95, 1.0) if scene.is_snowy else (0.44, 0.20, 0.16))
    wood = lit(sky, (0.56, 0.38, 0.26))
    if scene.has_water:
        shore = [(x - wide * 3.0, foot + 0.016), (x - wide * 1.6, foot - 0.008),
                 (x + wide * 1.6, foot - 0.008), (x + wide * 3.0, foot + 0.016)]  # fmt: skip
        pixels = lay(pixels, polygons(size, [shore]), lit(sky, (0.14, 0.17, 0.10)))
    pixels = lay(pixels, polygons(size, [chimney]), wood * 0.6)
    pixels = lay(pixels, polygons(size, [wall, gable]), wood)
    outline = polygons(size, [roof]) - polygons(size, [[(a, b + 0.012) for a, b in gable]])
    pixels = lay(pixels, np.clip(outline, 0, 1), tiles)
    glows = sky.daylight < 0.8
    glass = color(_LAMP) if glows else lit(sky, (0.36, 0.46, 0.54))
    panes = [
        _box(x + place * wide, foot - high * 0.52, wide * 0.17, high * 0.20)
        for place in (-0.56, 0.56)
    ]
    door = _box(x, foot - high * 0.30, wide * 0.15, high * 0.30)
    pixels = lay(pixels, polygons(size, panes), glass)
    pixels = lay(pixels, polygons(size, [door]), wood * 0.42)
    if glows:
        across, down = grid(width, height)
        away = ((across - x) * aspect / 0.13) ** 2 + ((down - foot + high * 0.4) / 0.10) ** 2
        pixels = screen(pixels, (exp(-away) * 0.26)[..., None] * color(_LAMP))
    return pixels


def _box(x: float, y: float, half: float, tall: float) -> list[tuple[float, float]]:
    return [(x - half, y - tall), (x + half, y - tall), (x + half, y + tall), (x - half, y + tall)]


def _tree(pixels: FloatImage, scene: Scene, sky: Sky, rng: np.random.Generator) -> FloatImage:
    leaf = COLORS.get(scene.color, (0.20, 0.36, 0.16))
    return _one_tree(pixels, scene, sky, rng, color(leaf) * 0.9)


def _cherry(pixels: FloatImage, scene: Scene, sky: Sky, rng: np.random.Generator) -> FloatImage:
    return _one_tree(pixels, scene, sky, rng, color(_BLOSSOM))


def _one_tree(
    pixels: FloatImage, scene: Scene, sky: Sky, rng: np.random.Generator, leaf: FloatImage
) -> FloatImage:
    """A large tree at one side: a trunk that forks, and its crown in clumps."""
    height, width = pixels.shape[:2]
    aspect, size = width / height, (width, height)
    x = 0.74 if sky.light_at[0] < 0.5 else 0.26
    foot = sky.horizon + (1 - sky.horizon) * 0.42
    if scene.has_water:
        mound = [(x + 0.34 * a, foot + 0.055 * a * a - 0.012) for a in np.linspace(-1, 1, 21)]
        pixels = lay(pixels, polygons(size, [[*mound, (x + 0.34, 1.1), (x - 0.34, 1.1)]]),
                     lit(sky, (0.13, 0.17, 0.09), 0.9))  # fmt: skip
    top, wide = foot - 0.40, 0.026 / aspect
    bark = lit(sky, (0.24, 0.17, 0.13))
    limbs = [[(x - wide, foot + 0.02), (x - wide * 0.55, foot - 0.2), (x + wide * 0.55, foot - 0.2),
              (x + wide * 1.1, foot + 0.02)]]  # fmt: skip
    limbs.extend(
        [
            (x - wide * 0.5, foot - 0.17),
            (x + lean / aspect - wide * 0.16, top + 0.06),
            (x + lean / aspect + wide * 0.16, top + 0.06),
            (x + wide * 0.5, foot - 0.17),
        ]
        for lean in (-0.16, -0.07, 0.06, 0.15)
    )
    pixels = lay(pixels, polygons(size, limbs), bark)
    paint = partial(lit, sky, shine=1.06)
    clumps = [
        (0.0, 0.06, 0.165),
        (-0.11, 0.08, 0.14),
        (0.11, 0.08, 0.14),
        (-0.17, 0.10, 0.105),
        (0.17, 0.10, 0.105),
        (-0.08, 0.00, 0.125),
        (0.09, -0.01, 0.12),
        (0.0, 0.09, 0.12),
        (-0.23, 0.16, 0.075),
        (0.24, 0.16, 0.075),
        (0.0, -0.07, 0.10),
    ]
    for dx, dy, radius in clumps:
        at = (x + dx / aspect, top + dy)
        tone = np.clip(leaf * rng.uniform(0.90, 1.08), 0, 1).astype(np.float32)
        pixels = crown(pixels, at, radius * 0.72, tone, sky, paint, rng, trunk=False)
    return pixels


def _birds(pixels: FloatImage, scene: Scene, sky: Sky, rng: np.random.Generator) -> FloatImage:
    middle = (float(rng.uniform(0.25, 0.75)), sky.horizon * float(rng.uniform(0.25, 0.5)))
    places = [(middle[0] + float(rng.normal(0, 0.09)), middle[1] + float(rng.normal(0, 0.045)),
               float(rng.uniform(0.008, 0.020))) for _ in range(9)]  # fmt: skip

    def draw(pen: ImageDraw.ImageDraw, wide: float, tall: float) -> None:
        for x, y, size in places:
            reach = size * tall
            cx, cy, lift = x * wide, y * tall, float(rng.uniform(0.25, 0.5))
            for side in (-1, 1):
                pen.line([(cx, cy), (cx + side * reach * 0.5, cy - reach * lift),
                          (cx + side * reach, cy - reach * lift * 0.55)], fill=255,
                         width=max(2, round(reach * 0.14)), joint="curve")  # fmt: skip

    return lay(pixels, drawn((pixels.shape[1], pixels.shape[0]), draw), sky.dark)


def _balloon(pixels: FloatImage, scene: Scene, sky: Sky, rng: np.random.Generator) -> FloatImage:
    """Hot-air balloons, one near and two far."""
    height, width = pixels.shape[:2]
    aspect = width / height
    x, y = grid(width, height)
    tones = [color(COLORS[name]) for name in rng.permutation(list(COLORS))[:4]]
    left = sky.light_at[0] > 0.5
    spots = [(0.30 if left else 0.70, 0.36, 0.115, 0.0), (0.60 if left else 0.42, 0.20, 0.05, 0.35),
             (0.82 if left else 0.16, 0.52, 0.036, 0.5)]  # fmt: skip
    for place, level, radius, depth in spots:
        at = (place, sky.horizon * level)
        dx, dy = (x - at[0]) * aspect / radius, (y - at[1]) / radius
        narrow = np.where(dy > 0, 1.0 - 0.50 * power(np.clip(dy, 0, 1.25), 1.5), 1.0)
        inside = np.sqrt((dx / narrow) ** 2 + (dy / np.where(dy > 0, 1.25, 1.0)) ** 2)
        mask = np.clip((1.0 - inside) * radius * height * 0.7 + 0.5, 0, 1)
        stripe = np.floor((_arcsine(np.clip(dx / narrow, -1, 1)) / np.pi + 0.5) * 8).astype(int)
        paint = np.where((stripe % 2 == 0)[..., None], tones[0], tones[1])
        paint = np.where((np.abs(dy - 0.1) < 0.14)[..., None], tones[2], paint)
        shade = np.clip(0.88 + 0.30 * dx * (-1.0 if left is False else 1.0) - 0.16 * dy, 0.45, 1.15)
        lit_paint = lit(sky, paint.astype(np.float32)) * shade[..., None]
        if scene.is_dark:
            lit_paint = lit_paint + exp(-((dy - 0.9) ** 2) * 2)[..., None] * color(_LAMP) * 0.5
        pixels = lay(pixels, mask.astype(np.float32),
                     np.clip(far_away(sky, lit_paint.astype(np.float32), depth), 0, 1))  # fmt: skip
        low = at[1] + radius * 1.52
        basket = _box(at[0], low, radius * 0.13 / aspect, radius * 0.10)
        ropes = [
            [
                (at[0] + side * radius * 0.30 / aspect, at[1] + radius * 1.08),
                (at[0] + side * radius * 0.12 / aspect, low - radius * 0.1),
                (at[0] + side * radius * 0.10 / aspect, low - radius * 0.1),
            ]
            for side in (-1, 1)
        ]
        dark = far_away(sky, lit(sky, (0.30, 0.20, 0.13)), depth)
        pixels = lay(pixels, polygons((width, height), [basket, *ropes]), dark)
    return pixels


def _person(pixels: FloatImage, scene: Scene, sky: Sky, rng: np.random.Generator) -> FloatImage:
    return _figures(pixels, scene, sky, ((0.0, 1.0),))


def _couple(pixels: FloatImage, scene: Scene, sky: Sky, rng: np.random.Generator) -> FloatImage:
    return _figures(pixels, scene, sky, ((-0.026, 1.0), (0.026, 0.92)))


def _figures(
    pixels: FloatImage, scene: Scene, sky: Sky, people: tuple[tuple[float, float], ...]
) -> FloatImage:
    """People seen from behind, as shapes against the light, holding hands if there are two."""
    height, width = pixels.shape[:2]
    aspect, size = width / height, (width, height)
    x = 0.40 if sky.light_at[0] > 0.5 else 0.60
    foot = sky.horizon + (1 - sky.horizon) * (0.56 if scene.near != "beach" else 0.74)
    tall = 0.17
    if scene.near in ("sea", "lake"):
        rock = [(x + 0.26 * a, foot + 0.04 * a * a - 0.004) for a in np.linspace(-1, 1, 17)]
        pixels = lay(pixels, polygons(size, [[*rock, (x + 0.26, 1.1), (x - 0.26, 1.1)]]),
                     lit(sky, (0.10, 0.11, 0.10), 0.8))  # fmt: skip

    def draw(pen: ImageDraw.ImageDraw, wide: float, high: float) -> None:
        for apart, share in people:
            unit = tall * share * high
            cx, base = (x + apart / aspect * 1.15) * wide, foot * high
            head = unit * 0.060
            pen.ellipse((cx - head, base - unit, cx + head, base - unit + head * 2.3), fill=255)
            shoulder, waist = unit * 0.108, unit * 0.074
            outline = ((-shoulder, 0.80), (-shoulder * 0.5, 0.84), (shoulder * 0.5, 0.84),
                       (shoulder, 0.80), (waist, 0.46), (-waist, 0.46))  # fmt: skip
            pen.polygon([(cx + dx, base - unit * up) for dx, up in outline], fill=255)
            if share < 1.0:  # A long coat or a dress.
                pen.polygon([(cx - waist, base - unit * 0.52), (cx + waist, base - unit * 0.52),
                             (cx + unit * 0.145, base - unit * 0.16),
                             (cx - unit * 0.145, base - unit * 0.16)], fill=255)  # fmt: skip
            for side in (-1, 1):
                pen.line([(cx + side * unit * 0.045, base - unit * 0.48),
                          (cx + side * unit * 0.055, base)], fill=255,
                         width=max(2, round(unit * 0.072)))  # fmt: skip
                hand = cx + side * unit * 0.140
                if len(people) > 1 and side * apart < 0:
                    hand = x * wide
                pen.line([(cx + side * shoulder * 0.86, base - unit * 0.79),
                          (hand, base - unit * 0.45)], fill=255,
                         width=max(2, round(unit * 0.048)))  # fmt: skip

    shadow = blend(sky.dark, (0.02, 0.02, 0.03), 0.35)
    return lay(pixels, drawn(size, draw), shadow)


_THINGS: Final[dict[str, Callable[..., FloatImage]]] = {
    "lighthouse": _lighthouse, "boat": _boat, "house": _cabin, "tree": _tree, "cherry": _cherry,
    "birds": _birds, "balloon": _balloon, "person": _person, "couple": _couple,
}  # fmt: skip
ORDER: Final = ("birds", "balloon", "lighthouse", "boat", "house", "tree", "cherry", "couple",
                "person")  # fmt: skip
"""From far to near."""


# Weather


def _rain(pixels: FloatImage, scene: Scene, sky: Sky, rng: np.random.Generator) -> FloatImage:
    strokes = [
        (
            float(rng.uniform(-0.05, 1.05)),
            float(rng.uniform(-0.1, 1.0)),
            float(rng.uniform(0.02, 0.06)),
            int(rng.integers(60, 190)),
        )
        for _ in range(900)
    ]

    def draw(pen: ImageDraw.ImageDraw, wide: float, tall: float) -> None:
        for x, y, length, strength in strokes:
            end = (x * wide - length * tall * 0.16, (y + length) * tall)
            pen.line([(x * wide, y * tall), end], fill=strength, width=2)

    mask = drawn((pixels.shape[1], pixels.shape[0]), draw) * 0.42
    veil = blend(sky.haze, (0.85, 0.90, 0.96), 0.4)
    misty = pixels * 0.90 + sky.haze * 0.10
    return screen(misty.astype(np.float32), mask[..., None] * veil)


def _flakes(pixels: FloatImage, scene: Scene, sky: Sky, rng: np.random.Generator) -> FloatImage:
    light = blend((0.98, 0.99, 1.0), sky.haze, 0.15)
    for count, low, high, strength in ((1500, 0.0008, 0.0018, 0.75), (260, 0.002, 0.0042, 0.85),
                                       (26, 0.007, 0.013, 0.34)):  # fmt: skip
        dots = [(float(rng.random()), float(rng.random()), float(rng.uniform(low, high)))
                for _ in range(count)]  # fmt: skip
        pixels = lay(pixels, _dots(pixels, dots) * strength, light)
    return pixels


def _dots(pixels: FloatImage, dots: list[tuple[float, float, float]]) -> Mask:
    def draw(pen: ImageDraw.ImageDraw, wide: float, tall: float) -> None:
        for x, y, size in dots:
            reach = max(size * tall, 1.0)
            cx, cy = x * wide, y * tall
            pen.ellipse((cx - reach, cy - reach, cx + reach, cy + reach), fill=255)

    return drawn((pixels.shape[1], pixels.shape[0]), draw)


def _arcsine(values: Mask) -> Mask:
    return arctan2(values, np.sqrt(1.0 - values * values))


def _petals(pixels: FloatImage, scene: Scene, sky: Sky, rng: np.random.Generator) -> FloatImage:
    leaves = [(float(rng.random()), float(rng.random()), float(rng.uniform(0.003, 0.010)),
               float(rng.uniform(0, np.pi))) for _ in range(150)]  # fmt: skip

    def draw(pen: ImageDraw.ImageDraw, wide: float, tall: float) -> None:
        turns = np.linspace(0, 2 * np.pi, 14)
        for x, y, size, angle in leaves:
            reach = size * tall
            px, py = cos(turns) * reach, sin(turns) * reach * 0.5
            pen.polygon([(x * wide + a * math.cos(angle) - b * math.sin(angle),
                          y * tall + a * math.sin(angle) + b * math.cos(angle))
                         for a, b in zip(px, py, strict=True)], fill=255)  # fmt: skip

    paint = lit(sky, (1.0, 0.78, 0.84), 1.1)
    return lay(pixels, drawn((pixels.shape[1], pixels.shape[0]), draw) * 0.88, paint)


def _fog(pixels: FloatImage, scene: Scene, sky: Sky, rng: np.random.Generator) -> FloatImage:
    height, width = pixels.shape[:2]
    x, y = grid(width, height)
    noise = texture(rng, 6, 4)
    drift = sample(noise, x * width / height * 0.6, y * 1.6)
    band = exp(-(((y - sky.horizon - 0.03) / 0.20) ** 2))
    mask = np.clip(band * (0.40 + 0.75 * drift) + 0.16 * smoothstep(0.2, 1.0, y), 0, 0.92)
    return lay(
        pixels, mask.astype(np.float32), blend(sky.haze, (0.93, 0.95, 0.97), 0.25 * sky.daylight)
    )


_WEATHER: Final[dict[str, Callable[..., FloatImage]]] = {
    "rain": _rain, "snow": _flakes, "petals": _petals, "fog": _fog,
}  # fmt: skip
