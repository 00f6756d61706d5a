"""The vocabulary of looks that template authors write in, and how a request's words are read.

Owns names, defaults and sliders; the names of grades and framings and the default looks are data
in ``catalog/studio/``. Pure: knows no pixels, and imports nothing heavy, so that the template
catalog can be checked against it anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from darkroom.kernel import catalog

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


def grade_names() -> tuple[str, ...]:
    return tuple(catalog.read("studio/grades.json"))


def framing_names() -> tuple[str, ...]:
    return tuple(catalog.read("studio/framings.json"))


def default_look(genre: str, stage: str, scene_no: int) -> Look:
    """The studio's own choice for a scene (counted from 1) whose template names none."""
    by_genre = catalog.read("studio/default_looks.json")
    if genre not in GENRES or stage not in STAGES:
        genre, stage = GENRES[0], STAGES[0]
    looks = by_genre[genre][stage]
    return Look(**looks[(max(scene_no, 1) - 1) % len(looks)])


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
        grade=choose("grade", grade_names()),
        framing=choose("framing", framing_names()),
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
