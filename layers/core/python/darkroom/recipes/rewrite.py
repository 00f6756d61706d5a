"""The user's own ending: cleans and checks it, and derives prompt, caption and look. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from darkroom.kernel import catalog
from darkroom.kernel.errors import InvalidInput
from darkroom.kernel.limits import REWRITE_LIMIT_CHARS
from darkroom.kernel.problems import Problem, problem

CAPTION_LIMIT_CHARS = 48
MASK = "***"
MASK_ROUNDS_LIMIT = 8

_BREAKS = frozenset({"Cc", "Zl", "Zp"})
_INVISIBLE = frozenset({"Cf", "Co", "Cs"})
_MASKS = re.compile(r"\*{3,}")
_MARKUP = re.compile(r"<[^<>]{0,500}>")
_SPACE = re.compile(r"\s+")
_CONTACTS = re.compile(
    r"""(?ix)
    [\w.+-]+@[\w-]+(?:\.[\w-]+)+                  # mail
    | (?:https?://|www\.)\S+                      # links
    | \b[\w-]+\.(?:com|net|org|io|me|kr|co)\b\S*  # bare domains
    | (?<![\w])@\w{2,}                            # handles
    | (?<!\d)\+?\d(?:[\s().-]*\d){7,14}(?!\d)     # phone numbers, 8 to 15 digits (E.164)
    """
)
_ENDINGS = {
    "happy": {"en": "And this time, they stayed.", "ko": "그리고 이번엔, 함께였다."},
    "bittersweet": {"en": "Some goodbyes keep us warm.", "ko": "어떤 안녕은 오래 따뜻하다."},
    "open": {"en": "The rest is ours to write.", "ko": "다음 장면은 우리의 몫."},
}
_MOODS = {
    "happy": "The mood lifts into warm, relieved joy.",
    "bittersweet": "The mood is tender and bittersweet.",
    "open": "The mood is quiet and unresolved, full of possibility.",
}
_FRAMINGS = {"close": "close", "medium": "medium", "far": "wide"}


def sanitize(raw_text: str, *, path: str = "rewrite.rawText") -> str:
    """Normalized text without control characters, markup and contact data; ``path`` is its place
    in the inputs.

    Raises:
        InvalidInput: CONTENT_REJECTED with its ``category``; or no text is left.
    """
    text = "".join(" " if unicodedata.category(c) in _BREAKS else c for c in raw_text)
    # Invisible characters may separate letters, so they are removed before normalization.
    text = "".join(c for c in text if unicodedata.category(c) not in _INVISIBLE)
    text = unicodedata.normalize("NFKC", text)
    text = _MARKUP.sub(" ", text).replace("<", " ").replace(">", " ")
    _check_content(text)
    text = _SPACE.sub(" ", _masked(text)).strip()
    if not text:
        raise _refused(problem(path, "NO_TEXT"))
    if len(text) > REWRITE_LIMIT_CHARS:
        raise _refused(problem(path, "TOO_LONG", limit=REWRITE_LIMIT_CHARS))
    return text


def _refused(found: Problem) -> InvalidInput:
    return InvalidInput("not a text we can use", fields=[found])


def _masked(text: str) -> str:
    """The text without contact data. Masking may create new matches, so it repeats until none is
    left."""
    for _ in range(MASK_ROUNDS_LIMIT):
        masked = _MASKS.sub(MASK, _CONTACTS.sub(MASK, text))
        if masked == text:
            break
        text = masked
    return text


def _check_content(text: str) -> None:
    lowered = text.casefold()
    for category, languages in catalog.read("blocked_words.json")["categories"].items():
        for language, words in languages.items():
            for word in words:
                if re.search(_pattern(word, language), lowered):
                    raise InvalidInput(
                        "the text is not allowed", code="CONTENT_REJECTED", category=category
                    )


def _pattern(word: str, language: str) -> str:
    """English matches whole words; Korean glues particles to words and spaces them freely."""
    if language == "en":
        return rf"\b{re.escape(word.casefold())}\b"
    return r"\s*".join(re.escape(part) for part in word.split())


def caption_of(rewrite: Mapping[str, Any]) -> str:
    """The text's first sentence, cut at a word to fit on the screen."""
    text = re.split(r"(?<=[.!?。…])\s", rewrite["sanitizedText"])[0]
    if len(text) <= CAPTION_LIMIT_CHARS:
        return text
    cut = text[: CAPTION_LIMIT_CHARS - 1]
    head, space, _ = cut.rpartition(" ")
    return (head if space and len(head) > CAPTION_LIMIT_CHARS // 2 else cut) + "…"


def ending_of(rewrite: Mapping[str, Any], language: str) -> str:
    return _ENDINGS[rewrite["desiredEnding"]][language]


def prompt_of(rewrite: Mapping[str, Any]) -> str:
    return f"{_MOODS[rewrite['desiredEnding']]} The scene tells: {rewrite['sanitizedText']}"


def look_of(rewrite: Mapping[str, Any]) -> dict[str, str]:
    """The parts of the template's look that the rewrite overrides."""
    return {"framing": _FRAMINGS[rewrite["distanceMode"]]}
