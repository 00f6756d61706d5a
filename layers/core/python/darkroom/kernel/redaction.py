"""What never leaves the process in a log line or a stored failure: queries of links (they hold
signatures and tickets), and keys.

Vendors and libraries put both into the messages of their errors. Keys are known by their forms, and
those that this process has read by their values.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final

REMOVED: Final = "[removed]"
_SECRET_MIN_CHARS: Final = 8
_KNOWN_LIMIT: Final = 200
_known: set[str] = set()
_TOKEN: Final = re.compile(r"[^\s\"'<>\\]+")
_SETTING: Final = (
    r"x-amz-(?:signature|credential|security-token)|signature|api[_-]?key|password"
    r"|secret(?:[_-]access[_-]key)?|(?:access|refresh|session|security|id)?[_-]?token"
)
_PATTERNS: Final = (
    # The name and the password in a link.
    (re.compile(r"://[^/\s@\"'\\]{1,500}@"), f"://{REMOVED}@"),
    # A header of authorization. What follows "key" or "token" in a sentence has no digit.
    (re.compile(r"(?i)\b(bearer|basic)(\s+)[\w.~+/:*-]{12,}=*"), rf"\1\2{REMOVED}"),
    (
        re.compile(r"(?i)\b(key|token)(\s+)(?=[\w.~+/:*-]*\d)[\w.~+/:*-]{12,}=*"),
        rf"\1\2{REMOVED}",
    ),
    # Settings in code, headers, forms and JSON, whatever their names begin with.
    (
        re.compile(
            rf"(?i)(?<![a-z0-9])((?:[a-z0-9]{{1,20}}[_-]){{0,3}}(?:{_SETTING})"
            r"(?:\\?[\"'])?\s*[=:]\s*(?:\\?[\"'])?)[^\s\"'&,;<>\\]{8,}"
        ),
        rf"\1{REMOVED}",
    ),
    # Keys by the prefixes that vendors give them.
    (re.compile(r"\b(?:sk|rk|whsec|r8)[-_][\w*+/=-]{8,}"), REMOVED),
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), REMOVED),
    (re.compile(r"\bAIza[\w-]{20,}"), REMOVED),
)


def register_secret(text: str) -> None:
    """Remove the values of this secret, JSON or a text, from now on."""
    try:
        found = json.loads(text)
    except ValueError:
        found = text
    for value in _texts_in(found if isinstance(found, dict | list) else text):
        if len(value) >= _SECRET_MIN_CHARS and len(_known) < _KNOWN_LIMIT:
            _known.add(value)


def _texts_in(found: object) -> Iterator[str]:
    if isinstance(found, str):
        yield found
    elif isinstance(found, dict | list):
        for value in found.values() if isinstance(found, dict) else found:
            yield from _texts_in(value)


def redacted(text: str) -> str:
    """The text without queries and keys; of a text without any, the text itself."""
    # The longest first: one may contain another.
    for secret in sorted(_known, key=len, reverse=True):
        text = text.replace(secret, REMOVED)
    if "?" in text:
        text = _TOKEN.sub(_without_query, text)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def _without_query(token: re.Match[str]) -> str:
    """A link or a path without all behind its question mark."""
    head, mark, query = token[0].partition("?")
    return f"{head}{mark}{REMOVED}" if query and "/" in head else token[0]
