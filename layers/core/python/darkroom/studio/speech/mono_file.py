"""Sound files that are made here: one channel of speech as AAC in an M4A file.

Owns loudness (EBU R 128, as players expect it of speech) and the encoder's settings. No times of
making are written, so that the same samples give the same bytes. Needs neither NumPy nor Pillow.
Knows nothing of words.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import av
from av.error import BlockingIOError as NothingYet
from av.error import EOFError as AtEnd

MIME_TYPE: Final = "audio/mp4"
SUFFIX: Final = ".m4a"
LOUDNESS_LUFS: Final = -16.0
_PEAK: Final = 0.84
"""-1.5 dB of full scale: encoding may raise peaks a little."""
_MAX_GAIN_DB: Final = 30.0
_SILENT_LUFS: Final = -60.0
_BYTES_A_SAMPLE: Final = 2
_CHUNK: Final = 1024


class MonoWriter:
    """Encodes 16-bit samples as they come; a context manager."""

    def __init__(self, path: Path, *, rate_hz: int, bit_rate: int) -> None:
        self._rate_hz = rate_hz
        self._container = av.open(
            str(path), "w", format="ipod", options={"movflags": "+faststart", "fflags": "+bitexact"}
        )
        self._stream = self._container.add_stream("aac", rate=rate_hz, layout="mono")
        self._stream.bit_rate = bit_rate
        self._stream.options = {"flags": "+bitexact", "threads": "1"}
        self._resampler = av.AudioResampler("fltp", "mono", rate_hz, frame_size=_CHUNK)
        self.samples = 0

    def add(self, samples: bytes) -> None:
        """Appends samples, of any number."""
        if not samples:
            return
        for frame in self._resampler.resample(_frame(samples, self._rate_hz, self.samples)):
            self._container.mux(self._stream.encode(frame))
        self.samples += len(samples) // _BYTES_A_SAMPLE

    @property
    def duration_ms(self) -> int:
        return round(self.samples * 1000 / self._rate_hz)

    def __enter__(self) -> MonoWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                for frame in self._resampler.resample(None):
                    self._container.mux(self._stream.encode(frame))
                self._container.mux(self._stream.encode(None))
        finally:
            self._container.close()


def normalized(samples: bytes, rate_hz: int) -> bytes:
    """The samples at the loudness of speech, peaks held back; silence stays silence."""
    loudness = loudness_lufs(samples, rate_hz)
    if loudness <= _SILENT_LUFS:
        return samples
    gain_db = min(LOUDNESS_LUFS - loudness, _MAX_GAIN_DB)
    filtered = _filtered(
        samples,
        rate_hz,
        ("volume", f"volume={gain_db:.3f}dB:precision=float"),
        ("alimiter", f"limit={_PEAK}:attack=2:release=40:level=false:latency=true"),
        ("aformat", f"sample_fmts=s16:sample_rates={rate_hz}:channel_layouts=mono"),
    )
    louder = b"".join(bytes(f.planes[0])[: f.samples * _BYTES_A_SAMPLE] for f in filtered)
    return louder[: len(samples)].ljust(len(samples), b"\0")


def loudness_lufs(samples: bytes, rate_hz: int) -> float:
    """Integrated loudness; -70 for silence and for less than 0.4 seconds."""
    loudness = -70.0
    for frame in _filtered(samples, rate_hz, ("ebur128", "metadata=1")):
        loudness = float(frame.metadata.get("lavfi.r128.I", loudness))
    return loudness


def _filtered(samples: bytes, rate_hz: int, *filters: tuple[str, str]) -> Iterator[Any]:
    graph = av.filter.Graph()
    source = graph.add_abuffer(
        format="s16", sample_rate=rate_hz, layout="mono", time_base=Fraction(1, rate_hz)
    )
    last = source
    for name, options in filters:
        step = graph.add(name, options)
        last.link_to(step)
        last = step
    sink = graph.add("abuffersink")
    last.link_to(sink)
    graph.configure()
    second = rate_hz * _BYTES_A_SAMPLE
    for place in range(0, len(samples), second):
        part = samples[place : place + second]
        graph.push(_frame(part, rate_hz, place // _BYTES_A_SAMPLE))
        yield from _ready(sink)
    graph.push(None)
    yield from _ready(sink)


def _ready(sink: Any) -> Iterator[Any]:
    while True:
        try:
            yield sink.pull()
        except (NothingYet, AtEnd):
            return


def _frame(samples: bytes, rate_hz: int, place: int) -> Any:
    frame = av.AudioFrame(format="s16", layout="mono", samples=len(samples) // _BYTES_A_SAMPLE)
    plane = frame.planes[0]
    plane.update(samples.ljust(plane.buffer_size, b"\0"))
    frame.sample_rate = rate_hz
    frame.pts, frame.time_base = place, Fraction(1, rate_hz)
    return frame
