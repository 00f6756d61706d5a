"""The rules for declared names, types and sizes of uploads.

Only the check after the upload validates the content.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Any

from darkroom.kernel.errors import InvalidInput, TooLarge, UnsupportedType
from darkroom.kernel.limits import PHOTO_LIMIT_BYTES, UPLOAD_LIMIT_BYTES
from darkroom.kernel.media_types import AUDIO, IMAGE, MEDIA_TYPES, VIDEO, type_of
from darkroom.kernel.problems import Problem, problem

FILE_NAME_LIMIT_CHARS = 255
# Absolute limits; an account's plan may allow less.
SIZE_LIMIT_BYTES = {
    IMAGE: PHOTO_LIMIT_BYTES,
    VIDEO: UPLOAD_LIMIT_BYTES,
    AUDIO: UPLOAD_LIMIT_BYTES,
}
_TYPES = tuple(media_type.mime_type for media_type in MEDIA_TYPES)
# Control characters, and lone surrogates, which cannot be stored.
_FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cs"})


@dataclass(frozen=True, kw_only=True)
class NewFile:
    """A declared file that may be uploaded."""

    filename: str
    size_bytes: int
    mime_type: str
    """As the client will send it: the link is signed for this spelling."""
    kind: str
    at: str = ""
    """Where it stands in the request."""


def admit(*, filename: str, size_bytes: int, mime_type: str, at: str = "") -> NewFile:
    """The declared file in its stored form. ``at`` is its place in the request.

    Raises:
        InvalidInput: the name cannot be used, or the file is empty.
        UnsupportedType; TooLarge: over the limit of its kind.
    """
    name = clean_name(filename, at=at)
    if size_bytes < 1:
        raise _refusal(InvalidInput, problem(at + "sizeBytes", "TOO_SMALL", limit=1))
    declared = mime_type.strip()
    found = type_of(declared, name)
    if found is None:
        raise _refusal(UnsupportedType, problem(at + "mimeType", "NOT_ALLOWED", allowed=_TYPES))
    kind = found.kind
    limit_bytes = SIZE_LIMIT_BYTES[kind]
    if size_bytes > limit_bytes:
        # No plan allows more.
        raise _refusal(
            TooLarge,
            problem(at + "sizeBytes", "TOO_LARGE", limit=limit_bytes),
            limit=limit_bytes,
            upgradeTo=None,
        )
    # A client that knows the type sends the content with exactly the declared spelling.
    sent = found.mime_type if declared == "" else declared
    return NewFile(filename=name, size_bytes=size_bytes, mime_type=sent, kind=kind, at=at)


def clean_name(filename: str, *, at: str = "") -> str:
    """The last part of a path, as a name to show and to download under.

    Raises:
        InvalidInput: no usable character is left.
    """
    if any(unicodedata.category(character) in _FORBIDDEN_CATEGORIES for character in filename):
        raise _refusal(InvalidInput, problem(at + "filename", "CONTROL_CHARACTERS"))
    base = filename.replace("\\", "/").rpartition("/")[2]
    name = unicodedata.normalize("NFC", base).strip()
    if not 1 <= len(name) <= FILE_NAME_LIMIT_CHARS or name in {".", ".."}:
        is_long = len(name) > FILE_NAME_LIMIT_CHARS
        code, limit = ("TOO_LONG", FILE_NAME_LIMIT_CHARS) if is_long else ("NO_TEXT", 1)
        raise _refusal(InvalidInput, problem(at + "filename", code, limit=limit))
    return name


def _refusal(
    kind: type[InvalidInput] | type[UnsupportedType] | type[TooLarge], found: Problem, **facts: Any
) -> InvalidInput | UnsupportedType | TooLarge:
    return kind(f"{found['path']}: {found['message']}", fields=[found], **facts)
