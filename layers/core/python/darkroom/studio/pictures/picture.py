"""A picture from words alone: a JPEG of a painted scene in one of five styles.

It illustrates and does not understand: ``scenery`` finds the words it knows, the rest is chosen by
the seed. Owns the sizes, the order of painting and how a style finishes a scene. Writes no
text into pictures.
"""

from __future__ import annotations

import zlib
from typing import Any, Final

import numpy as np
from PIL import Image

from darkroom.generation.ports import Artifact, GenerationRequest, PermanentProviderError
from darkroom.media.portable_math import cos, exp
from darkroom.studio.pictures.canvas import color, texture
from darkroom.studio.pictures.grade import add_glow, develop
from darkroom.studio.pictures.grain import Grain
from darkroom.studio.pictures.raster import (
    FloatImage,
    grid,
    screen,
    smoothstep,
    to_image,
)
from darkroom.studio.pictures.scenery import Scene, read_scene
from darkroom.studio.pictures.scenery_land import paint_far, paint_near
from darkroom.studio.pictures.scenery_sky import paint_sky
from darkroom.studio.pictures.scenery_values import scenery
from darkroom.studio.pictures.scenery_weather import let_fall
from darkroom.studio.pictures.styles import PictureStyle, styles
from darkroom.studio.values import Rgb

SIZES: Final = {
    "1:1": (1024, 1024),
    "3:4": (960, 1280),
    "4:3": (1280, 960),
    "9:16": (720, 1280),
    "16:9": (1280, 720),
}
_QUALITY: Final = 92
_HORIZON: Final = (0.56, 0.66)
"""From the top; the seed chooses between."""
_BAR_SHARE: Final = 0.085
"""Of the height: each of the letterbox's bars in a picture that is not upright."""
_UPRIGHT_BAR_SHARE: Final = 0.064
_POSTER_TONES: Final = 14
_LEAK: Final[Rgb] = (1.0, 0.55, 0.22)
_PAPER: Final[Rgb] = (0.95, 0.92, 0.85)
_PRINT_BORDER_SHARE: Final = 0.035
"""Of the short side."""


def make_picture(request: GenerationRequest) -> list[Artifact]:
    """The picture of ``params["wish"]``, or else of ``params["prompt"]``.

    Raises:
        PermanentProviderError: ``UNSUPPORTED_KIND``; no such style or shape.
    """
    params = request.params
    size = SIZES.get(str(params.get("aspectRatio", "1:1")))
    if size is None:
        raise _unsupported("shape", params.get("aspectRatio"))
    prompt = str(params.get("wish") or params.get("prompt") or "")
    rng = np.random.default_rng([request.seed, zlib.crc32(prompt.encode())])
    style = str(params.get("style") or rng.choice(sorted(styles())))
    if style not in styles():
        raise _unsupported("style", style)
    picture = draw_picture(prompt, styles()[style].picture, size, rng)
    path = request.workdir / f"{request.key}.jpg"
    picture.save(path, "JPEG", quality=_QUALITY, subsampling=0)
    return [
        Artifact(
            type="image",
            mime_type="image/jpeg",
            path=path,
            width=size[0],
            height=size[1],
            extra={"style": style},
        )
    ]


def draw_picture(
    prompt: str, style: PictureStyle, size: tuple[int, int], rng: np.random.Generator
) -> Image.Image:
    """The scene of ``prompt`` in ``style``, ``size`` pixels wide and high."""
    scene = read_scene(prompt, rng)
    pixels = _styled(_paint(scene, size, rng), style, scene, rng)
    grain = Grain(int(rng.integers(2**32)), style.grain_levels, size)
    return grain.still(to_image(pixels, rng))


def _unsupported(what: str, value: Any) -> PermanentProviderError:
    return PermanentProviderError(f"no {what} {value}", code="UNSUPPORTED_KIND")


def _paint(scene: Scene, size: tuple[int, int], rng: np.random.Generator) -> FloatImage:
    """From far to near. Water mirrors what was painted before it, and only that."""
    horizon = float(rng.uniform(*_HORIZON))
    sky = paint_sky(scene, size, horizon, rng)
    pixels = paint_far(sky.pixels, scene, sky, rng)
    pixels = paint_near(pixels, scene, sky, rng)
    return np.clip(let_fall(pixels, scene, sky, rng), 0.0, 1.0).astype(np.float32)


def _styled(
    pixels: FloatImage, style: PictureStyle, scene: Scene, rng: np.random.Generator
) -> FloatImage:
    if style.finish == "poster":
        pixels = _flat(pixels)
    if scene.mood:
        pixels = develop(pixels, scenery().moods[scene.mood])
    pixels = develop(pixels, style.grade)
    if style.glow:
        pixels = add_glow(np.clip(pixels, 0, 1).astype(np.float32), style.glow)
    height, width = pixels.shape[:2]
    x, y = grid(width, height)
    away = np.sqrt(((x - 0.5) / 0.74) ** 2 + ((y - 0.5) / 0.74) ** 2)
    pixels = pixels * (1.0 - style.vignette * smoothstep(0.5, 1.15, away))[..., None]
    pixels = style.grade.fade + pixels * (1.0 - style.grade.fade * 1.2)
    if style.finish == "old_print":
        pixels = _aged(pixels, rng)
    if style.finish == "letterbox":
        bar = _BAR_SHARE if height <= width else _UPRIGHT_BAR_SHARE
        pixels = pixels * ((y > bar) & (y < 1 - bar))[..., None]
    return np.clip(pixels, 0.0, 1.0).astype(np.float32)


def _flat(pixels: FloatImage) -> FloatImage:
    """As a poster is printed: few tones of brightness, each in its full color."""
    smooth = np.clip(pixels, 1e-4, 1.0)
    bright = smooth.max(axis=2, keepdims=True)
    level = np.sqrt(bright) * _POSTER_TONES
    step = np.floor(level)
    # A narrow slope between two tones instead of a jagged edge.
    soft = step + np.clip((level - step - 0.5) * 6.0 + 0.5, 0.0, 1.0)
    flat = (soft / _POSTER_TONES) ** 2
    return np.clip(smooth * (0.15 + 0.85 * flat / bright), 0.0, 1.0).astype(np.float32)


def _aged(pixels: FloatImage, rng: np.random.Generator) -> FloatImage:
    """Light has leaked onto one edge, and the print has a border."""
    height, width = pixels.shape[:2]
    x, y = grid(width, height)
    side = x if rng.random() < 0.5 else 1.0 - x
    leak = exp(-side / 0.10) * (0.5 + 0.5 * cos((y - rng.random()) * 3.0)) * 0.22
    pixels = screen(np.clip(pixels, 0, 1), leak[..., None] * color(_LEAK))
    short = min(width, height)
    inset = _PRINT_BORDER_SHARE * short
    dx = np.maximum(np.abs((x - 0.5) * width) - (width / 2 - inset - 10), 0)
    dy = np.maximum(np.abs((y - 0.5) * height) - (height / 2 - inset - 10), 0)
    inside = np.clip(10.5 - np.sqrt(dx**2 + dy**2), 0.0, 1.0)[..., None]
    worn = texture(rng, 5, 8)[:64, :64].mean()
    paper = color(_PAPER) * (0.97 + 0.03 * worn)
    return (pixels * inside + paper * (1.0 - inside)).astype(np.float32)
