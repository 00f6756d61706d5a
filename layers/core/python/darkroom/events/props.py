"""Checks the props of events that clients send against the table of names."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from darkroom.events.names import EventKind, Prop
from darkroom.kernel.limits import EVENT_OPTIONS_LIMIT, EVENT_TEXT_LIMIT_CHARS

_COUNT_LIMIT = 10**15


@dataclass(frozen=True)
class BadProp:
    """A prop and the code of its problem (``kernel.problems``)."""

    name: str
    code: str


def find_bad_prop(kind: EventKind, props: Mapping[str, Any]) -> BadProp | None:
    """The first prop that an event of this kind may not have, or lacks."""
    for name, value in props.items():
        if name not in kind.props:
            return BadProp(name, "UNKNOWN_FIELD")
        if not _fits(value, kind.props[name]):
            return BadProp(name, "INVALID")
    for name in kind.props:
        if name not in props and name not in kind.optional:
            return BadProp(name, "REQUIRED")
    return None


def _fits(value: Any, prop: Prop) -> bool:
    if prop == "flag":
        return isinstance(value, bool)
    if prop == "count":
        return _is_number(value) and isinstance(value, int) and 0 <= value <= _COUNT_LIMIT
    if prop == "number":
        return _is_number(value)
    if prop == "options":
        return _are_options(value)
    return _is_text(value) and value != ""


def _are_options(value: Any) -> bool:
    if isinstance(value, list):
        return len(value) <= EVENT_OPTIONS_LIMIT and all(map(_is_plain, value))
    if isinstance(value, dict):
        return len(value) <= EVENT_OPTIONS_LIMIT and all(
            _is_text(name) and (_is_plain(one) or _is_list_of_texts(one))
            for name, one in value.items()
        )
    return _is_text(value)


def _is_list_of_texts(value: Any) -> bool:
    return (
        isinstance(value, list) and len(value) <= EVENT_OPTIONS_LIMIT and all(map(_is_text, value))
    )


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, bool) or _is_number(value) or _is_text(value)


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and abs(value) <= _COUNT_LIMIT


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= EVENT_TEXT_LIMIT_CHARS
