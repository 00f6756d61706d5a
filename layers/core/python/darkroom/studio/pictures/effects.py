"""The effects by name.

Owns the table from ``looks.EFFECTS`` to what draws them, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from PIL import Image

from darkroom.studio.pictures.effect import Effect, Stage
from darkroom.studio.pictures.effects_light import (
    Bokeh,
    FilmBurn,
    Halation,
    LightLeak,
    Venetian,
    Vignette,
)
from darkroom.studio.pictures.effects_particles import Rain, confetti, petals, snow


class NoEffect:
    """Leaves the frame as it is."""

    def draw(self, frame: Image.Image, seconds: float) -> Image.Image:
        return frame


def _nothing(stage: Stage) -> Effect:
    return NoEffect()


_REGISTRY: Final[dict[str, Callable[[Stage], Effect]]] = {
    "none": _nothing,
    "bokeh": Bokeh,
    "light_leak": LightLeak,
    "film_burn": FilmBurn,
    "halation": Halation,
    "venetian": Venetian,
    "vignette": Vignette,
    # Every frame gets grain from ``grain``; the effect of that name only adds more of it.
    "grain": _nothing,
    "confetti": confetti,
    "petals": petals,
    "snow": snow,
    "rain": Rain,
}


def make_effect(name: str, stage: Stage) -> Effect:
    """The effect called ``name``; see ``looks.EFFECTS``."""
    return _REGISTRY[name](stage)
