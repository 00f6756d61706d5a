"""Checks that a value has the types that its dataclass declares.

Python does not check annotations. Values from a store are checked here once, so that a number that
was stored as text is found where it is read, not where it is added up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")
_OBJECT_KEYS = frozenset({"clean_key", "cover_key", "storage_key", "thumbnail_key"})
"""Fields that name an object in the bucket. No link can be signed for an empty key."""


def checked(value: T) -> T:
    """The dataclass instance itself, if each of its fields has its declared type.

    Raises:
        TypeError: a field has another type, or names an object by an empty key.
    """
    kind: Any = type(value)
    for name, declared in _hints(kind).items():
        held = getattr(value, name)
        if not fits(held, declared) or (held == "" and name in _OBJECT_KEYS):
            raise TypeError(f"{kind.__name__}.{name} is not {declared}")
    return value


def whole(number: float | None) -> int:
    """The stored number, which must be a whole one.

    Raises:
        TypeError, ValueError: it is absent, has a fraction, or is beyond 64 bits.
    """
    value = int(number)  # type: ignore[arg-type]  # None is damage like any other
    if value != number or abs(value) >= 2**63:
        raise ValueError("no whole number")
    return value


def whole_or_none(number: float | None) -> int | None:
    return None if number is None else whole(number)


def fits(value: Any, declared: Any) -> bool:
    """Whether a value is of a declared type: plain classes, literals, unions, tuples, sets or
    mappings."""
    if declared is Any:
        return True
    origin, arguments = get_origin(declared), get_args(declared)
    if origin in (Union, UnionType):
        return any(fits(value, one) for one in arguments)
    if origin is Literal:
        return value in arguments
    if origin is tuple:
        return isinstance(value, tuple) and _all_fit(value, arguments)
    if origin is frozenset:
        return isinstance(value, frozenset) and all(fits(one, arguments[0]) for one in value)
    if origin is not None and issubclass(origin, Mapping):
        key, held = arguments
        return isinstance(value, Mapping) and all(
            fits(name, key) and fits(one, held) for name, one in value.items()
        )
    # bool is a subclass of int in Python, and is refused as a number here.
    if declared is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return value is None if declared is NoneType else isinstance(value, declared)


def _all_fit(values: tuple[Any, ...], arguments: tuple[Any, ...]) -> bool:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return all(fits(value, arguments[0]) for value in values)
    return len(values) == len(arguments) and all(map(fits, values, arguments))


@cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}
