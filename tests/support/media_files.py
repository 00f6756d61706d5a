"""Small real videos and sounds, made with PyAV: whole, and with everything a file may carry."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

RATE_HZ = 48_000
FRAMES_PER_SECOND = 10


def write_media(
    path: Path,
    container: str,
    *,
    video: str | None = None,
    audio: str | None = None,
    seconds: int = 2,
    size: tuple[int, int] = (160, 90),
    rotation: int = 0,
    metadata: Mapping[str, str] | None = None,
    options: Mapping[str, str] | None = None,
) -> Path:
    """A file whose left half is red, with a tone; ``container`` is PyAV's name of the muxer."""
    with av.open(str(path), "w", format=container, container_options=dict(options or {})) as media:
        media.metadata.update(metadata or {})
        pictures = sound = None
        if video is not None:
            pictures = media.add_stream(video, rate=FRAMES_PER_SECOND)
            pictures.width, pictures.height = size
            pictures.pix_fmt = "yuv420p"
            if rotation:
                pictures.set_display_rotation(rotation)
        if audio is not None:
            sound = media.add_stream(audio, rate=RATE_HZ)
            sound.codec_context.layout = "mono"
        if pictures is not None:
            _draw(media, pictures, seconds, size)
        if sound is not None:
            _sound(media, sound, seconds)
    return path


def _draw(media: Any, stream: Any, seconds: int, size: tuple[int, int]) -> None:
    for number in range(seconds * FRAMES_PER_SECOND):
        pixels = np.zeros((size[1], size[0], 3), np.uint8)
        pixels[:, : size[0] // 2, 0] = 255
        pixels[: size[1] // 4, :, 2] = number * 8 % 255
        frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
        frame.pts, frame.time_base = number, Fraction(1, FRAMES_PER_SECOND)
        media.mux(stream.encode(frame))
    media.mux(stream.encode())


def _sound(media: Any, stream: Any, seconds: int) -> None:
    resampler = av.AudioResampler(format=stream.codec_context.format, layout="mono", rate=RATE_HZ)
    for start in range(0, seconds * RATE_HZ, 960):
        wave = np.sin(2 * np.pi * 440 * np.arange(start, start + 960) / RATE_HZ) * 8000
        frame = av.AudioFrame.from_ndarray(wave.astype(np.int16)[None, :], "s16", "mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, start, Fraction(1, RATE_HZ)
        for part in resampler.resample(frame):
            media.mux(stream.encode(part))
    media.mux(stream.encode(None))


@functools.cache
def a_clip() -> bytes:
    """A small clip, whole: 72×128, H.264."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        return write_media(path, "mp4", video="libx264", size=(72, 128)).read_bytes()
