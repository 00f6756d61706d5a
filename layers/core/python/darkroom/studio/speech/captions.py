"""One caption file from a transcript.

Owns the choice of source and format; ``generation/captions`` makes the text.
"""

from __future__ import annotations

from darkroom.generation.captions.formats import MIME_TYPES, has_words, write_captions
from darkroom.generation.captions.transcript import TranscriptRejected, read_transcript
from darkroom.generation.ports import (
    Artifact,
    GenerationRequest,
    PermanentProviderError,
    SourceFile,
)

NO_SPEECH = "NO_SPEECH"
"""Noted of captions without a word: the recording holds none."""
_TRANSCRIPT_KEYS = ("transcribe", "translate_")


def make_captions(request: GenerationRequest) -> list[Artifact]:
    """The captions in ``params["format"]``, in the language of ``params["language"]``.

    Raises:
        PermanentProviderError: ``BAD_SOURCE`` (no transcript, or none that can be read) or
            ``UNSUPPORTED_KIND`` (no such format).
    """
    format = str(request.params.get("format", ""))
    if format not in MIME_TYPES:
        raise PermanentProviderError(
            f"captions come in no {format}", code="UNSUPPORTED_KIND", format=format
        )
    source = _transcript_of(request.sources)
    try:
        transcript = read_transcript(source.path.read_bytes())
    except (TranscriptRejected, OSError) as error:
        raise PermanentProviderError(
            f"source {source.key} is no transcript", code="BAD_SOURCE", source=source.key
        ) from error
    language = str(request.params.get("language") or transcript.language)
    path = request.workdir / f"{request.key}.{format}"
    path.write_bytes(write_captions(transcript, format=format, language=language))
    note = {} if has_words(transcript) else {"note": NO_SPEECH}
    return [
        Artifact(
            type=format,
            mime_type=MIME_TYPES[format],
            path=path,
            extra={"language": language, **note},
        )
    ]


def _transcript_of(sources: tuple[SourceFile, ...]) -> SourceFile:
    for source in sources:
        if source.key.startswith(_TRANSCRIPT_KEYS):
            return source
    raise PermanentProviderError("captions need a transcript", code="BAD_SOURCE")
