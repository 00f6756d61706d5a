"""What was said and when: the file that recognition and translation write and captions read.

Owns its fields, their limits and its JSON. A transcription may have timed the words badly:
segments may overlap, stand out of order or carry no words, and captions cope with that. What is
refused is a file of another shape. Knows nothing of recognizers, cues or formats.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from darkroom.kernel.errors import DarkroomError

MAX_BYTES: Final = 64 * 1024 * 1024
"""More than a day of speech takes."""
MAX_MS: Final = 1_000 * 3_600_000
MAX_TEXT_CHARACTERS: Final = 100_000
"""Of one segment or word."""
MAX_WORDS: Final = 500_000
_MAX_NAME_CHARACTERS: Final = 200


class TranscriptRejected(DarkroomError):
    """The file is no transcript; ``detail`` says where."""

    code = "BAD_SOURCE"


@dataclass(frozen=True, kw_only=True)
class Word:
    """One word and when it was spoken."""

    start_ms: int
    end_ms: int
    text: str


@dataclass(frozen=True, kw_only=True)
class Segment:
    """What one person said without a break."""

    start_ms: int
    end_ms: int
    text: str
    """As to be read, with punctuation where it is known; the truth when words differ."""
    words: tuple[Word, ...] = ()
    """The timing of the text's words; empty when only the segment is timed, as in translations."""
    speaker: str | None = None


@dataclass(frozen=True, kw_only=True)
class Transcript:
    """All that was said in one media file."""

    language: str
    """An IETF language tag: ``en``, ``ko``, ``pt-BR``."""
    duration_ms: int
    """The media's length; 0 when unknown."""
    segments: tuple[Segment, ...] = ()


def write_transcript(transcript: Transcript) -> bytes:
    """The transcript as UTF-8 JSON; the same transcript gives the same bytes."""
    document = {
        "language": transcript.language,
        "durationMs": transcript.duration_ms,
        "segments": [_segment_json(segment) for segment in transcript.segments],
    }
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    # A lone surrogate has no UTF-8; it is no character either.
    return text.encode("utf-8", errors="replace")


def _segment_json(segment: Segment) -> dict[str, Any]:
    named = {} if segment.speaker is None else {"speaker": segment.speaker}
    return {
        "startMs": segment.start_ms,
        "endMs": segment.end_ms,
        "text": segment.text,
        **named,
        "words": [
            {"startMs": word.start_ms, "endMs": word.end_ms, "text": word.text}
            for word in segment.words
        ],
    }


def read_transcript(data: bytes) -> Transcript:
    """The transcript in ``data``; fields it does not know are left out.

    Raises:
        TranscriptRejected: no JSON, a field is missing or of another type, or over a limit.
    """
    if len(data) > MAX_BYTES:
        raise TranscriptRejected(f"the transcript is larger than {MAX_BYTES} bytes")
    try:
        document = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise TranscriptRejected("the transcript is no JSON") from error
    document = _object(document, "transcript")
    segments = tuple(
        _read_segment(item, f"segments[{number}]")
        for number, item in enumerate(_list(document, "segments", "transcript"))
    )
    if sum(max(1, len(segment.words)) for segment in segments) > MAX_WORDS:
        raise TranscriptRejected(f"the transcript has more than {MAX_WORDS} words")
    return Transcript(
        language=_text(document, "language", "transcript", _MAX_NAME_CHARACTERS),
        duration_ms=_time(document, "durationMs", "transcript"),
        segments=segments,
    )


def _read_segment(item: Any, place: str) -> Segment:
    fields = _object(item, place)
    words = _list(fields, "words", place) if "words" in fields else []
    speaker = fields.get("speaker")
    return Segment(
        start_ms=_time(fields, "startMs", place),
        end_ms=_time(fields, "endMs", place),
        text=_text(fields, "text", place),
        words=tuple(
            _read_word(word, f"{place}.words[{number}]") for number, word in enumerate(words)
        ),
        speaker=None if speaker is None else _text(fields, "speaker", place, _MAX_NAME_CHARACTERS),
    )


def _read_word(item: Any, place: str) -> Word:
    fields = _object(item, place)
    return Word(
        start_ms=_time(fields, "startMs", place),
        end_ms=_time(fields, "endMs", place),
        text=_text(fields, "text", place),
    )


def _object(value: Any, place: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TranscriptRejected(f"{place} is no object")
    return value


def _list(fields: Mapping[str, Any], name: str, place: str) -> list[Any]:
    value = fields.get(name)
    if not isinstance(value, list):
        raise TranscriptRejected(f"{place}.{name} is no list")
    return value


def _time(fields: Mapping[str, Any], name: str, place: str) -> int:
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_MS:
        raise TranscriptRejected(f"{place}.{name} is no time in milliseconds")
    return value


def _text(
    fields: Mapping[str, Any], name: str, place: str, limit: int = MAX_TEXT_CHARACTERS
) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or len(value) > limit:
        raise TranscriptRejected(f"{place}.{name} is no text of at most {limit} characters")
    return value
