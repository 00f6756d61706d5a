"""The process that opens an uploaded video or sound: ``main`` of the child of ``media``.

Owns what of a file is kept: one picture track and the sound tracks, of the codecs listed here.
Data, subtitles, attachments, cover art, chapters and all metadata (where it was taken, by whom)
stay behind, because the new file is written from nothing. It answers in JSON on stdout.
"""

from __future__ import annotations

import json
import resource
import shutil
import sys
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
from av.error import FFmpegError
from PIL import Image, ImageDraw

from darkroom.generation.providers.local.ranged_file import RangedFile, ReadTooMuch
from darkroom.kernel.limits import MEDIA_LIMIT_SECONDS, REWRITE_LIMIT_BYTES

MEMORY_LIMIT_BYTES: Final = 3 << 30
"""Of address space: threads and libraries reserve far more than they use."""
CPU_LIMIT_SECONDS: Final = 240
MAX_PIXELS: Final = 8192 * 4320
MAX_STREAMS: Final = 64
MAX_SOUND_TRACKS: Final = 8
TRIED_PACKETS: Final = 300
"""How far to look for the first picture or sound that can be decoded."""
PROBE_LIMIT_BYTES: Final = 20_000_000
PROBE_LIMIT_MICROSECONDS: Final = 20_000_000
THUMBNAIL_SIDE_PX: Final = 480
_THUMBNAIL_QUALITY: Final = 82
_THUMBNAIL_AT: Final = 0.1
_MISSING_SHARE: Final = 0.1
"""More than this of the promised length missing: the file breaks off."""
_MISSING_GRACE_MS: Final = 500
_TAIL_MS: Final = 2000
"""Of a file that is not read as a whole: where its end is looked for."""
_TAIL_PACKETS: Final = 20_000

