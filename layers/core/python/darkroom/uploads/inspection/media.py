"""Uploaded videos and sounds made safe: what is kept is their tracks, written into a new file.

Owns which files count as media and the walls around reading them. The content decides, never a
name or a header a client sent. A file is opened in a process of its own with limits on time,
memory and disk: whatever a hostile file does to the decoder, it does to that process alone.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from darkroom.kernel.edits import UNCHANGED, Edits
from darkroom.kernel.errors import DarkroomError
from darkroom.kernel.limits import MEDIA_CHECK_SECONDS
from darkroom.media.mp3 import begins_with_mp3, id3_bytes
from darkroom.uploads.inspection.adts import begins_with_aac
from darkroom.uploads.inspection.ranged_file import RangedFile, SeekableFile

_HEAD_BYTES: Final = 4096
_PICTURE_BRANDS: Final = frozenset(
    {b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"}
    | {b"mif1", b"mif2", b"msf1", b"miaf"}
)
_SOUND_BRANDS: Final = frozenset({b"M4A ", b"M4B "})
_PICTURES: Final = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8")
_FIRST_BOXES: Final = frozenset({b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})
_BOXES_LIMIT: Final = 16
"""How many boxes may precede the one that identifies the file."""
_WAVES: Final = (b"RIFF", b"RF64", b"BW64")
_EBML: Final = b"\x1a\x45\xdf\xa3"
_EBML_DOCTYPE: Final = b"\x42\x82"
_ID3: Final = b"ID3"
_TAGS_LIMIT: Final = 8
_PADDING_LIMIT_BYTES: Final = 64 * 1024
# As a browser would see it: the name of an element, and not a word that begins like one.
_MARKUP: Final = re.compile(rb"<(script|html|svg|!doctype\s+html|\?php)[\s/>]", re.IGNORECASE)

# The child finds the product where its parent did, whatever the platform's own path is.
# NumPy's threads would take memory of it for each processor there is.
_BOOT: Final = (
    "import json, os, sys; sys.path[:0] = json.loads(sys.argv[1]); "
    "os.putenv('OPENBLAS_NUM_THREADS', '1'); "
    "from darkroom.uploads.inspection.media_reader import main; main(sys.argv[2:])"
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
    """Of the upload."""
    clean_mime_type: str
    """Of the new file: the container stays, but for AAC, which becomes M4A."""
    path: Path
    """``media.mp4``, ``media.mp3``, …"""
    duration_ms: int
    width: int | None
    height: int | None
    """As it is shown: a video held upright is higher than wide, and pixels are square."""
    thumbnail: Path | None
    """A JPEG of at most 480 px on the long side; None for sounds."""
    note: str | None
    edits: Edits = UNCHANGED
    """Of a file that is not remuxed: what has to be changed in its copy."""
    kept_because: str | None = None
    """Of one that is copied with its metadata: why, for the log."""


def inspect_and_rewrite(source: Path, workdir: Path) -> CleanMedia:
    """Reads the whole file, decodes a part, and remuxes its tracks into ``workdir``.

    Raises:
        MediaRejected: ``UNSUPPORTED_TYPE``, ``TYPE_MISMATCH`` (a picture), ``CORRUPT_FILE``,
            ``IMAGE_TOO_LARGE`` (more pixels than 8K), ``FILE_TOO_LARGE`` (too long).
    """
    with source.open("rb") as file:
        container = sniff(file)
    return _found(_read_apart(str(source), workdir, container), workdir)


def probe(url: str, size_bytes: int, workdir: Path) -> CleanMedia:
    """Reads the beginning, the index, the end and a few places of a file that stays where it
    is; only its thumbnail is in ``workdir`` after, and ``edits`` lists what its copy must not hold.

    Raises:
        MediaRejected: as above.
    """
    with RangedFile(url, size_bytes) as file:
        container = sniff(file)
    return _found(_read_apart(url, workdir, container, size_bytes), workdir)


def _found(found: dict[str, Any], workdir: Path) -> CleanMedia:
    if "rejected" in found:
        raise MediaRejected(found["detail"], code=found["rejected"])
    thumbnail = found.pop("thumbnail")
    edits = found.pop("edits", None)
    return CleanMedia(
        path=workdir / found.pop("name"),
        thumbnail=None if thumbnail is None else workdir / thumbnail,
        edits=UNCHANGED if edits is None else Edits.from_json(edits),
        **found,
    )


def sniff(file: SeekableFile) -> str:
    """The container by the first bytes: ``mp4``, ``mov``, ``m4a``, ``webm``, ``mp3``, ``aac`` or
    ``wav``.

    Raises:
        MediaRejected: none of these.
    """
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    if _MARKUP.search(head):
        raise MediaRejected("the file contains markup")
    if head.startswith(_PICTURES) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        raise MediaRejected("the file is a picture", code="TYPE_MISMATCH")
    if head[4:8] in _FIRST_BOXES:
        return _by_boxes(file)
    if head.startswith(_EBML) and _doctype(head) == b"webm":
        return "webm"
    if head.startswith(_WAVES) and head[8:12] == b"WAVE":
        return "wav"
    sound = _by_frames(file, head)
    if sound is None:
        raise MediaRejected("not an MP4, MOV, WebM, MP3, WAV, M4A or AAC file")
    return sound


def _by_boxes(file: SeekableFile) -> str:
    """The container by its boxes. Free space and media data may precede the box with the brand, and
    old QuickTime files have no such box."""
    at = 0
    for _ in range(_BOXES_LIMIT):
        file.seek(at)
        head = file.read(16)
        length, name = int.from_bytes(head[:4], "big"), head[4:8]
        if name == b"ftyp":
            return _by_brand(head[8:12])
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if name not in _FIRST_BOXES or name == b"moov" or length < 8:
            break
        at += length
    return "mov"


def _by_frames(file: SeekableFile, head: bytes) -> str | None:
    """MP3 or AAC by their first frames, which tags and zeros may precede."""
    at = 0
    for _ in range(_TAGS_LIMIT):
        file.seek(at)
        content = file.read(_PADDING_LIMIT_BYTES + _HEAD_BYTES)
        sound = content.lstrip(b"\0")
        at += len(content) - len(sound)
        if begins_with_aac(sound):
            return "aac"
        if begins_with_mp3(sound):
            return "mp3"
        tag_bytes = id3_bytes(sound)
        if tag_bytes == 0:
            break
        at += tag_bytes
    return "mp3" if head.startswith(_ID3) or _is_mp3_frame(head) else None


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
    report: dict[str, Any] = json.loads(done.stdout)
    return report
