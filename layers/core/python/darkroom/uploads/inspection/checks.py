"""The checks of uploads, bound to their ports.

Each loads its libraries with the first file, so a worker needs only those of its own pipeline.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger

from darkroom.kernel.errors import DarkroomError
from darkroom.kernel.limits import PHOTO_LIMIT_BYTES
from darkroom.uploads.ports import (
    CleanFile,
    CleanUpload,
    FaceBox,
    FaceCheckUnavailable,
    FindFaces,
    UploadRefused,
)

if TYPE_CHECKING:
    from darkroom.uploads.inspection.media import CleanMedia

logger = Logger()

JPEG = "image/jpeg"
SENT_SIDE_PX = 1920
"""Faces that matter to a picture are seen in this one, and it is under any service's limit."""


def faces_in(picture: bytes, /) -> tuple[FaceBox, ...]:
    """The faces in a picture, found by the built-in models.

    Raises:
        FaceCheckUnavailable: the detector cannot be loaded, or does not run.
    """
    try:
        from darkroom.uploads.inspection.faces import find_faces
    except (ImportError, OSError) as error:
        raise FaceCheckUnavailable("the detector cannot be loaded") from error
    return find_faces(picture)


def with_small_pictures(find: FindFaces) -> FindFaces:
    """The same finder, given a smaller copy of larger pictures."""

    def found(picture: bytes, /) -> tuple[FaceBox, ...]:
        from darkroom.uploads.inspection.images import shrink

        try:
            small = shrink(picture, SENT_SIDE_PX)
        except OSError as error:
            raise FaceCheckUnavailable("the picture cannot be read") from error
        return find(small)

    return found


def check_picture(source: Path, workdir: Path, /, *, find: FindFaces = faces_in) -> CleanUpload:
    """A picture, upright, re-encoded without metadata. It is usable even if the detector fails."""
    from darkroom.uploads.inspection.images import ImageRejected, inspect_and_clean

    content = source.read_bytes()
    assert len(content) <= PHOTO_LIMIT_BYTES, "the check before this one limits what is read"
    try:
        picture = inspect_and_clean(content)
    except ImageRejected as error:
        raise UploadRefused(error.detail, code=error.error_code) from error
    try:
        faces = find(picture.jpeg_bytes)
    except FaceCheckUnavailable as error:
        logger.warning("faces_not_counted", reason=error.detail)
        faces = None
    return CleanUpload(
        kind="image",
        mime_type=picture.source_mime_type,
        copy=_written(workdir, "image.jpg", picture.jpeg_bytes),
        thumbnail=_written(workdir, "thumbnail.jpg", picture.thumbnail_jpeg),
        width=picture.width,
        height=picture.height,
        faces=faces,
    )


def check_media(source: Path, workdir: Path, /) -> CleanUpload:
    """A video or a sound, remuxed with its metadata stripped."""
    from darkroom.uploads.inspection.media import MediaRejected, inspect_and_rewrite

    try:
        media = inspect_and_rewrite(source, workdir)
    except MediaRejected as error:
        raise _refused(error) from error
    return _of_media(media, media.path)


def probe_media(url: str, size_bytes: int, workdir: Path, /) -> CleanUpload:
    """A video or a sound that is inspected in the bucket and copied without its metadata."""
    from darkroom.uploads.inspection.media import MediaRejected, probe

    try:
        media = probe(url, size_bytes, workdir)
    except MediaRejected as error:
        raise _refused(error) from error
    if media.kept_because is not None:
        logger.warning("metadata_kept", reason=media.kept_because)
    return _of_media(media, None)


def _refused(error: DarkroomError) -> UploadRefused:
    """The asset gets the code; the exact reason is in the log only."""
    logger.warning("media_refused", code=error.error_code, reason=error.detail)
    return UploadRefused(error.detail, code=error.error_code)


def _of_media(media: CleanMedia, path: Path | None) -> CleanUpload:
    thumbnail = None
    if media.thumbnail is not None:
        thumbnail = CleanFile(name="thumbnail.jpg", mime_type=JPEG, path=media.thumbnail)
    return CleanUpload(
        kind=media.kind,
        mime_type=media.mime_type,
        copy=CleanFile(
            name=media.path.name, mime_type=media.clean_mime_type, path=path, edits=media.edits
        ),
        thumbnail=thumbnail,
        width=media.width,
        height=media.height,
        duration_ms=media.duration_ms,
        note=media.note,
    )


def _written(workdir: Path, name: str, body: bytes) -> CleanFile:
    path = workdir / name
    path.write_bytes(body)
    return CleanFile(name=name, mime_type=JPEG, path=path)
