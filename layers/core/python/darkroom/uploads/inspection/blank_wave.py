"""Which bytes of a WAV file are its format and its sound: all other chunks become ``JUNK``.

Sources: Multimedia Programming Interface and Data Specifications 1.0 (RIFF), EBU Tech 3306 (RF64).
"""

from __future__ import annotations

from typing import Final

from darkroom.uploads.inspection.blank_copy import NoCopy, Structure
from darkroom.uploads.inspection.ranged_file import SeekableFile

_HEAD_BYTES: Final = 12
_KEPT: Final = frozenset({b"fmt ", b"fact", b"ds64"})
_CHUNKS_LIMIT: Final = 4096
_OPEN: Final = 0xFFFFFFFF
"""A length that stands elsewhere, or was never written."""


def wave_structure(file: SeekableFile, size_bytes: int) -> Structure:
    """What of the file is kept.

    Raises:
        NoCopy: it is no chain of chunks.
    """
    found = Structure(kept=[(0, _HEAD_BYTES)])
    at, real_bytes, chunks = _HEAD_BYTES, 0, 0
    while at + 8 <= size_bytes:
        chunks += 1
        if chunks > _CHUNKS_LIMIT:
            raise NoCopy("too many chunks")
        file.seek(at)
        head = file.read(24)
        kind, length = head[:4], int.from_bytes(head[4:8], "little")
        if kind == b"ds64":
            real_bytes = int.from_bytes(head[16:24], "little")
        if kind == b"data" and length in (0, _OPEN):
            length = real_bytes or size_bytes
        end = min(size_bytes, at + 8 + length + length % 2)
        is_ours = kind in _KEPT or kind == b"data"
        if not is_ours and (not _is_name(kind) or at + 8 + length > size_bytes):
            # Recorders without RF64 write the length of the sound modulo 4 GB: this is sound.
            raise NoCopy("no chunk")
        if is_ours:
            found.kept.append((at, end))
        else:
            found.kept.append((at, at + 8))
            found.patches.append((at, b"JUNK"))
        at = end
    return found


def _is_name(kind: bytes) -> bool:
    """Whether these four bytes can be the name of a chunk: printable ASCII."""
    return all(0x20 <= byte < 0x7F for byte in kind)
