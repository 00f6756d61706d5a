"""The port between the check of an upload and whoever can read pixels."""

from __future__ import annotations

from typing import Protocol

from darkroom.kernel.errors import DarkroomError


class CleanPicture(Protocol):
    """A decoded, upright, re-encoded picture without metadata."""

    @property
    def jpeg_bytes(self) -> bytes: ...

    @property
    def thumbnail_jpeg(self) -> bytes: ...

    @property
    def width(self) -> int: ...

    @property
    def height(self) -> int: ...

    @property
    def source_mime_type(self) -> str:
        """What the upload was."""


class CheckPicture(Protocol):
    def __call__(self, content: bytes, /) -> CleanPicture:
        """What the content is; the same content gives the same picture, byte for byte.

        Raises:
            PictureRefused: it will never be usable.
        """


class PictureRefused(DarkroomError):
    """The content cannot be used; carries one of ``UploadFailure`` as its code."""

    code = "CORRUPT_FILE"