_SOUND_CODECS: Final = frozenset({"aac", "mp3", "alac", "opus", "flac", "ac3", "eac3"})
_VIDEO_CODECS: Final = frozenset({"h264", "hevc", "av1", "vp9", "mpeg4"})
_PCM: Final = frozenset(
    {
        "pcm_u8", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_s32be",
        "pcm_f32le", "pcm_f64le", "pcm_alaw", "pcm_mulaw",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Container:
    mime_type: str
    muxer: str
    pictures: frozenset[str]
    sounds: frozenset[str]
    options: tuple[tuple[str, str], ...] = ()
    tells_length: bool = True
    """Whether the file itself knows how long it is; of some, it is only guessed."""


_FAST_START = (("movflags", "+faststart"),)
CONTAINERS: Final = {
    "mp4": Container("video/mp4", "mp4", _VIDEO_CODECS, _SOUND_CODECS, _FAST_START),
    "mov": Container(
        "video/quicktime", "mov",
        _VIDEO_CODECS | {"prores", "mjpeg"}, _SOUND_CODECS | _PCM, _FAST_START,
    ),
    "m4a": Container("audio/mp4", "ipod", frozenset(), frozenset({"aac", "alac"}), _FAST_START),
    "webm": Container(
        "video/webm", "webm", frozenset({"vp8", "vp9", "av1"}), frozenset({"opus", "vorbis"})
    ),
    "mp3": Container(
        "audio/mpeg", "mp3", frozenset(), frozenset({"mp3"}), (("id3v2_version", "0"),),
        tells_length=False,
    ),
    "wav": Container("audio/wav", "wav", frozenset(), _PCM, tells_length=False),
}  # fmt: skip


class Rejected(Exception):
    def __init__(self, code: str, detail: str) -> None:
        self.code, self.detail = code, detail
        super().__init__(detail)


def main(arguments: list[str]) -> None:
    """``source workdir container [size]``; prints what was found, or why it was rejected.

    With its size, the source is an address, and is looked at instead of being read.
    """
    _limit()
    source, workdir, name = arguments[0], Path(arguments[1]), arguments[2]
    av.logging.set_level(None)
    try:
        if len(arguments) > 3:
            answer = probe_media(RangedFile(source, int(arguments[3])), workdir, name)
        else:
            answer = read_media(Path(source), workdir, name)
    except ReadTooMuch as error:
        answer = {"rejected": "CORRUPT_FILE", "detail": str(error)}
    except Rejected as error:
        answer = {"rejected": error.code, "detail": error.detail}
    except (FFmpegError, ValueError, MemoryError) as error:
        answer = {"rejected": "CORRUPT_FILE", "detail": f"it cannot be read: {error!r}"[:300]}
    json.dump(answer, sys.stdout)


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT_SECONDS, CPU_LIMIT_SECONDS + 1))
    # Writing a file anew makes it little larger.
    disk_bytes = REWRITE_LIMIT_BYTES + REWRITE_LIMIT_BYTES // 4
    resource.setrlimit(resource.RLIMIT_FSIZE, (disk_bytes, disk_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def read_media(source: Path, workdir: Path, name: str) -> dict[str, Any]:
    """Everything about the file; its clean copy and thumbnail are in ``workdir`` after."""
    name, promised_ms, first = _first_look(source, name)
    container = CONTAINERS[name]
    clean = workdir / f"media.{name}"
    span_ms, note = _copy(source, clean, name, container)
    if container.tells_length:
        _expect_whole(promised_ms, span_ms)
    return _described(clean, workdir, name, span_ms, first, note)


def probe_media(source: RangedFile, workdir: Path, name: str) -> dict[str, Any]:
    """What can be told of a file without reading it all: its tracks, that its first picture or
    sound can be decoded, and that its end is there. Only a thumbnail is made."""
    name, promised_ms, first = _first_look(source, name)
    if promised_ms <= 0:
        raise Rejected("CORRUPT_FILE", "it does not say how long it is")
    if promised_ms > MEDIA_LIMIT_SECONDS * 1000:
        raise Rejected("FILE_TOO_LARGE", f"longer than {MEDIA_LIMIT_SECONDS} s")
    span_ms = promised_ms
    if CONTAINERS[name].tells_length:
        span_ms = _end_ms(source, name, promised_ms)
        _expect_whole(promised_ms, span_ms)
    return _described(source, workdir, name, span_ms, first, "METADATA_KEPT")


def _first_look(source: Path | RangedFile, name: str) -> tuple[str, int, Any]:
    """The container's name by its tracks, how long it says it is, and its first frame."""
    with _opened(source, name) as media:
        name, video, sounds = _tracks(media, name)
        tracks = ([] if video is None else [video]) + sounds
        promised_ms = max(_promised_ms(track) for track in tracks)
        if promised_ms == 0 and media.duration is not None:
            promised_ms = media.duration // 1000
        first = _first_frame(media, video or sounds[0])
    if first is None:
        raise Rejected("CORRUPT_FILE", "nothing in it can be decoded")
    return name, promised_ms, first


def _expect_whole(promised_ms: int, span_ms: int) -> None:
    if promised_ms - span_ms > max(_MISSING_GRACE_MS, promised_ms * _MISSING_SHARE):
        raise Rejected("CORRUPT_FILE", f"{span_ms} ms of {promised_ms} ms are there")


def _end_ms(source: RangedFile, name: str, promised_ms: int) -> int:
    """When the last packet near the promised end is over; 0 if there is none."""
    with _opened(source, name) as media:
        _, video, sounds = _tracks(media, name)
        tracks = ([] if video is None else [video]) + sounds
        media.seek(max(0, promised_ms - _TAIL_MS) * 1000, backward=True)
        ends = Fraction(0)
        for number, packet in enumerate(media.demux(*tracks)):
            if number >= _TAIL_PACKETS:
                break
            if packet.dts is not None:
                at = packet.pts if packet.pts is not None else packet.dts
                ends = max(ends, (at + (packet.duration or 0)) * packet.time_base)
    return round(ends * 1000)


def _described(
    shown: Path | RangedFile, workdir: Path, name: str, span_ms: int, first: Any, note: str | None
) -> dict[str, Any]:
    """The answer, with a thumbnail of what is ``shown``, if it shows anything."""
    answer: dict[str, Any] = {
        "kind": "audio",
        "mime_type": CONTAINERS[name].mime_type,
        "name": f"media.{name}",
        "duration_ms": span_ms,
        "width": None,
        "height": None,
        "thumbnail": None,
        "note": note,
    }
    if isinstance(first, av.VideoFrame):
        answer["kind"] = "video"
        turned = first.rotation % 180 != 0
        size = (first.height, first.width) if turned else (first.width, first.height)
        answer["width"], answer["height"] = size
        answer["thumbnail"] = "thumbnail.jpg"
        if not _draw_thumbnail(shown, name, span_ms, workdir / "thumbnail.jpg"):
            answer["note"] = note or "NO_THUMBNAIL"
    return answer


def _promised_ms(track: Any) -> int:
    return 0 if track.duration is None else round(track.duration * track.time_base * 1000)


def _opened(source: Path | RangedFile, name: str) -> Any:
    if isinstance(source, RangedFile):
        source.seek(0)
    return av.open(
        str(source) if isinstance(source, Path) else source,
        format={"mov": "mp4", "m4a": "mp4", "webm": "matroska"}.get(name, name),
        metadata_errors="replace",
        container_options={
            "probesize": str(PROBE_LIMIT_BYTES),
            "analyzeduration": str(PROBE_LIMIT_MICROSECONDS),
            "protocol_whitelist": "file",
        },
    )


def _tracks(media: Any, name: str) -> tuple[str, Any, list[Any]]:
    """The container's name as its tracks have it, the picture track if any, the sound tracks."""
    if not 0 < len(media.streams) <= MAX_STREAMS:
        raise Rejected("CORRUPT_FILE", f"{len(media.streams)} tracks")
    videos = [
        s for s in media.streams.video if not s.disposition & av.stream.Disposition.attached_pic
    ]
    if name in ("mp4", "mov", "m4a"):
        # One family: what is in it decides, its brand only between MP4 and MOV.
        name = ("mp4" if name == "m4a" else name) if videos else "m4a"
    container = CONTAINERS[name]
    sounds = [s for s in media.streams.audio if _codec(s) in container.sounds][:MAX_SOUND_TRACKS]
    if not videos:
        if not sounds or not container.mime_type.startswith("audio/"):
            raise Rejected("UNSUPPORTED_TYPE", "no track in it can be used")
        return name, None, sounds
    video = next((s for s in videos if _codec(s) in container.pictures), None)
    if video is None:
        raise Rejected("UNSUPPORTED_TYPE", f"video of {_codec(videos[0])} cannot be used")
    if video.codec_context.width * video.codec_context.height > MAX_PIXELS:
        raise Rejected("IMAGE_TOO_LARGE", "too many pixels")
    return name, video, sounds


def _codec(stream: Any) -> str:
    return "" if stream.codec_context is None else stream.codec_context.codec.canonical_name


def _first_frame(media: Any, stream: Any) -> Any:
    """The first picture or sound that can be decoded, None if there is none near."""
    stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
    stream.codec_context.thread_count = 1
    for number, packet in enumerate(media.demux(stream)):
        if number >= TRIED_PACKETS:
            return None
        try:
            frames = packet.decode()
        except FFmpegError:
            continue
        if frames:
            return frames[0]
    return None


def _copy(source: Path, clean: Path, name: str, container: Container) -> tuple[int, str | None]:
    """Write the tracks anew; the length that is really there, and a note.

    What no new file can be written of, though it can be read, is kept as it is.
    """
    try:
        return _rewrite(source, clean, name, container), None
    except (FFmpegError, ValueError):
        # Reading it through once more: what cannot be read to its end fails for good here.
        span_ms = _rewrite(source, None, name, container)
        shutil.copyfile(source, clean)
        return span_ms, "METADATA_KEPT"


def _rewrite(source: Path, clean: Path | None, name: str, container: Container) -> int:
    """Pass every packet on; returns the length in milliseconds. Without ``clean``, only that."""
    # bitexact: no date and no version inside, so the same content gives the same bytes.
    options = {"fflags": "+bitexact", **dict(container.options)}
    with _opened(source, name) as media:
        _, video, sounds = _tracks(media, name)
        tracks = ([] if video is None else [video]) + sounds
        if clean is None:
            return _span_ms(media.demux(*tracks), {}, None)
        with av.open(str(clean), "w", format=container.muxer, container_options=options) as written:
            targets = {}
            for track in tracks:
                target = written.add_stream_from_template(track, opaque=True)
                target.metadata.clear()
                targets[track.index] = target
            return _span_ms(media.demux(*tracks), targets, written)


def _span_ms(packets: Any, targets: dict[int, Any], written: Any) -> int:
    """From the first moment to the last, over all tracks, as the packets say."""
    begins: Fraction | None = None
    ends = Fraction(0)
    for packet in packets:
        if packet.dts is None:
            continue
        at = (packet.pts if packet.pts is not None else packet.dts) * packet.time_base
        end = at + (packet.duration or 0) * packet.time_base
        begins = at if begins is None else min(begins, at)
        ends = max(ends, end)
        if ends - begins > MEDIA_LIMIT_SECONDS:
            raise Rejected("FILE_TOO_LARGE", f"longer than {MEDIA_LIMIT_SECONDS} s")
        if written is not None:
            packet.stream = targets[packet.stream.index]
            written.mux(packet)
    if begins is None:
        raise Rejected("CORRUPT_FILE", "there is nothing in it")
    return round((ends - max(begins, Fraction(0))) * 1000)


def _draw_thumbnail(shown: Path | RangedFile, name: str, span_ms: int, target: Path) -> bool:
    """False if no frame could be drawn: a placeholder stands there then."""
    picture = None
    for at in (_THUMBNAIL_AT, 0.0):
        try:
            picture = _frame_at(shown, name, int(span_ms * at))
        except ReadTooMuch:
            raise
        except (FFmpegError, ValueError, OSError):
            continue
        if picture is not None:
            break
    drawn = picture is not None
    picture = picture or _placeholder()
    picture.thumbnail((THUMBNAIL_SIDE_PX, THUMBNAIL_SIDE_PX), Image.Resampling.LANCZOS)
    picture.info = {}
    picture.save(target, "JPEG", quality=_THUMBNAIL_QUALITY)
    return drawn


def _frame_at(shown: Path | RangedFile, name: str, at_ms: int) -> Image.Image | None:
    with _opened(shown, name) as media:
        stream = media.streams.video[0]
        if at_ms:
            media.seek(at_ms * 1000, backward=True)
        frame = _first_frame(media, stream)
        if frame is None:
            return None
        picture = frame.to_image().convert("RGB")
        return picture.rotate(frame.rotation, expand=True) if frame.rotation % 360 else picture


def _placeholder() -> Image.Image:
    """A dark field with the sign for "play"."""
    picture = Image.new("RGB", (480, 270), (38, 38, 42))
    ImageDraw.Draw(picture).polygon([(205, 90), (205, 180), (285, 135)], fill=(150, 150, 158))
    return picture
