"""The sky of a painted scene: its colors, what shines in it, and its clouds.

Owns the colors of the hours, which the land below takes over. Knows no words.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from darkroom.media.portable_math import exp, power
from darkroom.studio.pictures.canvas import (
    Rgb,
    Size,
    blend,
    color,
    disc,
    lay,
    ramp,
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

_HOURS: Final[dict[str, tuple[Rgb, Rgb, Rgb, Rgb, Rgb]]] = {
    # zenith, middle, low, horizon; and the light
    "dawn": ((0.33, 0.44, 0.68), (0.60, 0.62, 0.78), (0.95, 0.76, 0.70), (1.0, 0.90, 0.76),
             (1.0, 0.90, 0.72)),
    "day": ((0.13, 0.36, 0.70), (0.33, 0.58, 0.86), (0.62, 0.81, 0.94), (0.87, 0.93, 0.96),
            (1.0, 0.98, 0.90)),
    "sunset": ((0.20, 0.21, 0.44), (0.56, 0.32, 0.50), (0.95, 0.50, 0.34), (1.0, 0.80, 0.46),
               (1.0, 0.82, 0.50)),
    "dusk": ((0.07, 0.10, 0.27), (0.20, 0.20, 0.43), (0.52, 0.36, 0.52), (0.92, 0.60, 0.46),
             (0.95, 0.62, 0.52)),
    "night": ((0.012, 0.022, 0.065), (0.030, 0.055, 0.140), (0.070, 0.115, 0.235),
              (0.14, 0.20, 0.33), (0.62, 0.72, 0.92)),
}  # fmt: skip
COLORS: Final[dict[str, Rgb]] = {
    "red": (0.86, 0.20, 0.20),
    "pink": (0.98, 0.56, 0.70),
    "purple": (0.52, 0.34, 0.78),
    "blue": (0.20, 0.44, 0.90),
    "teal": (0.16, 0.68, 0.68),
    "green": (0.34, 0.66, 0.34),
    "gold": (1.0, 0.80, 0.28),
    "orange": (0.96, 0.54, 0.20),
}
_GRAY: Final = {"overcast": 0.72, "rain": 0.80, "snow": 0.55, "fog": 0.55}
_CLOUDS: Final = {"cloudy": 0.50, "overcast": 0.92, "rain": 0.96, "snow": 0.80, "petals": 0.34,
                  "fog": 0.30, "clear": 0.16}  # fmt: skip
_SUN_RADIUS: Final = 0.034
_MOON_RADIUS: Final = 0.046


@dataclass(frozen=True, kw_only=True)
class Sky:
    pixels: FloatImage
    horizon: float
    """Where it ends, from the top: a fraction of the height."""
    light: FloatImage
    """The color of what shines."""
    light_at: tuple[float, float]
    """Where it stands, in fractions of the picture."""
    haze: FloatImage
    """The color that distance takes on."""
    dark: FloatImage
    """The color of what stands near and unlit."""
    daylight: float
    """How bright the land is, 0 … 1."""


def paint_sky(scene: Scene, size: Size, horizon: float, rng: np.random.Generator) -> Sky:
    """The whole picture as sky; what is below the horizon is its glow, to be painted over."""
    width, height = size
    x, y = grid(width, height)
    stops, light = _colors(scene)
    at = (float(rng.uniform(0.22, 0.78)), horizon * _height_of_light(scene, rng))
    up = np.clip(y / horizon, 0.0, 1.0)
    pixels = ramp(list(zip((0.0, 0.42, 0.78, 1.0), stops, strict=True)), up[:, 0])[:, None, :]
    pixels = np.repeat(pixels, width, axis=1)
    across, down = (x * np.float32(width / height)).astype(np.float32), y
    place = (at[0] * width / height, at[1])
    away = np.sqrt((across - place[0]) ** 2 + (down - place[1]) ** 2)
    if scene.light != "none":
        pixels = _glow(pixels, away, light, scene)
    for thing in ("milkyway", "stars", "aurora"):
        if thing in scene.sky or (thing == "stars" and scene.time == "night"):
            pixels = _SHINING[thing](pixels, scene, horizon, rng)
    pixels = _shine(pixels, across, down, place, light, scene, rng)
    pixels = _clouds(pixels, stops, light, at, horizon, scene, rng)
    if "rainbow" in scene.sky:
        pixels = _rainbow(pixels, across, down, horizon, width / height)
    if "fireworks" in scene.sky:
        pixels = _fireworks(pixels, across, down, horizon, width / height, rng)
    daylight = {"day": 1.0, "dawn": 0.72, "sunset": 0.55, "dusk": 0.34, "night": 0.22}[scene.time]
    if scene.light == "moon":
        daylight = 0.30
    haze = blend(stops[3], stops[2], 0.45)
    return Sky(
        pixels=pixels,
        horizon=horizon,
        light=light,
        light_at=at,
        haze=haze,
        dark=blend((0.02, 0.03, 0.05), stops[1], 0.10 + 0.06 * daylight),
        daylight=daylight,
    )


def _colors(scene: Scene) -> tuple[list[FloatImage], FloatImage]:
    *four, light = (color(rgb) for rgb in _HOURS[scene.time])
    stops = list(four)
    if scene.colors_the_sky:
        # A color that is named shows where the sky is most colorful.
        wanted, strength = color(COLORS[scene.color]), 0.42 if scene.is_dark else 0.36
        shares = (0.30, 0.85, 1.0, 0.60)
        for place, share in enumerate(shares):
            level = float(stops[place].mean()) / max(float(wanted.mean()), 0.1)
            tinted = np.clip(wanted * (0.35 + 0.65 * level), 0, 1).astype(np.float32)
            stops[place] = blend(stops[place], tinted, strength * share)
    gray = _GRAY.get(scene.weather, 0.0)
    if gray:
        for place, stop in enumerate(stops):
            dull = np.full(3, float(stop.mean()) * (0.92 if place < 2 else 0.86))
            cool = (dull * np.array([0.95, 1.0, 1.06])).astype(np.float32)
            stops[place] = blend(stop, cool, gray)
        light = blend(light, np.full(3, float(light.mean()), dtype=np.float32), gray * 0.6)
    return stops, light


def _height_of_light(scene: Scene, rng: np.random.Generator) -> float:
    """Of the sky's height, from the top."""
    chance = float(rng.random())
    if scene.time == "sunset":
        return 0.80 + 0.16 * chance
    if scene.time == "dawn":
        return 0.74 + 0.18 * chance
    if scene.light == "moon":
        return 0.24 + 0.34 * chance
    return 0.16 + 0.26 * chance


