"""Texts of a film: when they are shown, how lines break, and where they are drawn."""

from __future__ import annotations

import itertools
import unicodedata

import numpy as np
import pytest

from darkroom.studio.films.text import (
    CAPTION_STYLE,
    ENDING_STYLE,
    HOOK_STYLE,
    SAFE_BOTTOM_PX,
    SAFE_LEFT_PX,
    SAFE_RIGHT_PX,
    SAFE_TOP_PX,
    TextStyle,
    clean_text,
    draw_block,
    font,
    set_text,
    wrap,
)
from darkroom.studio.films.timeline import CueKind, plan_film

STYLES = {"caption": CAPTION_STYLE, "hook": HOOK_STYLE, "ending": ENDING_STYLE}
TEXTS = {
    "short": "Hi.",
    "english": "She said hello as if we had met a hundred times before.",
    "korean": "우리는 아무 말 없이 오래도록 비 오는 골목을 함께 걸었습니다.",
    "mixed": "오늘은 OK, 내일은 maybe… 그리고 2026년 봄!",
    "no spaces": "가나다라마바사아자차카타파하" * 6,
    "one long word": "Donaudampfschifffahrtselektrizitätenhauptbetriebswerk" * 3,
    "endless": "word " * 200,
}


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_caption_text_stays_inside_the_safe_area(style: TextStyle, text: str) -> None:
    block = set_text(clean_text(text), style)

    assert block is not None
    layer = draw_block(block, style, (255, 0, 0))
    rows, columns = np.nonzero(layer[..., 0] > 0.25)
    assert rows.size
    assert columns.min() >= SAFE_LEFT_PX - 1
    assert columns.max() <= SAFE_RIGHT_PX
    assert rows.min() >= SAFE_TOP_PX - 30
    assert rows.max() <= SAFE_BOTTOM_PX
    assert len(block.lines) <= style.max_lines


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_text_that_fits_keeps_every_character(text: str) -> None:
    lines = wrap(text, 600, font(40).getlength)

    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(font(40).getlength(line) <= 600 for line in lines)


def test_words_break_at_spaces_when_they_can() -> None:
    text = TEXTS["korean"]

    for line in wrap(text, 600, font(46).getlength):
        assert line in text
        assert set(line.split()) <= set(text.split())


def test_lines_are_even() -> None:
    lines = wrap("one two three four five six seven eight", 600, font(46).getlength)

    widths = [font(46).getlength(line) for line in lines]
    assert len(lines) == 2
    assert min(widths) > 0.7 * max(widths)


def test_no_line_begins_with_a_closing_mark() -> None:
    for line in wrap("가나다라마바사아자차카타파하거너더러.!" * 5, 500, font(46).getlength):
        assert line[0] not in ".!"


def test_text_that_can_never_fit_ends_with_an_ellipsis() -> None:
    block = set_text(clean_text(TEXTS["endless"]), CAPTION_STYLE)

    assert block is not None
    assert block.lines[-1].endswith("…")


def test_latin_words_are_set_smaller_rather_than_broken() -> None:
    block = set_text("Extraordinarilylongword unbelievableness", HOOK_STYLE)

    assert block is not None
    assert block.lines == ("Extraordinarilylongword", "unbelievableness")
    assert block.size_px < HOOK_STYLE.largest_px


def test_the_font_draws_hangul_and_latin() -> None:
    missing = bytes(font(40).getmask("\U0010ffff"))

    for character in "가힣뷁한글ABCxyzéüß0123456789…“”’!?":
        assert bytes(font(40).getmask(character)) != missing


def test_decomposed_hangul_is_composed() -> None:
    assert clean_text(unicodedata.normalize("NFD", "한글")) == "한글"


def test_characters_that_the_font_lacks_are_dropped() -> None:
    assert clean_text("Hi 😀\u202e\x00 there\n\tfriend") == "Hi there friend"
    assert clean_text(None) == ""


CASES = [
    pytest.param([72, 72, 72], ["a", "b", "c"], "hook", "end", id="story"),
    pytest.param([72], ["a"], "hook", "end", id="one clip"),
    pytest.param([24, 24], ["a", "b"], "hook", "end", id="short clips"),
    pytest.param([3, 3, 3], ["a", "b", "c"], "hook", "end", id="tiny clips"),
    pytest.param([72] * 5, ["a"] * 5, "", "", id="captions only"),
    pytest.param([72, 72], ["a", "b", "too many"], "hook", "", id="more captions than clips"),
    pytest.param([72, 72, 72], ["", "b"], "", "end", id="a missing caption"),
]


@pytest.mark.parametrize(("clips", "captions", "hook", "ending"), CASES)
def test_two_texts_are_never_visible_at_once(
    clips: list[int], captions: list[str], hook: str, ending: str
) -> None:
    plan = plan_film(clips, captions=captions, hook=hook, ending=ending)

    for frame in range(plan.length):
        assert sum(cue.opacity(frame) > 0 for cue in plan.cues) <= 1
    for one, other in itertools.combinations(plan.cues, 2):
        assert one.end <= other.start or other.end <= one.start
    assert all(0 <= cue.start < cue.end <= plan.length for cue in plan.cues)


@pytest.mark.parametrize(("clips", "captions", "hook", "ending"), CASES)
def test_every_clip_is_played_completely_and_forwards(
    clips: list[int], captions: list[str], hook: str, ending: str
) -> None:
    plan = plan_film(clips, captions=captions, hook=hook, ending=ending)

    for shot, frames in zip(plan.shots, clips, strict=True):
        places = shot.positions()
        assert len(places) == shot.length
        assert places[0] == 0
        assert places[-1] == pytest.approx(frames - 1)
        assert (np.diff(places) >= 0).all()


def test_a_story_shows_hook_each_caption_and_ending_long_enough_to_read() -> None:
    plan = plan_film([72, 72, 72], captions=["a", "b", "c"], hook="hook", ending="end")

    kinds = [cue.kind for cue in plan.cues]
    assert kinds == [CueKind.HOOK, *[CueKind.CAPTION] * 3, CueKind.ENDING]
    assert [cue.text for cue in plan.cues] == ["hook", "a", "b", "c", "end"]
    assert min(cue.end - cue.start for cue in plan.cues) >= 1.7 * 24


def test_each_caption_is_shown_over_its_own_clip() -> None:
    plan = plan_film([72, 72, 72], captions=["a", "b", "c"], hook="hook", ending="end")

    captions = [cue for cue in plan.cues if cue.kind is CueKind.CAPTION]
    for cue, shot in zip(captions, plan.shots, strict=True):
        assert shot.start <= cue.start < cue.end <= shot.start + shot.length


def test_texts_fade_in_and_out() -> None:
    cue = plan_film([72], captions=["a"], hook="", ending="").cues[0]

    levels = [cue.opacity(frame) for frame in range(cue.start, cue.end)]
    assert levels[0] < 0.2
    assert levels[-1] < 0.2
    assert max(levels) == 1.0
    assert cue.opacity(cue.start - 1) == cue.opacity(cue.end) == 0.0
