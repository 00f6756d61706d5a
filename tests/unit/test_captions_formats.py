"""Caption files, read back by third-party parsers."""

from __future__ import annotations

import html
import io
import json
import re

import pysubs2
import pytest
import srt
import webvtt
from hypothesis import given, settings

from darkroom.generation.captions.cues import make_cues
from darkroom.generation.captions.formats import MIME_TYPES, write_captions
from darkroom.generation.captions.transcript import Segment, Transcript
from tests.unit.test_captions_cues import TRANSCRIPTS

JOINER = "\u2060"
VTT_TIME = re.compile(r"(\d{2,}:[0-5]\d:[0-5]\d\.\d{3}) --> (\d{2,}:[0-5]\d:[0-5]\d\.\d{3})")


def transcript_of(*texts: str, speaker: str | None = None) -> Transcript:
    segments = tuple(
        Segment(start_ms=n * 3000, end_ms=n * 3000 + 1500, text=text, speaker=speaker)
        for n, text in enumerate(texts)
    )
    return Transcript(language="en", duration_ms=len(texts) * 3000 + 500, segments=segments)


def written(transcript: Transcript, format: str, language: str = "en") -> str:
    return write_captions(transcript, format=format, language=language).decode("utf-8")


def lenient(text: str) -> pysubs2.SSAFile:
    """As pysubs2 reads a file: text mode makes every line end a LF."""
    lines = text.replace("\r\n", "\n")
    return pysubs2.SSAFile.from_string(lines, format_="srt", keep_unknown_html_tags=True)


def ms(time: object) -> int:
    return round(time.total_seconds() * 1000)  # type: ignore[attr-defined]


@settings(max_examples=100, deadline=None)
@given(TRANSCRIPTS)
def test_srt_reads_back_cue_for_cue(transcript: Transcript) -> None:
    text = written(transcript, "srt", transcript.language)

    cues = make_cues(transcript, transcript.language)
    read = list(srt.parse(text, ignore_errors=False))
    assert [subtitle.index for subtitle in read] == list(range(1, len(cues) + 1))
    assert [(ms(s.start), ms(s.end)) for s in read] == [(c.start_ms, c.end_ms) for c in cues]
    for subtitle, cue in zip(read, cues, strict=True):
        label = f"{cue.speaker}: " if cue.is_new_speaker else ""
        shown = subtitle.content.replace(JOINER, "").replace("\r\n", "\n")
        assert shown == label + "\n".join(cue.lines)


@settings(max_examples=100, deadline=None)
@given(TRANSCRIPTS)
def test_srt_means_the_same_to_a_lenient_reader(transcript: Transcript) -> None:
    text = written(transcript, "srt", transcript.language)

    cues = make_cues(transcript, transcript.language)
    read = lenient(text)
    assert [(event.start, event.end) for event in read] == [(c.start_ms, c.end_ms) for c in cues]


@settings(max_examples=100, deadline=None)
@given(TRANSCRIPTS)
def test_vtt_is_valid_and_reads_back_cue_for_cue(transcript: Transcript) -> None:
    text = written(transcript, "vtt", transcript.language)

    cues = make_cues(transcript, transcript.language)
    assert text.startswith("WEBVTT\n")
    assert "\r" not in text
    assert text.count("-->") == len(cues) == len(VTT_TIME.findall(text))
    read = webvtt.from_buffer(io.StringIO(text)).captions
    assert len(read) == len(cues)
    for caption, cue in zip(read, cues, strict=True):
        assert (caption.start_in_seconds, caption.end_in_seconds) == (
            cue.start_ms // 1000, cue.end_ms // 1000,
        )  # fmt: skip
        plain = re.sub(r"^<v [^>\n]*>", "", caption.raw_text)
        assert "<" not in plain
        assert html.unescape(plain.replace("&amp;", "&amp;amp;")).replace(
            "&amp;", "&"
        ) == "\n".join(cue.lines)


