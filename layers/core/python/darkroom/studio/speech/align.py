"""The times of each word of a known text in a recording of it.

Owns the search: pocketsphinx looks for the text's own words one after the other, each with the
sounds that its dictionary or espeak-ng gives it. Where it does not find its way, the words are laid
out as espeak-ng would say them, over the time in which there is speech.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
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
from darkroom.generation.speech_text import speech_text_of
from darkroom.studio.speech.audio import BYTES_A_SAMPLE, RATE_HZ, Sound
from darkroom.studio.speech.espeak import manner_of, sentences_of, speak
from darkroom.studio.speech.pronounce import pronunciations
from darkroom.studio.speech.utterances import find_utterances

_MAX_SECONDS: Final = 1800
_FRAME_MS: Final = 10
_NO_WORD: Final = re.compile(r"^[<\[+(]")
"""Silences and noises."""
_VARIANT: Final = re.compile(r"\(\d+\)$")
_PLAIN: Final = re.compile(r"\W*([a-z]+(?:'[a-z]+)*)\W*")
# How far behind the best a way through the words may fall and still be followed, at first and if
# that does not lead to the end.
_BEAMS: Final[tuple[dict[str, float], ...]] = (
    {},
    {"beam": 1e-80, "pbeam": 1e-80, "wbeam": 1e-60},
)

Times = list[tuple[int, int]]


@dataclass(frozen=True, kw_only=True)
class _Recording:
    samples: bytes
    duration_ms: int


def make_alignment(request: GenerationRequest) -> list[Artifact]:
    """The transcript of the source ``speech``: the words of ``params["text"]`` or of the source
    ``script``, a segment a sentence.

    Raises:
        PermanentProviderError: ``BAD_SOURCE`` (no speech, no text), ``NO_AUDIO``,
            ``UNSUPPORTED_KIND`` (another language), ``PROVIDER_REFUSED`` (nothing can be spoken).
    """
    language = manner_of({}, request.language).language
    by_paragraph = sentences_of(speech_text_of(request).splitlines())
    sentences = [sentence for sentences in by_paragraph for sentence in sentences]
    recording = _read_recording(_speech_of(request.sources))
    words = [word for sentence in sentences for word in sentence.split()]
    times = find_words(words, recording.samples, language)
    if times is None:
        times = _lay_out(sentences, recording, language)
    transcript = Transcript(
        language=language,
        duration_ms=recording.duration_ms,
        segments=tuple(_segments(sentences, times)),
    )
    return [document_artifact(request, transcript, write_transcript(transcript))]


def _speech_of(sources: Sequence[SourceFile]) -> SourceFile:
    for source in sources:
        if source.key == "speech" or source.mime_type.startswith("audio/"):
            return source
    raise PermanentProviderError("there is no speech to listen to", code="BAD_SOURCE")


def _read_recording(source: SourceFile) -> _Recording:
    sound = Sound(source.path, source.key)
    samples = bytearray()
    for chunk in sound.chunks():
        samples += chunk
        if len(samples) > _MAX_SECONDS * RATE_HZ * BYTES_A_SAMPLE:
            raise PermanentProviderError(
                f"the speech is longer than {_MAX_SECONDS} s", code="BAD_SOURCE"
            )
    return _Recording(samples=bytes(samples), duration_ms=sound.duration_ms)


def find_words(words: Sequence[str], samples: bytes, language: str) -> Times | None:
    """When each word begins and ends; None if they cannot be found in this order.

    A word without a sound takes no time.
    """
    sounds = pronunciations(words, language)
    searches = (
        _search(words, sounds, samples=samples, language=language, beams=beams) for beams in _BEAMS
    )
    return next((times for times in searches if times is not None), None)


def _search(
    words: Sequence[str],
    sounds: Sequence[str],
    *,
    samples: bytes,
    language: str,
    beams: Mapping[str, float],
) -> Times | None:
    if not samples:
        return None
    decoder: Any = Decoder(samprate=RATE_HZ, loglevel="FATAL", **beams)
    names = list(_names(decoder, words, sounds, language))
    if not any(names):
        return None
    decoder.set_align_text(" ".join(filter(None, names)))
    decoder.start_utt()
    decoder.process_raw(samples, no_search=False, full_utt=True)
    decoder.end_utt()
    found = [] if decoder.hyp() is None else _found(decoder)
    if [name for name, _, _ in found] != [name for name in names if name]:
        return None
    times: Times = []
    following = iter(found)
    for name in names:
        before = times[-1][1] if times else 0
        _, start_ms, end_ms = next(following) if name else ("", before, before)
        times.append((start_ms, end_ms))
    return times


def _names(
    decoder: Any, words: Sequence[str], sounds: Sequence[str], language: str
) -> Iterator[str]:
    """For each word its name in the recognizer's dictionary, entered there if it is missing;
    empty for one without a sound."""
    for number, (word, pronunciation) in enumerate(zip(words, sounds, strict=True)):
        match = _PLAIN.fullmatch(word.lower().replace("’", "'")) if language == "en" else None
        if match and decoder.lookup_word(match[1]):
            yield match[1]
        elif pronunciation:
            # No word of the dictionary has a digit in it.
            name = f"word{number}"
            # Only the dictionary is updated: the search is added later.
            decoder.add_word(name, pronunciation, False)
            yield name
        else:
            yield ""


def _found(decoder: Any) -> list[tuple[str, int, int]]:
    return [
        (
            _VARIANT.sub("", part.word),
            part.start_frame * _FRAME_MS,
            (part.end_frame + 1) * _FRAME_MS,
        )
        for part in decoder.seg()
        if not _NO_WORD.match(part.word)
    ]


def _lay_out(sentences: Sequence[str], recording: _Recording, language: str) -> Times:
    """The words as espeak-ng would say them: a share of its speech becomes the same share of the
    time in which there is speech here."""
    model = speak(["\n".join(sentences)], manner_of({}, language))
    lengths = [
        word.end_ms - word.start_ms for sentence in model.sentences for word in sentence.words
    ]
    ends = [0, *accumulate(lengths)]
    utterances = find_utterances([recording.samples])
    voiced = [(u.start_ms, min(u.end_ms, recording.duration_ms)) for u in utterances]
    voiced = voiced or [(0, recording.duration_ms)]
    reached = [0, *accumulate(end - start for start, end in voiced)]
    scale = reached[-1] / max(1, ends[-1])

    def at(place: int, *, is_end: bool) -> int:
        spoken = place * scale
        nudge = -1e-6 if is_end else 1e-6
        number = min(max(bisect_right(reached, spoken + nudge) - 1, 0), len(voiced) - 1)
        start, end = voiced[number]
        return min(max(round(start + spoken - reached[number]), start), end)

    return [
        (at(start, is_end=False), max(at(start, is_end=False), at(end, is_end=True)))
        for start, end in pairwise(ends)
    ]


def _segments(sentences: Sequence[str], times: Times) -> Iterator[Segment]:
    following = iter(times)
    for sentence in sentences:
        words = tuple(
            Word(start_ms=start_ms, end_ms=end_ms, text=text)
            for text, (start_ms, end_ms) in zip(sentence.split(), following, strict=False)
        )
        yield Segment(
            start_ms=words[0].start_ms, end_ms=words[-1].end_ms, text=sentence, words=words
        )
