"""The clean copy of a video or sound: the tracks that are kept, written into a new file.

Owns what a track keeps beside its content (its codec's tag, its pixel aspect, its rotation, its
language and whether it is the default), the times of its packets, and the conversion of sounds
that the container cannot hold. No other metadata is passed on, and no date is written, so that the
same content gives the same bytes.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
from av.error import FFmpegError

from darkroom.kernel.limits import MEDIA_LIMIT_SECONDS
from darkroom.media.mp3 import frame_bytes
from darkroom.uploads.inspection import dolby_vision, webm_shape
from darkroom.uploads.inspection.blank_copy import write_blank_copy
from darkroom.uploads.inspection.media_tracks import (
    CONTAINERS,
    COPIED_AS,
    Container,
    Rejected,
    Tracks,
    choose_tracks,
    opened,
)

LATE_START_SECONDS: Final = 1
"""A file whose first moment is later begins at zero in its copy."""
SHOWN_LIMIT_PX: Final = 16_384
"""A side that pixels of an odd shape would make longer than this is not believed."""
_PREROLL_PACKETS: Final = 8
"""Of a sound, how many packets before its beginning are kept: decoders start a little earlier."""
_LANGUAGE: Final = re.compile(r"[a-z]{3}")
_MP3_HEADER_BYTES: Final = 4
_AAC_RATES_HZ: Final = frozenset(
    {96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000}
)
_RATE_HZ: Final = 48_000
_LAYOUTS: Final = {1: "mono", 2: "stereo", 6: "5.1"}
_MAX_BIT_RATE: Final = 96_000
_BITS_A_SAMPLE: Final = 3
"""Of a channel; so much is enough for speech at 8 kHz, and for music at 32 kHz."""


def rewrite(
    source: Path, clean: Path, name: str, unreadable: frozenset[int], *, keeps_tags: bool = True
) -> int:
    """Write the kept tracks into a new file; returns its length in milliseconds.

    Raises:
        Rejected: ``CORRUPT_FILE`` (nothing is in it), ``FILE_TOO_LARGE`` (too long).
        FFmpegError; ValueError: it cannot be read to its end, or not be written.
    """
    with opened(source, name) as media:
        tracks = choose_tracks(media, name, unreadable)
        container = CONTAINERS[COPIED_AS.get(tracks.container, tracks.container)]
        # bitexact: no date and no version inside.
        options = {"fflags": "+bitexact", **dict(container.options)}
        with av.open(str(clean), "w", format=container.muxer, container_options=options) as written:
            targets = {
                track.index: _target(
                    written, tracks, track=track, container=container, keeps_tags=keeps_tags
                )
                for track in tracks.all
            }
            shown = _shape_to_add(tracks, container)
            vision = _dolby_vision(source, tracks, container)
            if shown is not None:
                targets[tracks.video.index].stream.metadata["title"] = webm_shape.PLACEHOLDER
            if vision is not None:
                targets[tracks.video.index].stream.metadata["title"] = dolby_vision.PLACEHOLDER
            written.start_encoding()
            span_ms = _mux_all(media, tracks, targets, written)
    if shown is not None:
        webm_shape.write_shown_size(clean, *shown)
    if vision is not None:
        dolby_vision.write_dolby_vision(clean, vision)
    return span_ms


def square_pixels(width: int, height: int, ratio: Fraction | None) -> tuple[int, int]:
    """The size with the shape of its pixels applied: the shorter side is drawn longer."""
    if not ratio or ratio <= 0:
        return width, height
    shown = (round(width * ratio), height) if ratio > 1 else (width, round(height / ratio))
    return (width, height) if max(shown) > SHOWN_LIMIT_PX else shown


def late_start(media: Any) -> Fraction:
    """By how many seconds the timestamps of a file are moved so that it begins at zero."""
    begins = Fraction(media.start_time or 0, 1_000_000)
    return begins if begins >= LATE_START_SECONDS else Fraction(0)


def _shape_to_add(tracks: Tracks, container: Container) -> tuple[int, int] | None:
    """The size at which a video is shown, where the muxer leaves it out."""
    if container.muxer != "webm" or tracks.video is None:
        return None
    context = tracks.video.codec_context
    shown = square_pixels(context.width, context.height, tracks.video.sample_aspect_ratio)
    return None if shown == (context.width, context.height) else shown


def _dolby_vision(source: Path, tracks: Tracks, container: Container) -> bytes | None:
    """A video's box of Dolby Vision, where the muxer leaves it out."""
    if container.muxer != "mov" or tracks.video is None:
        return None
    return dolby_vision.find_dolby_vision(source, tracks.video.id)


