"""Reads damaged items, and reports them, in one way everywhere.

A list skips a damaged item (``read_all``), a read by key refuses it (``read_item``), and a caller
that has a fallback uses that (``read_or``).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable
from typing import TypeVar

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit, SchemaValidationError

from darkroom.db.items import SalvagedItem
from darkroom.kernel.errors import Unreadable

METRIC = "UnreadableItems"
DAMAGE = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)
"""Errors that parsers raise for malformed input."""
DAMAGED_INPUTS = (*DAMAGE, AssertionError)
"""The same of rules that take an ended job's stored inputs for validated ones."""
T = TypeVar("T")
ItemT = TypeVar("ItemT", bound=SalvagedItem)
logger = Logger()
metrics = Metrics()


def read_item(item: ItemT, read: Callable[[ItemT], T]) -> T:
    """The value of an item.

    Raises:
        Unreadable: an attribute is missing or of another type, or ``read`` refuses its value.
    """
    try:
        if item.unreadable:
            raise TypeError("another type than declared")
        return read(item)
    except DAMAGE as error:
        keys = item.key_values()
        report_unreadable(*_key_of(keys), item.unreadable or (type(item).__name__,))
        raise Unreadable("the item is damaged") from error


def read_or(item: ItemT, read: Callable[[ItemT], T], fallback: T) -> T:
    """The value of an item, or the fallback for a damaged one, which is reported."""
    try:
        return read_item(item, read)
    except Unreadable:
        return fallback


def read_all(items: Iterable[ItemT], read: Callable[[ItemT], T]) -> list[T]:
    """The values of the readable items; the others are reported and left out."""
    values = []
    for item in items:
        with contextlib.suppress(Unreadable):
            values.append(read_item(item, read))
    return values


def report_unreadable(partition: str, sort_key: str, attributes: Collection[str]) -> None:
    """Log and count an item with unreadable attributes; does nothing if there are none.

    Only the names are logged: the values may be a user's texts.
    """
    if not attributes:
        return
    logger.error("unreadable_item", item=f"{partition} {sort_key}", attributes=sorted(attributes))
    # An operator's command line has no metric namespace, and must not fail for that.
    with contextlib.suppress(SchemaValidationError):
        metrics.add_metric(name=METRIC, unit=MetricUnit.Count, value=1)


def _key_of(keys: Iterable[str]) -> tuple[str, str]:
    """Partition key and sort key; the sort key is empty if the table has none."""
    partition, *rest = keys
    return partition, rest[0] if rest else ""
