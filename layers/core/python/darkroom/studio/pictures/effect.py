"""The one interface of everything that lives on top of a graded picture.

Owns the protocol. An effect is made once for a picture and then drawn at any moment, so that a
keyframe shows the very first moment of its clip. Knows nothing of the effects themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from PIL import Image

from darkroom.studio.pictures.focus import Focus


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What an effect may know of the picture it plays on."""

    focus: Focus
    """In fractions of the frame."""
    grade: str
    strength: float
    """1 is normal; sliders move it between about 0.6 and 1.4."""
    seed: int


class Effect(Protocol):
    """Draws itself over a 720 x 1280 RGB frame."""

    def draw(self, frame: Image.Image, seconds: float) -> Image.Image:
        """The frame with the effect as it is ``seconds`` after the keyframe's moment."""


def rng_of(stage: Stage, salt: int) -> np.random.Generator:
    """Randomness for one part of one effect, independent of the other parts."""
    return np.random.default_rng([stage.seed, salt])