class Length:
    """From the first moment of a file to its last, over all tracks, as its packets say."""

    def __init__(self) -> None:
        self._begins: Fraction | None = None
        self._ends = Fraction(0)

    def add(self, packet: Any) -> None:
        """Raises ``Rejected``: ``FILE_TOO_LARGE``, for a file that lasts too long."""
        at = packet.pts if packet.pts is not None else packet.dts
        if at is None or packet.is_discard:
            return
        begins = at * packet.time_base
        self._begins = begins if self._begins is None else min(begins, self._begins)
        self._ends = max(self._ends, begins + (packet.duration or 0) * packet.time_base)
        if self._ends - self._begins > MEDIA_LIMIT_SECONDS:
            raise Rejected("FILE_TOO_LARGE", f"longer than {MEDIA_LIMIT_SECONDS} s")

    def milliseconds(self) -> int:
        """What is shown before zero does not count."""
        if self._begins is None:
            raise Rejected("CORRUPT_FILE", "there is nothing in it")
        return round((self._ends - max(self._begins, Fraction(0))) * 1000)


def blank(source: Path, clean: Path, name: str, unreadable: frozenset[int]) -> int:
    """The kept tracks of an MP4 or MOV file where they are, and nothing else of it; returns the
    length in milliseconds.

    Raises:
        Rejected; FFmpegError; ValueError: as above.
    """
    length = Length()
    with opened(source, name, {"ignore_editlist": "1"}) as media:
        tracks = choose_tracks(media, name, unreadable)

        def samples() -> Iterator[tuple[int, int]]:
            for packet in media.demux(*tracks.all):
                if packet.size and packet.pos is not None:
                    yield packet.pos, packet.size

        ids = frozenset(track.id for track in tracks.all)
        write_blank_copy(source, clean, samples(), tracks=ids)
    with opened(clean, name) as media:
        for packet in media.demux(*choose_tracks(media, name).all):
            length.add(packet)
    return length.milliseconds()


class _Copied:
    """A track whose packets are passed on as they are."""

    def __init__(self, written: Any, track: Any, container: Container, tag: str | None) -> None:
        self.stream = written.add_stream_from_template(track, opaque=True)
        if tag is not None:
            self.stream.codec_context.codec_tag = tag
        if track.type == "video":
            ratio = track.sample_aspect_ratio
            if ratio:
                self.stream.codec_context.sample_aspect_ratio = ratio
        # In other containers, a packet may be several frames, or a part of one.
        self._is_mp3 = container.muxer == "mp3"

    def packets(self, packet: Any) -> Iterable[Any]:
        if packet.size == 0 or (self._is_mp3 and not _is_mp3_frame(packet)):
            return ()
        return (packet,)

    def rest(self) -> Iterable[Any]:
        return ()


class _Converted:
    """A sound that is decoded and encoded again; damaged packets of it are passed over."""

    def __init__(self, written: Any, track: Any, encoder: str) -> None:
        track.codec_context.thread_count = 1
        rate_hz = track.codec_context.sample_rate
        if encoder == "libopus" or (encoder == "aac" and rate_hz not in _AAC_RATES_HZ):
            rate_hz = _RATE_HZ
        self.stream = written.add_stream(encoder, rate=rate_hz)
        context = self.stream.codec_context
        context.layout = _LAYOUTS.get(track.codec_context.channels, "stereo")
        context.bit_rate = context.layout.nb_channels * min(_MAX_BIT_RATE, rate_hz * _BITS_A_SAMPLE)
        self.stream.options = {"flags": "+bitexact", "threads": "1"}
        self._resampler: Any = None

    def packets(self, packet: Any) -> Iterator[Any]:
        try:
            frames = packet.decode()
        except FFmpegError:
            return
        for frame in frames:
            yield from self._encoded(frame)

    def rest(self) -> Iterator[Any]:
        if self._resampler is not None:
            yield from self._encoded(None)
        yield from self.stream.encode(None)

    def _encoded(self, frame: Any) -> Iterator[Any]:
        if self._resampler is None:
            context = self.stream.codec_context
            self._resampler = av.AudioResampler(
                context.format, context.layout, context.sample_rate, context.frame_size or None
            )
        for piece in self._resampler.resample(frame):
            yield from self.stream.encode(piece)


