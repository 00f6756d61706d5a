"""Small pictures of what a task made: a thumbnail, the poster of a video, and a keyframe as JPEG.

Owns which frame of a video stands for it. For files of every provider, so what they contain is not
trusted: their size is checked before a pixel is decoded.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Final

import av
from av.error import FFmpegError
from PIL import Image

from darkroom.kernel.limits import PREVIEW_PIXELS_LIMIT
from darkroom.media.small_jpeg import small_jpeg

_FORMATS: Final = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP"}
_VIDEO: Final = "video/mp4"
_JPEG_QUALITY: Final = 90
_POSTER_AT: Final = 0.4
"""Of the length: a film has begun by then, and its ending has not."""
_FRAMES_LIMIT: Final = 300
"""No more frames are decoded to reach the poster."""
_BROKEN: Final = (
    OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, RuntimeError,
    Image.DecompressionBombError, FFmpegError,
)  # fmt: skip
"""What the decoders raise for a file that is not what it should be."""


def thumbnail_of(path: Path, mime_type: str) -> bytes | None:
    """A small JPEG of a picture, or of one frame of a video; None if there can be none."""
    try:
        picture = _frame_of(path) if mime_type == _VIDEO else _picture_of(path, mime_type)
        return None if picture is None else small_jpeg(picture)
    except _BROKEN:
        return None


def jpeg_of(path: Path, mime_type: str) -> bytes | None:
    """A picture as a JPEG of the same size; None if it cannot be decoded."""
    try:
        picture = _picture_of(path, mime_type)
        if picture is None:
            return None
        encoded = io.BytesIO()
        picture.info = {}
        picture.save(encoded, "JPEG", quality=_JPEG_QUALITY, progressive=True)
        return encoded.getvalue()
    except _BROKEN:
        return None


def _picture_of(path: Path, mime_type: str) -> Image.Image | None:
    """The picture; None if it has another type, or too many pixels for a small function."""
    kind = _FORMATS.get(mime_type)
    if kind is None:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with Image.open(path, formats=(kind,)) as opened:
            if opened.width * opened.height > PREVIEW_PIXELS_LIMIT:
                return None
            return opened.convert("RGB")


def _frame_of(path: Path) -> Image.Image | None:
    """A frame from the middle of a video, or the last one that can be decoded before it."""
    # Only this format: a vendor's file must not choose what reads it.
    with av.open(str(path), format="mp4", metadata_errors="ignore") as container:
        if not container.streams.video:
            return None
        stream = container.streams.video[0]
        if stream.width * stream.height > PREVIEW_PIXELS_LIMIT:
            return None
        stream.codec_context.thread_count = 1
        seconds = float(stream.duration * stream.time_base) if stream.duration else 0.0
        due = seconds * _POSTER_AT
        container.seek(round(due * av.time_base), backward=True)
        found = None
        for number, frame in enumerate(container.decode(stream)):
            found = frame
            if (frame.time or 0.0) >= due or number >= _FRAMES_LIMIT:
                break
        return None if found is None else found.to_image()
