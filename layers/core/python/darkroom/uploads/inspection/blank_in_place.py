"""What has to be erased of a file that is too large to be remuxed.

Everything goes that is neither structure nor a sample of a kept track, as in the copies of small
files; nothing moves. Only what a container does not show without being read to its end stays:
what lies between the samples of fragmented files and of those that would have to be edited in too
many places, and the blocks of a WebM file's other tracks.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from darkroom.kernel.edits import Edits
from darkroom.kernel.limits import EDITED_LIMIT_BYTES, EDITED_PART_BYTES
from darkroom.media.mp3 import frame_bytes
from darkroom.uploads.inspection.adts import adts_frame_bytes
from darkroom.uploads.inspection.blank_copy import NoCopy, Structure, structure_of
from darkroom.uploads.inspection.blank_frames import frames_structure
from darkroom.uploads.inspection.blank_wave import wave_structure
from darkroom.uploads.inspection.blank_webm import webm_structure
from darkroom.uploads.inspection.media_tracks import choose_tracks, opened
from darkroom.uploads.inspection.ranged_file import RangedFile

_RANGES_LIMIT: Final = 200_000
_SPARSE_PIECE_BYTES: Final = 64 << 10
_SPARSE_LIMIT_BYTES: Final = 128 << 20
"""Of pieces of that length: two thousand requests, about a minute of the reader's five."""
_WHOLE_PIECE_BYTES: Final = 8 << 20


@dataclass(frozen=True)
class Erasure:
    edits: Edits
    kept_because: str | None = None
    """Why not everything goes that has to; None if it does."""


def erasure_of(source: RangedFile, name: str) -> Erasure:
    """The edits that leave the structure and the kept tracks of the file.

    Raises:
        NoCopy: its structure is not as it should be, or too much would have to be erased.
        Rejected; FFmpegError; OSError; ValueError: it cannot be read so far.
    """
    erasure = _erasure_of(source, name)
    if not _is_affordable(erasure.edits):
        raise NoCopy("too much would have to be erased")
    return erasure


def _erasure_of(source: RangedFile, name: str) -> Erasure:
    size_bytes = source.size_bytes
    if name in ("mp4", "mov", "m4a"):
        return _of_boxes(source, name)
    if name in ("webm", "weba"):
        with source.reopened(_SPARSE_PIECE_BYTES, _SPARSE_LIMIT_BYTES) as file:
            structure = webm_structure(file, size_bytes)
        with opened(source, name) as media:
            is_alone = len(choose_tracks(media, name).all) == len(_tracks_of(media))
        edits = _edits(structure, structure.kept, size_bytes)
        return Erasure(edits, None if is_alone else "it has blocks of other tracks")
    if name == "wav":
        with source.reopened(_SPARSE_PIECE_BYTES, _SPARSE_LIMIT_BYTES) as file:
            structure = wave_structure(file, size_bytes)
    else:
        length_of = adts_frame_bytes if name == "aac" else frame_bytes
        with source.reopened(_WHOLE_PIECE_BYTES) as file:
            structure = frames_structure(file, size_bytes, length_of)
    return Erasure(_edits(structure, structure.kept, size_bytes))


def _tracks_of(media: Any) -> list[Any]:
    """Attachments count as tracks, and are no blocks."""
    return [stream for stream in media.streams if stream.type != "attachment"]


def _of_boxes(source: RangedFile, name: str) -> Erasure:
    with opened(source, name, {"ignore_editlist": "1"}) as media:
        tracks = choose_tracks(media, name).all
        with source.reopened(_SPARSE_PIECE_BYTES, _SPARSE_LIMIT_BYTES) as file:
            structure = structure_of(file, source.size_bytes, frozenset(t.id for t in tracks))
        if structure.is_fragmented:
            is_alone = len(tracks) == len(media.streams)
            kept_because = None if is_alone else "it has fragments of other tracks"
        else:
            kept = np.concatenate([structure.kept, *map(_samples_of, tracks)])
            with suppress(NoCopy):
                edits = _edits(structure, kept, source.size_bytes)
                if _is_affordable(edits):
                    return Erasure(edits)
            kept_because = "there is something between the samples in too many places"
    whole = [*structure.kept, *structure.media]
    return Erasure(_edits(structure, whole, source.size_bytes), kept_because)


def _samples_of(track: Any) -> np.ndarray:
    """Start and end of each of the track's samples, which may be millions."""
    places = np.fromiter(
        (number for entry in track.index_entries for number in (entry.pos, entry.size)), np.int64
    ).reshape(-1, 2)
    places[:, 1] += places[:, 0]
    return places


def _edits(structure: Structure, kept: Any, size_bytes: int) -> Edits:
    """All that is not kept is erased.

    Raises:
        NoCopy: in more places than ``_RANGES_LIMIT``.
    """
    ranges = np.asarray(kept, np.int64).reshape(-1, 2)
    ranges = np.clip(ranges[np.argsort(ranges[:, 0], kind="stable")], 0, size_bytes)
    ends = np.concatenate([[0], np.maximum.accumulate(ranges[:, 1])])
    starts = np.concatenate([ranges[:, 0], [size_bytes]])
    gaps = np.flatnonzero(starts > ends)
    if len(gaps) + len(structure.patches) > _RANGES_LIMIT:
        raise NoCopy("there is something to erase in too many places")
    erased = list(zip(ends[gaps].tolist(), starts[gaps].tolist(), strict=True))
    return Edits(erased=erased, patches=sorted(structure.patches))


def _is_affordable(edits: Edits) -> bool:
    """Whether the storage can carry them out: what is edited passes through the function."""
    return len(edits.cells(EDITED_PART_BYTES)) * EDITED_PART_BYTES <= EDITED_LIMIT_BYTES
