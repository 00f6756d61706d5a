"""AAC in ADTS frames, as far as knowing such a file by its beginning needs.

Source: ISO/IEC 14496-3, 1.A.3.2 (the fixed and the variable header of ADTS).
"""

from __future__ import annotations

from typing import Final

_HEADER_BYTES: Final = 7


def begins_with_aac(content: bytes) -> bool:
    """Whether a frame stands at the beginning, and another one or the end behind it."""
    length = adts_frame_bytes(content)
    if length is None or length > len(content):
        return False
    rest = content[length:]
    return not rest or adts_frame_bytes(rest) is not None


def adts_frame_bytes(head: bytes) -> int | None:
    """The length of the frame with this header; None if it is no header."""
    if len(head) < _HEADER_BYTES or head[0] != 0xFF or head[1] & 0xF6 != 0xF0:
        return None
    rate_index = head[2] >> 2 & 0xF
    length = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    return length if rate_index < 13 and length > _HEADER_BYTES else None
