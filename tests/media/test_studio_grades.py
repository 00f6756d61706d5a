"""Grades and styles develop the same colors forever: a regenerated picture keeps its look."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from darkroom.studio.pictures.grade import develop
from darkroom.studio.pictures.styles import styles
from darkroom.studio.pictures.tones import Tone, grades

GRADES = {
    "golden_hour": "1217b996",
    "soft_pastel": "a6d532c7",
    "candlelight": "0d73ad58",
    "rose_film": "2e6f8623",
    "candy_pop": "53eff628",
    "comic_bright": "f1aa6621",
    "sunny_retro": "0549ca93",
    "neon_party": "2c36f984",
    "high_contrast_bw": "b202875a",
    "silver_noir": "9019c654",
    "teal_shadow": "37cdb011",
    "sepia_smoke": "8a266207",
    "cold_blue": "388c6a80",
    "faded_memory": "4bef799c",
    "dusk_violet": "728d1f93",
    "autumn": "8a8b9bd8",
}
PORTRAITS = {
    "CLASSIC": "176131cd",
    "MODERN": "f12cf221",
    "VINTAGE": "b8aab11f",
    "ROMANTIC": "2027c5d9",
    "CINEMATIC": "07330d79",
}
PICTURES = {
    "CLASSIC": "644f39c3",
    "MODERN": "242cf4aa",
    "VINTAGE": "f8fc7fd6",
    "ROMANTIC": "2a83e3e1",
    "CINEMATIC": "b0948f82",
}


def developed(tone: Tone) -> str:
    """The first digits of the hash of all combinations of six levels, developed, in 8 bits."""
    levels = np.linspace(0, 1, 6, dtype=np.float32)
    pixels = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1)
    colors = develop(pixels.reshape(12, 18, 3), tone)
    rounded = (np.clip(colors, 0, 1) * 255 + 0.5).astype(np.uint8)
    return hashlib.sha256(rounded.tobytes()).hexdigest()[:8]


@pytest.mark.parametrize("name", sorted(grades()))
def test_a_grade_develops_the_recorded_colors(name: str) -> None:
    assert developed(grades()[name]) == GRADES[name]


@pytest.mark.parametrize("name", sorted(styles()))
def test_a_style_develops_the_recorded_colors(name: str) -> None:
    style = styles()[name]

    assert developed(style.portrait.grade) == PORTRAITS[name]
    assert developed(style.picture.grade) == PICTURES[name]
