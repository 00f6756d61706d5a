"""From words to cues: what is shown together, on which lines.

Owns the rules of good subtitles as numbers and the choice of breaks by least cost. The rules
follow Netflix's public Timed Text Style Guide (General Requirements, Subtitle Timing Guidelines,
and the guides of English, Korean, Japanese and Chinese): at most two lines, 42 characters a line
(16 full-width ones in Korean and Chinese, 13 in Japanese), 5/6 of a second to 7 seconds, two
frames between cues, breaks after punctuation and before conjunctions and prepositions. Knows
nothing of file formats; ``timing`` settles when a cue comes and goes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final

from darkroom.generation.captions.characters import cells, clusters
from darkroom.generation.captions.timing import GAP_MS, MAX_MS, MIN_MS, Span, settle
from darkroom.generation.captions.tokens import Token, read_tokens
from darkroom.generation.captions.transcript import Transcript, Word

MAX_LINES: Final = 2


@dataclass(frozen=True, kw_only=True)
class Script:
    """What a line takes and how fast it is read, in cells (see ``characters.cells``)."""

    line_cells: int
    cells_a_second: int

    @property
    def half_line_cells(self) -> int:
        """What a word is cut to, and a speaker's name with its colon and space: a line takes
        one of each, whatever they are."""
        return self.line_cells // 2


_LATIN: Final = Script(line_cells=42, cells_a_second=20)
_SCRIPTS: Final = {
    "ko": Script(line_cells=32, cells_a_second=24),
    "ja": Script(line_cells=26, cells_a_second=8),
    "zh": Script(line_cells=32, cells_a_second=18),
}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SENTENCE_ENDS: Final = frozenset(".?!…。？！")
_CLAUSE_ENDS: Final = frozenset(",;:—–、，；：)")
_CLOSING: Final = "\"'”’)]」』）"
_CONJUNCTIONS: Final = _words(
    "and but or nor so yet because although though while when where if unless until since than "
    "that which who whose whether as"
)
_PREPOSITIONS: Final = _words(
    "about above across after against along among around at before behind below beneath beside "
    "between beyond by despite down during for from in inside into like near of off on onto out "
    "outside over past through throughout to toward towards under up upon with within "
    "without"
)
_CLINGING: Final = _words(
    "a an the my your his her its our their this these those no not i you he she it we they am "
    "is are was were be been has have had do does did will would can could shall should may "
    "might must very mr mrs ms dr"
)
"""Words that a break should not part from the next one."""

_HELD: Final = _CLINGING | _PREPOSITIONS | _CONJUNCTIONS
_TITLES: Final = _words("mr. mrs. ms. dr. st. prof. vs.")
_KOREAN_BOUND_NOUNS: Final = ("때문", "것", "거", "뿐", "만큼", "듯", "적이", "줄")
"""They complete the word before them, so that no line should begin with one."""

_LONG_PAUSE_MS: Final = 1000
"""Nothing spoken after such a pause stands in the same cue."""
_PAUSE_MS: Final = 300
_LINGER_MS: Final = 1500
"""About how long a cue may stay for reading when no speech follows."""


@dataclass(frozen=True, kw_only=True)
class Cue:
    """What is shown from ``start_ms`` to ``end_ms``."""

    start_ms: int
    end_ms: int
    lines: tuple[str, ...]
    """One or two, never empty."""
    words: tuple[Word, ...]
    """What is in the lines, with the times at which it is spoken."""
    speaker: str | None
    is_new_speaker: bool
    """True where a written label has to say who speaks."""


def script_of(language: str) -> Script:
    """The measures for an IETF language tag; Latin ones where none are known."""
    return _SCRIPTS.get(language.lower().replace("_", "-").split("-")[0], _LATIN)


def make_cues(transcript: Transcript, language: str) -> list[Cue]:
    """The captions of ``transcript``: in order, never overlapping, every word in one of them."""
    script = script_of(language)
    tokens = read_tokens(transcript, script.half_line_cells)
    groups: list[tuple[list[list[Token]], str | None, bool]] = []
    last_speaker: str | None = None
    for run in _runs(tokens):
        speaker = _short_label(run[0].speaker, script.half_line_cells - 2)
        label = cells(speaker) + 2 if speaker and speaker != last_speaker else 0
        for place, lines in enumerate(_break_run(run, script, label)):
            groups.append((lines, speaker, place == 0 and label > 0))
        last_speaker = speaker
    spans = settle(
        [_wanted_span(lines, script) for lines, _, _ in groups], transcript.duration_ms or None
    )
    return [
        Cue(
            start_ms=span.start_ms,
            end_ms=span.end_ms,
            lines=tuple(map(_line_text, lines)),
            words=tuple(_whole_words([token for line in lines for token in line])),
            speaker=speaker,
            is_new_speaker=is_new,
        )
        for span, (lines, speaker, is_new) in zip(spans, groups, strict=True)
    ]


def _short_label(speaker: str | None, most_cells: int) -> str | None:
    if speaker is None or cells(speaker) <= most_cells:
        return speaker
    kept = ""
    for cluster in clusters(speaker):
        if cells(kept) + cells(cluster) > most_cells - 1:
            break
        kept += cluster
    return kept.rstrip() + "…"


def _runs(tokens: list[Token]) -> Iterator[list[Token]]:
    """Tokens that may share a cue: one speaker, no long pause, time running forwards."""
    run: list[Token] = []
    for token in tokens:
        if run and _is_apart(run[-1], token):
            yield run
            run = []
        run.append(token)
    if run:
        yield run


def _is_apart(before: Token, after: Token) -> bool:
    return (
        before.speaker != after.speaker
        or after.start_ms - before.end_ms >= _LONG_PAUSE_MS
        or after.start_ms < before.start_ms
    )


def _wanted_span(lines: list[list[Token]], script: Script) -> Span:
    """When the cue is spoken, and how long it takes to read."""
    first, last = lines[0][0], lines[-1][-1]
    width = sum(_width_of(line) for line in lines)
    return Span(
        start_ms=first.start_ms,
        end_ms=max(last.end_ms, first.start_ms),
        read_ms=-(-width * 1000 // script.cells_a_second),
    )


def _width_of(line: list[Token]) -> int:
    return cells(_line_text(line))


def _line_text(line: list[Token]) -> str:
    return "".join(
        token.text if token.glued or place == 0 else f" {token.text}"
        for place, token in enumerate(line)
    )


def _whole_words(tokens: list[Token]) -> Iterator[Word]:
    """The tokens as words again; a word cut by the cue's border stays two parts."""
    word: Word | None = None
    for token in tokens:
        if word is not None and token.glued:
            word = Word(start_ms=word.start_ms, end_ms=token.end_ms, text=word.text + token.text)
            continue
        if word is not None:
            yield word
        word = Word(start_ms=token.start_ms, end_ms=token.end_ms, text=token.text)
    if word is not None:
        yield word


