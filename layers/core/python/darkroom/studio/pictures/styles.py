"""What distinguishes the styles, as values: the entries of ``catalog/studio/styles.json``.

Owns the names, units and bounds of a style's values: how a portrait in it is framed, lit and
finished, and what it does to a picture from words. Pure: the code that draws knows no style by
name.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Literal

from pydantic import Field

from darkroom.studio.pictures.tones import Tone
from darkroom.studio.values import GrainLevels, Rgb, Share, catalog_values, read_values


@catalog_values
class Shot:
    """Where the head is: its height and its center, in fractions of the picture."""

    head: Annotated[float, Field(ge=0.1, le=0.6)]
    x: Share
    y: Share


@catalog_values
class Lights:
    """What shines on the person; amounts 0 … 1."""

    key: Share
    """How much brighter the lit side is than the other."""
    key_color: Rgb = (1.0, 1.0, 1.0)
    shade_color: Rgb = (1.0, 1.0, 1.0)
    """The tint of the other side."""
    rim: Share = 0.0
    """An edge of light on the far side."""
    rim_colors: Annotated[tuple[Rgb, ...], Field(min_length=1)] = ((1.0, 1.0, 1.0),)
    soften: Share = 0.0
    """Skin and edges bloom, as behind a diffusion filter."""


@catalog_values
class Palette:
    """The colors of a backdrop; what each of them colors, ``portrait_backdrops`` says."""

    dark: Rgb
    light: Rgb
    accent: Rgb


@catalog_values
class PortraitStyle:
    """Portraits in a style. Where there are several shots or palettes, the seed chooses."""

    grade: Tone
    shots: Annotated[tuple[Shot, ...], Field(min_length=1)]
    backdrop: Literal["canvas", "disc", "mist", "bokeh", "night"]
    """What ``portrait_backdrops`` paints."""
    palettes: Annotated[tuple[Palette, ...], Field(min_length=1)]
    cover: Share
    """How far the backdrop hides what was behind the person."""
    lights: Lights
    finish: Literal["none", "frame", "album", "haze", "letterbox"]
    """What ``portrait_finish`` does."""
    vignette: Share
    grain_levels: GrainLevels


@catalog_values
class PictureStyle:
    """Pictures from words in a style."""

    grade: Tone
    glow: Share
    vignette: Share
    finish: Literal["none", "poster", "old_print", "letterbox"]
    """What ``picture`` does last."""
    grain_levels: GrainLevels


@catalog_values
class Style:
    portrait: PortraitStyle
    picture: PictureStyle


@cache
def styles() -> Mapping[str, Style]:
    """The styles by name; ``catalog/styles.json`` offers the same ones."""
    return read_values("styles.json", dict[str, Style])
