"""A script out of sentences that are ready but for the keyword, chosen by the seed.

Owns the choice and how long sentences take; the sentences are data (``scripts.json``). A script
fills the requested time with speech as long as there are sentences, for about two minutes; beyond
that its sections stand further apart. ``notes`` are for models that can read them.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from darkroom.generation.captions.characters import clean_text
from darkroom.generation.documents import document_artifact
from darkroom.generation.ports import Artifact, GenerationRequest, PermanentProviderError
from darkroom.generation.script import (
    MAX_KEYWORD_CHARACTERS,
    MAX_TEXT_CHARACTERS,
    MAX_TITLE_CHARACTERS,
    Script,
    body_count,
    duration_of,
    known_language,
    script_of_texts,
    write_script,
)
from darkroom.kernel import catalog
from darkroom.studio.speech.korean_particles import with_particle

_SENTENCES: Final = "scripts.json"
_CHARACTERS_A_SECOND: Final = {"en": 15.0, "ko": 5.8}
"""As the studio's own voice speaks, pauses between sentences included."""
_INTRO_SHARE, _OUTRO_SHARE = 0.3, 0.25
"""Of the time; what remains is the bodies'."""
_SLOT: Final = re.compile(r"\{([Kk]eyword)(?::(\w+))?\}")


def make_script(request: GenerationRequest) -> list[Artifact]:
    """A script about ``keyword`` in ``tone`` for ``durationSec`` seconds, as JSON.

    Raises:
        PermanentProviderError: ``UNSUPPORTED_KIND`` (another language), ``PROVIDER_REFUSED`` (no
            keyword, or an unsupported length).
    """
    script = compose(request.params, request.language, request.seed)
    return [document_artifact(request, script, write_script(script))]


def compose(params: Mapping[str, Any], language: str, seed: int) -> Script:
    """The script; the same parameters and seed give the same one."""
    known = known_language(language)
    keyword, duration_sec = _keyword_of(params), duration_of(params)
    grammar = catalog.read(_SENTENCES)[known]
    tone = grammar["tones"].get(params.get("tone")) or grammar["tones"][grammar["defaultTone"]]
    writer = _Writer(
        keyword=keyword,
        chance=random.Random(f"{seed}|{language}"),
        budget=duration_sec * _CHARACTERS_A_SECOND[language],
    )
    intro = writer.one_of(tone["intros"], writer.budget * _INTRO_SHARE)
    outro = writer.one_of(tone["outros"], writer.budget * _OUTRO_SHARE)
    budget = writer.budget - len(intro) - len(outro)
    bodies = writer.bodies(tone["points"], grammar["points"], body_count(duration_sec), budget)
    return script_of_texts(
        title=writer.title(tone["titles"]),
        language=known,
        texts=[intro, *bodies, outro],
        duration_ms=duration_sec * 1000,
    )


class _Writer:
    """Chooses sentences that fit and writes the keyword into them."""

    def __init__(self, *, keyword: str, chance: random.Random, budget: float) -> None:
        self._keyword = keyword
        self._chance = chance
        self.budget = budget
        """How many characters fit into the script's time."""

    def one_of(self, sentences: Sequence[str], budget: float) -> str:
        """One that fits; the shortest if none does."""
        written = [self._fill(sentence) for sentence in sentences]
        fitting = [text for text in written if len(text) <= budget]
        return self._chance.choice(fitting) if fitting else min(written, key=len)

    def title(self, titles: Sequence[str]) -> str:
        title = self._fill(self._chance.choice(titles))
        return title if len(title) <= MAX_TITLE_CHARACTERS else self._keyword[:60].strip()

    def bodies(
        self,
        points: Sequence[Sequence[str]],
        more: Sequence[Sequence[str]],
        count: int,
        budget: float,
    ) -> list[str]:
        """As many texts, each begun with a point's first sentence; as long as they fit, the
        points go on by turns, and then those that have no text of their own find a place."""
        order = self._shuffled(points)
        if count == 1:
            fitting = [point for point in order if len(self._fill(point[0])) <= budget]
            order = fitting or sorted(order, key=lambda point: len(point[0]))
        order = [*order, *self._shuffled(more)]
        chosen = [[self._fill(point[0])] for point in order[:count]]
        budget -= sum(len(texts[0]) + 1 for texts in chosen)
        ended = set[int]()
        for number, sentences in _further(order, count):
            text = " ".join(map(self._fill, sentences))
            place = number % count
            length = len(" ".join(chosen[place])) + 1 + len(text)
            if number in ended or len(text) + 1 > budget or length > MAX_TEXT_CHARACTERS:
                # What comes later in a point leans on what comes before.
                ended.add(number)
                continue
            chosen[place].append(text)
            budget -= len(text) + 1
        return [" ".join(texts) for texts in chosen]

    def _shuffled(self, points: Sequence[Sequence[str]]) -> list[Sequence[str]]:
        return self._chance.sample(points, len(points))

    def _fill(self, sentence: str) -> str:
        return clean_text(_SLOT.sub(self._word, sentence))

    def _word(self, slot: re.Match[str]) -> str:
        word = self._keyword
        if slot[1] == "Keyword":
            word = word[0].upper() + word[1:]
        return word if slot[2] is None else with_particle(word, slot[2])


def _further(order: Sequence[Sequence[str]], count: int) -> Iterator[tuple[int, Sequence[str]]]:
    """A point's number and what it says next: those that have begun take turns; the others begin
    with two sentences at once, for one alone says nothing."""
    begun = order[:count]
    for turn in range(1, max(map(len, begun))):
        for number, point in enumerate(begun):
            if turn < len(point):
                yield number, point[turn : turn + 1]
    for number, point in enumerate(order[count:], start=count):
        yield number, point[:2]
        for turn in range(2, len(point)):
            yield number, point[turn : turn + 1]


def _keyword_of(params: Mapping[str, Any]) -> str:
    text = params.get("keyword")
    keyword = clean_text(text[: MAX_KEYWORD_CHARACTERS * 4]) if isinstance(text, str) else ""
    keyword = keyword[:MAX_KEYWORD_CHARACTERS].rstrip(" .,!?…。")
    if not keyword:
        raise PermanentProviderError("a script needs a keyword")
    return keyword
