"""The film's plan: how long each clip plays, where they cross, and when which words are seen.

Owns the arithmetic of time, in frames. Pure: knows no pixels, fonts or files. The words of a film
never share a moment: a cue starts only after the one before it has gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt

HOOK_EXTRA_FRAMES: Final = 36
ENDING_EXTRA_FRAMES: Final = 36
"""The first and the last clip slow down by so much to make space for the words."""
HOOK_FRAMES: Final = 44
ENDING_FRAMES: Final = 46
GAP_FRAMES: Final = 4
FADE_FRAMES: Final = 8
CROSS_FRAMES: Final = 12
_SLOWEST: Final = 0.2
"""Of the normal speed."""


class CueKind(StrEnum):
    HOOK = "hook"
    CAPTION = "caption"
    ENDING = "ending"


@dataclass(frozen=True, kw_only=True)
class Cue:
    """Words on the screen from frame ``start`` up to, not with, frame ``end``."""

    kind: CueKind
    text: str
    start: int
    end: int

    def opacity(self, frame: int) -> float:
        """0 … 1 at ``frame``, fading at both ends."""
        if not self.start <= frame < self.end:
            return 0.0
        fade = max(1, min(FADE_FRAMES, (self.end - self.start) // 3))
        edge = min(frame - self.start + 1, self.end - frame) / fade
        edge = min(edge, 1.0)
        return edge * edge * (3 - 2 * edge)


@dataclass(frozen=True, kw_only=True)
class Shot:
    """One clip's part: ``length`` frames of film made of ``source_frames`` of the clip."""

    start: int
    length: int
    source_frames: int
    slow_start: int
    slow_end: int

    def positions(self) -> npt.NDArray[np.float64]:
        """For each frame of film the place in the clip, 0 … source_frames - 1, never back."""
        index = np.arange(self.length, dtype=np.float64)
        speed = np.ones(self.length)
        for extra, distance in ((self.slow_start, index), (self.slow_end, index[::-1])):
            if extra:
                reach = min(2.5 * extra, self.length / 1.5)
                t = np.clip(distance / reach, 0.0, 1.0)
                speed *= _SLOWEST + (1 - _SLOWEST) * t * t * (3 - 2 * t)
        steps = np.concatenate([[0.0], np.cumsum(speed[:-1])])
        last = max(self.source_frames - 1, 0)
        return steps * (last / steps[-1]) if steps[-1] > 0 else steps


@dataclass(frozen=True, kw_only=True)
class FilmPlan:
    shots: tuple[Shot, ...]
    cues: tuple[Cue, ...]
    cross_frames: int
    length: int


def plan_film(
    clip_frames: Sequence[int],
    *,
    captions: Sequence[str],
    hook: str,
    ending: str,
    cross_frames: int = CROSS_FRAMES,
) -> FilmPlan:
    """The plan for clips of these lengths; empty words take no time."""
    count = len(clip_frames)
    cross = min(cross_frames, min(clip_frames) // 3) if count > 1 else 0
    shots: list[Shot] = []
    start = 0
    for index, frames in enumerate(clip_frames):
        slow_start = HOOK_EXTRA_FRAMES if hook and index == 0 else 0
        slow_end = ENDING_EXTRA_FRAMES if ending and index == count - 1 else 0
        length = frames + slow_start + slow_end
        shots.append(
            Shot(start=start, length=length, source_frames=frames,
                 slow_start=slow_start, slow_end=slow_end)
        )  # fmt: skip
        start += length - cross
    total = shots[-1].start + shots[-1].length
    cues = _plan_cues(shots, total, cross, captions=captions, hook=hook, ending=ending)
    return FilmPlan(shots=tuple(shots), cues=tuple(cues), cross_frames=cross, length=total)


def _plan_cues(
    shots: Sequence[Shot],
    total: int,
    cross: int,
    *,
    captions: Sequence[str],
    hook: str,
    ending: str,
) -> list[Cue]:
    cues: list[Cue] = []
    free_from = 0
    if hook:
        space = max(total // 3, 1) if total < 3 * HOOK_FRAMES else HOOK_FRAMES
        cues.append(Cue(kind=CueKind.HOOK, text=hook, start=0, end=space))
        free_from = space + GAP_FRAMES
    ending_from = total - min(ENDING_FRAMES, max(total // 3, 1)) if ending else total
    for index, shot in enumerate(shots):
        text = captions[index] if index < len(captions) else ""
        # A caption belongs to its clip alone: not while the neighbors still shine through.
        first = shot.start + (cross // 2 + 2 if index else 4)
        last = shot.start + shot.length - (cross // 2 + 2 if index < len(shots) - 1 else 2)
        first, last = max(first, free_from), min(last, ending_from - GAP_FRAMES)
        if text and last - first >= 3:
            cues.append(Cue(kind=CueKind.CAPTION, text=text, start=first, end=last))
            free_from = last + GAP_FRAMES
    if ending:
        cues.append(Cue(kind=CueKind.ENDING, text=ending, start=ending_from, end=total))
    return cues
