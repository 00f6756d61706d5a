"""A picture from words alone: a JPEG of a painted scene in one of five styles.

It illustrates and does not understand: ``scenery`` finds the words it knows, the rest is chosen by
the seed. Owns the sizes, the order of painting and what the styles mean for a scene. Writes no
text into pictures.
"""

from __future__ import annotations

import zlib
from typing import Any, Final

import numpy as np

from darkroom.generation.ports import Artifact, GenerationRequest, PermanentProviderError
from darkroom.media.portable_math import cos, exp
from darkroom.studio.pictures.canvas import texture
from darkroom.studio.pictures.grade import Grade, add_glow, develop
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
from darkroom.studio.pictures.scenery_things import ORDER, let_fall, place_thing

SIZES: Final = {
    "1:1": (1024, 1024),
    "3:4": (960, 1280),
    "4:3": (1280, 960),
    "9:16": (720, 1280),
    "16:9": (1280, 720),
}
_QUALITY: Final = 92
_GRADES: Final[dict[str, tuple[Grade, float, float, float]]] = {
    # What is done to colors; glow; vignette; grain in 8-bit levels.
    "CLASSIC": (Grade(contrast=0.14, warmth=0.03, saturation=1.02), 0.05, 0.16, 1.4),
    "MODERN": (Grade(stops=0.10, contrast=0.22, warmth=-0.05, saturation=1.18), 0.0, 0.0, 0.5),
    "VINTAGE": (Grade(stops=0.0, contrast=0.10, warmth=0.24, saturation=0.70,
                      shadows=(0.56, 0.48, 0.40), highlights=(0.60, 0.54, 0.42), split=0.50,
                      fade=0.09), 0.06, 0.30, 4.6),
    "ROMANTIC": (Grade(stops=0.16, contrast=-0.08, warmth=0.12, tint=0.16, saturation=0.92,
                       shadows=(0.60, 0.44, 0.56), highlights=(0.64, 0.54, 0.50), split=0.34,
                       fade=0.05), 0.34, 0.0, 1.2),
    "CINEMATIC": (Grade(contrast=0.36, saturation=0.94, shadows=(0.28, 0.48, 0.56),
                        highlights=(0.62, 0.52, 0.40), split=0.42), 0.12, 0.34, 2.8),
}  # fmt: skip
_MOODS: Final = {
    "lonely": Grade(stops=-0.10, warmth=-0.10, saturation=0.74),
    "calm": Grade(contrast=-0.06, saturation=0.92),
    "romantic": Grade(stops=0.04, warmth=0.10, tint=0.10),
    "magical": Grade(tint=0.12, saturation=1.12),
    "bright": Grade(stops=0.12, warmth=0.06, saturation=1.08),
}
_BAR_SHARE: Final = 0.085
_FLAT_TONES: Final = 14


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
    style = str(params.get("style") or rng.choice(sorted(_GRADES)))
    if style not in _GRADES:
        raise _unsupported("style", style)
    scene = read_scene(prompt, rng)
    pixels = _styled(_paint(scene, size, rng), style, scene, rng)
    grain = Grain(int(rng.integers(2**32)), _GRADES[style][3], size)
    picture = grain.still(to_image(pixels, rng))
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


def _unsupported(what: str, value: Any) -> PermanentProviderError:
    return PermanentProviderError(f"no {what} {value}", code="UNSUPPORTED_KIND")


def _paint(scene: Scene, size: tuple[int, int], rng: np.random.Generator) -> FloatImage:
    """From far to near. Water mirrors what was painted before it, and only that."""
    horizon = float(rng.uniform(0.56, 0.66))
    sky = paint_sky(scene, size, horizon, rng)
    pixels = paint_far(scene.far, sky.pixels, scene, sky, rng)
    pixels = paint_near(scene.near, pixels, scene, sky, rng)
    for thing in ORDER:
        if thing in scene.things:
            pixels = place_thing(thing, pixels, scene, sky, rng)
    return np.clip(let_fall(pixels, scene, sky, rng), 0.0, 1.0).astype(np.float32)


def _styled(pixels: FloatImage, style: str, scene: Scene, rng: np.random.Generator) -> FloatImage:
    grade, glow, vignette, _ = _GRADES[style]
    if style == "MODERN":
        pixels = _flat(pixels)
    if scene.mood in _MOODS:
        pixels = develop(pixels, _MOODS[scene.mood])
    pixels = develop(pixels, grade)
    if glow:
        pixels = add_glow(np.clip(pixels, 0, 1).astype(np.float32), glow)
    height, width = pixels.shape[:2]
    x, y = grid(width, height)
    away = np.sqrt(((x - 0.5) / 0.74) ** 2 + ((y - 0.5) / 0.74) ** 2)
    pixels = pixels * (1.0 - vignette * smoothstep(0.5, 1.15, away))[..., None]
    pixels = grade.fade + pixels * (1.0 - grade.fade * 1.2)
    if style == "VINTAGE":
        pixels = _aged(pixels, rng)
    if style == "CINEMATIC":
        bar = _BAR_SHARE if height <= width else _BAR_SHARE * 0.75
        pixels = pixels * ((y > bar) & (y < 1 - bar))[..., None]
    return np.clip(pixels, 0.0, 1.0).astype(np.float32)


def _flat(pixels: FloatImage) -> FloatImage:
    """As a poster is printed: few tones of brightness, each in its full color."""
    smooth = np.clip(pixels, 1e-4, 1.0)
    bright = smooth.max(axis=2, keepdims=True)
    level = np.sqrt(bright) * _FLAT_TONES
    step = np.floor(level)
    # A narrow slope between two tones instead of a jagged edge.
    soft = step + np.clip((level - step - 0.5) * 6.0 + 0.5, 0.0, 1.0)
    flat = (soft / _FLAT_TONES) ** 2
    return np.clip(smooth * (0.15 + 0.85 * flat / bright), 0.0, 1.0).astype(np.float32)


def _aged(pixels: FloatImage, rng: np.random.Generator) -> FloatImage:
    """Light has leaked onto one edge, and the print has a border."""
    height, width = pixels.shape[:2]
    x, y = grid(width, height)
    side = x if rng.random() < 0.5 else 1.0 - x
    leak = exp(-side / 0.10) * (0.5 + 0.5 * cos((y - rng.random()) * 3.0)) * 0.22
    warm = np.array((1.0, 0.55, 0.22), dtype=np.float32)
    pixels = screen(np.clip(pixels, 0, 1), leak[..., None] * warm)
    short = min(width, height)
    inset = 0.035 * short
    dx = np.maximum(np.abs((x - 0.5) * width) - (width / 2 - inset - 10), 0)
    dy = np.maximum(np.abs((y - 0.5) * height) - (height / 2 - inset - 10), 0)
    inside = np.clip(10.5 - np.sqrt(dx**2 + dy**2), 0.0, 1.0)[..., None]
    worn = texture(rng, 5, 8)[:64, :64].mean()
    paper = np.array((0.95, 0.92, 0.85), dtype=np.float32) * (0.97 + 0.03 * worn)
    return (pixels * inside + paper * (1.0 - inside)).astype(np.float32)
