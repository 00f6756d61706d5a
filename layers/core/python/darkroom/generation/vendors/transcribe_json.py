"""What Amazon Transcribe writes, read as a transcript.

Owns where segments begin: with a sentence, after a pause and with another speaker. Source: the
examples of https://docs.aws.amazon.com/transcribe/latest/dg/how-input.html and
https://docs.aws.amazon.com/transcribe/latest/dg/diarization-output-batch.html: times are seconds
written as text, punctuation has none and follows its word, and the speaker is in the items or,
in older files, by ``speaker_labels`` alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, FailFast, Field, TypeAdapter

from darkroom.generation.captions.characters import clean_text
from darkroom.generation.captions.transcript import (
    MAX_BYTES,
    MAX_MS,
    MAX_WORDS,
    Segment,
    Transcript,
    TranscriptRejected,
    Word,
    write_transcript,
)
from darkroom.generation.documents import Text, read_document
from darkroom.generation.vendor_errors import bad_result

PAUSE_MS: Final = 700
"""Who is silent for so long has ended what he was saying."""
SEGMENT_LIMIT_WORDS: Final = 120
"""Of speech without punctuation, as some languages have none."""
_SENTENCE_ENDS: Final = frozenset(".?!。？！…؟।")
_OPENING: Final = frozenset("¿¡([{“‘«「『（")
_UNSPACED: Final = frozenset({"ja", "zh", "th"})
_SPEAKER: Final = re.compile(r"spk_(\d+)")


def _ms(seconds: Any) -> int:
    try:
        found = float(seconds)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError("no time") from error
    if not math.isfinite(found) or not 0 <= found * 1000 <= MAX_MS:
        raise ValueError("no time")
    return round(found * 1000)


_Moment = Annotated[int, BeforeValidator(_ms)]
"""Milliseconds, from seconds written as text."""


@dataclass(frozen=True, kw_only=True)
class _Alternative:
    content: Text


@dataclass(frozen=True, kw_only=True)
class _Item:
    type: Text
    alternatives: tuple[_Alternative, ...]
    start_time: _Moment | None = None
    end_time: _Moment | None = None
    speaker_label: Text | None = None

    @property
    def text(self) -> str:
        return clean_text(self.alternatives[0].content) if self.alternatives else ""


@dataclass(frozen=True, kw_only=True)
class _LabeledItem:
    start_time: _Moment
    speaker_label: Text


@dataclass(frozen=True, kw_only=True)
class _LabeledSegment:
    items: Annotated[tuple[_LabeledItem, ...], FailFast()] = ()


@dataclass(frozen=True, kw_only=True)
class _Labels:
    segments: Annotated[tuple[_LabeledSegment, ...], FailFast()] = ()


@dataclass(frozen=True, kw_only=True)
class _Results:
    items: Annotated[tuple[_Item, ...], Field(max_length=2 * MAX_WORDS), FailFast()]
    speaker_labels: _Labels | None = None
    language_code: Text = ""


@dataclass(frozen=True, kw_only=True)
class _Document:
    results: _Results


_SHAPE: Final = TypeAdapter(_Document)


@dataclass(frozen=True, kw_only=True)
class _Spoken:
    word: Word
    speaker: str | None
    ends_sentence: bool


def convert(fetched: Path, made: Path, *, language: str) -> None:
    """Write the transcript of a fetched file; the language comes from the job.

    Raises:
        PermanentProviderError: BAD_RESULT; it is not what Transcribe writes.
    """
    with fetched.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    try:
        document = read_document(
            content, _SHAPE, limit_bytes=MAX_BYTES, rejected=TranscriptRejected
        )
        transcript = _transcript_of(document.results, language)
    except TranscriptRejected as error:
        raise bad_result(f"the service's transcript cannot be read: {error.detail}") from error
    made.write_bytes(write_transcript(transcript))


def _transcript_of(results: _Results, language: str) -> Transcript:
    """What was said; silence has no segments. The duration of the media is not included.

    Raises:
        TranscriptRejected: a word has no time.
    """
    runs = _runs(list(_spoken(results.items, _speakers_by_start(results.speaker_labels))))
    return Transcript(
        language=language or results.language_code.partition("-")[0] or "und",
        duration_ms=0,
        segments=tuple(_segment(run, "" if language in _UNSPACED else " ") for run in runs),
    )


def _speakers_by_start(labels: _Labels | None) -> dict[int, str]:
    segments = labels.segments if labels is not None else ()
    return {item.start_time: item.speaker_label for segment in segments for item in segment.items}


def _spoken(items: Sequence[_Item], speakers: Mapping[int, str]) -> Iterator[_Spoken]:
    """Every word with the punctuation that belongs to it."""
    opening = ""
    waiting: _Spoken | None = None
    for item in items:
        text = item.text
        if not text:
            continue
        if item.type == "punctuation":
            if text in _OPENING:
                opening += text
            elif waiting is not None:
                waiting = _with_mark(waiting, text)
            continue
        if waiting is not None:
            yield waiting
        start_ms, end_ms = item.start_time, item.end_time
        if start_ms is None or end_ms is None:
            raise TranscriptRejected("a word without its time")
        waiting = _Spoken(
            word=Word(start_ms=start_ms, end_ms=max(start_ms, end_ms), text=opening + text),
            speaker=_speaker(item.speaker_label or speakers.get(start_ms)),
            ends_sentence=False,
        )
        opening = ""
    if waiting is not None:
        yield waiting


def _with_mark(spoken: _Spoken, mark: str) -> _Spoken:
    return replace(
        spoken,
        word=replace(spoken.word, text=spoken.word.text + mark),
        ends_sentence=spoken.ends_sentence or mark[-1] in _SENTENCE_ENDS,
    )


def _speaker(label: str | None) -> str | None:
    """``spk_0`` as people say it."""
    if label is None:
        return None
    match = _SPEAKER.fullmatch(label)
    return f"Speaker {int(match[1]) + 1}" if match else clean_text(label) or None


def _runs(spoken: Sequence[_Spoken]) -> Iterator[list[_Spoken]]:
    run: list[_Spoken] = []
    for one in spoken:
        if run and _is_apart(run, one):
            yield run
            run = []
        run.append(one)
    if run:
        yield run


def _is_apart(run: Sequence[_Spoken], after: _Spoken) -> bool:
    before = run[-1]
    return (
        before.ends_sentence
        or before.speaker != after.speaker
        or after.word.start_ms - before.word.end_ms >= PAUSE_MS
        or len(run) >= SEGMENT_LIMIT_WORDS
    )


def _segment(run: Sequence[_Spoken], space: str) -> Segment:
    words = tuple(one.word for one in run)
    return Segment(
        start_ms=words[0].start_ms,
        end_ms=max(word.end_ms for word in words),
        text=clean_text(space.join(word.text for word in words)),
        words=words,
        speaker=run[0].speaker,
    )
