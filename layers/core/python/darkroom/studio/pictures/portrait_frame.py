"""Framing a portrait: 3:4, the head where the shot wants it, the person apart from the rest.

Owns crop geometry, the fine outline of the person and the filling of what lies behind. The photo
is never mirrored. Knows nothing of styles.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image, ImageFilter

from darkroom.studio.pictures.focus import Focus
from darkroom.studio.pictures.matte import (
    outline_certainty,
    refine_mask,
    subject_mask,
)
from darkroom.studio.pictures.raster import (
    FloatImage,
    Mask,
    mask_image,
    resize_mask,
    to_float,
    to_image,
)
from darkroom.studio.pictures.styles import Shot

WIDTH: Final = 1152
HEIGHT: Final = 1536
_ASPECT: Final = WIDTH / HEIGHT
_MOST_EMPTY_ABOVE: Final = 0.20
"""The share of the picture that may lie above the photo: there the backdrop goes on."""
_MAX_UPSCALE: Final = 5.0
_FILL_SIDE_PX: Final = 96
_UNSURE_HEAD: Final = 0.24
"""Without a person: show much of the photo, so that the person is in it, wherever they are."""


@dataclass(frozen=True, kw_only=True)
class Sitter:
    """The framed person."""

    pixels: FloatImage
    behind: FloatImage
    """What is behind the person, guessed where the person hides it; soft."""
    mask: Mask
    around: Mask
    """The person and what is close by, falling off softly."""
    focus: Focus
    """In fractions of the picture."""
    certainty: float
    """0 … 1: how well the person is separated from the background."""


def frame_sitter(photo: Image.Image, focus: Focus, shot: Shot) -> Sitter:
    """The photo in the picture as ``shot`` says, as far as the photo reaches."""
    left, top, height = _crop(photo, focus, shot)
    scale = HEIGHT / height
    mask = mask_image(subject_mask(photo, focus)).convert("RGB")
    pixels, inside = _place(photo, left, top, scale)
    matte, _ = _place(mask, left, top, scale)
    rough = to_float(matte)[..., 0] * inside
    plain = to_float(pixels)
    place = Focus(
        x=(focus.x * photo.width - left) / (height * _ASPECT),
        y=(focus.y * photo.height - top) / height,
        # A sliver of a photo may show less than the head; filters grow with this number.
        head=min(focus.head * photo.height / height, 1.0),
        sure=focus.sure,
    )
    fine = refine_mask(plain, rough, place) * inside
    whole = np.maximum(rough, fine)
    return Sitter(
        pixels=plain,
        behind=_behind(plain, whole, inside),
        mask=fine,
        around=_around(whole, place),
        focus=place,
        certainty=outline_certainty(plain, fine, place) if focus.sure else 0.0,
    )


def _around(mask: Mask, focus: Focus) -> Mask:
    size = (_FILL_SIDE_PX, round(_FILL_SIDE_PX / _ASPECT))
    reach = max(2, round(0.16 * focus.head * size[1]))
    wide = mask_image(resize_mask(mask, *size)).filter(ImageFilter.MaxFilter(2 * reach + 1))
    soft = wide.filter(ImageFilter.GaussianBlur(reach))
    return resize_mask(np.asarray(soft, dtype=np.float32) / 255.0, WIDTH, HEIGHT)


def _crop(photo: Image.Image, focus: Focus, shot: Shot) -> tuple[float, float, float]:
    """Left, top and height of the picture in photo pixels; it may reach above the photo."""
    head = shot.head if focus.sure else min(shot.head, _UNSURE_HEAD)
    # A head that the photo itself cuts off must not end in front of an empty wall.
    is_whole = focus.sure and focus.y - 0.56 * focus.head > 0.0
    above = _MOST_EMPTY_ABOVE if is_whole else 0.0
    height = max(focus.head * photo.height / head, HEIGHT / _MAX_UPSCALE)
    height = min(height, photo.width / _ASPECT, photo.height / (1.0 - above))
    width = height * _ASPECT
    left = min(max(focus.x * photo.width - shot.x * width, 0.0), photo.width - width)
    wanted = focus.y * photo.height - shot.y * height
    top = min(max(wanted, -above * height), photo.height - height)
    return left, top, height


def _place(photo: Image.Image, left: float, top: float, scale: float) -> tuple[Image.Image, Mask]:
    """The crop, and 1 where the photo covers it."""
    empty = max(0, math.ceil(-top * scale))
    box = (
        left,
        max(0.0, top + empty / scale),
        min(left + WIDTH / scale, photo.width),
        min(top + HEIGHT / scale, photo.height),
    )
    patch = photo.resize((WIDTH, HEIGHT - empty), Image.Resampling.LANCZOS, box=box)
    if scale > 1.15:
        # Upscaled pictures look soft; a wide, weak mask brings back edges but not noise.
        patch = patch.filter(ImageFilter.UnsharpMask(radius=scale * 0.8, percent=60, threshold=2))
    canvas = Image.new("RGB", (WIDTH, HEIGHT))
    canvas.paste(patch, (0, empty))
    if empty:
        # Above the photo its upper edge goes on, so that no black passes for a background.
        band = patch.crop((0, 0, WIDTH, 24)).resize((12, 1), Image.Resampling.BOX)
        canvas.paste(band.resize((WIDTH, empty), Image.Resampling.BICUBIC), (0, 0))
    inside = np.ones((HEIGHT, WIDTH), dtype=np.float32)
    inside[:empty] = 0.0
    return canvas, inside


def _behind(pixels: FloatImage, mask: Mask, inside: Mask) -> FloatImage:
    """The surroundings blurred into the person's place, so that no color of theirs remains."""
    size = (_FILL_SIDE_PX, round(_FILL_SIDE_PX / _ASPECT))
    weight = np.clip(inside * (1.0 - mask * 1.35), 0.0, 1.0)
    small = to_float(to_image(pixels).resize(size, Image.Resampling.BOX))
    heavy = resize_mask(weight, *size)[..., None]
    total, seen = small * heavy, heavy
    filled = np.zeros_like(small)
    known = np.zeros_like(heavy)
    # Near surroundings count first; what they leave open is taken from further away.
    for radius in (3, 9, 27):
        near, share = _spread(total, radius), _spread(seen, radius)
        value = near / np.maximum(share, 1e-4)
        part = np.clip(share * 4.0, 0.0, 1.0) * (1.0 - known)
        filled += value * part
        known += part
    filled += (1.0 - known) * filled.mean((0, 1), keepdims=True)
    soft = to_image(filled).filter(ImageFilter.GaussianBlur(2.0))
    return to_float(soft.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))


def _spread(values: FloatImage, radius: int) -> FloatImage:
    """A blur that keeps a float's precision, channel by channel."""
    channels = [
        np.asarray(_blurred(values[..., c], radius), dtype=np.float32)
        for c in range(values.shape[2])
    ]
    return np.stack(channels, axis=-1)


def _blurred(channel: Mask, radius: int) -> Mask:
    side = 2 * radius + 1
    padded = np.pad(channel, radius, mode="constant")
    table = np.zeros((padded.shape[0] + 1, padded.shape[1] + 1), dtype=np.float64)
    table[1:, 1:] = padded.cumsum(0, dtype=np.float64).cumsum(1)
    total = table[side:, side:] - table[:-side, side:] - table[side:, :-side]
    return ((total + table[:-side, :-side]) / side**2).astype(np.float32)
