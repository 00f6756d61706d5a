"""One transcript out of those of a recording's parts.

Owns the shift of times and the names of speakers: each part was transcribed by itself, so its first
speaker need not be the first speaker of another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from darkroom.generation.captions.transcript import (
    Segment,
    Transcript,
    TranscriptRejected,
    read_transcript,
    write_transcript,
)
from darkroom.generation.documents import document_artifact
from darkroom.generation.ports import (
    Artifact,
    GenerationRequest,
    PermanentProviderError,
    SourceFile,
)


def make_merged_transcript(request: GenerationRequest) -> list[Artifact]:
    """The transcripts of ``params["offsetsMs"]`` (source → when its time begins), as one.

    Raises:
        PermanentProviderError: ``BAD_SOURCE``; a part is missing or no transcript.
    """
    sources = {source.key: source for source in request.sources}
    parts = [
        (offset_ms, _read(sources, key)) for key, offset_ms in _offsets_of(request.params).items()
    ]
    whole = merged(parts)
    return [document_artifact(request, whole, write_transcript(whole))]


def merged(parts: Sequence[tuple[int, Transcript]]) -> Transcript:
    """The parts with their times shifted, in the language of most of the text."""
    characters = Counter[str]()
    for _, part in parts:
        characters[part.language] += sum(len(segment.text) for segment in part.segments)
    several = sum(any(s.speaker for s in part.segments) for _, part in parts) > 1
    segments = [
        _shifted(segment, offset_ms, f" ({number})" if several else "")
        for number, (offset_ms, part) in enumerate(parts, start=1)
        for segment in part.segments
    ]
    return Transcript(
        # The language of most of the text; the first of equals.
        language=max(characters, key=lambda language: characters[language]),
        duration_ms=_length_ms(parts),
        segments=tuple(sorted(segments, key=lambda s: (s.start_ms, s.end_ms))),
    )


def _length_ms(parts: Sequence[tuple[int, Transcript]]) -> int:
    """Of all parts together; 0 (unknown) unless every part's length is known.

    A transcription may lack the duration of its file, and captions end at the given duration.
    """
    if not all(part.duration_ms for _, part in parts):
        return 0
    return max(offset_ms + part.duration_ms for offset_ms, part in parts)


def _shifted(segment: Segment, offset_ms: int, mark: str) -> Segment:
    return replace(
        segment,
        start_ms=segment.start_ms + offset_ms,
        end_ms=segment.end_ms + offset_ms,
        words=tuple(
            replace(word, start_ms=word.start_ms + offset_ms, end_ms=word.end_ms + offset_ms)
            for word in segment.words
        ),
        speaker=f"{segment.speaker}{mark}" if segment.speaker else segment.speaker,
    )


def _offsets_of(params: Mapping[str, Any]) -> Mapping[str, int]:
    offsets = params.get("offsetsMs")
    if not isinstance(offsets, Mapping) or not offsets:
        raise PermanentProviderError("there are no parts to join", code="BAD_SOURCE")
    return offsets


def _read(sources: Mapping[str, SourceFile], key: str) -> Transcript:
    if key not in sources:
        raise PermanentProviderError(f"part {key} is missing", code="BAD_SOURCE", source=key)
    try:
        return read_transcript(sources[key].path.read_bytes())
    except (TranscriptRejected, OSError) as error:
        raise PermanentProviderError(
            f"source {key} is no transcript", code="BAD_SOURCE", source=key
        ) from error
