"""Words in pictures: cleaning, line breaks, size and the drawn layer.

Owns typography. A block of text always lies inside the safe area, is broken at spaces where it can
be and between characters where it must be (Korean and long words), and is shortened with an
ellipsis before it would ever leave the picture. Knows nothing of time or video.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from darkroom.studio.pictures.raster import HEIGHT, WIDTH

FONT_PATH: Final = Path(__file__).parent / "fonts" / "Pretendard-SemiBold.otf"
SAFE_LEFT_PX: Final = 58
SAFE_RIGHT_PX: Final = WIDTH - 58
SAFE_TOP_PX: Final = 112
SAFE_BOTTOM_PX: Final = HEIGHT - 150
"""Players and apps cover the lowest part of a portrait film with their own buttons."""
MAX_TEXT_CHARS: Final = 300
_NO_LINE_START: Final = set(".,!?;:…%)]}’”」』》〉、。！？，：；~")
_MISSING: Final = "\U0010ffff"


@dataclass(frozen=True, kw_only=True)
class TextStyle:
    """How a kind of text is set. ``anchor`` says which y stays: the block's bottom or middle."""

    largest_px: int
    smallest_px: int
    max_lines: int
    anchor: str
    anchor_y_px: int
    line_height: float
    scrim: float
    """How dark the soft shade behind the block is, 0 … 1."""
    rule: bool = False
    """A short colored line above the block."""


