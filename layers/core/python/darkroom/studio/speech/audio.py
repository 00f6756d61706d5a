"""The sound of any media file, as a stream of 16 kHz mono samples.

Owns which containers are opened, the place of each sample in the media's time, and what a broken
file becomes. Hours of sound pass through in small chunks; none of it is kept. Knows nothing of
speech. Needs neither NumPy nor Pillow: the function that listens does not carry them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import av
from av.error import FFmpegError

from darkroom.generation.ports import PermanentProviderError

RATE_HZ: Final = 16_000
BYTES_A_SAMPLE: Final = 2
_MAX_SECONDS: Final = 24 * 3600
"""No file is listened to further than this."""
_GAP_SECONDS: Final = 0.2
"""A jump in time smaller than this is a rounding of the container, not a gap."""
_SILENCE_SAMPLES: Final = RATE_HZ
# Containers that can name other files (playlists, image sequences) are not among them.
_CONTAINERS: Final = (
    "mov,mp4,matroska,webm,mp3,wav,w64,flac,ogg,aac,avi,mpegts,mpeg,asf,amr,aiff,caf,flv,ac3,au"
)
_OPEN_OPTIONS: Final = {"protocol_whitelist": "file", "format_whitelist": _CONTAINERS}


@dataclass
class Sound:
    """One reading of a file's first audio stream; ``duration_ms`` is known at its end."""

    path: Path
    key: str
    duration_ms: int = 0

    def chunks(self) -> Iterator[bytes]:
        """Signed 16-bit samples from the media's start on; gaps come as silence.

        Raises:
            PermanentProviderError: ``NO_AUDIO`` (no audible sound) or ``BAD_SOURCE``.
        """
        try:
            with av.open(
                str(self.path), metadata_errors="ignore", options=_OPEN_OPTIONS
            ) as container:
                if not container.streams.audio:
                    raise PermanentProviderError(
                        f"source {self.key} has no sound", code="NO_AUDIO", source=self.key
                    )
                yield from self._read(container)
        except (FFmpegError, OSError, ValueError) as error:
            raise _bad_source(self.key) from error

    def _read(self, container: Any) -> Iterator[bytes]:
        stream = container.streams.best("audio") or container.streams.audio[0]
        stream.codec_context.thread_count = 1
        media_seconds = (container.duration or 0) / 1_000_000
        first_seconds = (container.start_time or 0) / 1_000_000
        resampler = _Resampler()
        samples = 0
        for frame in self._frames(container, stream):
            reached = samples / RATE_HZ
            due = float(frame.time) - first_seconds if frame.time is not None else reached
            if due - reached > _GAP_SECONDS and due <= media_seconds + _GAP_SECONDS:
                gap = min(round((due - reached) * RATE_HZ), _MAX_SECONDS * RATE_HZ - samples)
                samples += gap
                yield from _silence(gap)
            chunk = resampler.add(frame)
            samples += len(chunk) // BYTES_A_SAMPLE
            yield chunk
            if samples >= _MAX_SECONDS * RATE_HZ:
                break
        yield (rest := resampler.rest())
        decoded_ms = (samples + len(rest) // BYTES_A_SAMPLE) * 1000 // RATE_HZ
        media_ms = round(media_seconds * 1000)
        self.duration_ms = media_ms if decoded_ms <= media_ms <= _MAX_SECONDS * 1000 else decoded_ms

    def _frames(self, container: Any, stream: Any) -> Iterator[Any]:
        """Decoded frames; a damaged packet is skipped, a file of nothing else is refused."""
        decoded = damaged = 0
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except FFmpegError:
                damaged += 1
                continue
            for frame in frames:
                decoded += 1
                yield frame
        if damaged and not decoded:
            raise _bad_source(self.key)


class _Resampler:
    """Resamples frames; a stream may change its rate or layout on the way."""

    def __init__(self) -> None:
        self._shape: tuple[str, str, int] | None = None
        self._inner: Any = None

    def add(self, frame: Any) -> bytes:
        shape = (frame.format.name, frame.layout.name, frame.sample_rate)
        flushed = b""
        if shape != self._shape:
            flushed = self.rest()
            self._shape, self._inner = shape, av.AudioResampler("s16", "mono", RATE_HZ)
        # Times are kept by counting samples; the resampler would stumble over gaps.
        frame.pts = None
        return flushed + _bytes_of(self._inner.resample(frame))

    def rest(self) -> bytes:
        return b"" if self._inner is None else _bytes_of(self._inner.resample(None))


def _bytes_of(frames: list[Any]) -> bytes:
    return b"".join(bytes(f.planes[0])[: f.samples * BYTES_A_SAMPLE] for f in frames)


def _silence(samples: int) -> Iterator[bytes]:
    second = bytes(_SILENCE_SAMPLES * BYTES_A_SAMPLE)
    for _ in range(samples // _SILENCE_SAMPLES):
        yield second
    yield bytes(samples % _SILENCE_SAMPLES * BYTES_A_SAMPLE)


def _bad_source(key: str) -> PermanentProviderError:
    return PermanentProviderError(f"source {key} cannot be decoded", code="BAD_SOURCE", source=key)
