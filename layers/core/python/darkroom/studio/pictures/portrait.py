"""A portrait in one of five styles: a PNG of 1152 x 1536, made from one photo.

Owns the order of the steps, the light on the person and what the seed decides. Knows no style by
name: ``styles`` holds their values. Writes no text into pictures.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np

from darkroom.generation.ports import Artifact, GenerationRequest, PermanentProviderError
from darkroom.studio.pictures.compose import soften_mask
from darkroom.studio.pictures.focus import find_focus
from darkroom.studio.pictures.grade import add_glow, develop, even_out
from darkroom.studio.pictures.grain import Grain
from darkroom.studio.pictures.photo import open_picture
from darkroom.studio.pictures.portrait_backdrops import paint_backdrop
from darkroom.studio.pictures.portrait_finish import apply_finish
from darkroom.studio.pictures.portrait_frame import HEIGHT, WIDTH, Sitter, frame_sitter
from darkroom.studio.pictures.raster import (
    FloatImage,
    Mask,
    blur,
    grid,
    luma,
    screen,
    smoothstep,
    to_image,
)
from darkroom.studio.pictures.styles import Lights, Palette, PortraitStyle, Shot, styles

_PHOTO: Final = "photo_"
_ASPECT: Final = WIDTH / HEIGHT


def make_portrait(request: GenerationRequest) -> list[Artifact]:
    """The portrait of the person in the first photo; the style is ``params["style"]``.

    Raises:
        PermanentProviderError: ``BAD_SOURCE`` (no photo, or one that cannot be decoded) or
            ``UNSUPPORTED_KIND`` (no such style).
    """
    params = request.params
    name, role = str(params.get("style", "")), str(params.get("role", ""))
    if name not in styles():
        raise PermanentProviderError(f"no style {name}", code="UNSUPPORTED_KIND", style=name)
    style = styles()[name].portrait
    # A job's photos are numbered through: the second person's only one is ``photo_2``.
    source = next((s for s in request.sources if s.key.startswith(_PHOTO)), None)
    if source is None:
        raise PermanentProviderError("a portrait needs a photo", code="BAD_SOURCE")
    photo = open_picture(source.path, source.key)
    # Another role or user prompt must change the picture, even with the same seed.
    salt = zlib.crc32("\0".join((name, role, str(params.get("prompt", "")))).encode())
    rng = np.random.default_rng([request.seed, salt])
    focus = find_focus(photo, _face_hint(params, source.key))
    sitter = frame_sitter(photo, focus, _choose_shot(style, rng))
    pixels = _paint(sitter, style, rng)
    picture = to_image(apply_finish(style.finish, pixels, rng), rng)
    grain = Grain(int(rng.integers(2**32)), style.grain_levels, (WIDTH, HEIGHT))
    path = request.workdir / f"{request.key}.png"
    grain.still(picture).save(path, "PNG", compress_level=3)
    return [
        Artifact(
            type="image",
            mime_type="image/png",
            path=path,
            width=WIDTH,
            height=HEIGHT,
            extra={"style": name, "role": role},
        )
    ]


def _face_hint(params: Mapping[str, Any], key: str) -> Any:
    """The face box found at ingest, if the recipe passed it: ``params["faces"][key]``."""
    faces = params.get("faces")
    return faces.get(key) if isinstance(faces, Mapping) else None


def _choose_shot(style: PortraitStyle, rng: np.random.Generator) -> Shot:
    shot = style.shots[int(rng.integers(len(style.shots)))]
    return replace(
        shot,
        head=shot.head * (1.0 + float(rng.uniform(-0.06, 0.06))),
        x=shot.x + float(rng.uniform(-0.025, 0.025)),
        y=shot.y + float(rng.uniform(-0.015, 0.015)),
    )


def _paint(sitter: Sitter, style: PortraitStyle, rng: np.random.Generator) -> FloatImage:
    """The person, graded and lit, before the backdrop."""
    palette = style.palettes[int(rng.integers(len(style.palettes)))]
    side = 1.0 if rng.random() < 0.5 else -1.0
    hue = float(rng.uniform(-0.05, 0.05))
    backdrop = _toned(paint_backdrop(style.backdrop, palette, sitter.focus, rng), style)
    own = even_out(_without_background(sitter), sitter.mask)
    person = _light(develop(own, style.grade, hue), sitter, style.lights, side, rng)
    back = develop(sitter.behind, style.grade) * (1.0 - style.cover) + backdrop * style.cover
    share = sitter.mask[..., None]
    if sitter.certainty < 1.0:
        share = share * sitter.certainty + sitter.around[..., None] * (1.0 - sitter.certainty)
        back = back * sitter.certainty + _surroundings(sitter, style, palette, backdrop) * (
            1.0 - sitter.certainty
        )
    pixels = person * share + back * (1.0 - share)
    if style.lights.soften:
        pixels = _soften(pixels, style.lights.soften)
    pixels = _vignette(pixels, style.vignette, sitter)
    fade = style.grade.fade
    return np.clip(fade + pixels * (1.0 - fade * 1.2), 0.0, 1.0).astype(np.float32)


def _surroundings(
    sitter: Sitter, style: PortraitStyle, palette: Palette, backdrop: FloatImage
) -> FloatImage:
    """What is really behind the person, out of focus and in the palette's colors, and the
    backdrop only further away: where the outline is a guess, the person must not look cut out."""
    soft = blur(develop(even_out(sitter.pixels, sitter.mask), style.grade), 26.0)
    shade = luma(soft)[..., None]
    dark, light = (np.array(color, dtype=np.float32) for color in (palette.dark, palette.light))
    low, high = luma(dark[None, None])[0, 0], luma(light[None, None])[0, 0]
    duotone = _toned(dark + (light - dark) * np.clip(shade, 0.0, 1.0), style)
    # Nearer to the backdrop's brightness, or the seam between both would show.
    duotone = duotone + (0.5 * (low + high) - 0.5) * 0.15
    near = soft * 0.30 + duotone * 0.70
    far = (style.cover * smoothstep(0.55, 0.0, sitter.around))[..., None]
    return near * (1.0 - far) + backdrop * far


def _toned(backdrop: FloatImage, style: PortraitStyle) -> FloatImage:
    """Backdrops are painted in final colors, save for monochrome prints."""
    if not style.grade.mono:
        return backdrop
    tone = np.array(style.grade.mono_tone, dtype=np.float32)
    silver = luma(backdrop)[..., None]
    return silver * (tone + (1.0 - tone) * silver**2)


def _without_background(sitter: Sitter) -> FloatImage:
    """The person's own colors: a pixel that is half hair and half wall loses the wall."""
    share = sitter.mask[..., None]
    own = (sitter.pixels - (1.0 - share) * sitter.behind) / np.maximum(share, 0.30)
    edge = smoothstep(0.0, 0.25, share) * smoothstep(1.0, 0.92, share) * sitter.certainty
    return np.clip(sitter.pixels * (1.0 - edge) + own * edge, 0.0, 1.0).astype(np.float32)


