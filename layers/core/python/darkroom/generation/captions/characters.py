"""Characters as a caption shows them: cleaned, measured, and never cut in two.

Owns what may stand in a caption and how wide it is there. Knows nothing of words or cues.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import Final

_JOINER: Final = "\u200d"
_DROPPED: Final = frozenset(
    "\ufeff\u2060"  # byte order mark, and the joiner that the SRT writer puts in itself
    "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # would turn what follows around
)
_SPACES: Final = frozenset({"Zs", "Zl", "Zp"})
_WHITE_CONTROLS: Final = frozenset("\t\n\v\f\r\x1c\x1d\x1e\x1f\x85")
_MARKS: Final = frozenset({"Mn", "Me", "Mc"})


def clean_text(text: str) -> str:
    """``text`` in one line, composed, without control characters; spaces single, none around."""
    kept = []
    for character in unicodedata.normalize("NFC", text):
        category = unicodedata.category(character)
        if category in _SPACES or character in _WHITE_CONTROLS:
            kept.append(" ")
        elif category not in ("Cc", "Cs") and character not in _DROPPED:
            kept.append(character)
    # Dropping a character may let its neighbors compose.
    return unicodedata.normalize("NFC", " ".join("".join(kept).split()))


def clusters(text: str) -> Iterator[str]:
    """``text`` in pieces that a reader sees as one character, after Unicode's annex 29 in brief:
    a letter with its marks, an emoji with its modifiers and joiners, a flag."""
    cluster = ""
    for character in text:
        if cluster and not _continues(cluster, character):
            yield cluster
            cluster = ""
        cluster += character
    if cluster:
        yield cluster


def _continues(cluster: str, character: str) -> bool:
    if character == _JOINER or _is_mark(character) or "\U0001f3fb" <= character <= "\U0001f3ff":
        return True
    if cluster.endswith(_JOINER):
        return True
    return _is_flag_letter(character) and _is_flag_letter(cluster)


def _is_mark(character: str) -> bool:
    return unicodedata.category(character) in _MARKS or "\ufe00" <= character <= "\ufe0f"


def _is_flag_letter(text: str) -> bool:
    return len(text) == 1 and "\U0001f1e6" <= text <= "\U0001f1ff"


def cells(text: str) -> int:
    """The width of ``text``: 1 for a Latin letter, 2 for a Hangul syllable, 0 for a bare mark."""
    if text.isascii():
        return len(text)
    return sum(_cluster_cells(cluster) for cluster in clusters(text))


def _cluster_cells(cluster: str) -> int:
    return max(map(_character_cells, cluster))


def _character_cells(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
