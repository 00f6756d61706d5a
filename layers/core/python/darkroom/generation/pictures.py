"""The little that light workers have to know of pictures: is it one, and how large."""

from __future__ import annotations

import struct
from pathlib import Path

from darkroom.generation.ports import TransientProviderError

_PNG = b"\x89PNG\r\n\x1a\n"
_HEADER_BYTES = 33
_SIDE_LIMIT = 16_384


def read_png_size(path: Path) -> tuple[int, int]:
    """Width and height of a PNG, from its header (https://www.w3.org/TR/png-3/#11IHDR).

    Raises:
        TransientProviderError: BAD_RESULT; a provider sent something else, or half of it.
    """
    with path.open("rb") as file:
        head = file.read(_HEADER_BYTES)
        file.seek(0, 2)
        size_bytes = file.tell()
    # Signature, length and type of the first chunk; a whole file ends with an empty IEND.
    is_png = head.startswith(_PNG) and head[12:16] == b"IHDR" and size_bytes > _HEADER_BYTES
    width, height = struct.unpack(">II", head[16:24]) if is_png else (0, 0)
    if not (0 < width <= _SIDE_LIMIT and 0 < height <= _SIDE_LIMIT):
        raise TransientProviderError("what was made is not a picture", code="BAD_RESULT")
    return width, height
