"""Words of names and tags, as a search compares them. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable


def folded(text: str) -> str:
    """Compatibility forms and case are one; decomposed Hangul, as phones send it, is composed."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).strip()


def words_of(texts: Iterable[str], *, limit: int) -> tuple[str, ...]:
    """The different words of the texts, folded, in order, at most ``limit`` of them.

    A word is what stands between characters that are neither letters, digits nor marks on them.
    """
    found = dict.fromkeys(
        word
        for text in texts
        for word in "".join(c if _is_in_word(c) else " " for c in folded(text)).split()
    )
    return tuple(found)[:limit]


def has_words(wanted: Iterable[str], known: Iterable[str]) -> bool:
    """Whether each wanted word is the beginning of a known one."""
    known = tuple(known)
    return all(any(word.startswith(start) for word in known) for start in wanted)


def _is_in_word(character: str) -> bool:
    return character.isalnum() or unicodedata.category(character).startswith("M")


def is_unicode(text: str) -> bool:
    """Whether UTF-8 has bytes for it: half of a surrogate pair, which JSON can spell, has none."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