def _glow(pixels: FloatImage, away: Mask, light: FloatImage, scene: Scene) -> FloatImage:
    reach = {"day": 0.30, "night": 0.22, "dusk": 0.30}.get(scene.time, 0.46)
    strength = {"day": 0.30, "night": 0.20, "dusk": 0.25}.get(scene.time, 0.46)
    strength *= 1.0 - 0.7 * _GRAY.get(scene.weather, 0.0)
    wide = exp(-power(away / reach, 1.4)) * strength
    near = exp(-power(away / 0.085, 1.5)) * strength * 1.25
    return screen(pixels, np.clip(wide + near, 0, 1)[..., None] * light)


def _shine(
    pixels: FloatImage,
    x: Mask,
    y: Mask,
    at: tuple[float, float],
    light: FloatImage,
    scene: Scene,
    rng: np.random.Generator,
) -> FloatImage:
    if scene.light == "none" or _GRAY.get(scene.weather, 0.0) > 0.7:
        return pixels
    if scene.light == "moon":
        face = 0.80 + 0.20 * sample(texture(rng, 4, 4), x * 2.2, y * 2.2)
        moon = disc(x, y, at, _MOON_RADIUS, 0.0012)
        return lay(pixels, moon, face[..., None] * color((1.0, 0.98, 0.92)))
    sun = disc(x, y, at, _SUN_RADIUS, 0.004)
    return lay(pixels, sun * 0.96, blend(light, (1.0, 1.0, 0.94), 0.62))


