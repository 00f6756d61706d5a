"""Korean particles, which depend on how the word before them ends.

Owns what a word ends with when it is read aloud: a vowel, ㄹ, or another consonant. Foreign words
are read as Koreans usually do; where that is not certain, the more common form is taken.
"""

from __future__ import annotations

import re
from typing import Final

_FINALS: Final = 28
"""Hangul syllables are numbered by initial, vowel and, last, one of 28 finals, the first none
(Unicode, section 3.12)."""
_RIEUL: Final = 8
_DIGITS_ON_CONSONANT: Final = frozenset("0136")
_DIGITS_ON_RIEUL: Final = frozenset("178")
_LETTERS_ON_CONSONANT: Final = frozenset("MN")
_LETTERS_ON_RIEUL: Final = frozenset("LR")
"""엘, 엠, 엔, 알: the names of the other letters end with a vowel."""
_ENDS_ON_CONSONANT: Final = re.compile(r"(?:[mnpkt]|ng)$")
_AFTER: Final = {
    "은": "는", "이": "가", "을": "를", "과": "와", "으로": "로", "이란": "란", "이라": "라",
    "이에요": "예요", "이었습니다": "였습니다",
}  # fmt: skip
"""After a consonant → after a vowel; other particles never change."""


def with_particle(word: str, particle: str) -> str:
    """The word with a particle, given in the form that follows a consonant."""
    ending = _ending(word)
    takes_vowel_form = ending == "vowel" or (particle == "으로" and ending == "rieul")
    return word + (_AFTER.get(particle, particle) if takes_vowel_form else particle)


def _ending(word: str) -> str:
    """``vowel``, ``rieul`` or ``consonant``."""
    letters = [character for character in word if character.isalnum()]
    last = letters[-1] if letters else ""
    if "가" <= last <= "힣":
        final = (ord(last) - ord("가")) % _FINALS
        return {0: "vowel", _RIEUL: "rieul"}.get(final, "consonant")
    if last in _DIGITS_ON_RIEUL:
        return "rieul"
    if last in _DIGITS_ON_CONSONANT:
        return "consonant"
    latin = re.findall(r"[A-Za-z]+", word)
    return _latin_ending(latin[-1]) if last.isascii() and last.isalpha() and latin else "vowel"


def _latin_ending(word: str) -> str:
    if word.isupper():
        if word[-1] in _LETTERS_ON_RIEUL:
            return "rieul"
        return "consonant" if word[-1] in _LETTERS_ON_CONSONANT else "vowel"
    if word.lower().endswith("l"):
        return "rieul"
    return "consonant" if _ENDS_ON_CONSONANT.search(word.lower()) else "vowel"
