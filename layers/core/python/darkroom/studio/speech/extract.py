"""A part of a long recording's sound, as a small file of one channel.

Owns where a recording is cut. Parts are made one by one, by tasks that do not know of each other,
so the place of a cut is a rule: the quietest moment around the requested place. The tasks of the
parts before and after it read the same samples and find the same moment.

A part begins ``windowMs`` before the requested place, silent up to the cut, and ends as long after
its end, silent from the cut on: when its time begins is known before it is made, and nothing that
is said stands in two parts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from darkroom.generation.ports import (
    Artifact,
    GenerationRequest,
    PermanentProviderError,
    SourceFile,
)
from darkroom.studio.speech.audio import BYTES_A_SAMPLE, RATE_HZ, Sound
from darkroom.studio.speech.mono_file import MIME_TYPE, SUFFIX, MonoWriter

_BIT_RATE: Final = 48_000
_STEP_MS: Final = 10
_STEP_SAMPLES: Final = RATE_HZ * _STEP_MS // 1000
_QUIET_STEPS: Final = 30
"""A pause of 0.3 s is one between phrases."""
_LOUDNESS_STRIDE: Final = 4
_PIECE_SAMPLES: Final = RATE_HZ
_MAX_WINDOW_MS: Final = 60_000


@dataclass(frozen=True, kw_only=True)
class _Span:
    """What to take, as places between samples of the recording."""

    start: int
    end: int | None
    """None: until the recording's end."""
    window: int

    @property
    def first(self) -> int:
        """The part's own beginning."""
        return max(0, self.start - self.window)

    @property
    def last(self) -> int | None:
        return None if self.end is None else self.end + self.window


def make_extract(request: GenerationRequest) -> list[Artifact]:
    """The sound of the source ``media_…`` from ``fromMs`` to ``toMs`` (without it: to the end).

    Raises:
        PermanentProviderError: ``BAD_SOURCE`` (also: it ends before the part), ``NO_AUDIO``, or
            ``PROVIDER_REFUSED`` (no such span).
    """
    span = _span_of(request.params)
    source = _media_of(request.sources)
    path = request.workdir / f"{request.key}{SUFFIX}"
    with MonoWriter(path, rate_hz=RATE_HZ, bit_rate=_BIT_RATE) as writer:
        for chunk in cut_out(Sound(source.path, source.key).chunks(), span):
            writer.add(chunk)
        if not writer.samples:
            raise PermanentProviderError(
                "the recording ends before its part", code="BAD_SOURCE", source=source.key
            )
    return [Artifact(type="audio", mime_type=MIME_TYPE, path=path, duration_ms=writer.duration_ms)]


def _span_of(params: Mapping[str, Any]) -> _Span:
    start, end = params.get("fromMs", 0), params.get("toMs")
    window = params.get("windowMs", 0)
    numbers = [start, window] if end is None else [start, window, end]
    if not all(isinstance(number, int) and number >= 0 for number in numbers):
        raise PermanentProviderError("times are no whole milliseconds")
    if window > _MAX_WINDOW_MS or (end is not None and end - start <= 2 * window):
        raise PermanentProviderError("the part is too short to be cut out")
    return _Span(
        start=_samples(start),
        end=None if end is None else _samples(end),
        window=_samples(window),
    )


def _samples(time_ms: int) -> int:
    return time_ms * RATE_HZ // 1000


def _media_of(sources: Sequence[SourceFile]) -> SourceFile:
    for source in sources:
        if source.key.startswith("media_"):
            return source
    raise PermanentProviderError("there is nothing to cut", code="BAD_SOURCE")


def cut_out(chunks: Iterator[bytes], span: _Span) -> Iterator[bytes]:
    """The part's samples: the recording's between the two cuts, silence outside of them."""
    stream = _Stream(chunks)
    stream.skip(span.first)
    if span.start:
        around = stream.take(span.start + span.window)
        cut = _quietest(around)
        yield bytes(cut) + around[cut:]
    if span.end is None:
        yield from stream.rest()
        return
    yield from stream.until(span.end - span.window)
    around = stream.take(span.end + span.window)
    cut = _quietest(around)
    yield around[:cut] + bytes(len(around) - cut)


def _quietest(samples: bytes) -> int:
    """The byte in the middle of the quietest pause; of several the one nearest to the middle."""
    wave = memoryview(samples).cast("h")
    loudness = [
        sum(map(abs, wave[place : place + _STEP_SAMPLES : _LOUDNESS_STRIDE]))
        for place in range(0, len(wave) - _STEP_SAMPLES + 1, _STEP_SAMPLES)
    ]
    if len(loudness) < _QUIET_STEPS:
        return len(wave) // 2 * BYTES_A_SAMPLE
    pause = sum(loudness[:_QUIET_STEPS])
    sums = [pause]
    for place in range(_QUIET_STEPS, len(loudness)):
        pause += loudness[place] - loudness[place - _QUIET_STEPS]
        sums.append(pause)
    middle = len(sums) // 2
    best = min(range(len(sums)), key=lambda place: (sums[place], abs(place - middle), place))
    return (best + _QUIET_STEPS // 2) * _STEP_SAMPLES * BYTES_A_SAMPLE


class _Stream:
    """A stream of samples that is read up to places in it; a short one just ends."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._waiting: deque[bytes] = deque()
        self._place = 0
        """In bytes."""

    def skip(self, sample: int) -> None:
        for _ in self.until(sample):
            pass

    def take(self, sample: int) -> bytes:
        return b"".join(self.until(sample))

    def until(self, sample: int) -> Iterator[bytes]:
        end = sample * BYTES_A_SAMPLE
        while self._place < end and (chunk := self._next()):
            space = end - self._place
            if len(chunk) > space:
                self._waiting.append(chunk[space:])
                chunk = chunk[:space]
            self._place += len(chunk)
            yield chunk

    def rest(self) -> Iterator[bytes]:
        while chunk := self._next():
            yield chunk

    def _next(self) -> bytes:
        """The next samples; empty at the end."""
        if self._waiting:
            return self._waiting.popleft()
        return next((chunk for chunk in self._chunks if chunk), b"")
