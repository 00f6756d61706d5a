"""Words of names and tags, as a search compares them. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from itertools import chain, zip_longest

from darkroom.kernel.limits import WORD_LIMIT_CHARS

_DOTTED_I = re.compile("i\u0307+|\u0131")


def folded(text: str) -> str:
    """Compatibility forms and case are one; decomposed Hangul, as phones send it, is composed.

    Folding may lengthen a text up to 18 times, so whatever is limited is folded first. The four
    letters i of Turkish are one: ``İSTANBUL`` and ``istanbul`` are the same word.
    """
    lower = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return unicodedata.normalize("NFKC", _DOTTED_I.sub("i", lower)).strip()


def words_of(texts: Iterable[str], *, limit: int) -> tuple[str, ...]:
    """The different words of the texts, folded, at most ``limit`` of them.

    A word is what stands between characters that are neither letters, digits nor marks on them;
    of a longer one, its first 50 characters. The first words of all texts come before any second
    word, so that a text of many words does not crowd out the others.
    """
    ranks = zip_longest(*map(_words_of, texts))
    found = dict.fromkeys(word for word in chain.from_iterable(ranks) if word is not None)
    return tuple(found)[:limit]


def _words_of(text: str) -> list[str]:
    spaced = "".join(c if _is_in_word(c) else " " for c in folded(text))
    return [word[:WORD_LIMIT_CHARS] for word in spaced.split()]


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
