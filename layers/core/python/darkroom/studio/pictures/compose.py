"""Framing: which part of the photo fills the portrait frame, and what fills the rest.

Owns crop geometry, upscaling, the tilt and the extension of a photo past its edges. The photo is
never mirrored; the extension is a blur without content. Knows nothing of color or effects.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Final

import numpy as np
from PIL import Image, ImageFilter
from pydantic import Field

from darkroom.studio.pictures.focus import Focus
from darkroom.studio.pictures.matte import subject_mask
from darkroom.studio.pictures.raster import (
    HEIGHT,
    WIDTH,
    FloatImage,
    Mask,
    mask_image,
    resize_mask,
    smoothstep,
    to_float,
    to_image,
)
from darkroom.studio.values import Share, catalog_values, read_values

_ASPECT: Final = WIDTH / HEIGHT


@catalog_values
class Shot:
    """How a framing wants the head: its height and its center, in fractions of the frame."""

    head: Annotated[float, Field(ge=0.1, le=0.6)]
    x: Share
    y: Share
    tilt_degrees: Annotated[float, Field(ge=0, le=15)] = 0.0


@cache
def shots() -> Mapping[str, Shot]:
    """The framings of ``catalog/studio/framings.json``."""
    return read_values("framings.json", dict[str, Shot])


@dataclass(frozen=True, kw_only=True)
class Composition:
    """A framed, ungraded picture and what is known about it."""

    pixels: FloatImage
    subject: Mask
    focus: Focus
    """In fractions of the frame."""


_MOST_EMPTY_ABOVE: Final = 0.27
_MOST_EMPTY_BELOW: Final = 0.0
"""At most this share of the frame may lie beyond the photo's top and bottom edge. Above a head
is mostly wall or sky, which continues well; below it a body would be cut."""
_EMPTY_AROUND_LANDSCAPE: Final = (0.24, 0.14)
_MAX_UPSCALE: Final = 4.0


@dataclass(frozen=True, kw_only=True)
class _Crop:
    """The frame's rectangle in photo pixels; it may reach past the photo."""

    left: float
    top: float
    height: float

    @property
    def width(self) -> float:
        return self.height * _ASPECT


def frame_photo(
    photo: Image.Image, focus: Focus, framing: str, rng: np.random.Generator
) -> Composition:
    """The photo in the frame as ``framing`` says; ``rng`` varies place and scale a little."""
    shot = shots()[framing]
    head = shot.head * (1.0 + rng.uniform(-0.04, 0.04))
    x = shot.x + rng.uniform(-0.025, 0.025)
    y = shot.y + rng.uniform(-0.015, 0.015)
    tilt = shot.tilt_degrees * (1 if rng.random() < 0.5 else -1)
    # An unsure focus must not crop tightly: the person may be somewhere else.
    if not focus.sure:
        head = min(head, 0.26)
    if framing == "wide" and photo.width > 1.1 * photo.height:
        head = min(head, focus.head * (1.0 - sum(_EMPTY_AROUND_LANDSCAPE)))
    wanted = Shot(head=head, x=x, y=y, tilt_degrees=tilt)
    crop = _fit(photo, focus, wanted, framing)
    mask = mask_image(subject_mask(photo, focus))
    pixels, subject = _render(photo, mask, crop, tilt)
    place = Focus(
        x=(focus.x * photo.width - crop.left) / crop.width,
        y=(focus.y * photo.height - crop.top) / crop.height,
        head=focus.head * photo.height / crop.height,
        sure=focus.sure,
    )
    return Composition(pixels=pixels, subject=subject, focus=place)