def _light(
    pixels: FloatImage, sitter: Sitter, lights: Lights, side: float, rng: np.random.Generator
) -> FloatImage:
    """A key light from ``side`` across the person, and a rim on the edges that face away."""
    x, y = grid(WIDTH, HEIGHT)
    focus = sitter.focus
    reach = max(focus.head, 0.12)
    across = (x - focus.x) * _ASPECT / reach * side + (focus.y - y) / reach * 0.28
    lit = smoothstep(-0.85, 0.75, across)[..., None]
    key = np.array(lights.key_color, dtype=np.float32) * (1.0 + 0.34 * lights.key)
    shade = np.array(lights.shade_color, dtype=np.float32) * (1.0 - 0.80 * lights.key)
    tint = np.clip(lights.key * 1.6, 0.0, 1.0)
    shade = shade * tint + (1.0 - 0.80 * lights.key) * (1.0 - tint)
    shaded = pixels * (shade + (key - shade) * lit)
    if lights.rim <= 0:
        return shaded
    colors = lights.rim_colors
    color = np.array(colors[int(rng.integers(len(colors)))], dtype=np.float32)
    edge = _rim(sitter.mask, -side, round(reach * WIDTH * 0.040)) * sitter.certainty
    return screen(np.clip(shaded, 0.0, 1.0), (edge * lights.rim * 0.8)[..., None] * color)


def _rim(mask: Mask, side: float, width_px: int) -> Mask:
    """1 on the person's outline towards ``side``, fading inwards over ``width_px``."""
    soft = soften_mask(mask, 8)
    shift = max(2, width_px) * (-1 if side > 0 else 1)
    moved = np.roll(soft, shift, axis=1)
    # What left the picture at one edge must not come in at the other.
    if shift > 0:
        moved[:, :shift] = soft[:, :1]
    else:
        moved[:, shift:] = soft[:, -1:]
    moved = np.roll(moved, max(1, width_px // 3), axis=0)
    return (mask * np.clip(mask - moved, 0.0, 1.0)).astype(np.float32)


def _soften(pixels: FloatImage, amount: float) -> FloatImage:
    """A diffusion filter: highlights bloom, fine contrast drops, edges stay."""
    veil = blur(pixels, 16.0)
    soft = pixels * (1.0 - 0.42 * amount) + veil * (0.42 * amount)
    return add_glow(soft.astype(np.float32), amount * 0.5)


def _vignette(pixels: FloatImage, amount: float, sitter: Sitter) -> FloatImage:
    if amount <= 0:
        return pixels
    x, y = grid(WIDTH, HEIGHT)
    cx, cy = 0.25 + 0.5 * sitter.focus.x, 0.24 + 0.5 * sitter.focus.y
    away = np.sqrt(((x - cx) / 0.70) ** 2 + ((y - cy) / 0.74) ** 2)
    return pixels * (1.0 - amount * smoothstep(0.45, 1.2, away))[..., None]
