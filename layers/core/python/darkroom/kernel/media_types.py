"""The types of files that the product accepts, with their spellings and file name endings.

The upload session uses the table to read the type that a client declares; the check of a file uses
it to name the type of the content. Browsers and phones spell types in many ways, with parameters,
or leave them out; the declared type only decides which check a file goes to. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final, Literal

MediaKind = Literal["image", "video", "audio"]
IMAGE: Final = "image"
VIDEO: Final = "video"
AUDIO: Final = "audio"


@dataclass(frozen=True)
class MediaType:
    mime_type: str
    """The spelling that responses and stored files have."""
    kind: MediaKind
    suffixes: tuple[str, ...]
    """Endings of file names; a name with another ending gets the first."""
    aliases: tuple[str, ...] = ()
    """Other spellings that clients send."""


MEDIA_TYPES: Final = (
    MediaType(
        "image/jpeg", IMAGE, (".jpg", ".jpeg", ".jpe", ".jfif"),
        ("image/jpg", "image/pjpeg", "image/jfif", "image/x-jpeg"),
    ),
    MediaType("image/png", IMAGE, (".png",), ("image/x-png", "image/apng")),
    MediaType("image/webp", IMAGE, (".webp",)),
    MediaType(
        "image/heic", IMAGE, (".heic", ".heif", ".hif"),
        ("image/heif", "image/heic-sequence", "image/heif-sequence"),
    ),
    MediaType("image/avif", IMAGE, (".avif",), ("image/avif-sequence",)),
    MediaType(
        "video/mp4", VIDEO, (".mp4", ".m4v", ".3gp", ".3gpp", ".3g2", ".3gpp2"),
        ("video/x-m4v", "video/m4v", "video/mpeg4", "video/3gpp", "video/3gpp2", "application/mp4"),
    ),
    MediaType("video/quicktime", VIDEO, (".mov", ".qt"), ("video/x-quicktime",)),
    MediaType("video/webm", VIDEO, (".webm",)),
    MediaType(
        "audio/mpeg", AUDIO, (".mp3",),
        ("audio/mp3", "audio/mpeg3", "audio/x-mp3", "audio/x-mpeg", "audio/x-mpeg-3", "audio/mpg"),
    ),
    MediaType(
        "audio/wav", AUDIO, (".wav", ".wave", ".bwf"),
        ("audio/x-wav", "audio/wave", "audio/vnd.wave", "audio/x-pn-wav", "audio/x-wave"),
    ),
    MediaType(
        "audio/mp4", AUDIO, (".m4a", ".m4b"),
        ("audio/x-m4a", "audio/m4a", "audio/x-m4b", "audio/mp4a-latm", "audio/3gpp", "audio/3gpp2"),
    ),
    MediaType(
        "audio/aac", AUDIO, (".aac", ".adts"),
        ("audio/x-aac", "audio/aacp", "audio/x-hx-aac-adts"),
    ),
    MediaType("audio/webm", AUDIO, (".weba", ".webm")),
)  # fmt: skip

# Types of clients that do not know the type; the ending of the name decides then.
UNKNOWN_TYPES: Final = frozenset({"", "application/octet-stream", "binary/octet-stream"})

_BY_SPELLING: Final = {
    spelling: media_type
    for media_type in MEDIA_TYPES
    for spelling in (media_type.mime_type, *media_type.aliases)
}
# Reversed, so that the first type with an ending wins.
_BY_SUFFIX: Final = {
    suffix: media_type for media_type in reversed(MEDIA_TYPES) for suffix in media_type.suffixes
}
# RFC 9110, 8.3.1: a type, and parameters of visible characters, which are ignored.
_TOKEN: Final = r"[!#$%&'*+.^_`|~0-9a-z-]+"
_DECLARED: Final = re.compile(rf"({_TOKEN}/{_TOKEN}) *(;[ -~]*)?")


def type_of(declared: str, filename: str) -> MediaType | None:
    """The type with this spelling, ignoring case and parameters; by the file's name if the client
    does not know the type. None if the product does not accept it."""
    spelling = declared.strip().lower()
    if spelling:
        matched = _DECLARED.fullmatch(spelling)
        if matched is None:
            return None
        spelling = matched[1]
    if spelling in UNKNOWN_TYPES:
        return _BY_SUFFIX.get(PurePosixPath(filename).suffix.lower())
    return _BY_SPELLING.get(spelling)


def suffixes_of(mime_type: str) -> tuple[str, ...]:
    """Endings of file names of this type, which must be in the table."""
    return _BY_SPELLING[mime_type].suffixes
