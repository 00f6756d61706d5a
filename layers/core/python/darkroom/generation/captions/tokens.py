"""The words of a transcript in reading order, each with its time and where a line may end.

Owns the marriage of a segment's text with its words' times, the order of segments that overlap,
and how words too long for a line fall apart. Knows nothing of cues.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Final

from darkroom.generation.captions.characters import cells, clean_text, clusters
from darkroom.generation.captions.transcript import Segment, Transcript

_NO_LINE_STARTS_WITH: Final = frozenset(
    "、。，．・：；？！ー…」』）】〉》〕｝”’ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮ々"
)
_NO_LINE_ENDS_WITH: Final = frozenset("「『（【〈《〔｛“‘")


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """A word, or a piece of one that is too long or has no spaces."""

    text: str
    start_ms: int
    end_ms: int
    speaker: str | None
    segment: int
    """The segment's place in time, from 0."""
    glued: bool = False
    """True for all but the first piece of a word: no space stands before it."""


def read_tokens(transcript: Transcript, most_cells: int) -> list[Token]:
    """Every word, by segment in order of time; no token is wider than ``most_cells``."""
    end_ms = transcript.duration_ms or max(
        (time for segment in transcript.segments for time in _times(segment)), default=0
    )
    ordered = sorted(transcript.segments, key=lambda segment: (segment.start_ms, segment.end_ms))
    return [
        piece
        for place, segment in enumerate(ordered)
        for token in _segment_tokens(segment, place, end_ms)
        for piece in _pieces(token, most_cells)
    ]


def _times(segment: Segment) -> Iterator[int]:
    yield segment.start_ms
    yield segment.end_ms
    for word in segment.words:
        yield word.end_ms


def _segment_tokens(segment: Segment, place: int, end_ms: int) -> Iterator[Token]:
    """The text's words with times that never run backwards and lie within the media."""
    timed = [
        (text, word.start_ms, word.end_ms)
        for word in segment.words
        for text in [clean_text(word.text)]
        if text
    ]
    words = clean_text(segment.text).split() or [
        part for text, _, _ in timed for part in text.split()
    ]
    speaker = clean_text(segment.speaker or "") or None
    reached_ms = 0
    for text, start_ms, end in _timed_words(words, timed, segment):
        start_ms = min(max(start_ms, reached_ms), end_ms)
        end = min(max(end, start_ms), end_ms)
        reached_ms = start_ms
        yield Token(text=text, start_ms=start_ms, end_ms=end, speaker=speaker, segment=place)


def _timed_words(
    words: list[str], timed: list[tuple[str, int, int]], segment: Segment
) -> Iterator[tuple[str, int, int]]:
    if len(words) == len(timed):
        # The usual case: the same words, perhaps without the text's punctuation.
        for text, (_, start_ms, end_ms) in zip(words, timed, strict=True):
            yield text, start_ms, end_ms
        return
    # Other words than the text's still show its pace: a place in the one is a place in the other.
    marks = timed or [("x", segment.start_ms, max(segment.start_ms, segment.end_ms))]
    ends = list(accumulate(max(1, cells(text)) for text, _, _ in marks))
    places = [0, *accumulate(max(1, cells(text)) for text in words)]
    scale = ends[-1] / max(1, places[-1])
    for text, (begin, finish) in zip(words, pairwise(places), strict=True):
        yield (
            text,
            _time_at(begin * scale, marks, ends, after=True),
            _time_at(finish * scale, marks, ends, after=False),
        )


def _time_at(
    place: float, marks: list[tuple[str, int, int]], ends: list[int], *, after: bool
) -> int:
    """When the cell ``place`` of all the words is spoken; on the border of two words, the start
    of the second if ``after``, else the end of the first."""
    nudge = 1e-6 if after else -1e-6
    number = min(bisect_right(ends, place + nudge), len(ends) - 1)
    first = ends[number - 1] if number else 0
    _, start_ms, end_ms = marks[number]
    share = min(max((place - first) / (ends[number] - first), 0.0), 1.0)
    return round(start_ms + (max(end_ms, start_ms) - start_ms) * share)


def _pieces(token: Token, most_cells: int) -> Iterator[Token]:
    """The token itself, or its parts: Chinese and Japanese may break at almost any character,
    other words only where a line ends for lack of space."""
    if cells(token.text) <= most_cells and not _has_no_spaces(token.text):
        yield token
        return
    limit = 2 if _has_no_spaces(token.text) else most_cells
    parts = _split(token.text, limit)
    steps = [0, *accumulate(max(1, cells(part)) for part in parts)]
    length_ms = token.end_ms - token.start_ms
    for number, part in enumerate(parts):
        yield replace(
            token,
            text=part,
            start_ms=token.start_ms + length_ms * steps[number] // steps[-1],
            end_ms=token.start_ms + length_ms * steps[number + 1] // steps[-1],
            glued=number > 0,
        )


def _has_no_spaces(text: str) -> bool:
    """True for a word with Han characters or kana."""
    return any(
        "\u3040" <= character <= "\u30ff"
        or "\u3400" <= character <= "\u9fff"
        or "\U00020000" <= character <= "\U0003ffff"
        for character in text
    )


def _split(text: str, limit: int) -> list[str]:
    parts: list[str] = []
    for cluster in clusters(text):
        narrow = limit == 2 and cluster.isascii() and bool(parts) and parts[-1].isascii()
        bound = bool(parts) and (
            cluster[0] in _NO_LINE_STARTS_WITH or parts[-1][-1] in _NO_LINE_ENDS_WITH
        )
        budget = 16 if narrow or bound else limit
        if parts and cells(parts[-1]) + cells(cluster) <= budget and (limit > 2 or narrow or bound):
            parts[-1] += cluster
        else:
            parts.append(cluster)
    return parts