# --- breaks -------------------------------------------------------------------------------------

_CUE_COST: Final = 3.0
"""Fewer cues are calmer."""
_CUE_BREAK_WEIGHT: Final = 1.5
"""A bad break between cues is worse than between lines."""
_JOINED_SENTENCES_COST: Final = 3.2
"""More than another cue costs: each sentence has its own, unless it is too short to be read."""
_ORPHAN_COST: Final = 4.0
_ORPHAN_CELLS: Final = 8
_HASTE_COST: Final = 3.0
_MOST_HASTE_COST: Final = 6.0
_SENTENCE_BREAK_COST: Final = 0.2


@dataclass(frozen=True, slots=True)
class _Run:
    """A run with what the search looks up again and again."""

    tokens: list[Token]
    places: list[int]
    """``places[k]``: the cells before token k when all stand on one line, its space included."""
    costs: list[float]
    """``costs[k]``: how bad it is to break before token k."""
    sentence_ends: list[int]
    """``sentence_ends[k]``: how many sentences end before token k."""

    def width(self, begin: int, end: int) -> int:
        """Cells of the tokens from ``begin`` up to, not including, ``end`` on one line."""
        space = 0 if self.tokens[begin].glued else 1
        return self.places[end] - self.places[begin] - space


def _break_run(tokens: list[Token], script: Script, label: int) -> Iterator[list[list[Token]]]:
    """The run's cues, each a list of lines; the first line of all leaves space for a label.

    The cheapest way to break the whole run, found by dynamic programming from its end.
    """
    run = _prepare(tokens)
    count = len(tokens)
    best: list[tuple[float, int]] = [(0.0, count)] * (count + 1)
    for begin in range(count - 1, -1, -1):
        reserved = label if begin == 0 else 0
        choices = (
            (cost + best[end][0], end) for end, cost in _cue_costs(run, begin, script, reserved)
        )
        best[begin] = min(choices)
    begin = 0
    while begin < count:
        end = best[begin][1]
        middle = _line_break(
            run,
            begin=begin,
            end=end,
            line_cells=script.line_cells,
            label=label if begin == 0 else 0,
        )
        assert middle is not None, "a cue was chosen that does not fit"
        yield [tokens[begin:middle[1]], tokens[middle[1]:end]] if middle[1] < end else [
            tokens[begin:end]
        ]  # fmt: skip
        begin = end


