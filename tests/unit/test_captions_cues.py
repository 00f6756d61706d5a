"""Captions: every word is shown, in order, on time, and in lines that can be read."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from darkroom.generation.captions import transcript as transcript_module
from darkroom.generation.captions.characters import cells, clean_text, clusters
from darkroom.generation.captions.cues import Cue, make_cues, script_of
from darkroom.generation.captions.timing import GAP_MS, MAX_MS, MIN_MS, Span, settle
from darkroom.generation.captions.transcript import (
    Segment,
    Transcript,
    TranscriptRejected,
    Word,
    read_transcript,
    write_transcript,
)

TIMES = st.integers(0, 60_000)
TEXTS = st.one_of(
    st.text(max_size=60),
    st.text("ab c.,!?\n", max_size=200),
    st.text("가나 다라.", max_size=80),
    st.text("日本語、。かな A1", max_size=80),
    st.sampled_from(
        ["-->", "<i>x</i> & co", "7", "WEBVTT", "a" * 300, "👩‍👩‍👧 🇰🇷🇰🇷", "e\u0301" * 90]
    ),
)
WORDS = st.builds(Word, start_ms=TIMES, end_ms=TIMES, text=TEXTS)
SEGMENTS = st.builds(
    Segment,
    start_ms=TIMES,
    end_ms=TIMES,
    text=TEXTS,
    words=st.lists(WORDS, max_size=6).map(tuple),
    speaker=st.one_of(st.none(), st.sampled_from(["Ann", "Bob"]), st.text(max_size=60)),
)
TRANSCRIPTS = st.builds(
    Transcript,
    language=st.sampled_from(["en", "ko", "ja", "zh", "fr", "xx"]),
    duration_ms=st.one_of(st.just(0), st.integers(1, 120_000)),
    segments=st.lists(SEGMENTS, max_size=12).map(tuple),
)


def spoken(text: str, *, start_ms: int = 0, word_ms: int = 300, **more: object) -> Transcript:
    """One segment whose words follow each other without a pause."""
    words = tuple(
        Word(start_ms=start_ms + n * word_ms, end_ms=start_ms + (n + 1) * word_ms, text=word)
        for n, word in enumerate(text.split())
    )
    end_ms = words[-1].end_ms
    segment = Segment(start_ms=start_ms, end_ms=end_ms, text=text, words=words, **more)  # type: ignore[arg-type]
    return Transcript(language="en", duration_ms=end_ms + 2000, segments=(segment,))


def said(transcript: Transcript) -> list[str]:
    """The words in order, without the spaces that line breaks may move."""
    ordered = sorted(transcript.segments, key=lambda s: (s.start_ms, s.end_ms))
    texts = (
        clean_text(s.text) or " ".join(filter(None, (clean_text(w.text) for w in s.words)))
        for s in ordered
    )
    return ["".join(text.split()) for text in texts]


@settings(max_examples=100, deadline=None)
@given(TRANSCRIPTS)
def test_every_word_is_shown_once_and_in_order(transcript: Transcript) -> None:
    cues = make_cues(transcript, transcript.language)

    shown = "".join("".join(line.split()) for cue in cues for line in cue.lines)
    assert shown == "".join(said(transcript))
    assert shown == "".join("".join(w.text.split()) for cue in cues for w in cue.words)


@settings(max_examples=100, deadline=None)
@given(TRANSCRIPTS)
def test_lines_keep_their_length_and_their_number(transcript: Transcript) -> None:
    cues = make_cues(transcript, transcript.language)

    limit = script_of(transcript.language).line_cells
    for cue in cues:
        label = cells(cue.speaker or "") + 2 if cue.is_new_speaker else 0
        assert 1 <= len(cue.lines) <= 2
        assert all(line == line.strip() != "" for line in cue.lines)
        assert cells(cue.lines[0]) + label <= limit
        assert all(cells(line) <= limit for line in cue.lines)


@settings(max_examples=100, deadline=None)
@given(TRANSCRIPTS)
def test_cues_follow_each_other_within_the_media(transcript: Transcript) -> None:
    cues = make_cues(transcript, transcript.language)

    assert all(0 <= cue.start_ms < cue.end_ms for cue in cues)
    assert all(a.end_ms <= b.start_ms for a, b in itertools.pairwise(cues))
    assert all(cue.end_ms - cue.start_ms <= MAX_MS for cue in cues)
    # With more cues than milliseconds, overlap cannot be avoided.
    if transcript.duration_ms >= len(cues) > 0:
        assert cues[-1].end_ms <= transcript.duration_ms
    needed_ms = len(cues) * MIN_MS + (len(cues) - 1) * GAP_MS
    if transcript.duration_ms == 0 or needed_ms <= transcript.duration_ms:
        assert all(cue.end_ms - cue.start_ms >= MIN_MS for cue in cues)
        assert all(b.start_ms - a.end_ms >= GAP_MS for a, b in itertools.pairwise(cues))


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.builds(Span, start_ms=TIMES, end_ms=TIMES, read_ms=st.integers(0, 9000)), min_size=1
    )
)
def test_a_cue_is_too_short_to_read_only_for_a_reason(targets: list[Span]) -> None:
    targets = [Span(start_ms=w.start_ms, end_ms=max(w.start_ms, w.end_ms), read_ms=w.read_ms)
              for w in targets]  # fmt: skip

    spans = settle(targets, 90_000)

    needed_ms = len(targets) * (MIN_MS + GAP_MS)
    for target, span, after in zip(targets, spans, [*spans[1:], None], strict=True):
        lasts_ms = span.end_ms - span.start_ms
        full = after is not None and after.start_ms - span.end_ms <= GAP_MS
        assert (
            lasts_ms >= min(target.read_ms, MAX_MS)
            or full
            or span.end_ms == 90_000
            or needed_ms > 90_000
        )


def test_cues_have_the_times_of_their_words() -> None:
    transcript = spoken("we walked along the river and then we went home again", start_ms=5000)

    cues = make_cues(transcript, "en")

    assert cues[0].start_ms == 5000
    assert abs(cues[-1].start_ms - cues[-1].words[0].start_ms) <= MIN_MS


def test_a_short_text_stays_on_one_line() -> None:
    (cue,) = make_cues(spoken("Nothing was found in the old barn."), "en")

    assert cue.lines == ("Nothing was found in the old barn.",)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("He opened the door very slowly, and nothing was there.",
         ("He opened the door very slowly,", "and nothing was there.")),
        ("She put all of her letters into the small wooden box.",
         ("She put all of her letters", "into the small wooden box.")),
        ("They warned no one that Mr. Smith had left the city.",
         ("They warned no one", "that Mr. Smith had left the city.")),
    ],
)  # fmt: skip
def test_lines_break_after_punctuation_and_before_small_words(
    text: str, lines: tuple[str, str]
) -> None:
    (cue,) = make_cues(spoken(text, word_ms=400), "en")

    assert cue.lines == lines


def test_no_line_ends_with_an_article_or_a_title() -> None:
    text = (
        "The man who had brought the letters to the captain of the ship said that the rain "
        "would not stop before the morning and that a doctor like Dr. Gray must see the boy."
    )

    lines = [line for cue in make_cues(spoken(text), "en") for line in cue.lines]

    assert len(lines) > 3
    assert not [line for line in lines if line.split()[-1].lower() in {"the", "a", "dr.", "of"}]


def test_sentences_get_cues_of_their_own() -> None:
    transcript = spoken("The rain has stopped at last today. We can go outside now, I think.")

    first, second = make_cues(transcript, "en")

    assert first.lines == ("The rain has stopped at last today.",)
    assert second.lines == ("We can go outside now, I think.",)


def test_a_long_pause_parts_cues() -> None:
    words = (
        Word(start_ms=0, end_ms=400, text="wait"),
        Word(start_ms=3000, end_ms=3400, text="now"),
    )
    segment = Segment(start_ms=0, end_ms=3400, text="wait now", words=words)

    cues = make_cues(Transcript(language="en", duration_ms=9000, segments=(segment,)), "en")

    assert [cue.lines for cue in cues] == [("wait",), ("now",)]


def test_short_segments_of_one_speaker_share_a_cue() -> None:
    segments = tuple(
        Segment(start_ms=n * 300, end_ms=n * 300 + 280, text=text)
        for n, text in enumerate(["one", "two", "three"])
    )

    cues = make_cues(Transcript(language="en", duration_ms=5000, segments=segments), "en")

    assert [cue.lines for cue in cues] == [("one two three",)]


def test_speakers_never_share_a_cue_and_are_named_where_they_change() -> None:
    segments = tuple(
        Segment(start_ms=n * 2000, end_ms=n * 2000 + 1800, text=f"line {n}", speaker=speaker)
        for n, speaker in enumerate(["Ann", "Ann", "Bob", "Ann"])
    )

    cues = make_cues(Transcript(language="en", duration_ms=9000, segments=segments), "en")

    assert [(cue.speaker, cue.is_new_speaker) for cue in cues if cue.is_new_speaker] == [
        ("Ann", True), ("Bob", True), ("Ann", True),
    ]  # fmt: skip
    assert all("line" in line for cue in cues for line in cue.lines)


def test_overlapping_speech_is_shown_in_sequence() -> None:
    segments = (
        Segment(start_ms=0, end_ms=4000, text="I have always said so", speaker="Ann"),
        Segment(start_ms=500, end_ms=3000, text="no you have not", speaker="Bob"),
    )

    ann, bob = make_cues(Transcript(language="en", duration_ms=9000, segments=segments), "en")

    assert ann.end_ms + GAP_MS <= bob.start_ms
    assert bob.start_ms <= 500 + MIN_MS + GAP_MS


def test_the_text_is_shown_with_the_times_of_words_that_lack_its_punctuation() -> None:
    words = (
        Word(start_ms=100, end_ms=300, text="yes"),
        Word(start_ms=400, end_ms=900, text="indeed"),
    )
    segment = Segment(start_ms=0, end_ms=1000, text="Yes, indeed!", words=words)

    (cue,) = make_cues(Transcript(language="en", duration_ms=3000, segments=(segment,)), "en")

    assert [(w.text, w.start_ms, w.end_ms) for w in cue.words] == [
        ("Yes,", 100, 300), ("indeed!", 400, 900),
    ]  # fmt: skip


def test_korean_lines_hold_sixteen_syllables() -> None:
    text = "오늘은 서울의 오래된 골목길을 함께 걸어 보겠습니다 날씨가 아주 좋습니다"

    cues: list[Cue] = make_cues(spoken(text, word_ms=500), "ko")

    lines = [line for cue in cues for line in cue.lines]
    assert max(map(cells, lines)) <= 32
    assert " ".join(lines) == text


def test_a_translation_without_timed_words_is_spread_over_its_segment() -> None:
    segment = Segment(start_ms=1000, end_ms=13_000, text="word " * 40)

    cues = make_cues(Transcript(language="en", duration_ms=14_000, segments=(segment,)), "en")

    assert cues[0].start_ms == 1000
    assert len(cues) >= 3
    assert cues[-1].words[-1].end_ms == 13_000


def test_an_emoji_of_several_code_points_is_never_cut() -> None:
    family = "👩\u200d👩\u200d👧"

    assert list(clusters(f"{family}e\u0301🇰🇷🇯🇵")) == [family, "e\u0301", "🇰🇷", "🇯🇵"]
    assert cells(family) == 2


def test_control_characters_and_line_breaks_do_not_reach_a_caption() -> None:
    assert clean_text("a\x00b\n\n c\u2028d\ufeff\u202ee\ud800") == "ab c de"


@settings(max_examples=100, deadline=None)
@given(TRANSCRIPTS.filter(lambda t: "\ud800" not in repr(t)))
def test_a_transcript_reads_back_as_written(transcript: Transcript) -> None:
    assert read_transcript(write_transcript(transcript)) == transcript


def a_segment_with(**changes: object) -> bytes:
    segment = {"startMs": 0, "endMs": 10, "text": "hi"} | changes
    return json.dumps({"language": "en", "durationMs": 10, "segments": [segment]}).encode()


@pytest.mark.parametrize(
    "broken",
    [
        b"", b"\xff", b"[]", b"[" * 100_000, b'{"language": "en", "durationMs": 1}',
        b'{"language": 1, "durationMs": 1, "segments": []}',
        b'{"language": "en", "durationMs": -1, "segments": []}',
        b'{"language": "en", "durationMs": 1.5, "segments": []}',
        b'{"language": "en", "durationMs": true, "segments": []}',
        b'{"language": "en", "durationMs": 1, "segments": [1]}',
        b'{"language": "en", "durationMs": 1, "segments": [{"startMs": 0, "endMs": 1}]}',
        b'{"language": "en", "durationMs": NaN, "segments": []}',
        b'{"language": "en", "durationMs": "1", "segments": []}',
        b'{"language": "en", "durationMs": 3600000001, "segments": []}',
        b'{"language": "en", "durationMs": 1' + b"0" * 400 + b', "segments": []}',
        b'{"language": "en", "durationMs": 1' + b"0" * 5000 + b', "segments": []}',
        b'{"language": "en", "duration_ms": 1, "segments": []}',
        b'{"language": "en", "durationMs": 1, "segments": {"0": 1}}',
        a_segment_with(words=None),
        a_segment_with(words=[{"startMs": 0, "endMs": False, "text": "x"}]),
        a_segment_with(speaker=7),
        a_segment_with(speaker="x" * 201),
        a_segment_with(text="x" * 100_001),
    ],
    ids=lambda broken: broken[:60].decode(errors="replace"),
)  # fmt: skip
def test_a_file_of_another_shape_is_refused(broken: bytes) -> None:
    with pytest.raises(TranscriptRejected):
        read_transcript(broken)


def test_a_segment_may_leave_out_words_and_carry_fields_of_later_versions() -> None:
    document = {
        "language": "en",
        "durationMs": 10,
        "segments": [{"startMs": 0, "endMs": 10, "text": "hi", "confidence": 0.5}],
    }

    transcript = read_transcript(json.dumps(document).encode())

    assert transcript.segments == (Segment(start_ms=0, end_ms=10, text="hi"),)


def test_a_large_file_of_another_shape_is_refused_at_its_first_error() -> None:
    broken = b'{"language": "en", "durationMs": 1, "segments": [' + b"1," * 10_000 + b"1]}"

    with pytest.raises(TranscriptRejected) as caught:
        read_transcript(broken)

    found = caught.value.__context__
    assert isinstance(found, ValidationError)
    assert found.error_count() == 1


def test_all_words_together_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    written = write_transcript(spoken("one two three"))
    monkeypatch.setattr(transcript_module, "MAX_WORDS", 2)

    with pytest.raises(TranscriptRejected):
        read_transcript(written)


def test_half_a_character_is_left_out_of_a_transcript() -> None:
    document = a_segment_with(text="hi\ud83d", speaker="\ud83dAnn")

    [segment] = read_transcript(document).segments

    assert (segment.text, segment.speaker) == ("hi", "Ann")
