"""Camera moves over a still picture.

Owns the path of each move as a rectangle of the picture per moment. Pure geometry, in fractions
of the frame; a rectangle never leaves the picture, so no border can ever show.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from darkroom.studio.pictures.focus import Focus


@dataclass(frozen=True, kw_only=True)
class View:
    """The part of the picture the camera sees: left, top and side, all 0 … 1."""

    left: float
    top: float
    side: float


_TRAVEL: Final = 0.125
"""How far a move goes at the middle pace, as a fraction of the frame."""
_EASE: Final = 0.65
"""Between even speed (0) and starting and stopping at rest (1)."""


class Camera:
    """One move, made for a picture whose subject is at ``focus``."""

    def __init__(self, motion: str, focus: Focus, *, pace: float, seed: int) -> None:
        self._motion = motion
        self._focus = focus
        self._travel = _TRAVEL * (1.0 + 0.4 * pace)
        rng = np.random.default_rng([seed, 3])
        self._phases = rng.uniform(0, 2 * math.pi, 6)
        self._way = (float(rng.choice([-1.0, 1.0])), float(rng.choice([-1.0, 1.0])))

    def view(self, progress: float, seconds: float) -> View:
        """What the camera sees at ``progress`` (0 … 1) of the clip."""
        t = _ease(min(max(progress, 0.0), 1.0))
        travel = self._travel
        if self._motion == "push_in":
            return self._towards(1.0 - travel * t)
        if self._motion == "pull_out":
            return self._towards(1.0 - travel * (1.0 - t))
        if self._motion == "handheld":
            return self._handheld(t, seconds)
        side = 1.0 - travel
        along, middle = travel * t, travel / 2
        if self._motion == "pan_left":
            return View(left=travel - along, top=middle, side=side)
        if self._motion == "pan_right":
            return View(left=along, top=middle, side=side)
        if self._motion == "tilt_up":
            return View(left=middle, top=travel - along, side=side)
        if self._motion == "tilt_down":
            return View(left=middle, top=along, side=side)
        return self._drift(t)

    def _towards(self, side: float) -> View:
        """Zooms so that the subject stays where it is in the frame."""
        x = min(max(self._focus.x, 0.0), 1.0)
        y = min(max(self._focus.y, 0.0), 1.0)
        return View(left=x * (1 - side), top=y * (1 - side), side=side)

    def _drift(self, t: float) -> View:
        side = 1.0 - self._travel * (0.55 + 0.35 * t)
        space = 1.0 - side
        x = 0.5 + 0.42 * self._way[0] * (t - 0.5) * 2 * 0.9
        y = 0.5 + 0.30 * self._way[1] * (t - 0.5) * 2
        return View(left=space * x, top=space * y, side=side)

    def _handheld(self, t: float, seconds: float) -> View:
        """Breathing and small steps: slow sines of unrelated periods."""
        side = 1.0 - self._travel * (0.62 + 0.25 * t)
        space = 1.0 - side
        p = self._phases
        x = 0.60 * math.sin(1.3 * seconds + p[0]) + 0.28 * math.sin(2.9 * seconds + p[1])
        y = 0.55 * math.sin(1.6 * seconds + p[2]) + 0.33 * math.sin(3.3 * seconds + p[3])
        x += 0.05 * math.sin(7.1 * seconds + p[4])
        y += 0.06 * math.sin(7.9 * seconds + p[5])
        return View(left=space * (0.5 + 0.45 * x), top=space * (0.5 + 0.45 * y), side=side)


def _ease(t: float) -> float:
    """A move that starts and ends softly but never quite rests, as cuts want it."""
    return t + _EASE * (t * t * (3 - 2 * t) - t)
