"""Words of names and tags, in the form in which a search compares them. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from itertools import chain, zip_longest

from darkroom.kernel.limits import WORD_LIMIT_CHARS

_DOTTED_I = re.compile("i\u0307+|\u0131")


def folded(text: str) -> str:
    """The text without differences of case, compatibility forms and composition.

    Phones send decomposed Hangul. Folding may make a text up to 18 times longer, so limits apply to
    the folded text. The four Turkish letters i fold to one: ``İSTANBUL`` and ``istanbul`` are the
    same word.
    """
    lower = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return unicodedata.normalize("NFKC", _DOTTED_I.sub("i", lower)).strip()


def words_of(texts: Iterable[str], *, limit: int) -> tuple[str, ...]:
    """The distinct words of the texts, folded, at most ``limit`` of them.

    A word is a run of letters, digits and combining marks, cut to its first 50 characters. The
    first words of all texts come before any second word, so that a text of many words does not
    crowd out the others.
    """
    ranks = zip_longest(*map(_words_of, texts))
    found = dict.fromkeys(word for word in chain.from_iterable(ranks) if word is not None)
    return tuple(found)[:limit]


def _words_of(text: str) -> list[str]:
    spaced = "".join(c if _is_in_word(c) else " " for c in folded(text))
    return [word[:WORD_LIMIT_CHARS] for word in spaced.split()]


def has_words(wanted: Iterable[str], known: Iterable[str]) -> bool:
    """Whether each wanted word is the beginning of a known word."""
    known = tuple(known)
    return all(any(word.startswith(start) for word in known) for start in wanted)


def _is_in_word(character: str) -> bool:
    return character.isalnum() or unicodedata.category(character).startswith("M")


def is_unicode(text: str) -> bool:
    """Whether UTF-8 can encode it: half of a surrogate pair, which JSON can spell, it cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