def _fit(photo: Image.Image, focus: Focus, shot: Shot, framing: str) -> _Crop:
    """The rectangle that puts the head where the shot wants it, within what the photo allows."""
    head_px = focus.head * photo.height
    height = max(head_px / shot.head, HEIGHT / _MAX_UPSCALE)
    # Beyond the whole photo there is nothing to see: stop where it fills most of the frame.
    above, below = _spare(photo, focus, framing)
    grow_w, grow_h = _growth(shot.tilt_degrees)
    most = min(photo.width / _ASPECT / grow_w, photo.height / (grow_h - above - below))
    height = min(height, most)
    width = height * _ASPECT
    # A tilted frame's corners reach beyond its sides, and must lie inside the photo as well.
    side, end = (1.0 - grow_w) / 2, (1.0 - grow_h) / 2
    left = _slide(focus.x * photo.width - shot.x * width, width, photo.width, (side, side))
    wanted = focus.y * photo.height - shot.y * height
    top = _slide(wanted, height, photo.height, (above + end, below + end))
    return _Crop(left=left, top=top, height=height)


def _growth(tilt_degrees: float) -> tuple[float, float]:
    """How much wider and higher a canvas must be for a frame to turn on it."""
    angle = math.radians(abs(tilt_degrees))
    return (
        math.cos(angle) + math.sin(angle) / _ASPECT,
        math.cos(angle) + math.sin(angle) * _ASPECT,
    )


def _spare(photo: Image.Image, focus: Focus, framing: str) -> tuple[float, float]:
    """The share of the frame that may stay empty above and below the photo."""
    if framing == "wide" and photo.width > 1.1 * photo.height:
        # A wide shot of a landscape photo shows its company, too, and ends in a blur.
        return _EMPTY_AROUND_LANDSCAPE
    # Where the head is only guessed, it might be cut by what fills the space above it.
    return (_MOST_EMPTY_ABOVE if focus.sure else 0.0), _MOST_EMPTY_BELOW


def _slide(start: float, length: float, available: float, spare: tuple[float, float]) -> float:
    """The start nearest to ``start`` that leaves at most ``spare`` of ``length`` empty at
    either end."""
    low, high = -spare[0] * length, available - length + spare[1] * length
    if low > high:
        return (available - length) / 2
    return min(max(start, low), high)


def _render(
    photo: Image.Image, mask: Image.Image, crop: _Crop, tilt_degrees: float
) -> tuple[FloatImage, Mask]:
    """Pixels and subject mask of the crop, on a canvas large enough to turn without corners."""
    grow_w, grow_h = _growth(tilt_degrees)
    width, height = math.ceil(WIDTH * grow_w) + 4, math.ceil(HEIGHT * grow_h) + 4
    if tilt_degrees == 0:
        width, height = WIDTH, HEIGHT
    scale = HEIGHT / crop.height
    left = crop.left - (width - WIDTH) / 2 / scale
    top = crop.top - (height - HEIGHT) / 2 / scale
    canvas, covered = _place(photo, left, top, scale, width, height)
    matte, _ = _place(mask.convert("RGB"), left, top, scale, width, height)
    subject = matte[..., 0] * _inside(covered, width, height, 0.04)
    pixels = _extend(canvas, covered, subject)
    if tilt_degrees:
        pixels = to_float(_turn(to_image(pixels), tilt_degrees))
        subject = to_float(_turn(mask_image(subject).convert("RGB"), tilt_degrees))[..., 0]
    return pixels, subject


def _turn(image: Image.Image, degrees: float) -> Image.Image:
    """The middle WIDTH x HEIGHT of the canvas, turned."""
    turned = image.rotate(degrees, Image.Resampling.BICUBIC)
    left, top = (image.width - WIDTH) // 2, (image.height - HEIGHT) // 2
    return turned.crop((left, top, left + WIDTH, top + HEIGHT))


