"""Due items: the sparse index ``due`` of several tables.

An item is in the index while it has both attributes; a finished item has none and costs nothing
there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection

from darkroom.db.commit import commit_one
from darkroom.db.items import BaseItem
from darkroom.db.writes import update
from darkroom.kernel.backoff import backoff_seconds
from darkroom.kernel.clock import to_epoch_seconds
from darkroom.kernel.errors import ConcurrentUpdate
from darkroom.kernel.limits import (
    DUE_PAGE_LIMIT,
    SWEEP_BACKOFF_BASE_SECONDS,
    SWEEP_BACKOFF_LIMIT_SECONDS,
)

ONE_SHARD = "s0"
"""For tables with so few due items that one index partition is enough."""
_MOVED_ON = ConcurrentUpdate("the item has moved on")


class DueItem(BaseItem):
    """The attributes of an item that may be due; its class adds ``due = due_index()``."""

    due_shard = UnicodeAttribute(null=True, attr_name="dueShard")
    next_check_at = NumberAttribute(null=True, attr_name="nextCheckAt")
    """Unix seconds."""
    check_failures = NumberAttribute(null=True, attr_name="checkFailures")
    """The number of consecutive failures to handle it."""

    class Meta:
        table_name = "unbound"


def due_index() -> Any:
    """A new index object: pynamodb binds each to one item class."""

    class Due(GlobalSecondaryIndex[Any]):
        class Meta:
            index_name = "due"
            projection = KeysOnlyProjection()

        due_shard = UnicodeAttribute(hash_key=True, attr_name="dueShard")
        next_check_at = NumberAttribute(range_key=True, attr_name="nextCheckAt")

    return Due()


def due_fields(moment: datetime | None, *, shard: str = ONE_SHARD) -> dict[str, Any]:
    """The attributes that make an item due at ``moment``; None removes it from the index."""
    if moment is None:
        return {"due_shard": None, "next_check_at": None}
    return {"due_shard": shard, "next_check_at": to_epoch_seconds(moment)}


def due_moment(item: DueItem) -> datetime | None:
    seconds: float | None = item.next_check_at
    return None if seconds is None else datetime.fromtimestamp(int(seconds), UTC)


@dataclass(frozen=True, kw_only=True)
class Due:
    """A due item, as it is in the index."""

    item: Any
    """Only its keys and those of the index."""

    @property
    def key(self) -> tuple[str, ...]:
        """Hash key and, if the table has one, range key."""
        return tuple(self.item.key_values())


def list_due_items(index: Any, until: datetime, *, limit: int, shard: str = ONE_SHARD) -> list[Due]:
    """The items that are due by ``until``, the longest overdue first.

    All are listed before any is handled, so an item that cannot be handled hides no others.
    """
    found = index.query(
        shard,
        range_key_condition=DueItem.next_check_at <= to_epoch_seconds(until),
        limit=limit,
        page_size=min(limit, DUE_PAGE_LIMIT),
    )
    return [Due(item=item) for item in found]


def put_off(due: Due, now: datetime) -> None:
    """Reschedule an item, with a delay that grows with its consecutive failures.

    Does nothing if it has changed since it was listed: then it has a new due time already.
    """
    is_unchanged = DueItem.next_check_at == due.item.next_check_at

    try:
        # A damaged count starts again.
        is_number = DueItem.check_failures.does_not_exist() | DueItem.check_failures.is_type()
        try:
            count = DueItem.check_failures.add(1)
            counted = commit_one(
                update(
                    due.item,
                    [count],
                    condition=is_unchanged & is_number,
                    refused=_MOVED_ON,
                )
            )
        except ConcurrentUpdate:
            begin = DueItem.check_failures.set(1)
            counted = commit_one(
                update(
                    due.item,
                    [begin],
                    condition=is_unchanged & ~is_number,
                    refused=_MOVED_ON,
                )
            )
        failures = max(1, int(counted["checkFailures"]["N"]))
        later = now + timedelta(seconds=sweep_backoff_seconds(failures))
        commit_one(
            update(
                due.item,
                [DueItem.next_check_at.set(to_epoch_seconds(later))],
                condition=is_unchanged,
                refused=_MOVED_ON,
            )
        )
    except ConcurrentUpdate:
        return


def sweep_backoff_seconds(failures: int) -> float:
    """One minute, doubling up to 15 minutes, so that items are handled soon after an outage."""
    return backoff_seconds(
        failures,
        base_seconds=SWEEP_BACKOFF_BASE_SECONDS,
        limit_seconds=SWEEP_BACKOFF_LIMIT_SECONDS,
    )