class _Trim:
    """What of a trimmed track is passed on: what is shown, and what must be decoded before it.

    Packets outside of the clip come marked. They are held until one inside follows; of pictures,
    a key frame shows that those held before it are not needed.
    """

    def __init__(self, kind: str) -> None:
        self._is_video = kind == "video"
        self._held: deque[Any] = deque(maxlen=None if self._is_video else _PREROLL_PACKETS)

    def release(self, packet: Any) -> list[Any]:
        if packet.is_discard:
            if self._is_video and packet.is_keyframe:
                self._held.clear()
            self._held.append(packet)
            return []
        released = [*self._held, packet]
        self._held.clear()
        return released


class _Timestamps:
    """The timestamps of one track as a muxer takes them: decoded in order, shown no earlier.

    Trimmed and joined clips repeat times or show a frame before it is decoded; then the packet is
    moved by the smallest step of the container.
    """

    def __init__(self) -> None:
        self._last: int | None = None

    def repair(self, packet: Any) -> None:
        at = packet.dts if packet.dts is not None else packet.pts
        if self._last is not None and (at is None or at <= self._last):
            at = self._last + 1
        self._last = at = at or 0
        packet.dts = at
        if packet.pts is None or packet.pts < at:
            packet.pts = at


def _target(
    written: Any, tracks: Tracks, *, track: Any, container: Container, keeps_tags: bool
) -> _Copied | _Converted:
    target: _Copied | _Converted
    if tracks.is_converted(track):
        assert container.encoder is not None, "only what can be converted is chosen"
        target = _Converted(written, track, container.encoder)
    else:
        tag = track.codec_context.codec_tag if keeps_tags and container.has_tags else None
        target = _Copied(written, track, container, tag)
    language = track.metadata.get("language", "")
    target.stream.metadata.clear()
    if _LANGUAGE.fullmatch(language):
        target.stream.metadata["language"] = language
    target.stream.disposition = track.disposition
    return target


def _mux_all(
    media: Any, tracks: Tracks, targets: dict[int, _Copied | _Converted], written: Any
) -> int:
    late, length = late_start(media), Length()
    timestamps = {track.index: _Timestamps() for track in tracks.all}
    trims = {track.index: _Trim(track.type) for track in tracks.all}

    def mux(index: int, packets: Iterable[Any]) -> None:
        stream = targets[index].stream
        for packet in packets:
            packet.stream = stream
            packet.rescale_ts(av.AVRational(stream.time_base))
            timestamps[index].repair(packet)
            written.mux(packet)

    for packet in media.demux(*tracks.all):
        if packet.size == 0:
            continue
        if late:
            _shift(packet, late)
        length.add(packet)
        index = packet.stream.index
        for released in trims[index].release(packet):
            mux(index, targets[index].packets(released))
    for index, target in targets.items():
        mux(index, target.rest())
    return length.milliseconds()


def _shift(packet: Any, late: Fraction) -> None:
    ticks = round(late / packet.time_base)
    if packet.pts is not None:
        packet.pts -= ticks
    if packet.dts is not None:
        packet.dts -= ticks


def _is_mp3_frame(packet: Any) -> bool:
    """Any other packet of an MP3 file is a tag, or what lies between frames."""
    return bool(frame_bytes(bytes(memoryview(packet)[:_MP3_HEADER_BYTES])) == packet.size)