@settings(max_examples=100, deadline=None)
@given(TRANSCRIPTS)
def test_json_carries_the_cues(transcript: Transcript) -> None:
    document = json.loads(written(transcript, "json", transcript.language))

    cues = make_cues(transcript, transcript.language)
    assert document["language"] == transcript.language
    assert [(c["startMs"], c["endMs"], tuple(c["lines"])) for c in document["cues"]] == [
        (c.start_ms, c.end_ms, c.lines) for c in cues
    ]
    assert [w["text"] for c in document["cues"] for w in c["words"]] == [
        w.text for c in cues for w in c.words
    ]


@pytest.mark.parametrize("format", sorted(MIME_TYPES))
def test_silence_gives_a_readable_file(format: str) -> None:
    text = written(Transcript(language="ko", duration_ms=4000, segments=()), format, "ko")

    assert not text.startswith("\ufeff")
    if format == "srt":
        assert list(srt.parse(text)) == []
    elif format == "vtt":
        assert webvtt.from_buffer(io.StringIO(text)).captions == []
    elif format == "json":
        assert json.loads(text)["cues"] == []
    else:
        assert text == ""


def test_markup_and_arrows_stay_text_in_vtt() -> None:
    text = written(transcript_of("a --> b <i>c</i> & d"), "vtt")

    assert "a --&gt; b &lt;i&gt;c&lt;/i&gt; &amp; d" in text


@pytest.mark.parametrize("trap", ["42", "00:00:01,000 --> 00:00:02,000", "<b>x</b>", r"{\an8}x"])
def test_text_that_looks_like_srt_syntax_stays_text(trap: str) -> None:
    text = written(transcript_of(trap, "after"), "srt")

    first, second = srt.parse(text)
    assert first.content.replace(JOINER, "").split() == trap.split()
    assert second.content == "after"
    events = lenient(text)
    assert "".join(events[0].text.replace(JOINER, "").split()) == "".join(trap.split())


def test_a_number_on_its_own_line_is_not_the_next_index() -> None:
    text = written(transcript_of("a" * 40 + " 42"), "srt")

    (event,) = lenient(text)
    assert event.text.replace(JOINER, "").endswith("\\N42")


def test_blank_lines_in_the_text_do_not_end_a_cue() -> None:
    text = written(transcript_of("one\n\n2\n00:00:00,000 --> 00:00:09,000\ntwo"), "srt")

    assert len(list(srt.parse(text))) == 1


def test_srt_ends_its_lines_as_subrip_does() -> None:
    text = written(transcript_of("one", "two"), "srt")

    assert text == (
        "1\r\n00:00:00,000 --> 00:00:01,500\r\none\r\n\r\n"
        "2\r\n00:00:03,000 --> 00:00:04,500\r\ntwo\r\n"
    )  # fmt: skip


def test_speakers_are_named_the_way_each_format_names_them() -> None:
    transcript = transcript_of("hello", speaker="Ann <1> & co")

    assert "Ann <1> & co: hello" in written(transcript, "srt")
    assert "<v Ann &lt;1&gt; &amp; co>hello" in written(transcript, "vtt")
    assert written(transcript, "txt") == "Ann <1> & co: hello\n"
    assert json.loads(written(transcript, "json"))["cues"][0]["speaker"] == "Ann <1> & co"


def test_plain_text_is_paragraphs() -> None:
    segments = (
        Segment(start_ms=0, end_ms=900, text="One."),
        Segment(start_ms=1000, end_ms=1900, text="Two."),
        Segment(start_ms=9000, end_ms=9900, text="After a pause."),
        Segment(start_ms=10_000, end_ms=10_900, text="Another.", speaker="Bob"),
    )

    text = written(Transcript(language="en", duration_ms=12_000, segments=segments), "txt")

    assert text == "One. Two.\n\nAfter a pause.\n\nBob: Another.\n"


@settings(max_examples=100, deadline=None)
@given(TRANSCRIPTS)
def test_the_same_transcript_gives_the_same_bytes(transcript: Transcript) -> None:
    for format in MIME_TYPES:
        first = write_captions(transcript, format=format, language="en")

        assert write_captions(transcript, format=format, language="en") == first
