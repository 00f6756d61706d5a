"""Uploaded videos and sounds made safe: what is kept is their tracks, written into a new file.

Owns which files count as media and the walls around reading them. The content decides, never a
name or a header a client sent. A file is opened in a process of its own with limits on time,
memory and disk: whatever a hostile file does to the decoder, it does to that process alone.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from darkroom.generation.providers.local.ranged_file import RangedFile
from darkroom.kernel.errors import DarkroomError
from darkroom.kernel.limits import MEDIA_CHECK_SECONDS

_HEAD_BYTES: Final = 4096
_PICTURE_BRANDS: Final = frozenset({b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1", b"hevc"})
_SOUND_BRANDS: Final = frozenset({b"M4A ", b"M4B "})
_PICTURES: Final = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8")
_EBML: Final = b"\x1a\x45\xdf\xa3"
_EBML_DOCTYPE: Final = b"\x42\x82"
_MARKUP: Final = (b"<script", b"<html", b"<svg", b"<!doctype html", b"<?php")

# The child finds the product where its parent did, whatever the platform's own path is.
_BOOT: Final = (
    "import json, sys; sys.path[:0] = json.loads(sys.argv[1]); "
    "from darkroom.generation.providers.local.media_reader import main; main(sys.argv[2:])"
)


class MediaRejected(DarkroomError):
    """The upload is no video or sound that can be kept; the code says why."""

    code = "UNSUPPORTED_TYPE"


@dataclass(frozen=True, kw_only=True)
class CleanMedia:
    """A file with the tracks of the upload and nothing else, beside its thumbnail."""

    kind: str
    """``video`` or ``audio``."""
    mime_type: str
    """Of the upload and of the new file: the container stays."""
    path: Path
    """``media.mp4``, ``media.mp3``, …"""
    duration_ms: int
    width: int | None
    height: int | None
    """As it is shown: a video held upright is higher than wide."""
    thumbnail: Path | None
    """A JPEG of at most 480 px on the long side; None for sounds."""
    note: str | None


def inspect_and_rewrite(source: Path, workdir: Path) -> CleanMedia:
    """Reads the whole file, decodes a part, and writes its tracks anew into ``workdir``.

    Raises:
        MediaRejected: ``UNSUPPORTED_TYPE``, ``TYPE_MISMATCH`` (a picture), ``CORRUPT_FILE``,
            ``IMAGE_TOO_LARGE`` (more pixels than 8K), ``FILE_TOO_LARGE`` (too long).
    """
    with source.open("rb") as file:
        container = sniff(file.read(_HEAD_BYTES))
    return _found(_read_apart(str(source), workdir, container), workdir)


def probe(url: str, size_bytes: int, workdir: Path) -> CleanMedia:
    """Looks at the beginning, the index, the end and a few places of a file that stays where it
    is; only its thumbnail is in ``workdir`` after, and the file is kept with all it carries.

    Raises:
        MediaRejected: as above.
    """
    with RangedFile(url, size_bytes) as file:
        container = sniff(file.read(_HEAD_BYTES))
    return _found(_read_apart(url, workdir, container, size_bytes), workdir)


def _found(found: dict[str, Any], workdir: Path) -> CleanMedia:
    if "rejected" in found:
        raise MediaRejected(found["detail"], code=found["rejected"])
    thumbnail = found.pop("thumbnail")
    return CleanMedia(
        path=workdir / found.pop("name"),
        thumbnail=None if thumbnail is None else workdir / thumbnail,
        **found,
    )


def sniff(head: bytes) -> str:
    """The container by the first bytes: ``mp4``, ``mov``, ``m4a``, ``webm``, ``mp3`` or ``wav``.

    Raises:
        MediaRejected: none of these.
    """
    if any(mark in head.lower() for mark in _MARKUP):
        raise MediaRejected("the file contains markup")
    if head.startswith(_PICTURES) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        raise MediaRejected("the file is a picture", code="TYPE_MISMATCH")
    if head[4:8] == b"ftyp":
        return _by_brand(head[8:12])
    if head[4:8] in (b"moov", b"wide"):
        # QuickTime files from before brands.
        return "mov"
    if head.startswith(_EBML) and _doctype(head) == b"webm":
        return "webm"
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return "wav"
    if head.startswith(b"ID3") or _is_mp3_frame(head):
        return "mp3"
    raise MediaRejected("not an MP4, MOV, WebM, MP3, WAV or M4A file")


def _by_brand(brand: bytes) -> str:
    if brand in _PICTURE_BRANDS:
        raise MediaRejected("the file is a picture", code="TYPE_MISMATCH")
    if brand == b"qt  ":
        return "mov"
    return "m4a" if brand in _SOUND_BRANDS else "mp4"


def _doctype(head: bytes) -> bytes:
    """EBML's DocType (RFC 8794, section 11.2.3): id, a length of one byte, text."""
    at = head.find(_EBML_DOCTYPE, 0, 64)
    if at < 0 or at + 3 > len(head):
        return b""
    length = head[at + 2] & 0x7F
    return head[at + 3 : at + 3 + length].rstrip(b"\0")


def _is_mp3_frame(head: bytes) -> bool:
    """A frame header of MPEG audio layer III: eleven set bits, layer bits 01."""
    return len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2


def _read_apart(
    source: str, workdir: Path, container: str, size_bytes: int | None = None
) -> dict[str, Any]:
    """What the reader in its own process says; a reader that dies has met a broken file."""
    command = [sys.executable, "-c", _BOOT, json.dumps(sys.path)]
    command += [source, str(workdir), container]
    if size_bytes is not None:
        command.append(str(size_bytes))
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=MEDIA_CHECK_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise MediaRejected("reading takes too long", code="CORRUPT_FILE") from error
    if done.returncode < 0:
        raise MediaRejected(f"the reader died of {-done.returncode}", code="CORRUPT_FILE")
    if done.returncode > 0:
        raise RuntimeError(
            f"the media reader failed: {done.stderr[-2000:].decode(errors='replace')}"
        )
    return json.loads(done.stdout)
