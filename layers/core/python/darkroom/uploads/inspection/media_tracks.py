"""Which tracks of an uploaded video or sound are kept, and in which container.

Owns the containers, the codecs that each can hold, and the choice among a file's tracks: one
picture track and the sound tracks. A sound of another codec is converted. A picture, sound or
subtitle track that stays behind is reported, never passed over in silence; data tracks, cover art,
attachments and chapters are always dropped, because they reveal where and by whom a file was made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import av
from av.error import FFmpegError

from darkroom.uploads.inspection.ranged_file import RangedFile

MAX_PIXELS: Final = 8192 * 4320
MAX_STREAMS: Final = 64
MAX_SOUND_TRACKS: Final = 8
TRIED_PACKETS: Final = 300
"""How far to search for the first picture or sound that can be decoded."""
PROBE_LIMIT_BYTES: Final = 20_000_000
PROBE_LIMIT_MICROSECONDS: Final = 20_000_000

_SOUND_CODECS: Final = frozenset({"aac", "mp3", "alac", "opus", "flac", "ac3", "eac3"})
_VIDEO_CODECS: Final = frozenset({"h264", "hevc", "av1", "vp9", "mpeg4"})
_WAV_CODECS: Final = frozenset(
    {
        "pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le",
        "pcm_alaw", "pcm_mulaw",
    }
)  # fmt: skip
_PCM: Final = _WAV_CODECS | {
    "pcm_s8", "pcm_s16be", "pcm_s24be", "pcm_s32be", "pcm_f32be", "pcm_f64be",
}  # fmt: skip
_CONVERTED: Final = (
    _SOUND_CODECS
    | _PCM
    | {
        "amr_nb", "amr_wb", "vorbis", "mp2", "qcelp", "evrc", "adpcm_ima_qt", "adpcm_ima_wav",
        "adpcm_ms", "gsm", "gsm_ms", "mace3", "mace6", "qdm2",
    }
)  # fmt: skip
"""Sounds that are decoded where the container cannot hold them."""


@dataclass(frozen=True)
class Container:
    mime_type: str
    muxer: str
    pictures: frozenset[str]
    sounds: frozenset[str]
    encoder: str | None = None
    """What other sounds are converted to; None where they are refused."""
    options: tuple[tuple[str, str], ...] = ()
    declares_length: bool = True
    """Whether the file itself knows how long it is; of some, it is only guessed."""
    has_tags: bool = False
    """Whether codecs have names of four letters in it, which players go by."""


# What is "unofficial" are the boxes of Dolby Vision and of videos around the viewer.
_MP4_OPTIONS = (("movflags", "+faststart"), ("strict", "unofficial"))
CONTAINERS: Final = {
    "mp4": Container(
        "video/mp4", "mp4", _VIDEO_CODECS, _SOUND_CODECS, "aac", _MP4_OPTIONS, has_tags=True
    ),
    "mov": Container(
        "video/quicktime", "mov",
        _VIDEO_CODECS | {"prores", "mjpeg"}, _SOUND_CODECS | _PCM, "aac", _MP4_OPTIONS,
        has_tags=True,
    ),
    "m4a": Container("audio/mp4", "ipod", frozenset(), frozenset({"aac", "alac"}), "aac",
                     _MP4_OPTIONS),
    "webm": Container(
        "video/webm", "webm", frozenset({"vp8", "vp9", "av1"}), frozenset({"opus", "vorbis"}),
        "libopus",
    ),
    "weba": Container(
        "audio/webm", "webm", frozenset(), frozenset({"opus", "vorbis"}), "libopus"
    ),
    "mp3": Container(
        "audio/mpeg", "mp3", frozenset(), frozenset({"mp3"}), None, (("id3v2_version", "0"),),
        declares_length=False,
    ),
    "wav": Container(
        "audio/wav", "wav", frozenset(), _WAV_CODECS, "pcm_s16le", declares_length=False
    ),
    "aac": Container(
        "audio/aac", "adts", frozenset(), frozenset({"aac"}), None, declares_length=False
    ),
}  # fmt: skip
COPIED_AS: Final = {"aac": "m4a"}
"""Containers that players seek badly in, and what the tracks are copied into instead."""

_DEMUXERS: Final = {"mov": "mp4", "m4a": "mp4", "webm": "matroska", "weba": "matroska"}


class Rejected(Exception):
    def __init__(self, code: str, detail: str) -> None:
        self.code, self.detail = code, detail
        super().__init__(detail)


@dataclass(frozen=True, kw_only=True)
class Tracks:
    """The tracks of an open file that are kept."""

    container: str
    """One of ``CONTAINERS``, as its tracks have it."""
    video: Any
    """None of a sound."""
    sounds: tuple[Any, ...]
    leaves_out: bool
    """Whether a picture, sound or subtitle track stays behind."""

    @property
    def all(self) -> tuple[Any, ...]:
        """In the order of the file."""
        pictures = () if self.video is None else (self.video,)
        return tuple(sorted((*pictures, *self.sounds), key=lambda track: track.index))

    @property
    def first(self) -> Any:
        return self.video or self.sounds[0]

    def is_converted(self, track: Any) -> bool:
        return track is not self.video and codec_of(track) not in _copied(self.container).sounds


@contextmanager
def opened(
    source: Path | RangedFile, name: str, options: Mapping[str, str] | None = None
) -> Iterator[Any]:
    """The file, read as the container that its first bytes are of, and as nothing else."""
    if isinstance(source, RangedFile):
        source.seek(0)
    with av.open(
        str(source) if isinstance(source, Path) else source,
        format=_DEMUXERS.get(name, name),
        metadata_errors="replace",
        container_options={
            "probesize": str(PROBE_LIMIT_BYTES),
            "analyzeduration": str(PROBE_LIMIT_MICROSECONDS),
            "protocol_whitelist": "file",
            **(options or {}),
        },
    ) as media:
        yield media


def choose_tracks(media: Any, name: str, unreadable: frozenset[int] = frozenset()) -> Tracks:
    """The tracks to keep; those with ``unreadable`` places are not among them.

    Raises:
        Rejected: ``UNSUPPORTED_TYPE`` (none can be used), ``IMAGE_TOO_LARGE``, ``CORRUPT_FILE``.
    """
    if not 0 < len(media.streams) <= MAX_STREAMS:
        raise Rejected("CORRUPT_FILE", f"{len(media.streams)} tracks")
    videos = [
        s for s in media.streams.video if not s.disposition & av.stream.Disposition.attached_pic
    ]
    name = _container_of(name, shows=bool(videos))
    sounds = _sounds(media, name, unreadable)
    leaves_out = len(sounds) < len(media.streams.audio) or bool(media.streams.subtitles)
    if not videos:
        if not sounds or not CONTAINERS[name].mime_type.startswith("audio/"):
            raise Rejected("UNSUPPORTED_TYPE", "no track in it can be used")
        return Tracks(container=name, video=None, sounds=sounds, leaves_out=leaves_out)
    video = next((s for s in videos if codec_of(s) in CONTAINERS[name].pictures), None)
    if video is None:
        raise Rejected("UNSUPPORTED_TYPE", f"video of {codec_of(videos[0])} cannot be used")
    if video.codec_context.width * video.codec_context.height > MAX_PIXELS:
        raise Rejected("IMAGE_TOO_LARGE", "too many pixels")
    leaves_out = leaves_out or len(videos) > 1
    return Tracks(container=name, video=video, sounds=sounds, leaves_out=leaves_out)


def codec_of(stream: Any) -> str:
    return "" if stream.codec_context is None else stream.codec_context.codec.canonical_name


def first_frame(media: Any, stream: Any, *, tried_packets: int = TRIED_PACKETS) -> Any:
    """The first picture or sound that can be decoded, None if there is none near."""
    stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
    stream.codec_context.thread_count = 1
    for number, packet in enumerate(media.demux(stream)):
        if number >= tried_packets:
            return None
        try:
            frames = packet.decode() or _at_once(stream, packet)
        except FFmpegError:
            continue
        if frames:
            return frames[0]
    return None


def _at_once(stream: Any, packet: Any) -> Any:
    """The picture of a key frame, without those that a decoder would wait for and keep: of 8K
    they take all memory."""
    if stream.type != "video" or not packet.is_keyframe or packet.is_discard:
        return None
    try:
        return stream.decode(None)
    finally:
        stream.codec_context.flush_buffers()


def _container_of(name: str, *, shows: bool) -> str:
    """Of one family, what is in the file decides, and its brand only between MP4 and MOV."""
    if name in ("mp4", "mov", "m4a"):
        return ("mp4" if name == "m4a" else name) if shows else "m4a"
    if name == "webm":
        return "webm" if shows else "weba"
    return name


def _sounds(media: Any, name: str, unreadable: frozenset[int]) -> tuple[Any, ...]:
    container = _copied(name)
    usable = container.sounds if container.encoder is None else container.sounds | _CONVERTED
    readable = [s for s in media.streams.audio if s.index not in unreadable]
    return tuple(s for s in readable if codec_of(s) in usable)[:MAX_SOUND_TRACKS]


def _copied(name: str) -> Container:
    return CONTAINERS[COPIED_AS.get(name, name)]
