"""What was said and when: the file that recognition and translation write and captions read.

Owns its fields, their limits and its JSON. A transcription may have timed the words badly:
segments may overlap, stand out of order or carry no words, and captions cope with that. What is
refused is a file of another shape. Knows nothing of recognizers, cues or formats.
"""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import FailFast, Field, TypeAdapter

from darkroom.generation.documents import (
    Milliseconds,
    Text,
    document_shape,
    read_document,
    write_document,
)
from darkroom.kernel.errors import DarkroomError

MAX_BYTES: Final = 64 * 1024 * 1024
"""More than a day of speech takes."""
MAX_MS: Final = 1_000 * 3_600_000
MAX_TEXT_CHARACTERS: Final = 100_000
"""Of one segment or word."""
MAX_WORDS: Final = 500_000
_MAX_NAME_CHARACTERS: Final = 200

Moment = Annotated[Milliseconds, Field(ge=0, le=MAX_MS)]
SpokenText = Annotated[Text, Field(max_length=MAX_TEXT_CHARACTERS)]
Name = Annotated[Text, Field(max_length=_MAX_NAME_CHARACTERS)]


class TranscriptRejected(DarkroomError):
    """The file is no transcript; ``detail`` says where."""

    code = "BAD_SOURCE"


@document_shape
class Word:
    """One word and when it was spoken."""

    start_ms: Moment
    end_ms: Moment
    text: SpokenText


@document_shape
class Segment:
    """What one person said without a break."""

    start_ms: Moment
    end_ms: Moment
    text: SpokenText
    """As to be read, with punctuation where it is known; the truth when words differ."""
    speaker: Name | None = None
    words: Annotated[tuple[Word, ...], Field(max_length=MAX_WORDS), FailFast()] = ()
    """The timing of the text's words; empty when only the segment is timed, as in translations."""


@document_shape
class Transcript:
    """All that was said in one media file."""

    language: Name
    """An IETF language tag: ``en``, ``ko``, ``pt-BR``."""
    duration_ms: Moment
    """The media's length; 0 when unknown."""
    segments: Annotated[tuple[Segment, ...], Field(max_length=MAX_WORDS), FailFast()]


_SHAPE: Final = TypeAdapter(Transcript)


def write_transcript(transcript: Transcript) -> bytes:
    """The transcript as UTF-8 JSON; the same transcript gives the same bytes."""
    return write_document(_SHAPE.dump_python(transcript, by_alias=True, exclude_none=True))


def read_transcript(data: bytes) -> Transcript:
    """The transcript in ``data``; fields it does not know are left out.

    Raises:
        TranscriptRejected: no JSON, a field is missing or of another type, or over a limit.
    """
    transcript = read_document(data, _SHAPE, limit_bytes=MAX_BYTES, rejected=TranscriptRejected)
    if sum(max(1, len(segment.words)) for segment in transcript.segments) > MAX_WORDS:
        raise TranscriptRejected(f"the transcript has more than {MAX_WORDS} words")
    return transcript
