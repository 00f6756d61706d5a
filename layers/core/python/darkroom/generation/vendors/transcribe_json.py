"""What Amazon Transcribe writes, read as a transcript.

Owns where segments begin: with a sentence, after a pause and with another speaker. Source: the
examples of https://docs.aws.amazon.com/transcribe/latest/dg/how-input.html and
https://docs.aws.amazon.com/transcribe/latest/dg/diarization-output-batch.html: times are seconds
written as text, punctuation has none and follows its word, and the speaker is in the items or,
in older files, by ``speaker_labels`` alone.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from darkroom.generation.captions.characters import clean_text
from darkroom.generation.captions.transcript import (
    MAX_BYTES,
    MAX_MS,
    MAX_WORDS,
    Segment,
    Transcript,
    Word,
    write_transcript,
)
from darkroom.generation.vendor_errors import bad_result

PAUSE_MS: Final = 700
"""Who is silent for so long has ended what he was saying."""
SEGMENT_LIMIT_WORDS: Final = 120
"""Of speech without punctuation, as some languages have none."""
_SENTENCE_ENDS: Final = frozenset(".?!。？！…؟।")
_OPENING: Final = frozenset("¿¡([{“‘«「『（")
_UNSPACED: Final = frozenset({"ja", "zh", "th"})
_SPEAKER: Final = re.compile(r"spk_(\d+)")

Json = Mapping[str, Any]


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
    if fetched.stat().st_size > MAX_BYTES:
        raise bad_result("the transcript is too large")
    try:
        transcript = read(json.loads(fetched.read_bytes()), language)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise bad_result("the service's transcript cannot be read") from error
    made.write_bytes(write_transcript(transcript))


def read(document: Any, language: str) -> Transcript:
    """What was said; silence has no segments. The duration of the media is not included.

    Raises:
        ValueError, KeyError, TypeError, AttributeError, IndexError: it is of another shape.
    """
    results = document["results"]
    items = results["items"]
    if not isinstance(items, list) or len(items) > 2 * MAX_WORDS:
        raise ValueError("no items")
    spoken = list(_spoken(items, _speakers_by_start(results)))
    runs = _runs(spoken)
    return Transcript(
        language=language or _language_in(results),
        duration_ms=0,
        segments=tuple(_segment(run, "" if language in _UNSPACED else " ") for run in runs),
    )


def _language_in(results: Json) -> str:
    return str(results.get("language_code", "")).partition("-")[0] or "und"


def _speakers_by_start(results: Json) -> dict[str, str]:
    labels = results.get("speaker_labels") or {}
    return {
        item["start_time"]: item["speaker_label"]
        for segment in labels.get("segments", ())
        for item in segment.get("items", ())
    }


def _spoken(items: Sequence[Json], speakers: Mapping[str, str]) -> Iterator[_Spoken]:
    """Every word with the punctuation that belongs to it."""
    opening = ""
    waiting: _Spoken | None = None
    for item in items:
        text = clean_text(str(item["alternatives"][0]["content"])) if item["alternatives"] else ""
        if not text:
            continue
        if item["type"] == "punctuation":
            if text in _OPENING:
                opening += text
            elif waiting is not None:
                waiting = _with_mark(waiting, text)
            continue
        if waiting is not None:
            yield waiting
        start = item["start_time"]
        start_ms = _ms(start)
        waiting = _Spoken(
            word=Word(
                start_ms=start_ms, end_ms=max(start_ms, _ms(item["end_time"])), text=opening + text
            ),
            speaker=_speaker(item.get("speaker_label") or speakers.get(start)),
            ends_sentence=False,
        )
        opening = ""
    if waiting is not None:
        yield waiting


def _with_mark(spoken: _Spoken, mark: str) -> _Spoken:
    word = spoken.word
    return _Spoken(
        word=Word(start_ms=word.start_ms, end_ms=word.end_ms, text=word.text + mark),
        speaker=spoken.speaker,
        ends_sentence=spoken.ends_sentence or mark[-1] in _SENTENCE_ENDS,
    )


def _ms(seconds: Any) -> int:
    found = float(seconds)
    if not math.isfinite(found) or not 0 <= found * 1000 <= MAX_MS:
        raise ValueError("no time")
    return round(found * 1000)


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
