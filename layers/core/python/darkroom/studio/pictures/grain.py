"""Film grain, alike for stills and moving pictures.

Owns one sheet of noise per seed and the part that each frame uses. Grain also hides the steps
of smooth gradients that 8 bits and an encoder would show. Knows nothing of looks' other parts.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from darkroom.studio.pictures.raster import HEIGHT, WIDTH
from darkroom.studio.pictures.tones import grades

_SPARE_PX: Final = 192
_GRAIN_EFFECT_LEVELS: Final = 4.5
"""What the effect called grain adds to a grade's own."""


def grain_sigma(grade: str, effect: str, drama: float) -> float:
    """Strength of the grain in 8-bit levels."""
    sigma = grades()[grade].grain_levels
    if effect == "grain":
        sigma += _GRAIN_EFFECT_LEVELS
    return sigma * (1.0 + 0.15 * drama)


class Grain:
    """A sheet of noise larger than the frame; each frame uses another part of it."""

    def __init__(self, seed: int, sigma: float, size: tuple[int, int] = (WIDTH, HEIGHT)) -> None:
        self._width, self._height = size
        rng = np.random.default_rng([seed, 7])
        shape = (self._height + _SPARE_PX, self._width + _SPARE_PX)
        noise = rng.standard_normal(shape, dtype=np.float32)
        # Real grain is a little larger than a pixel, which also survives an encoder better.
        coarse = Image.fromarray(np.clip(noise * 40 + 128, 0, 255).astype(np.uint8), "L")
        soft = coarse.filter(ImageFilter.GaussianBlur(0.55))
        values = np.asarray(soft, dtype=np.float32) - 128.0
        values *= sigma / max(float(values.std()), 1e-6)
        self._sheet: npt.NDArray[np.int16] = np.round(values).astype(np.int16)
        self._offsets = rng.integers(0, _SPARE_PX, (97, 2))

    def window(self, index: int) -> npt.NDArray[np.int16]:
        """The noise of frame ``index``, shape (height, width), 8-bit levels."""
        y, x = (int(v) for v in self._offsets[index % len(self._offsets)])
        return self._sheet[y : y + self._height, x : x + self._width]

    def still(self, image: Image.Image) -> Image.Image:
        """The picture with the first frame's grain."""
        pixels = np.asarray(image).astype(np.int16) + self.window(0)[..., None]
        return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8), "RGB")