CAPTION_STYLE: Final = TextStyle(
    largest_px=46, smallest_px=30, max_lines=3, anchor="bottom", anchor_y_px=SAFE_BOTTOM_PX - 24,
    line_height=1.30, scrim=0.50,
)  # fmt: skip
HOOK_STYLE: Final = TextStyle(
    largest_px=76, smallest_px=40, max_lines=4, anchor="bottom", anchor_y_px=SAFE_BOTTOM_PX - 24,
    line_height=1.18, scrim=0.62, rule=True,
)  # fmt: skip
ENDING_STYLE: Final = TextStyle(
    largest_px=64, smallest_px=36, max_lines=5, anchor="middle", anchor_y_px=HEIGHT // 2,
    line_height=1.25, scrim=0.0, rule=True,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class TextBlock:
    """Set text: lines, their size, and where the ink may be, in pixels of the frame."""

    lines: tuple[str, ...]
    size_px: int
    top: int
    line_px: int

    @property
    def bottom(self) -> int:
        return self.top + self.line_px * len(self.lines)


@lru_cache(maxsize=32)
def font(size_px: int) -> ImageFont.FreeTypeFont:
    """The studio's only font, at a size."""
    # The basic layout engine gives the same result wherever Pillow was built with or without Raqm.
    return ImageFont.truetype(str(FONT_PATH), size_px, layout_engine=ImageFont.Layout.BASIC)


@lru_cache(maxsize=4096)
def _has_glyph(character: str) -> bool:
    face = font(24)
    return bytes(face.getmask(character)) != bytes(face.getmask(_MISSING))


def clean_text(text: object) -> str:
    """One line of printable text: composed (NFC), without what the font cannot draw."""
    if not isinstance(text, str):
        return ""
    composed = unicodedata.normalize("NFC", text[: MAX_TEXT_CHARS * 4])
    kept = []
    for character in composed:
        if character.isspace():
            kept.append(" ")
        elif unicodedata.category(character)[0] != "C" and _has_glyph(character):
            kept.append(character)
    return " ".join("".join(kept).split())[:MAX_TEXT_CHARS].rstrip()


def wrap(text: str, width_px: float, measure: Callable[[str], float]) -> list[str]:
    """The text in lines of at most ``width_px``, as few as possible and of even length."""
    lines = _fill(text, width_px, measure)
    if len(lines) < 2:
        return lines
    widest_word = max(measure(word) for word in text.split())
    low, high = min(max(width_px / 2, widest_word), width_px), width_px
    # Halving finds the narrowest width that still gives as few lines: no lonely last word.
    for _ in range(7):
        middle = (low + high) / 2
        if len(_fill(text, middle, measure)) <= len(lines):
            high = middle
        else:
            low = middle
    return _fill(text, high, measure)


def _fill(text: str, width_px: float, measure: Callable[[str], float]) -> list[str]:
    lines: list[str] = []
    line = ""
    for word in text.split():
        joined = f"{line} {word}" if line else word
        if measure(joined) <= width_px:
            line = joined
            continue
        if line:
            lines.append(line)
        parts = _split_word(word, width_px, measure)
        lines.extend(parts[:-1])
        line = parts[-1]
    return [*lines, line] if line else lines


def _split_word(word: str, width_px: float, measure: Callable[[str], float]) -> list[str]:
    """A word that is too long, broken between characters but not before closing marks."""
    parts: list[str] = []
    part = ""
    for character in word:
        if part and measure(part + character) > width_px:
            carried = ""
            while len(part) > 1 and (carried or character)[0] in _NO_LINE_START:
                carried = part[-1] + carried
                part = part[:-1]
            parts.append(part)
            part = carried
        part += character
    return [*parts, part]


def set_text(text: str, style: TextStyle) -> TextBlock | None:
    """The text set as large as the style and the safe area allow; None for no text."""
    if not text:
        return None
    width = SAFE_RIGHT_PX - SAFE_LEFT_PX
    lines: list[str] = []
    size = style.largest_px
    for size in range(style.largest_px, style.smallest_px - 1, -2):
        lines = wrap(text, width, font(size).getlength)
        if len(lines) <= style.max_lines and not _breaks_a_latin_word(text, lines):
            break
    if len(lines) > style.max_lines:
        lines = _shorten(lines[: style.max_lines], width, font(size).getlength)
    line_px = round(size * style.line_height)
    height = line_px * len(lines)
    if style.anchor == "bottom":
        top = style.anchor_y_px - height
    else:
        top = style.anchor_y_px - height // 2
    return TextBlock(lines=tuple(lines), size_px=size, top=max(top, SAFE_TOP_PX), line_px=line_px)


def _breaks_a_latin_word(text: str, lines: Sequence[str]) -> bool:
    """Latin words are better set smaller than broken; Hangul may break anywhere."""
    whole = set(text.split())
    return any(word.isascii() and word not in whole for line in lines for word in line.split())


def _shorten(lines: list[str], width_px: float, measure: Callable[[str], float]) -> list[str]:
    last = lines[-1]
    while last and measure(last + "…") > width_px:
        last = last[:-1]
    return [*lines[:-1], last.rstrip() + "…"]


def draw_block(
    block: TextBlock, style: TextStyle, accent: tuple[int, int, int]
) -> npt.NDArray[np.float32]:
    """The block as premultiplied RGBA, 0 … 1, shape (1280, 720, 4)."""
    ink = Image.new("L", (WIDTH, HEIGHT))
    draw = ImageDraw.Draw(ink)
    face = font(block.size_px)
    ascent, descent = face.getmetrics()
    for number, line in enumerate(block.lines):
        x = (WIDTH - face.getlength(line)) / 2
        y = block.top + number * block.line_px + (block.line_px - ascent - descent) / 2
        draw.text((round(x), round(y)), line, font=face, fill=255)
    letters = np.asarray(ink, dtype=np.float32) / 255.0
    shade = _shade(ink, block, style)
    alpha = 1.0 - (1.0 - letters) * (1.0 - shade)
    layer = np.zeros((HEIGHT, WIDTH, 4), dtype=np.float32)
    layer[..., :3] = letters[..., None] * 0.985
    layer[..., 3] = alpha
    if style.rule:
        top = block.top - 26
        left = WIDTH // 2 - 36
        layer[top : top + 6, left : left + 72, :3] = np.array(accent, dtype=np.float32) / 255.0
        layer[top : top + 6, left : left + 72, 3] = 1.0
    return layer


def _shade(ink: Image.Image, block: TextBlock, style: TextStyle) -> npt.NDArray[np.float32]:
    """A tight shadow around the letters and a wide soft one behind the block."""
    near = np.asarray(ink.filter(ImageFilter.GaussianBlur(3)), dtype=np.float32) / 255.0
    wide_image = ink.reduce(4).filter(ImageFilter.GaussianBlur(5)).resize(ink.size)
    wide = np.asarray(wide_image, dtype=np.float32) / 255.0
    shade = np.maximum(np.clip(near * 1.2, 0, 0.75), np.clip(wide * 1.6, 0, 0.5))
    if style.scrim:
        y = np.arange(HEIGHT, dtype=np.float32)
        rise = np.clip((y - (block.top - 220)) / 260.0, 0, 1)
        scrim = style.scrim * rise * rise * (3 - 2 * rise)
        shade = 1.0 - (1.0 - shade) * (1.0 - scrim[:, None])
    return shade