def _stars(
    pixels: FloatImage, scene: Scene, horizon: float, rng: np.random.Generator
) -> FloatImage:
    height, width = pixels.shape[:2]
    wanted = "stars" in scene.sky or "milkyway" in scene.sky or "aurora" in scene.sky
    share = 0.0016 if wanted else 0.0006
    count = int(width * height * horizon * share)
    lights = np.zeros((height, width, 3), dtype=np.float32)
    rows = (power(rng.random(count), 1.15) * horizon * height).astype(int)
    columns = rng.integers(1, width - 1, count)
    bright = np.clip(rng.pareto(2.4, count) * 0.24 + 0.10, 0, 1.0).astype(np.float32)
    warm = rng.random(count).astype(np.float32)[:, None]
    tones = color((0.82, 0.89, 1.0)) * (1 - warm) + color((1.0, 0.93, 0.82)) * warm
    fade = np.clip((horizon - rows / height) / (0.35 * horizon), 0.05, 1)[:, None]
    np.add.at(lights, (rows, columns), tones * bright[:, None] * fade)
    for place in np.flatnonzero(bright > 0.62):
        row, column = int(rows[place]), int(columns[place])
        for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0)):
            if 0 <= row + dy < height:
                lights[row + dy, column + dx] += tones[place] * bright[place] * 0.42
    dusk = 0.5 if scene.time != "night" else 1.0
    return screen(pixels, np.clip(lights * dusk, 0, 1))


def _milky_way(
    pixels: FloatImage, scene: Scene, horizon: float, rng: np.random.Generator
) -> FloatImage:
    height, width = pixels.shape[:2]
    x, y = grid(width, height)
    x = x * width / height
    noise = texture(rng, 7, 4)
    lean = float(rng.choice([-1.0, 1.0])) * float(rng.uniform(0.55, 0.95))
    across = (x - 0.5 * width / height) + lean * (y - 0.42 * horizon)
    across += 0.12 * (sample(noise, x * 0.5, y * 0.5) - 0.5)
    band = exp(-((across / 0.20) ** 2))
    dust = sample(noise, x * 0.8 + 0.3, y * 0.8)
    rift = exp(-((across / 0.06) ** 2)) * smoothstep(0.35, 0.75, dust)
    bright = np.clip(band * (0.25 + 0.75 * sample(noise, x * 1.3, y * 1.3)) - 0.55 * rift, 0, 1)
    tone = np.clip(across / 0.3 + 0.5, 0, 1)[..., None]
    paint = color((0.58, 0.50, 0.74)) * (1 - tone) + color((0.46, 0.60, 0.86)) * tone
    fade = smoothstep(1.02, 0.45, y / horizon)
    lit = screen(pixels, np.clip(bright * fade, 0, 1)[..., None] * paint * 0.72)
    rows = rng.integers(0, max(1, int(horizon * height)), 9000)
    columns = rng.integers(0, width, 9000)
    chance = rng.random(9000) < band[rows, columns] ** 2 * 0.9
    dots = np.zeros((height, width, 1), dtype=np.float32)
    dots[rows[chance], columns[chance], 0] = rng.random(int(chance.sum())) * 0.42
    return screen(lit, dots * color((0.90, 0.92, 1.0)))


def _aurora(
    pixels: FloatImage, scene: Scene, horizon: float, rng: np.random.Generator
) -> FloatImage:
    height, width = pixels.shape[:2]
    x, y = grid(width, height)
    noise = texture(rng, 6, 4)
    for number in range(3):
        start = float(rng.random())
        wave = sample(noise, x * 0.22 + start, np.full_like(x, 0.37 * number + 0.1))
        foot = horizon * (0.50 + 0.13 * number + 0.40 * (wave - 0.5))
        rays = sample(noise, x * 2.6 + start + wave * 0.5, y * 0.05 + start)
        rise = np.clip((foot - y) / (horizon * 0.62), 0, None)
        curtain = exp(-rise * 3.4) * smoothstep(-0.02, 0.012, foot - y)
        strength = curtain * (0.22 + 0.78 * rays) * (0.85 - 0.2 * number)
        tone = np.clip(rise * 1.5, 0, 1)[..., None]
        paint = color((0.20, 0.92, 0.52)) * (1 - tone) + color((0.50, 0.28, 0.82)) * tone
        pixels = screen(pixels, np.clip(strength, 0, 1)[..., None] * paint * 0.85)
    return pixels


