"""MP4 files: writing them frame by frame, and reading frames and facts back.

Owns encoder settings. H.264 High, yuv420p, Rec. 709, 24 frames a second, index first. One encoder
thread and no timestamps in the file, so that the same frames give the same bytes. Frames are
handled as planar YUV arrays of shape (height * 3 / 2, width), uint8, as PyAV lays them out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Final

import av
import numpy as np
import numpy.typing as npt
from av.audio.stream import AudioStream
from av.error import FFmpegError
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from av.video.stream import VideoStream
from PIL import Image

from darkroom.generation.ports import SourceFile
from darkroom.studio.pictures.photo import bad_source
from darkroom.studio.pictures.raster import HEIGHT, WIDTH

FPS: Final = 24
AUDIO_RATE_HZ: Final = 44_100
_AUDIO_CHUNK: Final = 1024
_MAX_FRAMES: Final = FPS * 120
"""No source is read further than this."""
_REC709: Final = 1
_LIMITED_RANGE: Final = 1

_PRESET: Final = "veryfast"
"""With quality 2 steps finer than ``superfast``, half the bytes and a higher PSNR for an eighth
more of processor time; users fetch every film."""
_ALIKE_EVERYWHERE: Final = "threads=1:lookahead-threads=1:cpu-independent=1"
"""Neither threads nor what the processor is quick at may change what the encoder decides."""
_EXACT: Final = Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.BITEXACT
"""Conversions round alike whatever instructions they use."""

_REFORMATTER: Final = VideoReformatter()
"""Keeps its tables between frames; holds no state that could change a picture."""

Yuv = npt.NDArray[np.uint8]
"""Planar 4:2:0, shape (HEIGHT * 3 / 2, WIDTH): luma, then both chroma planes."""


@dataclass(frozen=True, kw_only=True)
class VideoFacts:
    """What a finished file really is."""

    width: int
    height: int
    duration_ms: int
    frames: int


def yuv_of(image: Image.Image) -> Yuv:
    """An RGB picture as a planar frame, Rec. 709, limited range."""
    frame = _REFORMATTER.reformat(
        av.VideoFrame.from_image(image),
        format="yuv420p",
        interpolation=_EXACT,
        dst_colorspace=Colorspace.ITU709,
        dst_color_range=ColorRange.MPEG,
    )
    return frame.to_ndarray().astype(np.uint8, copy=False)


class Mp4Writer:
    """Encodes frames, and optionally sound, as they come; a context manager."""

    def __init__(self, path: Path, *, crf: int, with_audio: bool = False) -> None:
        self._container = av.open(
            str(path), "w", format="mp4", options={"movflags": "+faststart", "fflags": "+bitexact"}
        )
        self._video = self._open_video(crf)
        self._audio = self._open_audio() if with_audio else None
        self._frames = 0
        self._samples = 0

    def _open_video(self, crf: int) -> VideoStream:
        stream = self._container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.time_base = Fraction(1, FPS)
        stream.options = {
            "preset": _PRESET,
            "crf": str(crf),
            "profile": "high",
            "g": str(FPS * 2),
            "threads": "1",
            "x264-params": _ALIKE_EVERYWHERE,
            "flags": "+bitexact",
        }
        context = stream.codec_context
        context.color_primaries = _REC709
        context.color_trc = _REC709
        context.colorspace = _REC709
        context.color_range = _LIMITED_RANGE
        return stream

    def _open_audio(self) -> AudioStream:
        stream = self._container.add_stream("aac", rate=AUDIO_RATE_HZ, layout="stereo")
        stream.bit_rate = 128_000
        stream.options = {"flags": "+bitexact", "threads": "1"}
        return stream

    def add(self, frame: Yuv) -> None:
        """Appends one frame."""
        video = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), "yuv420p")
        video.pts, video.time_base = self._frames, Fraction(1, FPS)
        video.colorspace, video.color_range = Colorspace.ITU709, ColorRange.MPEG
        self._frames += 1
        self._container.mux(self._video.encode(video))

    def add_sound(self, samples: npt.NDArray[np.float32]) -> None:
        """Appends sound, shape (2, samples), -1 … 1."""
        assert self._audio is not None, "the writer was opened without sound"
        for start in range(0, samples.shape[1], _AUDIO_CHUNK):
            part = np.ascontiguousarray(samples[:, start : start + _AUDIO_CHUNK])
            frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="stereo")
            frame.sample_rate = AUDIO_RATE_HZ
            frame.pts, frame.time_base = self._samples, Fraction(1, AUDIO_RATE_HZ)
            self._samples += part.shape[1]
            self._container.mux(self._audio.encode(frame))

    @property
    def seconds(self) -> float:
        """Length of what was added so far."""
        return self._frames / FPS

    def __enter__(self) -> Mp4Writer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._container.mux(self._video.encode(None))
                if self._audio is not None:
                    self._container.mux(self._audio.encode(None))
        finally:
            self._container.close()


def read_frames(path: Path, key: str) -> Iterator[Yuv]:
    """The film's frames one at a time, fitted to 720 x 1280 at 24 frames a second.

    Raises:
        PermanentProviderError: ``BAD_SOURCE``; no video in it, or it breaks off undecodable.
    """
    given = 0
    try:
        with av.open(str(path), metadata_errors="ignore") as container:
            if not container.streams.video:
                raise bad_source(key)
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            for frame in container.decode(stream):
                # Other frame rates: a frame is repeated or left out to keep the clip's time.
                due = round(float(frame.time or 0.0) * FPS) + 1
                fitted = _fit(frame) if due > given else None
                while fitted is not None and given < min(due, _MAX_FRAMES):
                    given += 1
                    yield fitted
                if given >= _MAX_FRAMES:
                    return
    except (FFmpegError, OSError, ValueError) as error:
        raise bad_source(key) from error
    if given == 0:
        raise bad_source(key)


def read_voice(source: SourceFile, most_samples: int) -> npt.NDArray[np.float32]:
    """The sound of a file as one channel at ``AUDIO_RATE_HZ``, -1 … 1.

    Raises:
        PermanentProviderError: ``BAD_SOURCE``; no sound in it, or none that can be decoded.
    """
    resampler = av.AudioResampler("fltp", "mono", AUDIO_RATE_HZ)
    parts: list[npt.NDArray[np.float32]] = []
    try:
        with av.open(str(source.path), metadata_errors="ignore") as container:
            if not container.streams.audio:
                raise bad_source(source.key)
            read = 0
            for frame in container.decode(audio=0):
                new = [part.to_ndarray()[0] for part in resampler.resample(frame)]
                parts += new
                read += sum(map(len, new))
                if read >= most_samples:
                    break
            parts += [part.to_ndarray()[0] for part in resampler.resample(None)]
    except (FFmpegError, OSError, ValueError) as error:
        raise bad_source(source.key) from error
    return np.concatenate([np.zeros(0, np.float32), *parts])[:most_samples]


def _fit(frame: av.VideoFrame) -> Yuv:
    if (frame.width, frame.height) == (WIDTH, HEIGHT):
        return (
            frame.reformat(format="yuv420p", interpolation=_EXACT)
            .to_ndarray()
            .astype(np.uint8, copy=False)
        )
    scale = max(WIDTH / frame.width, HEIGHT / frame.height)
    width, height = round(frame.width * scale), round(frame.height * scale)
    picture = frame.to_image(width=width, height=height, interpolation=_EXACT)
    left, top = (width - WIDTH) // 2, (height - HEIGHT) // 2
    return yuv_of(picture.crop((left, top, left + WIDTH, top + HEIGHT)))


def probe(path: Path) -> VideoFacts:
    """Facts of a finished file, read from the file itself."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        seconds = float((stream.duration or 0) * (stream.time_base or 0))
        return VideoFacts(
            width=stream.codec_context.width,
            height=stream.codec_context.height,
            duration_ms=round(seconds * 1000),
            frames=stream.frames,
        )
