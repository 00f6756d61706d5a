"""What painted scenery is made of, as values: ``catalog/studio/scenery.json``.

Owns the names, units and bounds. Lengths are fractions of the picture's height unless said
otherwise, colors those of full daylight. Pure; knows neither words nor pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Literal

from pydantic import Field

from darkroom.studio.pictures.tones import Tone
from darkroom.studio.values import Rgb, Share, Signed, catalog_values, read_values

_Factor = Annotated[float, Field(ge=0, le=3)]
_Cells = Annotated[float, Field(ge=0.5, le=80)]
"""Waves of the largest kind in a width that is as long as the picture is high."""
_Octaves = Annotated[int, Field(ge=1, le=8)]


@catalog_values
class Hour:
    """The sky at one time of the day, and how much light it leaves for the land."""

    zenith: Rgb
    middle: Rgb
    low: Rgb
    horizon: Rgb
    light: Rgb
    """The color of the sun or the moon."""
    light_from_top: tuple[Share, Share]
    """Where it stands at the highest and the lowest, as a fraction of the sky's height."""
    glow: Share
    glow_reach: Share
    daylight: Share
    """How bright the land is."""
    cloud_light: Share
    """How bright the lit side of a cloud is."""
    cloud_shade: Share
    """How bright its other side is."""


@catalog_values
class Weather:
    clouds: Share
    """How much of the sky they cover."""
    gray: Share
    """How far the colors of the sky are lost; above 0.7 the sun and the moon are hidden."""
    falling: Literal["", "rain", "snow", "petals", "fog"] = ""


@catalog_values
class Flakes:
    """Pieces that fall, of one size."""

    count: Annotated[int, Field(ge=1, le=4000)]
    radius: tuple[Share, Share]
    """The smallest and the largest."""
    flatness: Share
    """1 is round, less is a petal seen from the side."""
    opacity: Share
    color: Rgb


@catalog_values
class Row:
    """One line of hills, trees or buildings."""

    haze: Share
    """How far it is lost in the haze: 0 is near."""
    below_horizon: Signed = 0.0
    """Where its foot is."""
    rise: Share
    """How high the highest point is above the foot."""
    cells: _Cells
    """For trees and buildings: how many there are in a width as long as the picture is high."""


@catalog_values
class Ridges:
    """Rows of land, from far to near: mountains, hills, drifts of snow, dunes."""

    kind: Literal["ridges"]
    rows: Annotated[tuple[Row, ...], Field(min_length=1)]
    is_sharp: bool
    """Whether crests come to a point."""
    octaves: _Octaves
    gain: Share
    """How rough the line is: how much each octave adds to the one before."""
    lowest: Share
    """How high the lowest point of a row is, as a part of its rise."""
    crest: Rgb
    foot: Rgb
    brightness: tuple[_Factor, _Factor]
    """Of the side that faces away from the light, and of the side that faces it."""
    relief: _Factor
    """How much the slope of the line decides which side faces the light."""
    folds: Annotated[float, Field(ge=0, le=8)]
    """How much the folds of the ground do."""
    turns: Share
    """How far the color of the season becomes that of the ground."""
    snow_depth: tuple[_Factor, _Factor]
    """How far down from the crest snow lies, without and with snow in the scene; 1 is the foot."""


@catalog_values
class Trees:
    """Rows of trees."""

    kind: Literal["trees"]
    rows: Annotated[tuple[Row, ...], Field(min_length=1)]
    slenderness: Annotated[float, Field(ge=1, le=8)]
    """The height of a tree as a multiple of its width."""
    is_round: bool
    color: Rgb
    turns: Share


@catalog_values
class City:
    """Rows of buildings, and the share of their windows that are lit."""

    kind: Literal["city"]
    rows: Annotated[tuple[Row, ...], Field(min_length=1)]
    wall: Rgb
    glow: Rgb
    """What the lamps of the city throw on its walls and on the sky."""
    warm_window: Rgb
    cold_window: Rgb
    lit_windows: Mapping[str, Share]
    """By the hour."""


@catalog_values
class Water:
    kind: Literal["water"]
    roughness: Share
    color: Rgb
    foam: Share
    bank: Literal["", "reeds", "sand"] = ""
    """What lies before the water."""


@catalog_values
class Meadow:
    """Open ground from the horizon to our feet."""

    kind: Literal["meadow"]
    color: Rgb
    turns: Share
    blades: Annotated[int, Field(ge=0, le=2000)]
    """Stalks of grass before everything else."""
    blossoms: Annotated[int, Field(ge=0, le=6000)]


Background = Annotated[Ridges | Trees | City, Field(discriminator="kind")]
Foreground = Annotated[Ridges | Water | Meadow, Field(discriminator="kind")]


@catalog_values
class Scenery:
    hours: Mapping[str, Hour]
    weather: Mapping[str, Weather]
    flakes: Mapping[str, tuple[Flakes, ...]]
    colors: Mapping[str, Rgb]
    """The colors that a text may name."""
    rainbow: Annotated[tuple[Rgb, ...], Field(min_length=2)]
    """From the inner side to the outer one."""
    milky_way: tuple[Rgb, Rgb]
    """At its two edges."""
    aurora: tuple[Rgb, Rgb]
    """At its foot and at its top."""
    leaves: Mapping[str, Rgb]
    """What leaves become when such a color is named."""
    grass: Mapping[str, Rgb]
    blossoms: Annotated[tuple[Rgb, ...], Field(min_length=3)]
    moods: Mapping[str, Tone]
    backgrounds: Mapping[str, Background]
    """What can stand between the sky and the foreground."""
    foregrounds: Mapping[str, Foreground]


@cache
def scenery() -> Scenery:
    return read_values("scenery.json", Scenery)
