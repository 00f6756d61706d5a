"""MP3 files as far as joining and timing them needs: frames, and what is not sound.

A file synthesized in parts is one only when the tags and the header frames of the parts (Xing,
Info, VBRI: they contain the duration of *their* part) are gone. Nothing is decoded.

Sources: ISO/IEC 11172-3, 2.4.2.3 (header) and 13818-3 (lower rates); https://id3.org/id3v2.4.0-structure;
the places of Xing and VBRI headers: https://www.codeproject.com/Articles/8295/MPEG-Audio-Frame-Header.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

_SYNC_SEARCH_LIMIT_BYTES: Final = 64 * 1024
_HEADER_BYTES: Final = 4
ID3_HEAD_BYTES: Final = 10
_VBRI_PLACE: Final = 36
# Kilobits a second by index; index 0 (free) and 15 are not supported.
_BITRATES_1: Final = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_BITRATES_2: Final = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_RATES_HZ: Final = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000),
                    0: (11_025, 12_000, 8_000)}  # fmt: skip


class NoMp3(ValueError):
    """There is no sound in it that this module knows."""


@dataclass(frozen=True)
class _Frame:
    start: int
    end: int
    samples: int
    rate_hz: int
    is_header: bool
    """It describes the file and holds no sound."""


def join_mp3(parts: Iterable[bytes]) -> bytes:
    """The sound of all parts, one after the other.

    Raises:
        NoMp3: one of them has none.
    """
    return b"".join(b"".join(_sound_of(part)) for part in parts)


def mp3_duration_ms(content: bytes) -> int:
    """How long it sounds.

    Raises:
        NoMp3: it does not.
    """
    frames = [frame for frame in _frames(content) if not frame.is_header]
    if not frames:
        raise NoMp3("no frames")
    return round(sum(1000 * frame.samples / frame.rate_hz for frame in frames))


def frame_bytes(head: bytes) -> int | None:
    """The length of the frame with this header; None if it is no header."""
    parsed = _parse(head)
    return None if parsed is None else parsed[0]


def begins_with_mp3(content: bytes) -> bool:
    """Whether a frame stands at the beginning, and another one, a tag or the end behind it."""
    frame = _frame_at(content, 0)
    return frame is not None and _is_followed(content, frame)


def _sound_of(content: bytes) -> list[bytes]:
    sound = [content[f.start : f.end] for f in _frames(content) if not f.is_header]
    if not sound:
        raise NoMp3("no frames")
    return sound


def _frames(content: bytes) -> Iterator[_Frame]:
    """Whole frames in order; what lies between and behind them is passed over."""
    place = id3_bytes(content)
    searched = 0
    while place + _HEADER_BYTES <= len(content) and searched <= _SYNC_SEARCH_LIMIT_BYTES:
        frame = _frame_at(content, place)
        if frame is None or not _is_followed(content, frame):
            place, searched = place + 1, searched + 1
            continue
        yield frame
        place, searched = frame.end, 0


def id3_bytes(head: bytes) -> int:
    """The length of the ID3v2 tag that begins like this; 0 if none does."""
    if len(head) < ID3_HEAD_BYTES or not head.startswith(b"ID3"):
        return 0
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte & 0x7F
    has_footer = bool(head[5] & 0x10)
    return size + ID3_HEAD_BYTES * (2 if has_footer else 1)


def _is_followed(content: bytes, frame: _Frame) -> bool:
    """By another frame, a tag or the end: two bytes of sync alone may be chance."""
    rest = content[frame.end : frame.end + _HEADER_BYTES]
    return len(rest) < _HEADER_BYTES or rest.startswith(b"TAG") or _parse(rest) is not None


def _frame_at(content: bytes, place: int) -> _Frame | None:
    parsed = _parse(content[place : place + _HEADER_BYTES])
    if parsed is None:
        return None
    size, samples, rate_hz, side_bytes = parsed
    if place + size > len(content):
        return None
    xing = place + _HEADER_BYTES + side_bytes
    vbri = place + _VBRI_PLACE
    is_header = (
        content[xing : xing + 4] in (b"Xing", b"Info") or content[vbri : vbri + 4] == b"VBRI"
    )
    return _Frame(place, place + size, samples, rate_hz, is_header)


def _parse(head: bytes) -> tuple[int, int, int, int] | None:
    """(bytes, samples, samples a second, bytes of side information) of a layer III header."""
    if len(head) < _HEADER_BYTES or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    bitrate_index, rate_index = head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or layer != 1 or rate_index == 3 or bitrate_index in (0, 15):
        return None
    is_full_rate, is_mono = version == 3, head[3] >> 6 == 3
    rate_hz = _RATES_HZ[version][rate_index]
    bitrate = (_BITRATES_1 if is_full_rate else _BITRATES_2)[bitrate_index] * 1000
    samples = 1152 if is_full_rate else 576
    size = samples // 8 * bitrate // rate_hz + (head[2] >> 1 & 1)
    side_bytes = (17 if is_mono else 32) if is_full_rate else (9 if is_mono else 17)
    return size, samples, rate_hz, side_bytes
