"""The scene that a text describes, as far as a small list of words covers it.

Owns how words (``catalog/studio/scenery_words.json``, English and Korean) become a scene, and what
is chosen where the text says nothing. It looks for words and understands no sentence: "no rain" is
rain here. A word of what cannot be drawn means the place where that is: a lighthouse is the sea.
Knows nothing of pixels.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from darkroom.kernel import catalog

_TOKEN: Final = re.compile(r"[a-z]+|[가-힣]+")
_SINGLE: Final = ("time", "light", "weather", "far", "near", "cover", "color", "mood")
_USUAL: Final[Mapping[str, tuple[str, ...]]] = {
    "time": ("dawn", "day", "day", "sunset", "sunset", "dusk", "night"),
    "weather": ("clear", "cloudy", "cloudy"),
    "far": ("mountains", "mountains", "hills", "forest", "trees"),
    "near": ("lake", "meadow", "meadow", "sea", "flowers"),
}
_BEHIND_THE_SEA: Final = ("none", "none", "none", "hills")
_BEFORE: Final = {"city": "lake"}
"""What lies before a background where the text names no foreground."""
_TURNING: Final = ("orange", "red", "gold", "pink")
"""Colors of leaves; conifers do not turn."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    time: str
    """``dawn``, ``day``, ``sunset``, ``dusk`` or ``night``."""
    light: str
    """``sun``, ``moon`` or ``none``: what stands in the sky."""
    weather: str
    """``clear``, ``cloudy``, ``overcast``, ``rain``, ``snow``, ``fog`` or ``petals``."""
    far: str
    """A background of ``scenery_values``, or ``none``."""
    near: str
    """A foreground of ``scenery_values``."""
    is_snowy: bool
    """Snow lies, whether or not it falls."""
    sky: tuple[str, ...]
    """Any of ``stars``, ``milkyway``, ``aurora``, ``rainbow``."""
    color: str
    mood: str

    @property
    def is_dark(self) -> bool:
        return self.time in ("dusk", "night")

    @property
    def colors_the_sky(self) -> bool:
        """A color that is named is that of flowers, leaves or grass where there are some."""
        is_of_the_land = self.near == "flowers" or self.far == "trees"
        if self.color == "green":
            is_of_the_land |= self.near == "meadow" or self.far in ("hills", "forest")
        return bool(self.color) and not is_of_the_land


def read_scene(text: str, rng: np.random.Generator) -> Scene:
    """The scene of a text; what it leaves open, ``rng`` decides."""
    given: dict[str, list[str]] = {}
    # What a word only suggests counts where no other word says it.
    meanings = sorted(_meanings(text), key=lambda meaning: meaning[0].endswith("?"))
    for slot, value in meanings:
        values = given.setdefault(slot.removesuffix("?"), [])
        if value not in values:
            values.append(value)
    # Drawn in a fixed order, given or not: one more word must not change everything else.
    drawn = {slot: str(rng.choice(values)) for slot, values in _USUAL.items()}
    behind_the_sea = str(rng.choice(_BEHIND_THE_SEA))
    first = {slot: given[slot][0] for slot in _SINGLE if slot in given}
    near = first.get("near", _BEFORE.get(first.get("far", ""), drawn["near"]))
    behind = {"sea": behind_the_sea, "beach": behind_the_sea, "dunes": "none"}
    far = first.get("far", behind.get(near, drawn["far"]))
    if far == "forest" and first.get("color") in _TURNING:
        far = "trees"
    time = first.get("time", drawn["time"])
    light = first.get("light", _usual_light(time, float(rng.random())))
    sky = tuple(sorted(given.get("sky", ())))
    return Scene(
        time=time,
        # Who sees a rainbow has the sun behind them.
        light="none" if "rainbow" in sky else light,
        weather=first.get("weather", drawn["weather"]),
        far=far,
        near=near,
        is_snowy=first.get("cover") == "snow" or first.get("weather") == "snow",
        sky=sky,
        color=first.get("color", ""),
        mood=first.get("mood", ""),
    )


def _usual_light(time: str, chance: float) -> str:
    if time == "night":
        return "moon" if chance < 0.6 else "none"
    if time == "dusk":
        return "none"
    return "sun" if chance < 0.75 else "none"


def _meanings(text: str) -> Iterator[tuple[str, str]]:
    """Slot and value of every word that is known, in the order of the text."""
    for token in _TOKEN.findall(text.casefold()):
        for meaning in _meaning_of(token).split():
            slot, _, value = meaning.partition(":")
            yield slot, value


def _meaning_of(token: str) -> str:
    words = _lexicon()
    if token.isascii():
        english: Mapping[str, str] = words["en"]
        forms = (token, token.removesuffix("s"), token.removesuffix("es"))
        return next((english[form] for form in forms if form in english), "")
    korean: Mapping[str, str] = words["ko"]
    # Particles are glued to Korean words; the longest word that leaves a particle is meant.
    for length in range(len(token), 0, -1):
        word, rest = token[:length], token[length:]
        if word in korean and (not rest or rest in words["particles"] or length > 1):
            return korean[word]
    return ""


def _lexicon() -> Any:
    return catalog.read("studio/scenery_words.json")
