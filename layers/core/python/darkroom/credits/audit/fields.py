"""Reads a raw item attribute by attribute, so that one damaged value does not hide the others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from darkroom.kernel.clock import from_iso

RawItem = Mapping[str, Any]
"""As DynamoDB returns it: name → {type: value}."""


class Fields:
    """The attributes of one item. Unreadable ones are None, and listed in ``problems``."""

    def __init__(self, raw: RawItem) -> None:
        self._raw = raw
        self.problems: list[str] = []

    def has(self, name: str) -> bool:
        return name in self._raw

    def text(self, name: str, *, optional: bool = False) -> str | None:
        value = self._value(name, "S", optional=optional)
        return value if isinstance(value, str) else None

    def whole(self, name: str, *, missing: int | None = None) -> int | None:
        """A whole number; ``missing`` is what its absence means, if it may be absent."""
        if name not in self._raw and missing is not None:
            return missing
        value = self._value(name, "N", optional=False)
        if value is None:
            return None
        try:
            number = Decimal(value)
            if number == number.to_integral_value():
                return int(number)
        except (InvalidOperation, ValueError, OverflowError, TypeError):
            pass
        self.problems.append(f"{name} is not a whole number")
        return None

    def moment(self, name: str, *, optional: bool = False) -> datetime | None:
        text = self.text(name, optional=optional)
        if text is None:
            return None
        found = read_moment(text)
        if found is None:
            self.problems.append(f"{name} is not a time")
        return found

    def json(self, name: str) -> Any:
        """A JSON value; None if it is absent or cannot be read."""
        text = self.text(name, optional=True)
        if text is None:
            return None
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            self.problems.append(f"{name} is not JSON")
            return None

    def wrong(self, problem: str) -> None:
        self.problems.append(problem)

    def _value(self, name: str, kind: str, *, optional: bool) -> Any:
        held = self._raw.get(name)
        if held is None:
            if not optional:
                self.problems.append(f"{name} is missing")
            return None
        if optional and "NULL" in held:
            return None
        if kind not in held:
            self.problems.append(f"{name} has the wrong type")
            return None
        return held[kind]


def read_moment(value: Any) -> datetime | None:
    try:
        return from_iso(value)
    except (ValueError, TypeError, AttributeError, OverflowError):
        return None


def is_whole(value: Any) -> bool:
    """JSON has no integers of its own: ``5.0`` and ``true`` are none."""
    return isinstance(value, int) and not isinstance(value, bool)
