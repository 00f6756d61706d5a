"""The ports between the ingest of an upload and the inspection of images, media and faces."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from darkroom.kernel.edits import UNCHANGED, Edits
from darkroom.kernel.errors import DarkroomError
from darkroom.kernel.faces import FaceBox, FaceCheckUnavailable

__all__ = [
    "CheckUpload",
    "CleanFile",
    "CleanUpload",
    "FaceBox",
    "FaceCheckUnavailable",
    "FindFaces",
    "ProbeUpload",
    "UploadRefused",
]


@dataclass(frozen=True, kw_only=True)
class CleanFile:
    """A file to keep, with its name among the asset's files."""

    name: str
    mime_type: str
    path: Path | None
    """None for the upload itself, which is copied within the storage."""
    edits: Edits = UNCHANGED
    """Of the upload itself: what is changed in its copy."""


@dataclass(frozen=True, kw_only=True)
class CleanUpload:
    """The clean files of usable content, and its facts."""

    kind: str
    """``image``, ``video`` or ``audio``: the kind of the content, whatever was declared."""
    mime_type: str
    """The type of the upload."""
    copy: CleanFile
    thumbnail: CleanFile | None = None
    width: int | None = None
    height: int | None = None
    duration_ms: int | None = None
    faces: tuple[FaceBox, ...] | None = None
    """The faces of a picture; None if the detector failed."""
    note: str | None = None
    """One of ``failures.UploadNote``."""


class CheckUpload(Protocol):
    def __call__(self, source: Path, workdir: Path, /) -> CleanUpload:
        """Check the content; the same content gives the same files, byte for byte.

        ``workdir`` is an empty folder for the files to keep.

        Raises:
            UploadRefused: it will never be usable.
        """


class ProbeUpload(Protocol):
    def __call__(self, url: str, size_bytes: int, workdir: Path, /) -> CleanUpload:
        """Check a file that is too large to be fetched, by reading ranges of it at ``url``.

        Raises:
            UploadRefused: it will never be usable.
        """


class FindFaces(Protocol):
    def __call__(self, picture: bytes, /) -> tuple[FaceBox, ...]:
        """Every face that an upright picture (JPEG) shows, once.

        Raises:
            FaceCheckUnavailable: the detector is unavailable; the picture may be fine.
        """


class UploadRefused(DarkroomError):
    """The content cannot be used; the error's code is one of ``failures.UploadFailure``."""

    code = "CORRUPT_FILE"
