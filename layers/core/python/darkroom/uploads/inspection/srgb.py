"""The colors of a decoded picture as any browser shows them: sRGB, standard brightness.

Owns ICC profiles, the color codes of HDR pictures (ITU-T H.273) and tone mapping. Pictures are
Pillow images of 8 bits a channel.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

from darkroom.media.portable_math import Float32s, power, weighted
from darkroom.uploads.inspection.picture_format import png_chunks

Codes = tuple[int, int]
"""Color primaries and transfer characteristics, as H.273 numbers them."""

_PQ: Final = 16
_HLG: Final = 18
_BT2020: Final = 9
_P3: Final = 12
_NCLX: Final = b"colrnclx"
_HEADER_REACH_BYTES: Final = 65_536
_MODE_OF_SPACE: Final = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}
_TO_BT709: Final = {
    _BT2020: ((1.6605, -0.5876, -0.0728), (-0.1246, 1.1329, -0.0083), (-0.0182, -0.1006, 1.1187)),
    _P3: ((1.2249, -0.2247, 0.0), (-0.0420, 1.0419, 0.0), (-0.0197, -0.0786, 1.0979)),
}
_SAME: Final = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
_WHITE_NITS: Final = 203.0
"""How bright HDR shows a sheet of white paper (ITU-R BT.2408)."""
_HLG_PEAK_NITS: Final = 1000.0
_KNEE: Final = 0.7
"""Light above this share of white is compressed, so that highlights keep some drawing."""
_BT2020_LUMINANCE: Final = (0.2627, 0.6780, 0.0593)
_BLOCK_PIXELS: Final = 1 << 18


def color_codes(data: bytes, kind: str) -> Codes | None:
    """The color codes that a file carries, if it does."""
    if kind == "PNG":
        for name, start, end in png_chunks(data):
            if name == b"cICP" and end - start == 16:
                return data[start + 8], data[start + 9]
            if name == b"IDAT":
                return None
    if kind in ("AVIF", "HEIF"):
        at = data.find(_NCLX, 0, _HEADER_REACH_BYTES)
        codes = data[at + len(_NCLX) : at + len(_NCLX) + 4] if at >= 0 else b""
        if len(codes) == 4:
            return int.from_bytes(codes[:2], "big"), int.from_bytes(codes[2:], "big")
    return None


def to_srgb(picture: Image.Image, codes: Codes | None = None) -> Image.Image:
    """The picture in sRGB; its profile decides, else its codes. A broken profile is ignored."""
    profile = picture.info.get("icc_profile")
    if profile:
        return _by_profile(picture, profile)
    if codes and (codes[0] in _TO_BT709 or codes[1] in (_PQ, _HLG)):
        return _beside_alpha(picture, "RGB", lambda plain: _by_codes(plain, *codes))
    return picture


def _by_profile(picture: Image.Image, profile: bytes) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = _MODE_OF_SPACE.get(source.profile.xcolor_space)
        if mode is None or (mode != "RGB" and picture.mode not in (mode, mode + "A")):
            return picture

        def convert(plain: Image.Image) -> Image.Image:
            converted = ImageCms.profileToProfile(
                plain, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
            return plain if converted is None else converted

        return _beside_alpha(picture, mode, convert)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return picture


def _beside_alpha(
    picture: Image.Image, mode: str, convert: Callable[[Image.Image], Image.Image]
) -> Image.Image:
    """The picture's colors converted, which are given in this mode; transparency stays."""
    alpha = None
    if picture.has_transparency_data:
        picture = picture if picture.mode in ("RGBA", "LA") else picture.convert("RGBA")
        alpha = picture.getchannel("A")
    converted = convert(picture if picture.mode == mode else picture.convert(mode))
    if alpha is not None:
        converted.putalpha(alpha)
    return converted


def _by_codes(plain: Image.Image, primaries: int, transfer: int) -> Image.Image:
    """An RGB picture, a few rows at a time: as floats the whole would take four times its size."""
    pixels = np.array(plain)
    light_of = np.array([_light_of(code / 255, transfer) for code in range(256)], np.float32)
    matrix = _TO_BT709.get(primaries, _SAME)
    rows = max(1, _BLOCK_PIXELS // pixels.shape[1])
    for top in range(0, pixels.shape[0], rows):
        light = light_of[pixels[top : top + rows]]
        if transfer == _HLG:
            luminance = weighted(light, _BT2020_LUMINANCE)
            light *= (np.float32(_HLG_PEAK_NITS / _WHITE_NITS) * power(luminance, 0.2))[..., None]
        shown = np.stack([weighted(light, row) for row in matrix], axis=-1)
        if transfer in (_PQ, _HLG):
            shown *= _tone_scale(shown.max(axis=-1))[..., None]
        pixels[top : top + rows] = _encoded(shown)
    return Image.fromarray(pixels)


def _light_of(coded: float, transfer: int) -> float:
    """The light that a value of 0 … 1 stands for; of HLG the scene's, else 1 is white paper."""
    if transfer == _PQ:
        # SMPTE ST 2084.
        root = math.pow(coded, 1 / 78.84375)
        share = max(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)
        return 10_000 / _WHITE_NITS * math.pow(share, 1 / 0.1593017578125)
    if transfer == _HLG:
        # ITU-R BT.2100.
        if coded <= 0.5:
            return coded * coded / 3
        return (math.exp((coded - 0.55991073) / 0.17883277) + 0.28466892) / 12
    return coded / 12.92 if coded <= 0.04045 else math.pow((coded + 0.055) / 1.055, 2.4)


def _tone_scale(brightest: Float32s) -> Float32s:
    """The factor for each pixel by its brightest channel; so it never changes a hue."""
    over = np.maximum(brightest - np.float32(_KNEE), 0) / np.float32(1 - _KNEE)
    mapped = np.minimum(brightest, np.float32(_KNEE)) + np.float32(1 - _KNEE) * over / (1 + over)
    return mapped / np.maximum(brightest, np.float32(1e-6))


def _encoded(light: Float32s) -> npt.NDArray[np.uint8]:
    """Light 0 … 1 as values of sRGB, 0 … 255."""
    light = np.clip(light, 0.0, 1.0)
    curved = np.float32(1.055) * power(light, 1 / 2.4) - np.float32(0.055)
    shown = np.where(light <= 0.0031308, np.float32(12.92) * light, curved)
    return (shown * np.float32(255) + np.float32(0.5)).astype(np.uint8)
