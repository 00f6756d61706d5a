"""Effects made of things that fall: confetti, petals, snow, rain.

Owns their sprites and paths; how many fall, how fast and in which colors is data. Everything
wraps around, so a clip may be of any length, and big pieces keep clear of the face. Knows nothing
of files or encoders.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Final, Literal

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter
from pydantic import Field

from darkroom.studio.pictures.effect import Stage, rng_of
from darkroom.studio.pictures.raster import HEIGHT, WIDTH, grid, mask_image, smoothstep
from darkroom.studio.pictures.tones import grades
from darkroom.studio.values import Pixels, Share, catalog_values, read_values

_PHASES: Final = 16
_MARGIN_PX: Final = 90
_LARGE_PX: Final = 22.0
"""Larger pieces keep clear of the face."""
_SILVER: Final = "silver"
"""The set of colors for black and white."""
_Level = Annotated[int, Field(ge=0, le=255)]
_Speed = Annotated[float, Field(ge=0, le=400)]
Color = tuple[_Level, _Level, _Level]


@catalog_values
class _Size:
    """The pieces of one size; those of the largest are near the lens and out of focus."""

    size_px: Pixels
    share: Share
    """Of all pieces; the shares of the sizes add up to 1."""
    blur_px: Pixels
    opacity: Share


@catalog_values
class Particles:
    """What falls: an entry of ``catalog/studio/particles.json``."""

    shape: Literal["paper", "petal", "flake"]
    count: Annotated[int, Field(ge=4, le=400)]
    """Pieces in the frame at normal strength."""
    sizes: Annotated[tuple[_Size, ...], Field(min_length=1, max_length=6)]
    fall_px_per_second: tuple[_Speed, _Speed]
    """The slowest and the fastest, before near pieces become faster."""
    drift_px_per_second: Annotated[float, Field(ge=-100, le=100)]
    sway_px: Pixels
    spin_radians_per_second: Annotated[float, Field(ge=0, le=20)]
    colors: Mapping[str, Annotated[tuple[Color, ...], Field(min_length=1)]]
    """Sets of colors by name, one of which a picture's pieces have."""


@cache
def particles() -> Mapping[str, Particles]:
    return read_values("particles.json", dict[str, Particles])


@dataclass(frozen=True, kw_only=True)
class _Piece:
    """One falling thing: place in pixels at its first moment, speeds in pixels a second."""

    x: float
    y: float
    fall: float
    drift: float
    sway: float
    sway_rate: float
    spin: float
    phase: float
    sprite: int
    color: Color


class Falling:
    """Pieces with pre-drawn sprites in ``_PHASES`` positions of their turn."""

    def __init__(self, stage: Stage, what: Particles, *, colors: str, salt: int) -> None:
        self._pieces = _pieces(stage, what, what.colors[colors], salt)
        # Sprites are dimmed once here rather than for every frame.
        self._masks = []
        for size in what.sizes:
            table = [round(v * size.opacity) for v in range(256)]
            self._masks.append([mask.point(table) for mask in _sprites(what.shape, size)])

    def draw(self, frame: Image.Image, seconds: float) -> Image.Image:
        out = frame.copy()
        loop_h, loop_w = HEIGHT + 2 * _MARGIN_PX, WIDTH + 2 * _MARGIN_PX
        for piece in self._pieces:
            angle = piece.phase + piece.sway_rate * seconds
            x = piece.x + piece.drift * seconds + piece.sway * math.sin(angle)
            y = piece.y + piece.fall * seconds
            x = (x + _MARGIN_PX) % loop_w - _MARGIN_PX
            y = (y + _MARGIN_PX) % loop_h - _MARGIN_PX
            turn = int((piece.phase * 3 + piece.spin * seconds) * _PHASES / (2 * math.pi))
            mask = self._masks[piece.sprite][turn % _PHASES]
            corner = (round(x - mask.width / 2), round(y - mask.height / 2))
            out.paste(piece.color, (*corner, corner[0] + mask.width, corner[1] + mask.height),
                      mask)  # fmt: skip
        return out


