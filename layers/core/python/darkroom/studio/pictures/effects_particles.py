"""Effects made of things that fall: confetti, petals, snow, rain.

Owns their sprites and paths. Everything wraps around, so a clip may be of any length, and big
pieces keep clear of the face. Knows nothing of files or encoders.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from darkroom.studio.pictures.effect import Stage, rng_of
from darkroom.studio.pictures.raster import HEIGHT, WIDTH, grid, mask_image, smoothstep

_PHASES: Final = 16
_MARGIN_PX: Final = 90
Color = tuple[int, int, int]

_CONFETTI: Final[tuple[Color, ...]] = (
    (255, 94, 120), (255, 204, 64), (74, 196, 255), (120, 224, 140), (190, 120, 255),
    (255, 255, 255),
)  # fmt: skip
_PETALS: Final[tuple[Color, ...]] = ((255, 196, 208), (250, 168, 188), (255, 222, 226))
_LEAVES: Final[tuple[Color, ...]] = ((214, 120, 40), (190, 74, 34), (228, 164, 62))
_SILVER: Final[tuple[Color, ...]] = ((225, 225, 225), (180, 180, 180), (245, 245, 245))
_MONO_GRADES: Final = ("high_contrast_bw", "silver_noir")


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


class _Falling:
    """Pieces with pre-drawn sprites in ``_PHASES`` positions of their turn."""

    def __init__(
        self, pieces: list[_Piece], sprites: list[list[Image.Image]], opacities: list[float]
    ) -> None:
        """``sprites`` and ``opacities``: per size; each size at all phases of its turn."""
        self._pieces = pieces
        # Sprites are dimmed once here rather than for every frame.
        self._masks = []
        for phases, opacity in zip(sprites, opacities, strict=True):
            table = [round(v * opacity) for v in range(256)]
            self._masks.append([mask.point(table) for mask in phases])

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
    if size_px > 22 and abs(x - center) < half:
        x = center + half * (1 if x >= center else -1)
    return x


def _flat_sprites(size_px: float, kind: str, blur_px: float) -> list[Image.Image]:
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
        if kind == "petal":
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


def _pieces(
    stage: Stage,
    salt: int,
    *,
    count: int,
    sizes: list[float],
    weights: list[float],
    fall: tuple[float, float],
    drift: float,
    sway: float,
    spin: float,
    colors: tuple[Color, ...],
) -> list[_Piece]:
    rng = rng_of(stage, salt)
    made = []
    for _ in range(max(4, round(count * stage.strength))):
        sprite = int(rng.choice(len(sizes), p=weights))
        near = 0.75 + 0.5 * sizes[sprite] / max(sizes)
        made.append(
            _Piece(
                x=_path(rng, stage, sizes[sprite]),
                y=float(rng.uniform(-_MARGIN_PX, HEIGHT + _MARGIN_PX)),
                fall=float(rng.uniform(*fall)) * near,
                drift=drift * float(rng.uniform(0.6, 1.4)),
                sway=sway * float(rng.uniform(0.4, 1.0)),
                sway_rate=float(rng.uniform(1.0, 2.4)),
                spin=spin * float(rng.uniform(0.5, 1.5)) * (1 if rng.random() < 0.5 else -1),
                phase=float(rng.uniform(0, 2 * math.pi)),
                sprite=sprite,
                color=colors[int(rng.integers(len(colors)))],
            )
        )
    # Far and small first, so that near pieces pass in front.
    return sorted(made, key=lambda piece: sizes[piece.sprite])


class Confetti(_Falling):
    """Paper in party colors; a few large pieces near the lens, out of focus."""

    def __init__(self, stage: Stage) -> None:
        sizes = [11.0, 16.0, 21.0, 46.0]
        colors = _SILVER if stage.grade in _MONO_GRADES else _CONFETTI
        pieces = _pieces(
            stage, 60, count=92, sizes=sizes, weights=[0.34, 0.36, 0.22, 0.08],
            fall=(90.0, 190.0), drift=6.0, sway=16.0, spin=5.0, colors=colors,
        )  # fmt: skip
        blurs = [0.0, 0.0, 0.0, 5.0]
        super().__init__(
            pieces,
            [_flat_sprites(s, "paper", b) for s, b in zip(sizes, blurs, strict=True)],
            [0.85, 0.95, 0.95, 0.62],
        )


class Petals(_Falling):
    """Cherry petals, or leaves where the grade is autumn."""

    def __init__(self, stage: Stage) -> None:
        colors = _PETALS
        if stage.grade in _MONO_GRADES:
            colors = _SILVER
        elif stage.grade in ("autumn", "sepia_smoke"):
            colors = _LEAVES
        sizes = [18.0, 26.0, 36.0, 70.0]
        pieces = _pieces(
            stage, 70, count=64, sizes=sizes, weights=[0.32, 0.34, 0.22, 0.12],
            fall=(46.0, 92.0), drift=24.0, sway=30.0, spin=1.6, colors=colors,
        )  # fmt: skip
        blurs = [0.6, 0.4, 0.6, 6.0]
        super().__init__(
            pieces,
            [_flat_sprites(s, "petal", b) for s, b in zip(sizes, blurs, strict=True)],
            [0.78, 0.86, 0.90, 0.58],
        )


class Snow(_Falling):
    """Flakes in three depths."""

    def __init__(self, stage: Stage) -> None:
        sizes = [5.0, 9.0, 15.0, 34.0]
        pieces = _pieces(
            stage, 80, count=150, sizes=sizes, weights=[0.42, 0.34, 0.18, 0.06],
            fall=(52.0, 105.0), drift=-14.0, sway=14.0, spin=0.0,
            colors=((255, 255, 255), (236, 244, 255)),
        )  # fmt: skip
        super().__init__(pieces, [_round_sprites(size) for size in sizes], [0.75, 0.85, 0.80, 0.42])


def _round_sprites(size_px: float) -> list[Image.Image]:
    side = math.ceil(size_px * 2.2)
    x, y = grid(side, side)
    reach = np.sqrt((x - 0.5) ** 2 + (y - 0.5) ** 2) * side / size_px
    flake = mask_image(smoothstep(1.0, 0.15, reach.astype(np.float32)))
    return [flake] * _PHASES


class Rain:
    """Two sheets of slanted streaks before a cold mist."""

    _LOOP_PX: Final = 1600

    def __init__(self, stage: Stage) -> None:
        rng = rng_of(stage, 90)
        self._slant = float(rng.uniform(0.06, 0.13)) * (1 if rng.random() < 0.5 else -1)
        self._sheets = [
            self._sheet(rng, count=round(300 * stage.strength), length=(40, 90), level=84),
            self._sheet(rng, count=round(90 * stage.strength), length=(110, 210), level=132),
        ]
        self._speeds = (1180.0, 1920.0)
        _, y = grid(WIDTH // 8, HEIGHT // 8)
        mist = 0.05 + 0.16 * smoothstep(0.45, 1.0, y)
        tint = (0.72, 0.74, 0.76) if stage.grade in _MONO_GRADES else (0.58, 0.70, 0.84)
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
        for sheet, speed in zip(self._sheets, self._speeds, strict=True):
            traveled = speed * seconds
            top = self._LOOP_PX - round(traveled) % self._LOOP_PX
            left = round(traveled * self._slant) % WIDTH
            window = sheet.crop((left, top, left + WIDTH, top + HEIGHT))
            streaks = ImageChops.add(streaks, window)
        light = ImageChops.add(self._mist, Image.merge("RGB", [streaks] * 3))
        return ImageChops.screen(frame, light)
