"""Color: how a grade is applied to a picture, and how sliders, genre and stage bend it.

Owns tone curves, white balance, split toning, monochrome mixes and the light that a grade throws
on the person and behind. The values are in ``tones``. Works on float images (see ``raster``);
knows no files, video or text.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from darkroom.media.portable_math import arctan2, exp, power, weighted
from darkroom.studio.pictures.compose import Composition, soften_mask
from darkroom.studio.pictures.looks import Look, Sliders
from darkroom.studio.pictures.raster import (
    HEIGHT,
    WIDTH,
    FloatImage,
    Mask,
    blur,
    grid,
    luma,
    screen,
    smoothstep,
)
from darkroom.studio.pictures.tones import Grade, Tone, grades


def bend(grade: Grade, sliders: Sliders, genre: str, stage: str) -> Grade:
    """The grade as the user's sliders, the genre and the story's stage want it."""
    stops, saturation, contrast = grade.stops, grade.saturation, grade.contrast
    warmth, vignette, glow = grade.warmth, grade.vignette, grade.glow
    if genre == "romance":
        glow += 0.08
    elif genre == "comedy":
        stops, saturation = stops + 0.06, saturation * 1.06
    elif genre == "noir":
        contrast, vignette = contrast + 0.08, vignette + 0.12
    if stage == "spark":
        stops += 0.05
    elif stage == "together":
        warmth += 0.05
    elif stage == "apart":
        stops, saturation, warmth = stops - 0.10, saturation * 0.86, warmth - 0.06
    strength = 1.0 + 0.25 * sliders.intensity
    return replace(
        grade,
        stops=stops,
        contrast=contrast * strength + 0.18 * sliders.drama,
        saturation=max(0.0, saturation * (1 + 0.18 * sliders.humor - 0.06 * sliders.drama)),
        warmth=warmth + 0.40 * sliders.warmth,
        split=grade.split * strength,
        backdrop_amount=min(1.0, grade.backdrop_amount * strength),
        key_amount=grade.key_amount * strength,
        rim_amount=grade.rim_amount * strength,
        vignette=max(0.0, vignette + 0.16 * sliders.drama),
        glow=max(0.0, glow),
    )


def apply_grade(
    composition: Composition,
    look: Look,
    sliders: Sliders,
    *,
    genre: str,
    stage: str,
    rng: np.random.Generator,
) -> FloatImage:
    """The composition lit and colored; ``rng`` chooses the side the light comes from."""
    grade = bend(grades()[look.grade], sliders, genre, stage)
    side = 1 if rng.random() < 0.5 else -1
    height_of_light = float(rng.uniform(0.05, 0.32))
    hue = float(rng.uniform(-0.05, 0.05))
    subject = composition.subject
    pixels = even_out(composition.pixels, subject)
    pixels = _set_backdrop(pixels, subject, grade, composition, hue)
    pixels = develop(pixels, grade, hue)
    pixels = _light(pixels, grade, subject, side, height_of_light)
    if grade.glow > 0:
        pixels = add_glow(pixels, grade.glow)
    pixels = _vignette(pixels, grade.vignette, composition)
    pixels = grade.fade + pixels * (1.0 - grade.fade * 1.2)
    return np.clip(pixels, 0.0, 1.0).astype(np.float32)


def develop(pixels: FloatImage, tone: Tone, hue: float = 0.0) -> FloatImage:
    """Tone and color alone: exposure, white balance, contrast, split toning, saturation."""
    pixels = _expose(pixels, tone)
    pixels = _balance(pixels, tone.warmth + hue * 0.6, tone.tint)
    pixels = _curve(pixels, tone.contrast)
    pixels = _split_tone(pixels, tone)
    return _saturate(pixels, tone)


def even_out(pixels: FloatImage, subject: Mask) -> FloatImage:
    """Brings dark and pale photos half-way to one exposure, judged by the person."""
    bright = luma(pixels)
    weight = subject + 0.15
    mean = float((bright * weight).sum() / weight.sum())
    wanted = 0.44
    gamma = math.log(wanted) / math.log(min(max(mean, 0.08), 0.9))
    gamma = min(max(1.0 + (gamma - 1.0) * 0.55, 0.6), 1.5)
    return power(np.clip(pixels, 0.0, 1.0), gamma)


def _set_backdrop(
    pixels: FloatImage, subject: Mask, grade: Grade, composition: Composition, hue: float
) -> FloatImage:
    """Blurs, tints and dims what is behind the person; less so when the outline is unsure."""
    trust = 1.0 if composition.focus.sure else 0.28
    behind = (1.0 - soften_mask(subject, 4))[..., None] * trust
    back = blur(pixels, grade.backdrop_blur_px) if grade.backdrop_blur_px else pixels
    shade = luma(back)[..., None]
    # The backdrop keeps a part of its own light and shade, or it would look cut out.
    relief = 0.62 + 0.62 * shade if not grade.pattern else 0.86 + 0.22 * shade
    color = np.array(grade.backdrop, dtype=np.float32)
    color = np.clip(color * (1.0 + np.array([hue, -hue, hue * 0.5], dtype=np.float32)), 0, 1)
    painted = (color * relief).astype(np.float32, copy=False)
    if grade.pattern:
        painted = _pattern(painted, grade.pattern, composition, hue)
    back = back * (1.0 - grade.backdrop_amount) + painted * grade.backdrop_amount
    if not grade.pattern:
        back = back * np.float32(math.pow(2.0, grade.backdrop_stops))
    return pixels * (1.0 - behind) + back * behind


def _pattern(
    painted: FloatImage, pattern: str, composition: Composition, phase: float
) -> FloatImage:
    """Comic backdrops: rays around the head, or halftone dots that grow towards the floor."""
    x, y = grid(WIDTH, HEIGHT)
    dx = (x - composition.focus.x) * (WIDTH / HEIGHT)
    dy = y - composition.focus.y
    if pattern == "rays":
        turns = arctan2(dy, dx) / (2 * np.pi) * 14 + phase * 20
        saw = np.abs((turns % 1.0) - 0.5) * 4.0 - 1.0
        distance = np.sqrt(dx * dx + dy * dy)
        # Edges stay one pixel wide however far from the center they are.
        edge = np.clip(saw * distance * HEIGHT / 9.0, -1, 1) * 0.5 + 0.5
        light = np.array([0.97, 0.80, 0.44], dtype=np.float32)
        amount = (edge * 0.78)[..., None]
        return painted * (1 - amount) + light * amount
    cell = 34.0
    u = (x * WIDTH + y * HEIGHT) / (cell * 1.41421)
    v = (x * WIDTH - y * HEIGHT) / (cell * 1.41421)
    reach = np.sqrt((u % 1.0 - 0.5) ** 2 + (v % 1.0 - 0.5) ** 2)
    radius = 0.10 + 0.40 * smoothstep(0.0, 1.0, np.abs(y - 0.30) * 1.25)
    dot = np.clip((radius - reach) * cell / 1.4 + 0.5, 0, 1)[..., None] * 0.85
    light = np.array([0.97, 0.84, 0.36], dtype=np.float32)
    return painted * (1 - dot) + light * dot


def _expose(pixels: FloatImage, tone: Tone) -> FloatImage:
    """Exposure with a soft shoulder, so that bright skin does not burn out."""
    lit = pixels * np.float32(math.pow(2.0, tone.stops))
    knee = np.float32(0.82)
    over = np.maximum(lit - knee, 0.0)
    return np.minimum(lit, knee) + (1 - knee) * (1.0 - exp(-over / (1 - knee)))


def _balance(pixels: FloatImage, warmth: float, tint: float) -> FloatImage:
    gains = np.array(
        [1 + 0.22 * warmth + 0.05 * tint, 1 + 0.01 * warmth - 0.09 * tint, 1 - 0.30 * warmth],
        dtype=np.float32,
    )
    gains[2] += 0.05 * tint
    return pixels * gains


def _curve(pixels: FloatImage, contrast: float) -> FloatImage:
    """An S around middle gray; negative contrast is its inverse."""
    x = np.clip(pixels, 0.0, 1.0)
    s = x * x * (3.0 - 2.0 * x)
    if contrast >= 0:
        x = np.clip(x + (s - x) * min(contrast, 1.0) * 1.15, 0.0, 1.0)
    else:
        x = x + (0.5 - x) * min(-contrast, 0.6) * 0.6
    return x.astype(np.float32, copy=False)


def _split_tone(pixels: FloatImage, tone: Tone) -> FloatImage:
    if tone.split == 0:
        return pixels
    bright = luma(pixels)[..., None]
    low = np.array(tone.shadows, dtype=np.float32) - 0.5
    high = np.array(tone.highlights, dtype=np.float32) - 0.5
    # Weighted so that pure black and pure white keep less color than the tones beside them.
    in_shadow = (1.0 - bright) ** 2 * (0.35 + 1.3 * bright)
    in_light = bright**2 * (1.9 - 1.25 * bright)
    toned = pixels + tone.split * (low * in_shadow + high * in_light)
    return toned.astype(np.float32, copy=False)


def _saturate(pixels: FloatImage, tone: Tone) -> FloatImage:
    gray = luma(pixels)[..., None]
    colored = gray + (pixels - gray) * tone.saturation
    if tone.mono == 0:
        return colored
    silver = weighted(pixels, tone.mono_mix)[..., None]
    color = np.array(tone.mono_tone, dtype=np.float32)
    # The tone colors the middle; whites stay white.
    toned = silver * (color + (1 - color) * silver**2)
    return colored * (1 - tone.mono) + toned * tone.mono


def _light(
    pixels: FloatImage, grade: Grade, subject: Mask, side: int, height_of_light: float
) -> FloatImage:
    """A key light from one edge and a rim light from the other; stronger behind the person."""
    x, y = grid(WIDTH, HEIGHT)
    depth = (1.0 - 0.55 * soften_mask(subject, 4))[..., None]
    for color, amount, edge, level, spread in (
        (grade.key_light, grade.key_amount, 0.5 + 0.62 * side, height_of_light, 0.62),
        (grade.rim_light, grade.rim_amount, 0.5 - 0.60 * side, 0.55, 0.50),
    ):
        if amount <= 0:
            continue
        distance = np.sqrt(((x - edge) / spread) ** 2 + ((y - level) / (spread * 1.15)) ** 2)
        fall = (exp(-(distance**2) * 1.3) * amount)[..., None].astype(np.float32)
        pixels = screen(pixels, np.array(color, dtype=np.float32) * fall * depth)
    return pixels


def add_glow(pixels: FloatImage, amount: float) -> FloatImage:
    """Highlights bleed softly, as through a diffusion filter."""
    bright = np.clip((pixels - 0.45) / 0.55, 0.0, 1.0) * pixels
    return screen(pixels, blur(bright, 22.0) * np.float32(amount))


def _vignette(pixels: FloatImage, amount: float, composition: Composition) -> FloatImage:
    """Darkens away from the person rather than from the frame's middle."""
    if amount <= 0:
        return pixels
    x, y = grid(WIDTH, HEIGHT)
    cx = 0.5 * 0.5 + 0.5 * composition.focus.x
    cy = 0.5 * 0.45 + 0.5 * min(max(composition.focus.y, 0.2), 0.6)
    distance = np.sqrt(((x - cx) / 0.72) ** 2 + ((y - cy) / 0.68) ** 2)
    shade = (1.0 - amount * smoothstep(0.35, 1.15, distance)).astype(np.float32, copy=False)
    return (pixels * shade[..., None]).astype(np.float32, copy=False)
