"""Speech detection: a stream of samples cut into utterances at its silences.

Owns frames, thresholds and the longest utterance, which also bounds the memory that recognition
takes. Pocketsphinx's detector (WebRTC's) classifies each frame. Knows
nothing of words.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from pocketsphinx import Vad

from darkroom.studio.speech.audio import BYTES_A_SAMPLE, RATE_HZ

_FRAME_MS: Final = 30
_FRAME_BYTES: Final = RATE_HZ * _FRAME_MS // 1000 * BYTES_A_SAMPLE
_WINDOW: Final = 10
"""Frames examined together before and after speech: 0.3 s."""
_START_VOICED: Final = 6
_END_SILENT: Final = 15
"""So many silent frames in a row end an utterance: 0.45 s, a pause between phrases."""
_TAIL: Final = 7
"""Silent frames kept at the end, so that the last sound is not clipped."""
_LONGEST: Final = 20_000 // _FRAME_MS
"""A person does not speak longer without a breath; music may."""
_CUT_WITHIN: Final = 4_000 // _FRAME_MS


@dataclass(frozen=True, kw_only=True)
class Utterance:
    """Speech between two silences."""

    start_ms: int
    samples: bytes

    @property
    def end_ms(self) -> int:
        return self.start_ms + len(self.samples) * 1000 // BYTES_A_SAMPLE // RATE_HZ


def find_utterances(chunks: Iterable[bytes]) -> Iterator[Utterance]:
    """The utterances of a stream, in order, each as soon as it has ended."""
    voice = Vad(Vad.MEDIUM_STRICT, RATE_HZ, _FRAME_MS / 1000)
    before: deque[tuple[bytes, bool]] = deque(maxlen=_WINDOW)
    speech: list[bytes] = []
    start = silent = 0
    for number, frame in enumerate(_frames(chunks)):
        voiced = voice.is_speech(frame)
        if not speech:
            before.append((frame, voiced))
            if sum(v for _, v in before) >= _START_VOICED:
                speech = [kept for kept, _ in before]
                start, silent = number + 1 - len(before), 0
                before.clear()
            continue
        speech.append(frame)
        silent = 0 if voiced else silent + 1
        if silent >= _END_SILENT:
            yield _utterance(start, speech[: len(speech) - _END_SILENT + _TAIL])
            # The next utterance begins with this silence.
            before.extend((kept, False) for kept in speech[-_WINDOW + 1 :])
            speech = []
        elif len(speech) >= _LONGEST:
            cut = _quietest(speech)
            yield _utterance(start, speech[:cut])
            start, speech = start + cut, speech[cut:]
    if speech:
        yield _utterance(start, speech)


def _utterance(first_frame: int, frames: list[bytes]) -> Utterance:
    return Utterance(start_ms=first_frame * _FRAME_MS, samples=b"".join(frames))


def _frames(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The stream in frames of 30 ms; the last one is filled up with silence."""
    rest = b""
    for chunk in chunks:
        rest += chunk
        whole = len(rest) - len(rest) % _FRAME_BYTES
        for place in range(0, whole, _FRAME_BYTES):
            yield rest[place : place + _FRAME_BYTES]
        rest = rest[whole:]
    if rest:
        yield rest.ljust(_FRAME_BYTES, b"\0")


def _quietest(frames: list[bytes]) -> int:
    """The place of the quietest frame near the end, most likely between two words."""
    first = len(frames) - _CUT_WITHIN
    return min(range(first, len(frames)), key=lambda place: _energy(frames[place]))


def _energy(frame: bytes) -> int:
    return sum(abs(sample) for sample in memoryview(frame).cast("h"))