def _path(rng: np.random.Generator, stage: Stage, size_px: float) -> float:
    """Where a piece starts; big ones fall beside the face, all the way down."""
    x = float(rng.uniform(-20, WIDTH + 20))
    half = stage.focus.head * HEIGHT * 0.5 + size_px
    center = stage.focus.x * WIDTH
    if size_px > _LARGE_PX and abs(x - center) < half:
        x = center + half * (1 if x >= center else -1)
    return x


def _sprites(shape: str, size: _Size) -> list[Image.Image]:
    if shape == "flake":
        return _round_sprites(size.size_px)
    return _flat_sprites(size.size_px, shape, size.blur_px)


def _flat_sprites(size_px: float, shape: str, blur_px: float) -> list[Image.Image]:
    """A thin piece turning in the air, seen at each phase of its turn."""
    scale = 4
    side = math.ceil(size_px * 1.6 + blur_px * 5) * scale
    sprites = []
    for phase in range(_PHASES):
        turn = 2 * math.pi * phase / _PHASES
        flat = 0.28 + 0.72 * abs(math.cos(turn))
        picture = Image.new("L", (side, side))
        draw = ImageDraw.Draw(picture)
        long, short = size_px * scale / 2, size_px * scale / 2 * flat
        middle = side / 2
        if shape == "petal":
            draw.polygon(_petal(middle, long, short * 0.62), fill=255)
        else:
            draw.rectangle((middle - long, middle - short * 0.55, middle + long,
                            middle + short * 0.55), fill=255)  # fmt: skip
        picture = picture.rotate(math.degrees(turn * 0.5 + phase * 0.35), Image.Resampling.BICUBIC)
        picture = picture.reduce(scale)
        if blur_px:
            picture = picture.filter(ImageFilter.GaussianBlur(blur_px))
        sprites.append(picture)
    return sprites


def _petal(middle: float, long: float, short: float) -> list[tuple[float, float]]:
    points = []
    for step in range(28):
        angle = 2 * math.pi * step / 28
        # A drop: round at one end, with a shallow notch as cherry petals have.
        along = math.cos(angle) * long * (1.0 - 0.16 * math.exp(-((angle / 0.35) ** 2)))
        across = math.sin(angle) * short * (0.72 + 0.28 * math.cos(angle))
        points.append((middle + along, middle + across))
    return points


def _pieces(stage: Stage, what: Particles, colors: tuple[Color, ...], salt: int) -> list[_Piece]:
    rng = rng_of(stage, salt)
    sizes = [size.size_px for size in what.sizes]
    shares = [size.share for size in what.sizes]
    made = []
    for _ in range(max(4, round(what.count * stage.strength))):
        sprite = int(rng.choice(len(sizes), p=shares))
        near = 0.75 + 0.5 * sizes[sprite] / max(sizes)
        made.append(
            _Piece(
                x=_path(rng, stage, sizes[sprite]),
                y=float(rng.uniform(-_MARGIN_PX, HEIGHT + _MARGIN_PX)),
                fall=float(rng.uniform(*what.fall_px_per_second)) * near,
                drift=what.drift_px_per_second * float(rng.uniform(0.6, 1.4)),
                sway=what.sway_px * float(rng.uniform(0.4, 1.0)),
                sway_rate=float(rng.uniform(1.0, 2.4)),
                spin=what.spin_radians_per_second
                * float(rng.uniform(0.5, 1.5))
                * (1 if rng.random() < 0.5 else -1),
                phase=float(rng.uniform(0, 2 * math.pi)),
                sprite=sprite,
                color=colors[int(rng.integers(len(colors)))],
            )
        )
    # Far and small first, so that near pieces pass in front.
    return sorted(made, key=lambda piece: sizes[piece.sprite])


def confetti(stage: Stage) -> Falling:
    """Paper in party colors; a few large pieces near the lens, out of focus."""
    colors = _SILVER if grades()[stage.grade].is_black_and_white else "paper"
    return Falling(stage, particles()["confetti"], colors=colors, salt=60)


