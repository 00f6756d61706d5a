"""The vocabulary of looks that template authors write in, and how a request's words are read.

Owns names, defaults and sliders. Pure: knows no pixels, and imports nothing heavy, so that
the template catalog can be checked against it anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

GRADES: Final = (
    "golden_hour",
    "soft_pastel",
    "candlelight",
    "rose_film",
    "candy_pop",
    "comic_bright",
    "sunny_retro",
    "neon_party",
    "high_contrast_bw",
    "silver_noir",
    "teal_shadow",
    "sepia_smoke",
    "cold_blue",
    "faded_memory",
    "dusk_violet",
    "autumn",
)
FRAMINGS: Final = ("close", "medium", "wide", "low_left", "high_right", "tilted")
EFFECTS: Final = (
    "none",
    "bokeh",
    "light_leak",
    "confetti",
    "rain",
    "venetian",
    "grain",
    "halation",
    "snow",
    "petals",
    "film_burn",
    "vignette",
)
MOTIONS: Final = (
    "push_in",
    "pull_out",
    "pan_left",
    "pan_right",
    "tilt_up",
    "tilt_down",
    "handheld",
    "drift",
)
GENRES: Final = ("romance", "comedy", "noir")
STAGES: Final = ("spark", "together", "apart")

_DEFAULT_LOOKS: Final[Mapping[tuple[str, str], tuple[tuple[str, str, str, str], ...]]] = {
    ("romance", "spark"): (
        ("soft_pastel", "medium", "petals", "push_in"),
        ("golden_hour", "close", "light_leak", "drift"),
        ("rose_film", "high_right", "bokeh", "pan_right"),
    ),
    ("romance", "together"): (
        ("golden_hour", "medium", "bokeh", "push_in"),
        ("candlelight", "close", "halation", "drift"),
        ("rose_film", "wide", "light_leak", "pull_out"),
    ),
    ("romance", "apart"): (
        ("cold_blue", "low_left", "rain", "drift"),
        ("faded_memory", "wide", "film_burn", "pull_out"),
        ("dusk_violet", "close", "snow", "push_in"),
    ),
    ("comedy", "spark"): (
        ("candy_pop", "medium", "confetti", "push_in"),
        ("comic_bright", "tilted", "none", "handheld"),
        ("sunny_retro", "wide", "light_leak", "pan_left"),
    ),
    ("comedy", "together"): (
        ("neon_party", "medium", "confetti", "handheld"),
        ("sunny_retro", "close", "film_burn", "push_in"),
        ("candy_pop", "tilted", "bokeh", "pull_out"),
    ),
    ("comedy", "apart"): (
        ("comic_bright", "low_left", "rain", "handheld"),
        ("autumn", "medium", "petals", "pan_right"),
        ("faded_memory", "tilted", "grain", "drift"),
    ),
    ("noir", "spark"): (
        ("high_contrast_bw", "medium", "venetian", "push_in"),
        ("sepia_smoke", "close", "halation", "drift"),
        ("silver_noir", "low_left", "grain", "pan_right"),
    ),
    ("noir", "together"): (
        ("silver_noir", "medium", "bokeh", "drift"),
        ("teal_shadow", "high_right", "halation", "tilt_up"),
        ("sepia_smoke", "close", "venetian", "push_in"),
    ),
    ("noir", "apart"): (
        ("teal_shadow", "wide", "rain", "pull_out"),
        ("high_contrast_bw", "close", "venetian", "push_in"),
        ("cold_blue", "tilted", "snow", "tilt_down"),
    ),
}


@dataclass(frozen=True, kw_only=True)
class Look:
    """One choice from each list."""

    grade: str
    framing: str
    effect: str
    motion: str


@dataclass(frozen=True, kw_only=True)
class Sliders:
    """The user's five sliders, each from -1 (slider at 0) over 0 (at 50) to +1 (at 100)."""

    intensity: float = 0.0
    humor: float = 0.0
    drama: float = 0.0
    warmth: float = 0.0
    pace: float = 0.0


def default_look(genre: str, stage: str, scene_no: int) -> Look:
    """The studio's own choice for a scene (counted from 1) whose template names none."""
    looks = _DEFAULT_LOOKS.get((genre, stage), _DEFAULT_LOOKS["romance", "spark"])
    grade, framing, effect, motion = looks[(max(scene_no, 1) - 1) % len(looks)]
    return Look(grade=grade, framing=framing, effect=effect, motion=motion)


def read_look(params: Mapping[str, Any]) -> Look:
    """The request's look; a name that is missing or unknown becomes the scene's default."""
    default = default_look(
        str(params.get("genre", "")), str(params.get("stage", "")), read_scene_no(params)
    )
    look = params.get("look")
    words: Mapping[str, Any] = look if isinstance(look, Mapping) else {}

    def choose(field: str, names: tuple[str, ...]) -> str:
        word = words.get(field)
        return word if word in names else str(getattr(default, field))

    return Look(
        grade=choose("grade", GRADES),
        framing=choose("framing", FRAMINGS),
        effect=choose("effect", EFFECTS),
        motion=choose("motion", MOTIONS),
    )


def read_sliders(params: Mapping[str, Any]) -> Sliders:
    """The request's sliders; absent ones, and what is no number, stand in the middle."""
    sliders = params.get("sliders")
    values: Mapping[str, Any] = sliders if isinstance(sliders, Mapping) else {}

    def read(name: str) -> float:
        value = values.get(name, 50)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return 0.0
        return (min(max(float(value), 0.0), 100.0) - 50.0) / 50.0

    return Sliders(
        intensity=read("intensity"),
        humor=read("humor"),
        drama=read("drama"),
        warmth=read("warmth"),
        pace=read("pace"),
    )


def read_scene_no(params: Mapping[str, Any]) -> int:
    """The scene's number, from 1."""
    value = params.get("sceneNo", 1)
    return value if isinstance(value, int) and value >= 1 else 1
