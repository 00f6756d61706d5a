"""How words sound, in the letters of the English recognizer.

Owns the way from espeak-ng's sounds, English and Korean, to the 39 of the CMU Pronouncing
Dictionary (http://www.speech.cs.cmu.edu/cgi-bin/cmudict). Sounds that English does not have become
the nearest that it has: enough to find a known word in time, not to recognize an unknown one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from darkroom.studio.speech.espeak import phonemes_of

_MARKS: Final = re.compile(r"^[',%=]+")
"""Stress."""
_SAME: Final = {letter: letter.upper() for letter in "bdfgklmnprstvwz"}
_CONSONANTS: Final = _SAME | {
    "h": "HH", "j": "Y", "N": "NG", "S": "SH", "Z": "ZH", "T": "TH", "D": "DH", "tS": "CH",
    "dZ": "JH", "x": "K", "t#": "D", "t2": "T", "r-": "R", "n-": "N",
}  # fmt: skip
_VOWELS: Final = {
    "I": "IH", "I2": "IH", "I#": "IH", "i": "IY", "i:": "IY", "E": "EH", "e": "EH", "a": "AE",
    "aa": "AE", "a#": "AH", "3": "ER", "3:": "ER", "@": "AH", "@-": "AH", "V": "AH", "0": "AA",
    "A:": "AA", "A~": "AA", "O:": "AO", "O2": "AO", "oU": "OW", "o": "OW", "eI": "EY",
    "aI": "AY", "aU": "AW", "OI": "OY", "u": "UW", "u:": "UW", "U": "UH", "A@": "AA R",
    "o@": "AO R", "O@": "AO R", "i@": "IH AH", "i@3": "IH R", "e@": "EH R", "U@": "UH R",
    "aI3": "AY ER", "aI@": "AY AH", "@L": "AH L",
}  # fmt: skip
# A hyphen marks a tense consonant, h one with breath, q is the lax k, * the r between vowels.
_KOREAN: Final = {
    "a": "AA", "@": "AO", "u-": "UH", "*": "R", "L": "L", "q": "K", "q-": "K", "kh": "K",
    "ph": "P", "p-": "P", "t-": "T", "s-": "S", "tS;": "CH", "tS;-": "CH", "dZ;": "JH",
}  # fmt: skip
_SOUNDS: Final = {
    "en": _CONSONANTS | _VOWELS,
    "ko": _CONSONANTS | _VOWELS | _KOREAN,
}


def pronunciations(words: Sequence[str], language: str) -> list[str]:
    """For each word its sounds, a space between them; empty for a silent one."""
    known = _SOUNDS[language]
    return [
        " ".join(known[plain] for sound in sounds if (plain := _MARKS.sub("", sound)) in known)
        for sounds in phonemes_of(words, language)
    ]