def petals(stage: Stage) -> Falling:
    """Cherry petals, or leaves where the grade says so."""
    grade = grades()[stage.grade]
    colors = _SILVER if grade.is_black_and_white else grade.petals
    return Falling(stage, particles()["petals"], colors=colors, salt=70)


def snow(stage: Stage) -> Falling:
    """Flakes in several depths."""
    return Falling(stage, particles()["snow"], colors="flakes", salt=80)


def _round_sprites(size_px: float) -> list[Image.Image]:
    side = math.ceil(size_px * 2.2)
    x, y = grid(side, side)
    reach = np.sqrt((x - 0.5) ** 2 + (y - 0.5) ** 2) * side / size_px
    flake = mask_image(smoothstep(1.0, 0.15, reach.astype(np.float32)))
    return [flake] * _PHASES


_MIST: Final = (0.58, 0.70, 0.84)
_SILVER_MIST: Final = (0.72, 0.74, 0.76)


class Rain:
    """Two sheets of slanted streaks before a cold mist."""

    _LOOP_PX: Final = 1600
    _SPEEDS_PX_PER_SECOND: Final = (1180.0, 1920.0)
    """Of the far and the near sheet."""

    def __init__(self, stage: Stage) -> None:
        rng = rng_of(stage, 90)
        self._slant = float(rng.uniform(0.06, 0.13)) * (1 if rng.random() < 0.5 else -1)
        self._sheets = [
            self._sheet(rng, count=round(300 * stage.strength), length=(40, 90), level=84),
            self._sheet(rng, count=round(90 * stage.strength), length=(110, 210), level=132),
        ]
        _, y = grid(WIDTH // 8, HEIGHT // 8)
        mist = 0.05 + 0.16 * smoothstep(0.45, 1.0, y)
        tint = _SILVER_MIST if grades()[stage.grade].is_black_and_white else _MIST
        self._mist = Image.merge(
            "RGB", [mask_image((mist * c).astype(np.float32)) for c in tint]
        ).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)

    def _sheet(
        self, rng: np.random.Generator, *, count: int, length: tuple[int, int], level: int
    ) -> Image.Image:
        """A grayscale tile, drawn twice in each direction so that any window is seamless."""
        loop = self._LOOP_PX
        tile = Image.new("L", (WIDTH, loop))
        draw = ImageDraw.Draw(tile)
        for _ in range(count):
            x, y = float(rng.uniform(0, WIDTH)), float(rng.uniform(0, loop))
            reach = float(rng.uniform(*length))
            shade = round(level * float(rng.uniform(0.35, 1.0)))
            for dy in (-loop, 0):
                for dx in (-WIDTH, 0, WIDTH):
                    start = (x + dx, y + dy)
                    end = (x + dx - self._slant * reach, y + dy + reach)
                    draw.line((start, end), fill=shade, width=2 if level > 100 else 1)
        tile = tile.filter(ImageFilter.GaussianBlur(0.8 if level > 100 else 0.6))
        double = Image.new("L", (WIDTH * 2, loop * 2))
        for x0 in (0, WIDTH):
            for y0 in (0, loop):
                double.paste(tile, (x0, y0))
        return double

    def draw(self, frame: Image.Image, seconds: float) -> Image.Image:
        streaks = Image.new("L", (WIDTH, HEIGHT))
        for sheet, speed in zip(self._sheets, self._SPEEDS_PX_PER_SECOND, strict=True):
            traveled = speed * seconds
            top = self._LOOP_PX - round(traveled) % self._LOOP_PX
            left = round(traveled * self._slant) % WIDTH
            window = sheet.crop((left, top, left + WIDTH, top + HEIGHT))
            streaks = ImageChops.add(streaks, window)
        light = ImageChops.add(self._mist, Image.merge("RGB", [streaks] * 3))
        return ImageChops.screen(frame, light)
