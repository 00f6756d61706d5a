"""The process that opens an uploaded video or sound: ``main`` of the child of ``media``.

Owns the limits of the process and the result: what the file is, how long and how large, whether it
is whole, and its thumbnail. Which tracks are kept, ``media_tracks`` decides; ``media_copy`` writes
them. The result is JSON on stdout. Whatever a file does to its reader, the result is a code; only
a storage or a disk that fails ends the process with an error.
"""

from __future__ import annotations

import errno
import json
import resource
import sys
import traceback
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
from av.error import FFmpegError
from av.video.reformatter import Interpolation
from PIL import Image, ImageDraw

from darkroom.kernel.edits import UNCHANGED, Edits
from darkroom.kernel.limits import MEDIA_LIMIT_SECONDS, REWRITE_LIMIT_BYTES
from darkroom.media.small_jpeg import small_jpeg
from darkroom.uploads.inspection.blank_copy import NoCopy
from darkroom.uploads.inspection.media_copy import (
    blank,
    late_start,
    rewrite,
    square_pixels,
)
from darkroom.uploads.inspection.media_tracks import (
    CONTAINERS,
    COPIED_AS,
    Rejected,
    Tracks,
    choose_tracks,
    first_frame,
    opened,
)
from darkroom.uploads.inspection.ranged_file import FetchBroken, RangedFile, ReadTooMuch