def _place(
    photo: Image.Image, left: float, top: float, scale: float, width: int, height: int
) -> tuple[FloatImage, tuple[int, int, int, int]]:
    """The photo on an empty canvas, and the rectangle it covers, in canvas pixels."""
    x0, y0 = max(0, math.ceil(-left * scale)), max(0, math.ceil(-top * scale))
    x1 = min(width, math.floor((photo.width - left) * scale))
    y1 = min(height, math.floor((photo.height - top) * scale))
    box = (left + x0 / scale, top + y0 / scale, left + x1 / scale, top + y1 / scale)
    box = (max(box[0], 0.0), max(box[1], 0.0), min(box[2], photo.width), min(box[3], photo.height))
    patch = photo.resize((x1 - x0, y1 - y0), Image.Resampling.LANCZOS, box=box)
    if scale > 1.15:
        # Upscaled pictures look soft; a wide, weak mask brings back edges but not noise.
        patch = patch.filter(ImageFilter.UnsharpMask(radius=scale * 0.9, percent=45, threshold=2))
    canvas = np.zeros((height, width, 3), dtype=np.float32)
    canvas[y0:y1, x0:x1] = to_float(patch)
    return canvas, (x0, y0, x1, y1)


def _inside(covered: tuple[int, int, int, int], width: int, height: int, feather: float) -> Mask:
    """1 well inside the covered rectangle, falling to 0 at those of its edges that show."""
    x0, y0, x1, y1 = covered
    reach = feather * width
    x = np.arange(width, dtype=np.float32) + 0.5
    y = np.arange(height, dtype=np.float32) + 0.5
    across, down = np.ones_like(x), np.ones_like(y)
    if x0 > 0:
        across *= smoothstep(x0, x0 + reach, x)
    if x1 < width:
        across *= smoothstep(x1, x1 - reach, x)
    if y0 > 0:
        down *= smoothstep(y0, y0 + reach, y)
    if y1 < height:
        down *= smoothstep(y1, y1 - reach, y)
    return down[:, None] * across[None, :]


def _extend(canvas: FloatImage, covered: tuple[int, int, int, int], subject: Mask) -> FloatImage:
    """Fills what the photo leaves empty with the blurred continuation of its edges."""
    height, width = canvas.shape[:2]
    x0, y0, x1, y1 = covered
    if (x0, y0, x1, y1) == (0, 0, width, height):
        return canvas
    patch = canvas[y0:y1, x0:x1]
    # Edge rows continue outwards; averaging a band of them first avoids streaks.
    band = max(2, min(24, (y1 - y0) // 4, (x1 - x0) // 4))
    soft = to_image(patch).filter(ImageFilter.GaussianBlur(band / 2))
    inset = to_float(soft)
    margins = ((y0, height - y1), (x0, width - x1), (0, 0))
    fill = to_image(np.pad(inset, margins, mode="edge"))
    small = fill.resize((width // 8, height // 8), Image.Resampling.BOX)
    far = small.filter(ImageFilter.GaussianBlur(width / 8 * 0.13))
    wide = to_float(far.resize((width, height), Image.Resampling.BICUBIC))
    if y1 < height:
        # Below a person nothing continues as well as the dark does.
        rows = np.arange(height, dtype=np.float32)
        dark = 0.62 * min(1.0, (height - y1) / (0.1 * height))
        wide *= (1.0 - dark * smoothstep(y1 - 0.2 * height, height, rows))[:, None, None]
    # The background dissolves over a long way, so that no seam shows; the person does not.
    upper, lower = (x0, y0, x1, height), (0, 0, width, y1)
    weight = _inside(upper, width, height, 0.30)
    near = _inside(upper, width, height, 0.03)
    weight = np.maximum(weight, np.minimum(near, subject))
    # At the lower edge the person goes on beyond the photo and has to dissolve as well.
    weight = (
        weight * _inside(lower, width, height, min(0.30, 2.0 * (height - y1) / width + 0.01))
    )[..., None]
    filled = np.zeros_like(canvas)
    filled[y0:y1, x0:x1] = patch
    return filled * weight + wide * (1.0 - weight)


def soften_mask(mask: Mask, factor: int) -> Mask:
    """The same mask with soft edges, by way of a copy ``factor`` times smaller."""
    height, width = mask.shape
    small = mask_image(mask).reduce(factor).filter(ImageFilter.GaussianBlur(1.0))
    return resize_mask(np.asarray(small, dtype=np.float32) / 255.0, width, height)
