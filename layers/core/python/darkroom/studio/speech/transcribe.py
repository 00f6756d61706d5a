"""Transcription of a media file on this machine, with pocketsphinx.

Owns the recognizer and what becomes of its words. It knows English only, writes no punctuation and
gets many words wrong outside clear, read speech; it is there so that captions can be made and
tried without any service. It does not distinguish speakers (``diarization``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pocketsphinx import Decoder

from darkroom.generation.captions.transcript import (
    Segment,
    Transcript,
    Word,
    write_transcript,
)
from darkroom.generation.documents import document_artifact
from darkroom.generation.ports import (
    Artifact,
    GenerationRequest,
    PermanentProviderError,
    SourceFile,
)
from darkroom.studio.speech.audio import RATE_HZ, Sound
from darkroom.studio.speech.utterances import Utterance, find_utterances

LANGUAGE: Final = "en"
_LISTENS_TO: Final = frozenset({LANGUAGE, "auto"})
_FRAME_MS: Final = 10
"""The recognizer counts time in these."""
_NO_WORD: Final = re.compile(r"^[<\[+]")
"""Silences, noises and fillers."""
_VARIANT: Final = re.compile(r"\(\d+\)$")
"""How the word was pronounced, as in ``the(2)``."""


def make_transcript(request: GenerationRequest) -> list[Artifact]:
    """The transcript of the one source ``media_…``, as JSON.

    ``sourceLang`` ``auto`` is taken for English. Silence gives a transcript without segments.

    Raises:
        PermanentProviderError: ``PROVIDER_NOT_CONFIGURED`` (another language, or ``diarization``),
            ``NO_AUDIO`` or ``BAD_SOURCE``.
    """
    _refuse_what_needs_a_service(request.params)
    source = _media_of(request.sources)
    sound = Sound(source.path, source.key)
    segments = tuple(_recognize(find_utterances(sound.chunks())))
    transcript = Transcript(language=LANGUAGE, duration_ms=sound.duration_ms, segments=segments)
    return [document_artifact(request, transcript, write_transcript(transcript))]


def _refuse_what_needs_a_service(params: Mapping[str, Any]) -> None:
    language = params.get("sourceLang", "auto")
    if language not in _LISTENS_TO:
        raise PermanentProviderError(
            f"the studio understands no {language}", code="PROVIDER_NOT_CONFIGURED"
        )
    if params.get("diarization"):
        raise PermanentProviderError(
            "the studio cannot distinguish speakers", code="PROVIDER_NOT_CONFIGURED"
        )


def _media_of(sources: tuple[SourceFile, ...]) -> SourceFile:
    for source in sources:
        if source.key.startswith("media_"):
            return source
    raise PermanentProviderError("there is nothing to listen to", code="BAD_SOURCE")


def _recognize(utterances: Iterator[Utterance]) -> Iterator[Segment]:
    decoder: Any = None
    for utterance in utterances:
        # A file without speech does not need the model, which takes longest to load.
        decoder = decoder or Decoder(samprate=RATE_HZ, loglevel="FATAL")
        words = tuple(_words(decoder, utterance))
        if words:
            yield Segment(
                start_ms=words[0].start_ms,
                end_ms=words[-1].end_ms,
                text=" ".join(word.text for word in words),
                words=words,
            )


def _words(decoder: Any, utterance: Utterance) -> Iterator[Word]:
    decoder.start_utt()
    # The whole utterance at once: its loudness and channel are measured before they are used.
    decoder.process_raw(utterance.samples, no_search=False, full_utt=True)
    decoder.end_utt()
    if decoder.hyp() is None:
        return
    for segment in decoder.seg():
        if _NO_WORD.match(segment.word):
            continue
        text = _VARIANT.sub("", segment.word)
        yield Word(
            start_ms=utterance.start_ms + segment.start_frame * _FRAME_MS,
            end_ms=utterance.start_ms + (segment.end_frame + 1) * _FRAME_MS,
            text="I" + text[1:] if text == "i" or text.startswith("i'") else text,
        )
