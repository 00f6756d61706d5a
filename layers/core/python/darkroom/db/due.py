"""Things that have to be looked at later: the sparse index ``due`` that several tables have.

An item is in the index while it carries both attributes; a finished thing carries none and
costs nothing there.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection

from darkroom.db.items import BaseItem
from darkroom.kernel.clock import to_epoch_seconds

ONE_SHARD = "s0"
"""For tables where so little is due at once that one index partition will do."""


class DueItem(BaseItem):
    """The attributes of an item that may be due; its class adds ``due = due_index()``."""

    due_shard = UnicodeAttribute(null=True, attr_name="dueShard")
    next_check_at = NumberAttribute(null=True, attr_name="nextCheckAt")
    """Unix seconds."""

    class Meta:
        table_name = "unbound"


def due_index() -> Any:
    """A new index object: pynamodb ties each to the one item class that it is put on."""

    class Due(GlobalSecondaryIndex):
        class Meta:
            index_name = "due"
            projection = KeysOnlyProjection()

        due_shard = UnicodeAttribute(hash_key=True, attr_name="dueShard")
        next_check_at = NumberAttribute(range_key=True, attr_name="nextCheckAt")

    return Due()


def due_fields(moment: datetime | None, *, shard: str = ONE_SHARD) -> dict[str, Any]:
    """The attributes of an item to look at again at ``moment``; None takes it out."""
    if moment is None:
        return {"due_shard": None, "next_check_at": None}
    return {"due_shard": shard, "next_check_at": to_epoch_seconds(moment)}


def due_moment(item: DueItem) -> datetime | None:
    seconds: float | None = item.next_check_at
    return None if seconds is None else datetime.fromtimestamp(int(seconds), UTC)


def query_due(index: Any, until: datetime, *, limit: int, shard: str = ONE_SHARD) -> Iterator[Any]:
    """Items (keys only) to be looked at by ``until``, the longest overdue first."""
    return index.query(
        shard,
        range_key_condition=DueItem.next_check_at <= to_epoch_seconds(until),
        limit=limit,
    )