MEMORY_LIMIT_BYTES: Final = 1_600_000_000
"""Of address space: what goes wrong for want of it ends in a code. The function has more."""
CPU_LIMIT_SECONDS: Final = 240
THUMBNAIL_SIDE_PX: Final = 480
_THUMBNAIL_AT: Final = 0.1
_MISSING_SHARE: Final = 0.1
"""More than this of the promised length missing: the file breaks off."""
_MISSING_GRACE_MS: Final = 500
_TAIL_MS: Final = 2000
"""Of a file that is not read as a whole: where its end is searched."""
_TAIL_PACKETS: Final = 20_000


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What a file is, before it is copied."""

    name: str
    """The container, as its tracks have it."""
    promised_ms: int
    """How long it says it is; 0 if it does not."""
    begins_ms: int
    """Its first moment, if that is late."""
    first: Any
    """Its first frame."""
    size: tuple[int, int] | None
    """How large a video is shown: upright, with square pixels."""
    unreadable: frozenset[int]
    leaves_out: bool

    @property
    def note(self) -> str | None:
        return "TRACKS_LEFT_OUT" if self.leaves_out else None


def main(arguments: list[str]) -> None:
    """``source workdir container [size]``; prints what was found, or why it was rejected.

    With its size, the source is an address, and only parts of it are read.
    """
    _limit()
    json.dump(outcome_of(arguments), sys.stdout)


def outcome_of(arguments: list[str]) -> dict[str, Any]:
    """What was found, or why the file was rejected."""
    source, workdir, name = arguments[0], Path(arguments[1]), arguments[2]
    av.logging.set_level(None)
    try:
        if len(arguments) > 3:
            return probe_media(RangedFile(source, int(arguments[3])), workdir, name)
        return read_media(Path(source), workdir, name)
    except Rejected as error:
        return {"rejected": error.code, "detail": error.detail}
    except Exception as error:
        if _is_ours(error):
            raise
        traceback.print_exc()
        return {"rejected": "CORRUPT_FILE", "detail": f"it cannot be read: {error!r}"[:300]}


def _is_ours(error: Exception) -> bool:
    """Whether the machine failed and not the file: then another try may succeed."""
    is_full = isinstance(error, OSError) and error.errno == errno.ENOSPC
    return is_full or isinstance(error, FetchBroken)


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT_SECONDS, CPU_LIMIT_SECONDS + 1))
    # Remuxing makes a file little larger.
    disk_bytes = REWRITE_LIMIT_BYTES + REWRITE_LIMIT_BYTES // 4
    resource.setrlimit(resource.RLIMIT_FSIZE, (disk_bytes, disk_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def read_media(source: Path, workdir: Path, name: str) -> dict[str, Any]:
    """Everything about the file; its clean copy and thumbnail are in ``workdir`` after."""
    found = _inspect(source, name)
    clean = workdir / f"media.{COPIED_AS.get(found.name, found.name)}"
    span_ms = _copy(source, clean, found)
    if CONTAINERS[found.name].declares_length:
        _expect_whole(found.promised_ms, span_ms)
    return _described(
        clean, workdir, found=found, clean_name=clean.suffix[1:], span_ms=span_ms, note=found.note
    )


def probe_media(source: RangedFile, workdir: Path, name: str) -> dict[str, Any]:
    """The facts of a file without reading it all: its tracks, that its first picture or
    sound can be decoded, that its end is there, and what has to be erased of it. Only a thumbnail
    is made."""
    found = _inspect(source, name)
    promised_ms = found.promised_ms
    if promised_ms <= 0:
        raise Rejected("CORRUPT_FILE", "it does not say how long it is")
    if promised_ms > MEDIA_LIMIT_SECONDS * 1000:
        raise Rejected("FILE_TOO_LARGE", f"longer than {MEDIA_LIMIT_SECONDS} s")
    span_ms = promised_ms
    if CONTAINERS[found.name].declares_length:
        span_ms = _end_ms_of(source, found) - found.begins_ms
        _expect_whole(promised_ms, span_ms)
    edits, kept_because = _erase(source, name, found, found.begins_ms + span_ms)
    note = found.note if kept_because is None else "METADATA_KEPT"
    response = _described(
        source, workdir, found=found, clean_name=found.name, span_ms=span_ms, note=note
    )
    return {**response, "edits": edits.to_json(), "kept_because": kept_because}


def _erase(
    source: RangedFile, name: str, found: Inspection, ends_ms: int
) -> tuple[Edits, str | None]:
    """What has to be erased of a file that is not remuxed.

    Returns why something stays all the same, too. From here on, the file is read as its copy will
    be. If anything goes wrong, it is copied as it was sent: the file itself was readable.
    """
    # Loads NumPy, which small files do not need.
    from darkroom.uploads.inspection.blank_in_place import erasure_of

    try:
        erasure = erasure_of(source, name)
        source.show(erasure.edits)
        after = _inspect(source, name)
        if _shown(after) != _shown(found):
            raise NoCopy("it is shown otherwise")
        if abs(after.promised_ms - found.promised_ms) > _MISSING_GRACE_MS:
            raise NoCopy("it is of another length")
        if CONTAINERS[name].declares_length and abs(_end_ms_of(source, after) - ends_ms) > (
            _MISSING_GRACE_MS
        ):
            raise NoCopy("it ends elsewhere")
    except Exception as error:
        if _is_ours(error):
            raise
        source.show(UNCHANGED)
        return UNCHANGED, f"nothing can be erased: {error!r}"[:300]
    return erasure.edits, erasure.kept_because


def _shown(found: Inspection) -> tuple[object, ...]:
    return found.name, found.size, found.begins_ms


def _inspect(source: Path | RangedFile, name: str) -> Inspection:
    """What is in the file, and its first frame.

    Raises:
        Rejected: no track can be used, or nothing can be decoded.
    """
    with opened(source, name) as media:
        tracks = choose_tracks(media, name)
        begins_ms = round(late_start(media) * 1000)
        first = first_frame(media, tracks.first)
        if first is None:
            raise Rejected("CORRUPT_FILE", "nothing in it can be decoded")
        unreadable = _unreadable(media, tracks) if isinstance(source, Path) else frozenset()
        return Inspection(
            name=tracks.container,
            promised_ms=_promised_ms(media, tracks, begins_ms),
            begins_ms=begins_ms,
            first=first,
            size=None if tracks.video is None else _shown_size(tracks, first),
            unreadable=unreadable,
            leaves_out=tracks.leaves_out or bool(unreadable),
        )


def _unreadable(media: Any, tracks: Tracks) -> frozenset[int]:
    """Places of the sounds that would have to be converted, and cannot be decoded."""
    others = [t for t in tracks.sounds if t is not tracks.first and tracks.is_converted(t)]
    return frozenset(track.index for track in others if first_frame(media, track) is None)


def _shown_size(tracks: Tracks, frame: Any) -> tuple[int, int]:
    width, height = square_pixels(frame.width, frame.height, tracks.video.sample_aspect_ratio)
    return (height, width) if frame.rotation % 180 else (width, height)


def _expect_whole(promised_ms: int, span_ms: int) -> None:
    if promised_ms - span_ms > max(_MISSING_GRACE_MS, promised_ms * _MISSING_SHARE):
        raise Rejected("CORRUPT_FILE", f"{span_ms} ms of {promised_ms} ms are there")


def _end_ms_of(source: RangedFile, found: Inspection) -> int:
    return _end_ms(source, found.name, found.begins_ms + found.promised_ms)


def _end_ms(source: RangedFile, name: str, promised_ms: int) -> int:
    """When the last packet near the promised end is over; 0 if there is none."""
    with opened(source, name) as media:
        tracks = choose_tracks(media, name)
        media.seek(max(0, promised_ms - _TAIL_MS) * 1000, backward=True)
        ends = Fraction(0)
        for number, packet in enumerate(media.demux(*tracks.all)):
            if number >= _TAIL_PACKETS:
                break
            if packet.dts is not None:
                at = packet.pts if packet.pts is not None else packet.dts
                ends = max(ends, (at + (packet.duration or 0)) * packet.time_base)
    return round(ends * 1000)


def _copy(source: Path, clean: Path, found: Inspection) -> int:
    """Write the tracks into a new file; returns the length that is really there.

    A tag that the new container does not know is left to it; of what no muxer takes, though it
    can be read, the structure and the samples are kept where they are.
    """
    refusal: Exception | None = None
    for keeps_tags in (True, False) if CONTAINERS[found.name].has_tags else (False,):
        try:
            return rewrite(source, clean, found.name, found.unreadable, keeps_tags=keeps_tags)
        except (FFmpegError, ValueError) as error:
            if _is_ours(error):
                raise
            refusal = error
    if found.name not in ("mp4", "mov", "m4a"):
        raise Rejected("CORRUPT_FILE", f"it cannot be written: {refusal!r}"[:300])
    return blank(source, clean, found.name, found.unreadable)


def _described(
    shown: Path | RangedFile,
    workdir: Path,
    *,
    found: Inspection,
    clean_name: str,
    span_ms: int,
    note: str | None,
) -> dict[str, Any]:
    """The response, with a thumbnail of what is ``shown``, if it shows anything."""
    response: dict[str, Any] = {
        "kind": "audio",
        "mime_type": CONTAINERS[found.name].mime_type,
        "clean_mime_type": CONTAINERS[clean_name].mime_type,
        "name": f"media.{clean_name}",
        "duration_ms": span_ms,
        "width": None,
        "height": None,
        "thumbnail": None,
        "note": note,
    }
    if found.size is not None:
        response["kind"] = "video"
        response["width"], response["height"] = found.size
        response["thumbnail"] = "thumbnail.jpg"
        if not _draw_thumbnail(shown, found.name, span_ms, workdir / "thumbnail.jpg"):
            response["note"] = note or "NO_THUMBNAIL"
    return response


def _promised_ms(media: Any, tracks: Tracks, begins_ms: int) -> int:
    """How long the longest track says it lasts, or else the file. Some writers of WebM files say
    when they end instead."""
    lengths = (track.duration * track.time_base for track in tracks.all if track.duration)
    promised_ms = round(max(lengths, default=Fraction(0)) * 1000)
    if promised_ms == 0 and media.duration is not None:
        promised_ms = int(media.duration // 1000)
        return promised_ms - begins_ms if promised_ms > begins_ms else promised_ms
    return promised_ms


def _draw_thumbnail(shown: Path | RangedFile, name: str, span_ms: int, target: Path) -> bool:
    """False if no frame could be drawn: a placeholder stands there then."""
    picture = None
    for at in (_THUMBNAIL_AT, 0.0):
        try:
            picture = _frame_at(shown, name, int(span_ms * at))
        except (ReadTooMuch, FetchBroken):
            raise
        except (FFmpegError, ValueError, OSError):
            continue
        if picture is not None:
            break
    drawn = picture is not None
    picture = picture or _placeholder()
    target.write_bytes(small_jpeg(picture, side_px=THUMBNAIL_SIDE_PX))
    return drawn


def _frame_at(shown: Path | RangedFile, name: str, at_ms: int) -> Image.Image | None:
    """A frame as it is shown, small."""
    with opened(shown, name) as media:
        video = choose_tracks(media, name).video
        if at_ms:
            media.seek(at_ms * 1000 + (media.start_time or 0), backward=True)
        frame = first_frame(media, video)
        if frame is None:
            return None
        width, height = square_pixels(frame.width, frame.height, video.sample_aspect_ratio)
        scale = min(1.0, THUMBNAIL_SIDE_PX / max(width, height))
        # Scaled before it is a picture: one of 8K takes 106 MB, and some more for every step.
        picture: Image.Image = frame.to_image(
            width=max(1, round(width * scale)),
            height=max(1, round(height * scale)),
            interpolation=Interpolation.LANCZOS,
        )
        return picture.rotate(frame.rotation, expand=True) if frame.rotation % 360 else picture


def _placeholder() -> Image.Image:
    """A dark field with the sign for "play"."""
    picture = Image.new("RGB", (480, 270), (38, 38, 42))
    ImageDraw.Draw(picture).polygon([(205, 90), (205, 180), (285, 135)], fill=(150, 150, 158))
    return picture
