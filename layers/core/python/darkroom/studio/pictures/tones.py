"""What a color grade is, as values, and the grades of ``catalog/studio/grades.json``.

Owns the names, units and bounds of a grade's values. Pure; ``grade`` applies them to pictures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Literal

from pydantic import Field

from darkroom.studio.values import (
    GrainLevels,
    Pixels,
    Rgb,
    Share,
    Signed,
    Stops,
    catalog_values,
    read_values,
)

_GRAY: Rgb = (0.5, 0.5, 0.5)
_WHITE: Rgb = (1.0, 1.0, 1.0)
_Channel = Annotated[float, Field(ge=0, le=1.5)]


@catalog_values
class Tone:
    """What is done to the colors of a picture. Amounts are 0 … 1 unless said otherwise."""

    stops: Stops = 0.0
    """Exposure."""
    contrast: Signed = 0.2
    warmth: Signed = 0.0
    """-1 blue … +1 amber."""
    tint: Signed = 0.0
    """-1 green … +1 magenta."""
    saturation: Annotated[float, Field(ge=0, le=2)] = 1.0
    fade: Annotated[float, Field(ge=0, le=0.4)] = 0.0
    """How far black is lifted."""
    shadows: Rgb = _GRAY
    highlights: Rgb = _GRAY
    split: Share = 0.0
    """Strength of the shadows' and highlights' tint."""
    mono: Share = 0.0
    """How far the colors become one tone."""
    mono_mix: Rgb = (0.3, 0.59, 0.11)
    """What red, green and blue add to the brightness of that tone."""
    mono_tone: tuple[_Channel, _Channel, _Channel] = _WHITE
    """What the brightness is multiplied by in each channel."""


@dataclass(frozen=True, kw_only=True)
class Grade(Tone):
    """A tone with the light that it throws on the person and on what is behind them."""

    backdrop: Rgb = _GRAY
    backdrop_amount: Share = 0.0
    """How much what is behind the person takes the backdrop's color."""
    backdrop_stops: Stops = 0.0
    backdrop_blur_px: Pixels = 0.0
    key_light: Rgb = _WHITE
    key_amount: Share = 0.0
    """A soft light from one side, from the edge of the frame."""
    rim_light: Rgb = _WHITE
    rim_amount: Share = 0.0
    """A second light from the other side."""
    glow: Share = 0.0
    vignette: Share = 0.15
    pattern: Literal["", "rays", "dots"] = ""
    """What is drawn on the backdrop."""
    lights: Literal["warm", "rose", "pop", "cold", "silver"]
    """Which colors the effects' lights have; ``silver`` has none: the grade is black and white."""
    petals: Literal["blossom", "leaves"] = "blossom"
    """What falls where an effect lets petals fall."""
    grain_levels: GrainLevels

    @property
    def is_black_and_white(self) -> bool:
        return self.lights == "silver"


@cache
def grades() -> Mapping[str, Grade]:
    return read_values("grades.json", dict[str, Grade])
