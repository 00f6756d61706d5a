"""When each cue comes and goes.

Owns the minimum and maximum time on screen, the gap between cues and what gives way when more was
said than there is time to show. Knows nothing of text: spans in, spans out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

MIN_MS: Final = 834
"""5/6 of a second."""
MAX_MS: Final = 7000
GAP_MS: Final = 84
"""Two frames at 24 a second; a smaller gap looks like a flicker."""
_CHAINED_MS: Final = 500
"""A longer gap is seen as a pause; a shorter one is closed to ``GAP_MS``."""
_TIGHTER: Final = ((MIN_MS, GAP_MS), (417, GAP_MS), (167, 42), (42, 0), (1, 0))
"""Minimum and gap when the media is too short for all its cues, one after the other."""


@dataclass(frozen=True, kw_only=True)
class Span:
    """A stretch of time; as a target also how long reading takes."""

    start_ms: int
    end_ms: int
    read_ms: int = 0


def settle(targets: list[Span], duration_ms: int | None) -> list[Span]:
    """The targets, in their order, as spans that never overlap.

    Each lasts from 5/6 of a second to 7 seconds, stands at least two frames after the one before
    and ends with the media, as long as all cues together fit into ``duration_ms``; if not, they
    get shorter and closer, and only where there are more cues than milliseconds do they run on
    past the media's end. A target that overlaps the one before it waits for its turn.
    """
    if not targets:
        return []
    least_ms, gap_ms = _spacing(len(targets), duration_ms)
    spans = _forwards(targets, least_ms, gap_ms)
    if duration_ms is not None:
        last_ms = max(duration_ms, _needed(len(targets), least_ms, gap_ms))
        spans = _backwards(spans, last_ms, least_ms, gap_ms)
        return _linger(spans, targets, last_ms, gap_ms)
    return _linger(spans, targets, None, gap_ms)


def _spacing(count: int, duration_ms: int | None) -> tuple[int, int]:
    for least_ms, gap_ms in _TIGHTER:
        if duration_ms is None or _needed(count, least_ms, gap_ms) <= duration_ms:
            return least_ms, gap_ms
    return _TIGHTER[-1]


def _needed(count: int, least_ms: int, gap_ms: int) -> int:
    return count * least_ms + (count - 1) * gap_ms


def _forwards(targets: list[Span], least_ms: int, gap_ms: int) -> list[Span]:
    """Each cue at its time, or as soon as the one before has had its least time."""
    spans: list[Span] = []
    for target in targets:
        start_ms = target.start_ms
        if spans:
            before = spans[-1]
            earliest_ms = before.start_ms + least_ms + gap_ms
            start_ms = max(start_ms, earliest_ms)
            spans[-1] = replace(before, end_ms=min(before.end_ms, start_ms - gap_ms))
        end_ms = min(max(target.end_ms, start_ms + least_ms), start_ms + MAX_MS)
        spans.append(Span(start_ms=start_ms, end_ms=end_ms))
    return spans


def _backwards(spans: list[Span], last_ms: int, least_ms: int, gap_ms: int) -> list[Span]:
    """What reaches past the media's end moves forward, and what is in its way."""
    moved: list[Span] = []
    for span in reversed(spans):
        end_ms = min(span.end_ms, last_ms)
        start_ms = min(span.start_ms, end_ms - least_ms)
        moved.append(Span(start_ms=start_ms, end_ms=end_ms))
        last_ms = start_ms - gap_ms
    return moved[::-1]


def _linger(spans: list[Span], targets: list[Span], last_ms: int | None, gap_ms: int) -> list[Span]:
    """Each cue stays until it can be read, or until the next one where that is near."""
    settled = []
    for place, (span, target) in enumerate(zip(spans, targets, strict=True)):
        end_ms = max(span.end_ms, span.start_ms + target.read_ms)
        latest_ms = span.start_ms + MAX_MS
        if place + 1 < len(spans):
            following_ms = spans[place + 1].start_ms
            if following_ms - end_ms <= _CHAINED_MS:
                end_ms = max(end_ms, following_ms - gap_ms)
            latest_ms = min(latest_ms, following_ms - gap_ms)
        elif last_ms is not None:
            latest_ms = min(latest_ms, last_ms)
        settled.append(Span(start_ms=span.start_ms, end_ms=min(end_ms, latest_ms)))
    return settled
