"""The five portrait styles as values.

Owns what distinguishes the styles: crop, grade, backdrop, light, finish and grain. Pure: the code
that draws them knows no style by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from darkroom.studio.pictures.grade import Grade, Rgb


@dataclass(frozen=True, kw_only=True)
class Shot:
    """Where the head is: its height and its center, in fractions of the picture."""

    head: float
    x: float
    y: float


@dataclass(frozen=True, kw_only=True)
class Lights:
    """What shines on the person; amounts 0 … 1."""

    key: float
    """How much brighter the lit side is than the other."""
    key_color: Rgb = (1.0, 1.0, 1.0)
    shade_color: Rgb = (1.0, 1.0, 1.0)
    """The tint of the other side."""
    rim: float = 0.0
    """An edge of light on the far side."""
    rim_colors: tuple[Rgb, ...] = ((1.0, 1.0, 1.0),)
    soften: float = 0.0
    """Skin and edges bloom, as behind a diffusion filter."""


@dataclass(frozen=True, kw_only=True)
class PortraitStyle:
    """One style. Where there are several shots or palettes, the seed chooses."""

    grade: Grade
    shots: tuple[Shot, ...]
    backdrop: str
    """A name in ``portrait_backdrops``."""
    palettes: tuple[tuple[Rgb, Rgb, Rgb], ...]
    """For the backdrop: dark or base, light, accent; sRGB, 0 … 1."""
    cover: float
    """How far the backdrop hides what was behind the person."""
    lights: Lights
    finish: str
    """A name in ``portrait_finish``."""
    vignette: float
    grain_sigma: float
    """In 8-bit levels."""


STYLES: Final[dict[str, PortraitStyle]] = {
    # A painted canvas, one large soft light, true colors: the photographer's studio.
    "CLASSIC": PortraitStyle(
        grade=Grade(stops=-0.04, contrast=0.22, warmth=0.08, saturation=0.94,
                    shadows=(0.48, 0.46, 0.42), highlights=(0.56, 0.52, 0.44), split=0.20),
        shots=(Shot(head=0.34, x=0.50, y=0.36), Shot(head=0.30, x=0.47, y=0.35),
               Shot(head=0.32, x=0.54, y=0.36)),
        backdrop="canvas",
        palettes=(((0.13, 0.11, 0.09), (0.46, 0.39, 0.30), (0.30, 0.25, 0.18)),
                  ((0.10, 0.12, 0.13), (0.38, 0.42, 0.42), (0.22, 0.26, 0.28)),
                  ((0.14, 0.09, 0.08), (0.44, 0.29, 0.24), (0.30, 0.19, 0.15))),
        cover=0.97,
        lights=Lights(key=0.34, key_color=(1.0, 0.96, 0.90), shade_color=(0.92, 0.92, 0.98),
                      rim=0.22, rim_colors=((1.0, 0.94, 0.84),)),
        finish="none", vignette=0.42, grain_sigma=1.6,
    ),
    # Flat color, a disc behind the head, everything bright and sharp: a magazine's cover.
    "MODERN": PortraitStyle(
        grade=Grade(stops=0.10, contrast=0.26, warmth=-0.03, saturation=1.10),
        shots=(Shot(head=0.40, x=0.50, y=0.42), Shot(head=0.37, x=0.44, y=0.40),
               Shot(head=0.37, x=0.56, y=0.40)),
        backdrop="disc",
        palettes=(((0.96, 0.80, 0.66), (0.99, 0.90, 0.80), (0.93, 0.42, 0.30)),
                  ((0.62, 0.78, 0.88), (0.80, 0.90, 0.95), (0.16, 0.38, 0.66)),
                  ((0.70, 0.80, 0.68), (0.86, 0.92, 0.82), (0.98, 0.76, 0.28)),
                  ((0.82, 0.76, 0.90), (0.93, 0.89, 0.97), (0.42, 0.30, 0.66))),
        cover=1.0,
        lights=Lights(key=0.12, rim=0.18),
        finish="frame", vignette=0.0, grain_sigma=0.6,
    ),
    # A sepia print from an album: oval, cream paper, dust and wear.
    "VINTAGE": PortraitStyle(
        grade=Grade(stops=0.04, contrast=0.16, mono=0.96, mono_mix=(0.28, 0.58, 0.14),
                    mono_tone=(1.10, 0.93, 0.72), fade=0.10),
        shots=(Shot(head=0.27, x=0.50, y=0.40), Shot(head=0.24, x=0.50, y=0.40)),
        backdrop="mist",
        palettes=(((0.40, 0.36, 0.30), (0.80, 0.77, 0.70), (0.58, 0.54, 0.47)),
                  ((0.30, 0.27, 0.23), (0.66, 0.63, 0.57), (0.46, 0.43, 0.37))),
        cover=0.86,
        lights=Lights(key=0.20, soften=0.14),
        finish="album", vignette=0.22, grain_sigma=4.6,
    ),
    # Rose light, blossoms out of focus, edges that melt: soft and near.
    "ROMANTIC": PortraitStyle(
        grade=Grade(stops=0.14, contrast=-0.02, warmth=0.14, tint=0.16, saturation=0.92,
                    shadows=(0.60, 0.42, 0.54), highlights=(0.66, 0.54, 0.48), split=0.30,
                    fade=0.05),
        shots=(Shot(head=0.38, x=0.46, y=0.42), Shot(head=0.36, x=0.56, y=0.44),
               Shot(head=0.42, x=0.50, y=0.44)),
        backdrop="bokeh",
        palettes=(((0.72, 0.36, 0.42), (0.96, 0.72, 0.68), (1.0, 0.86, 0.76)),
                  ((0.78, 0.44, 0.28), (0.99, 0.78, 0.56), (1.0, 0.86, 0.62)),
                  ((0.52, 0.36, 0.58), (0.90, 0.68, 0.78), (1.0, 0.82, 0.86))),
        cover=0.95,
        lights=Lights(key=0.16, key_color=(1.0, 0.90, 0.80), rim=0.42,
                      rim_colors=((1.0, 0.86, 0.70), (1.0, 0.80, 0.82)), soften=0.46),
        finish="haze", vignette=0.0, grain_sigma=1.2,
    ),
    # Night behind the person, two colored lights, a frame of a film.
    "CINEMATIC": PortraitStyle(
        grade=Grade(stops=0.02, contrast=0.44, saturation=0.94,
                    shadows=(0.26, 0.48, 0.56), highlights=(0.64, 0.52, 0.40), split=0.46),
        shots=(Shot(head=0.36, x=0.39, y=0.43), Shot(head=0.36, x=0.61, y=0.43),
               Shot(head=0.43, x=0.44, y=0.46), Shot(head=0.43, x=0.57, y=0.46)),
        backdrop="night",
        palettes=(((0.015, 0.055, 0.075), (0.06, 0.20, 0.25), (1.0, 0.58, 0.20)),
                  ((0.03, 0.025, 0.07), (0.16, 0.11, 0.30), (0.95, 0.24, 0.48)),
                  ((0.02, 0.05, 0.04), (0.10, 0.20, 0.16), (1.0, 0.78, 0.34))),
        cover=0.98,
        lights=Lights(key=0.58, key_color=(1.0, 0.84, 0.66), shade_color=(0.50, 0.74, 0.86),
                      rim=0.70, rim_colors=((0.20, 0.78, 0.95), (1.0, 0.46, 0.20))),
        finish="letterbox", vignette=0.40, grain_sigma=3.2,
    ),
}  # fmt: skip