def _prepare(tokens: list[Token]) -> _Run:
    spaced = [cells(token.text) + (0 if token.glued else 1) for token in tokens]
    costs = [0.0, *(_break_cost(a, b) for a, b in pairwise(tokens)), 0.0]
    ends = [int(cost == 0.0) for cost in costs[1:-1]]
    return _Run(
        tokens=tokens,
        places=[0, *accumulate(spaced)],
        costs=costs,
        sentence_ends=[0, 0, *accumulate(ends)],
    )


def _break_cost(before: Token, after: Token) -> float:
    """How bad a break between two words is, 0 (a sentence ends) to 40 (within a word)."""
    bare = before.text.rstrip(_CLOSING)
    last = bare[-1:] or before.text[-1]
    if before.text.lower() in _TITLES:
        return 7.0
    if last in _SENTENCE_ENDS and not after.glued:
        return 0.0
    if after.start_ms - before.end_ms >= _PAUSE_MS:
        return _SENTENCE_BREAK_COST
    if before.segment != after.segment:
        return 0.8
    if last in _CLAUSE_ENDS or before.text[-1] in _CLAUSE_ENDS:
        return 1.0
    if after.glued:
        # Between Chinese or Japanese characters, or, where nothing else is left, within a word.
        return 4.0 if after.text >= "\u2e80" else 40.0
    if before.text.lower() in _HELD or after.text.startswith(_KOREAN_BOUND_NOUNS):
        return 7.0
    word = after.text.lower()
    return 2.0 if word in _CONJUNCTIONS else 2.5 if word in _PREPOSITIONS else 4.5


def _cue_costs(run: _Run, begin: int, script: Script, label: int) -> Iterator[tuple[int, float]]:
    """Every end that a cue from ``begin`` may have, with its cost; one token always fits."""
    tokens, count = run.tokens, len(run.tokens)
    for end in range(begin + 1, count + 1):
        spoken_ms = tokens[end - 1].end_ms - tokens[begin].start_ms
        if end > begin + 1 and spoken_ms > MAX_MS:
            return
        if run.width(begin, end) + label > MAX_LINES * script.line_cells + 1:
            return
        lines = _line_break(run, begin=begin, end=end, line_cells=script.line_cells, label=label)
        if lines is None:
            continue
        cost = _CUE_COST + lines[0] + _CUE_BREAK_WEIGHT * run.costs[end]
        joined = run.sentence_ends[end] - run.sentence_ends[begin + 1]
        cost += _JOINED_SENTENCES_COST * joined
        cost += _orphan_cost(run, begin, end) + _haste_cost(run, begin, end, script)
        yield end, cost


def _orphan_cost(run: _Run, begin: int, end: int) -> float:
    """One short word alone, unless it is all that was said there."""
    alone = end == begin + 1 and run.width(begin, end) < _ORPHAN_CELLS
    whole = run.costs[begin] <= _SENTENCE_BREAK_COST and run.costs[end] <= _SENTENCE_BREAK_COST
    return _ORPHAN_COST if alone and not whole else 0.0


def _haste_cost(run: _Run, begin: int, end: int, script: Script) -> float:
    """For a cue that goes before it can be read."""
    tokens = run.tokens
    if end < len(tokens):
        free_ms = tokens[end].start_ms - GAP_MS - tokens[begin].start_ms
    else:
        free_ms = tokens[end - 1].end_ms + _LINGER_MS - tokens[begin].start_ms
    wanted_ms = max(MIN_MS, run.width(begin, end) * 1000 / script.cells_a_second)
    haste = wanted_ms / max(min(free_ms, MAX_MS), 1) - 1.0
    return min(max(haste, 0.0) * _HASTE_COST, _MOST_HASTE_COST)


def _line_break(
    run: _Run, *, begin: int, end: int, line_cells: int, label: int
) -> tuple[float, int] | None:
    """The cost of the best two lines and the token that begins the second; ``end`` for one line.

    None when two lines do not take it.
    """
    if run.width(begin, end) <= line_cells - label:
        return 0.0, end
    best: tuple[float, int] | None = None
    for middle in range(begin + 1, end):
        upper = run.width(begin, middle) + label
        if upper > line_cells:
            break
        lower = run.width(middle, end)
        if lower > line_cells:
            continue
        # The lower line should be the longer one; it hides less of the picture's middle.
        uneven = abs(upper - lower) / line_cells * 2.0 + (0.4 if upper > lower else 0.0)
        orphan = 2.0 if min(upper - label, lower) < _ORPHAN_CELLS else 0.0
        cost = run.costs[middle] * 0.8 + uneven + orphan
        if best is None or cost < best[0]:
            best = cost, middle
    return best