def _clouds(
    pixels: FloatImage,
    stops: list[FloatImage],
    light: FloatImage,
    at: tuple[float, float],
    horizon: float,
    scene: Scene,
    rng: np.random.Generator,
) -> FloatImage:
    """Clouds lie on a ceiling: towards the horizon they come closer together and flatter."""
    height, width = pixels.shape[:2]
    x, y = grid(width, height)
    noise, cover = texture(rng, 7, 4), _CLOUDS[scene.weather]
    if {"milkyway", "aurora"} & set(scene.sky):
        cover *= 0.25
    far = 0.16 / (np.clip(horizon - y, 0, None) / horizon + 0.14)
    across = (x - 0.5) * width / height
    u, v = across * far * 2.2 + float(rng.random()), far * 2.6 + float(rng.random())
    thick = 0.72 * sample(noise, u * 0.45, v * 0.45) + 0.28 * sample(noise, u * 1.7, v * 1.7)
    shifted = 0.72 * sample(noise, (u + (at[0] - 0.5) * 0.10) * 0.45, (v + 0.07) * 0.45)
    edge = 0.80 - 0.62 * cover
    mask = smoothstep(edge, edge + 0.24, thick) * np.clip((horizon - y) * 14, 0, 1)
    mask *= 0.62 + 0.38 * cover
    lit = np.clip(0.5 + (0.72 * thick - shifted) * 3.6, 0, 1)
    sunwards = exp(-(((x - at[0]) * width / height) ** 2 + (y - at[1]) ** 2) / 0.16)
    base = 1.0 if scene.time in ("day", "dawn") else 0.30 if scene.time == "night" else 0.62
    bright = blend(stops[3], light, 0.6) * base
    if scene.time == "night":
        bright = stops[3] * 1.15
    shade = blend(stops[1], stops[2], 0.4) * (0.92 if scene.time == "day" else 0.74)
    if scene.weather in ("rain", "overcast"):
        shade, bright = shade * 0.78, blend(bright, stops[2], 0.55)
    share = np.clip(lit * (0.55 + 0.75 * sunwards * (scene.light != "none")), 0, 1)[..., None]
    return lay(pixels, mask, np.clip(shade * (1 - share) + bright * share, 0, 1))


def _rainbow(pixels: FloatImage, x: Mask, y: Mask, horizon: float, aspect: float) -> FloatImage:
    center, radius, wide = (aspect * 0.55, horizon * 1.15), horizon * 0.92, 0.045
    away = (np.sqrt((x - center[0]) ** 2 + (y - center[1]) ** 2) - radius) / wide
    hues = [(0.0, (0.45, 0.2, 0.8)), (0.25, (0.2, 0.4, 0.95)), (0.45, (0.2, 0.8, 0.4)),
            (0.65, (0.95, 0.9, 0.2)), (0.82, (1.0, 0.55, 0.1)),
            (1.0, (0.9, 0.15, 0.15))]  # fmt: skip
    paint = ramp([(place, color(rgb)) for place, rgb in hues], np.clip(away, 0, 1))
    mask = smoothstep(0.0, 0.2, away) * smoothstep(1.0, 0.8, away) * 0.38
    return screen(pixels, mask[..., None] * paint)


def _fireworks(
    pixels: FloatImage,
    x: Mask,
    y: Mask,
    horizon: float,
    aspect: float,
    rng: np.random.Generator,
) -> FloatImage:
    height, width = pixels.shape[:2]
    light = np.zeros_like(pixels)
    tones = list(COLORS.values())
    for _ in range(6):
        cx, cy = rng.uniform(0.12, 0.88) * aspect, rng.uniform(0.10, 0.55) * horizon
        radius, tone = rng.uniform(0.10, 0.21), color(tones[int(rng.integers(len(tones)))])
        away = np.sqrt((x - cx) ** 2 + (y - cy) ** 2) / radius
        light += (exp(-((away / 1.2) ** 2)) * 0.20)[..., None] * tone
        for turn in np.linspace(0, 2 * np.pi, 44, endpoint=False):
            reach = radius * rng.uniform(0.78, 1.05)
            t = np.linspace(0.16, 1.0, 60)
            px = (cx + math.cos(turn) * reach * t) / aspect * width
            py = (cy + math.sin(turn) * reach * t + 0.035 * t**2) * height
            inside = (px >= 0) & (px < width - 1) & (py >= 0) & (py < height - 1)
            rows, columns = py[inside].astype(int), px[inside].astype(int)
            faded = power(t[inside], 1.6)[:, None]
            glint = tone * (1 - faded * 0.35) + faded * 0.35
            np.maximum.at(light, (rows, columns), (glint * faded).astype(np.float32))
            np.maximum.at(light, (rows, columns + 1), (glint * faded * 0.6).astype(np.float32))
    return screen(pixels, np.clip(light, 0, 1))


_SHINING: Final = {"milkyway": _milky_way, "stars": _stars, "aurora": _aurora}
