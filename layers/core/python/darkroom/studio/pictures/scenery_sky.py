"""The sky of a painted scene: its colors, what shines in it, and its clouds.

Owns how the sky is painted and the light that the land below takes over. Knows no words.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from darkroom.media.portable_math import exp, power
from darkroom.studio.pictures.canvas import (
    Size,
    blend,
    color,
    disc,
    lay,
    ramp,
    sample,
    texture,
)
from darkroom.studio.pictures.raster import FloatImage, Mask, grid, screen, smoothstep
from darkroom.studio.pictures.scenery import Scene
from darkroom.studio.pictures.scenery_values import Hour, scenery
from darkroom.studio.values import Rgb

_STOPS: Final = (0.0, 0.42, 0.78, 1.0)
"""Where the four colors of an hour are, from the zenith to the horizon."""
_NAMED_COLOR: Final = (0.12, 0.34, 0.40, 0.24)
"""How far a color that a text names tints each of them."""
_SUN_RADIUS: Final = 0.034
_MOON_RADIUS: Final = 0.046
_MOONLIGHT: Final = 0.32
"""The daylight under a moon."""
_HIDDEN_BY_GRAY: Final = 0.7
_MOON: Final[Rgb] = (1.0, 0.98, 0.92)
_SHADOW: Final[Rgb] = (0.02, 0.03, 0.05)
_COLD_STAR: Final[Rgb] = (0.82, 0.89, 1.0)
_WARM_STAR: Final[Rgb] = (1.0, 0.93, 0.82)
_STARS_PER_PIXEL: Final = 0.0006
_MANY_STARS_PER_PIXEL: Final = 0.0016


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

    @property
    def light_side(self) -> float:
        """+1 where the light stands to the right of the middle, else -1."""
        return 1.0 if self.light_at[0] > 0.5 else -1.0


@dataclass(frozen=True, kw_only=True)
class _Colors:
    zenith: FloatImage
    middle: FloatImage
    low: FloatImage
    horizon: FloatImage
    light: FloatImage

    @property
    def stops(self) -> tuple[FloatImage, ...]:
        return self.zenith, self.middle, self.low, self.horizon


def paint_sky(scene: Scene, size: Size, horizon: float, rng: np.random.Generator) -> Sky:
    """The whole picture as sky; what is below the horizon is its glow, to be painted over."""
    width, height = size
    _, y = grid(width, height)
    hour, weather = scenery().hours[scene.time], scenery().weather[scene.weather]
    colors = _colors(scene, hour, weather.gray)
    from_top = float(rng.uniform(*hour.light_from_top))
    sky = Sky(
        pixels=np.zeros((height, width, 3), dtype=np.float32),
        horizon=horizon,
        light=colors.light,
        light_at=(float(rng.uniform(0.22, 0.78)), horizon * from_top),
        haze=blend(colors.horizon, colors.low, 0.45),
        dark=blend(_SHADOW, colors.middle, 0.10 + 0.06 * hour.daylight),
        daylight=_MOONLIGHT if scene.light == "moon" else hour.daylight,
    )
    up = np.clip(y[:, 0] / horizon, 0.0, 1.0)
    column = ramp(list(zip(_STOPS, colors.stops, strict=True)), up)[:, None, :]
    pixels = np.repeat(column, width, axis=1)
    if scene.light != "none":
        pixels = _glow(pixels, sky, hour, weather.gray)
    for name, shine in _SHINING.items():
        if name in scene.sky or (name == "stars" and scene.time == "night"):
            pixels = shine(pixels, scene, horizon, rng)
    if scene.light != "none" and weather.gray <= _HIDDEN_BY_GRAY:
        pixels = _sun_or_moon(pixels, scene, sky, rng)
    pixels = _clouds(pixels, colors, sky, scene, rng)
    if "rainbow" in scene.sky:
        pixels = _rainbow(pixels, horizon)
    return replace(sky, pixels=pixels)


def _colors(scene: Scene, hour: Hour, gray: float) -> _Colors:
    stops = [color(rgb) for rgb in (hour.zenith, hour.middle, hour.low, hour.horizon)]
    light = color(hour.light)
    if scene.colors_the_sky:
        # A color that is named shows where the sky is most colorful.
        wanted = color(scenery().colors[scene.color])
        for place, share in enumerate(_NAMED_COLOR):
            level = float(stops[place].mean()) / max(float(wanted.mean()), 0.1)
            tinted = np.clip(wanted * (0.35 + 0.65 * level), 0, 1).astype(np.float32)
            stops[place] = blend(stops[place], tinted, share)
    if gray:
        for place, stop in enumerate(stops):
            cool = color((0.95, 1.0, 1.06)) * float(stop.mean()) * 0.9
            stops[place] = blend(stop, cool, gray)
        light = blend(light, np.full(3, float(light.mean()), dtype=np.float32), gray * 0.6)
    zenith, middle, low, lowest = stops
    return _Colors(zenith=zenith, middle=middle, low=low, horizon=lowest, light=light)


def _from_light(shape: tuple[int, ...], sky: Sky) -> Mask:
    """The distance of every pixel from what shines, in heights of the picture."""
    height, width = shape[:2]
    x, y = grid(width, height)
    across = (x - sky.light_at[0]) * width / height
    return np.sqrt(across**2 + (y - sky.light_at[1]) ** 2).astype(np.float32)


def _glow(pixels: FloatImage, sky: Sky, hour: Hour, gray: float) -> FloatImage:
    strength = hour.glow * (1.0 - 0.7 * gray)
    away = _from_light(pixels.shape, sky)
    wide = exp(-power(away / hour.glow_reach, 1.4)) * strength
    near = exp(-power(away / 0.085, 1.5)) * strength * 1.25
    return screen(pixels, np.clip(wide + near, 0, 1)[..., None] * sky.light)


def _sun_or_moon(
    pixels: FloatImage, scene: Scene, sky: Sky, rng: np.random.Generator
) -> FloatImage:
    height, width = pixels.shape[:2]
    x, y = grid(width, height)
    x, aspect = (x * np.float32(width / height)).astype(np.float32), width / height
    at = (sky.light_at[0] * aspect, sky.light_at[1])
    if scene.light == "moon":
        face = 0.80 + 0.20 * sample(texture(rng, 4, 4), x * 2.2, y * 2.2)
        return lay(pixels, disc(x, y, at, _MOON_RADIUS, 0.0012), face[..., None] * color(_MOON))
    sun = disc(x, y, at, _SUN_RADIUS, 0.004)
    return lay(pixels, sun * 0.96, blend(sky.light, (1.0, 1.0, 0.94), 0.62))


def _stars(
    pixels: FloatImage, scene: Scene, horizon: float, rng: np.random.Generator
) -> FloatImage:
    height, width = pixels.shape[:2]
    share = _MANY_STARS_PER_PIXEL if scene.sky else _STARS_PER_PIXEL
    count = int(width * height * horizon * share)
    lights = np.zeros((height, width, 3), dtype=np.float32)
    rows = (power(rng.random(count), 1.15) * horizon * height).astype(int)
    columns = rng.integers(1, width - 1, count)
    bright = np.clip(rng.pareto(2.4, count) * 0.24 + 0.10, 0, 1.0).astype(np.float32)
    warm = rng.random(count).astype(np.float32)[:, None]
    tones = color(_COLD_STAR) * (1 - warm) + color(_WARM_STAR) * warm
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
    near, far = (color(rgb) for rgb in scenery().milky_way)
    paint = near * (1 - tone) + far * tone
    fade = smoothstep(1.02, 0.45, y / horizon)
    return screen(pixels, np.clip(bright * fade, 0, 1)[..., None] * paint * 0.72)


def _aurora(
    pixels: FloatImage, scene: Scene, horizon: float, rng: np.random.Generator
) -> FloatImage:
    height, width = pixels.shape[:2]
    x, y = grid(width, height)
    noise = texture(rng, 6, 4)
    low, high = (color(rgb) for rgb in scenery().aurora)
    for number in range(3):
        start = float(rng.random())
        wave = sample(noise, x * 0.22 + start, np.full_like(x, 0.37 * number + 0.1))
        foot = horizon * (0.50 + 0.13 * number + 0.40 * (wave - 0.5))
        rays = sample(noise, x * 2.6 + start + wave * 0.5, y * 0.05 + start)
        rise = np.clip((foot - y) / (horizon * 0.62), 0, None)
        curtain = exp(-rise * 3.4) * smoothstep(-0.02, 0.012, foot - y)
        strength = curtain * (0.22 + 0.78 * rays) * (0.85 - 0.2 * number)
        tone = np.clip(rise * 1.5, 0, 1)[..., None]
        paint = low * (1 - tone) + high * tone
        pixels = screen(pixels, np.clip(strength, 0, 1)[..., None] * paint * 0.85)
    return pixels


def _clouds(
    pixels: FloatImage, colors: _Colors, sky: Sky, scene: Scene, rng: np.random.Generator
) -> FloatImage:
    """Clouds lie on a ceiling: towards the horizon they come closer together and flatter."""
    height, width = pixels.shape[:2]
    x, y = grid(width, height)
    hour, weather = scenery().hours[scene.time], scenery().weather[scene.weather]
    noise, cover = texture(rng, 7, 4), weather.clouds
    if {"milkyway", "aurora"} & set(scene.sky):
        cover *= 0.25
    far = 0.16 / (np.clip(sky.horizon - y, 0, None) / sky.horizon + 0.14)
    across = (x - 0.5) * width / height
    u, v = across * far * 2.2 + float(rng.random()), far * 2.6 + float(rng.random())
    thick = 0.72 * sample(noise, u * 0.45, v * 0.45) + 0.28 * sample(noise, u * 1.7, v * 1.7)
    # The same cloud a little further from the light: what is thicker there lies in its shade.
    behind = sample(noise, (u + (sky.light_at[0] - 0.5) * 0.10) * 0.45, (v + 0.07) * 0.45)
    edge = 0.80 - 0.62 * cover
    mask = smoothstep(edge, edge + 0.24, thick) * np.clip((sky.horizon - y) * 14, 0, 1)
    mask *= 0.62 + 0.38 * cover
    lit = np.clip(0.5 + 0.72 * (thick - behind) * 3.6, 0, 1)
    sunwards = exp(-(_from_light(pixels.shape, sky) ** 2) / 0.16) * (scene.light != "none")
    bright = blend(colors.horizon, sky.light, 0.6) * hour.cloud_light
    shade = blend(colors.middle, colors.low, 0.4) * hour.cloud_shade
    if weather.gray > _HIDDEN_BY_GRAY:
        shade, bright = shade * 0.78, blend(bright, colors.low, 0.55)
    share = np.clip(lit * (0.55 + 0.75 * sunwards), 0, 1)[..., None]
    return lay(pixels, mask, np.clip(shade * (1 - share) + bright * share, 0, 1))


def _rainbow(pixels: FloatImage, horizon: float) -> FloatImage:
    height, width = pixels.shape[:2]
    x, y = grid(width, height)
    aspect = width / height
    radius, wide = horizon * 0.92, 0.045
    from_center = np.sqrt(((x - 0.55) * aspect) ** 2 + (y - horizon * 1.15) ** 2)
    away = (from_center - radius) / wide
    hues = [color(rgb) for rgb in scenery().rainbow]
    places = [place / (len(hues) - 1) for place in range(len(hues))]
    paint = ramp(list(zip(places, hues, strict=True)), np.clip(away, 0, 1))
    mask = smoothstep(0.0, 0.2, away) * smoothstep(1.0, 0.8, away) * 0.38
    return screen(pixels, mask[..., None] * paint)


_SHINING: Final = {"milkyway": _milky_way, "stars": _stars, "aurora": _aurora}
