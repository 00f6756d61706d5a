"""Small real videos and sounds, made with PyAV: complete, with all that a file may contain."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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


@dataclass(frozen=True, kw_only=True)
class Track:
    """A track of a made file: ``codec`` is an encoder's name; ``settings`` go onto its context."""

    codec: str
    tag: str | None = None
    language: str | None = None
    is_default: bool = False
    layout: str = "stereo"
    rate_hz: int = RATE_HZ
    rotation: int = 0
    is_mirrored: bool = False
    pix_fmt: str = "yuv420p"
    settings: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)


def write_tracks(
    path: Path,
    container: str,
    *,
    pictures: Sequence[Track] = (),
    sounds: Sequence[Track] = (),
    seconds: int = 1,
    size: tuple[int, int] = (96, 64),
    metadata: Mapping[str, str] | None = None,
    options: Mapping[str, str] | None = None,
) -> Path:
    """A file of any tracks. Each sound is a tone, 220 Hz higher than the one before."""
    with av.open(str(path), "w", format=container, container_options=dict(options or {})) as media:
        media.metadata.update(metadata or {})
        streams = []
        for track in (*pictures, *sounds):
            is_sound = track in sounds
            rate = track.rate_hz if is_sound else FRAMES_PER_SECOND
            stream: Any = media.add_stream(track.codec, rate=rate, options=dict(track.options))
            if is_sound:
                stream.codec_context.layout = track.layout
            else:
                stream.width, stream.height, stream.pix_fmt = *size, track.pix_fmt
                if track.rotation or track.is_mirrored:
                    stream.set_display_rotation(track.rotation, hflip=track.is_mirrored)
            for name, value in track.settings.items():
                setattr(stream.codec_context, name, value)
            if track.tag is not None:
                stream.codec_context.codec_tag = track.tag
            stream.metadata.update(track.metadata)
            if track.language is not None:
                stream.metadata["language"] = track.language
            if track.is_default:
                stream.disposition = av.stream.Disposition.default
            streams.append((track, stream, is_sound))
        media.start_encoding()
        tone_hz = 440
        for track, stream, is_sound in streams:
            if is_sound:
                _tone(media, stream, track, seconds, tone_hz)
                tone_hz += 220
            else:
                _draw(media, stream, seconds, size)
    return path


def moved(source: Path, target: Path, *, seconds: int) -> Path:
    """A WebM file whose times begin so much later."""
    with av.open(str(source)) as media, av.open(str(target), "w", format="webm") as late:
        streams = [late.add_stream_from_template(s, opaque=True) for s in media.streams]
        for packet in media.demux():
            if packet.size and packet.pts is not None and packet.dts is not None:
                packet.pts += seconds * 1000
                packet.dts += seconds * 1000
                packet.stream = streams[packet.stream.index]
                late.mux(packet)
    return target


def _tone(media: Any, stream: Any, track: Track, seconds: int, tone_hz: int) -> None:
    context, rate_hz = stream.codec_context, track.rate_hz
    resampler = av.AudioResampler(
        format=context.format, layout=track.layout, rate=rate_hz, frame_size=context.frame_size
    )
    wave = np.sin(2 * np.pi * tone_hz * np.arange(seconds * rate_hz) / rate_hz) * 8000
    frame = av.AudioFrame.from_ndarray(wave.astype(np.int16)[None, :], "s16", "mono")
    frame.sample_rate, frame.pts, frame.time_base = rate_hz, 0, Fraction(1, rate_hz)
    for part in [*resampler.resample(frame), *resampler.resample(None)]:
        media.mux(stream.encode(part))
    media.mux(stream.encode(None))


@functools.cache
def a_clip() -> bytes:
    """A small complete clip: 72×128, H.264."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        return write_media(path, "mp4", video="libx264", size=(72, 128)).read_bytes()
