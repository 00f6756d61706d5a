"""What never leaves the process in a log line or a stored failure: queries of links (they hold
signatures and tickets), and keys.

Vendors and libraries put both into the messages of their errors. Keys are known by their forms, and
those that this process has read by their values.
"""

from __future__ import annotations

import json
import re
from typing import Final

REMOVED: Final = "[removed]"
_SECRET_MIN_CHARS: Final = 8
_KNOWN_LIMIT: Final = 200
_known: set[str] = set()
_PATTERNS: Final = (
    # The query of a link or of a path: all behind the question mark.
    (re.compile(r"(/[^\s?#\"'<>\\]{0,2000})\?[^\s\"'<>\\]+"), rf"\1?{REMOVED}"),
    # The name and the password in a link.
    (re.compile(r"://[^/\s@\"'\\]{1,500}@"), f"://{REMOVED}@"),
    # A header that says who asks.
    (re.compile(r"(?i)\b(bearer|basic|key)(\s+)[\w.~+/:*-]{12,}=*"), rf"\1\2{REMOVED}"),
    # Settings as they stand in code, headers, forms and JSON.
    (
        re.compile(
            r"(?i)\b((?:x-amz-(?:signature|credential|security-token)|signature|(?:x|xi)?-?"
            r"api[_-]?key|secret|password|access[_-]?token)(?:\\?[\"'])?\s*[=:]\s*(?:\\?[\"'])?)"
            r"[^\s\"'&,;<>\\]{8,}"
        ),
        rf"\1{REMOVED}",
    ),
    # Keys by the beginnings that vendors give them.
    (re.compile(r"\b(?:sk|rk|whsec|r8)[-_][\w*-]{8,}"), REMOVED),
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), REMOVED),
)


def register_secret(text: str) -> None:
    """Remove the values of this secret, a JSON object or a text, from now on."""
    try:
        found = json.loads(text)
    except ValueError:
        found = text
    values = found.values() if isinstance(found, dict) else [text]
    for value in values:
        is_key = isinstance(value, str) and len(value) >= _SECRET_MIN_CHARS
        if is_key and len(_known) < _KNOWN_LIMIT:
            _known.add(value)


def redacted(text: str) -> str:
    """The text without queries and keys; of a text without any, the text itself."""
    for secret in tuple(_known):
        text = text.replace(secret, REMOVED)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text
