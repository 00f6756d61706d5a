"""Small pixel arithmetic that every part of the studio shares.

Owns the frame's size and the conversions between arrays and Pillow images. Float images are
float32, shape (height, width, 3), sRGB-encoded, 0 … 1; masks are float32 (height, width), 0 … 1.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from darkroom.media.portable_math import weighted

FloatImage = npt.NDArray[np.float32]
Mask = npt.NDArray[np.float32]
Floats = npt.NDArray[np.floating[Any]]
"""Any float array; NumPy's stubs lose the width of a float32 in arithmetic with numbers."""

WIDTH: Final = 720
HEIGHT: Final = 1280
_LUMA: Final = (0.2126, 0.7152, 0.0722)


def to_float(image: Image.Image) -> FloatImage:
    """An RGB picture as a float image."""
    return np.asarray(image.convert("RGB"), dtype=np.float32) / np.float32(255.0)


def to_image(pixels: Floats, rng: np.random.Generator | None = None) -> Image.Image:
    """A float image as 8 bits a channel; with ``rng``, dithered so that gradients do not band."""
    scaled = pixels * np.float32(255.0) + np.float32(0.5)
    if rng is not None:
        noise = rng.random(pixels.shape[:2], dtype=np.float32)
        noise -= rng.random(pixels.shape[:2], dtype=np.float32)
        scaled += noise[..., None]
    return Image.fromarray(np.clip(scaled, 0.0, 255.0).astype(np.uint8), "RGB")


def mask_image(mask: Floats) -> Image.Image:
    """A mask as an 8-bit grayscale picture."""
    return Image.fromarray(np.clip(mask * 255.0 + 0.5, 0, 255).astype(np.uint8), "L")


def luma(pixels: FloatImage) -> Mask:
    """Brightness (Rec. 709 weights), shape (height, width)."""
    return weighted(pixels, _LUMA)


def smoothstep(low: float, high: float, value: Floats) -> Mask:
    """0 below ``low``, 1 above ``high``, a soft S between; ``low`` > ``high`` turns it round."""
    t = np.clip((value - np.float32(low)) / np.float32(high - low), 0.0, 1.0)
    return (t * t * (3.0 - 2.0 * t)).astype(np.float32)


def resize_mask(mask: Mask, width: int, height: int) -> Mask:
    """A mask at another size, bicubic, still 0 … 1."""
    picture = Image.fromarray(mask.astype(np.float32), "F")
    resized = picture.resize((width, height), Image.Resampling.BICUBIC)
    return np.clip(np.asarray(resized, dtype=np.float32), 0.0, 1.0)


def blur(pixels: FloatImage, radius_px: float) -> FloatImage:
    """A Gaussian blur at 8 bits; wide ones run on a smaller copy, with no visible difference."""
    image = to_image(pixels)
    factor = max(1, int(radius_px // 6))
    if factor > 1:
        image = image.reduce(factor)
    image = image.filter(ImageFilter.GaussianBlur(radius_px / factor))
    if factor > 1:
        image = image.resize((pixels.shape[1], pixels.shape[0]), Image.Resampling.BICUBIC)
    return to_float(image)


def grid(width: int, height: int) -> tuple[Mask, Mask]:
    """Coordinates x and y of pixel centers, each (height, width), from 0 to 1."""
    x = (np.arange(width, dtype=np.float32) + 0.5) / width
    y = (np.arange(height, dtype=np.float32) + 0.5) / height
    xx, yy = np.meshgrid(x, y)
    return xx.astype(np.float32, copy=False), yy.astype(np.float32, copy=False)


def screen(base: Floats, light: Floats) -> FloatImage:
    """Light added as a projector adds it: never past white."""
    lit = 1.0 - (1.0 - base) * (1.0 - light)
    return lit.astype(np.float32, copy=False)
