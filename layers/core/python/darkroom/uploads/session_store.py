"""The assets that a request with an Idempotency-Key has opened, for its repeats.

The stored response also contains them, but is written after the assets and may be lost in a crash;
this record is written with them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.models import Model

from darkroom.db.damage import read_item
from darkroom.db.items import SalvagedItem
from darkroom.db.writes import Write, put
from darkroom.kernel.clock import to_epoch_seconds
from darkroom.kernel.errors import ConcurrentUpdate
from darkroom.kernel.limits import IDEMPOTENCY_TTL_SECONDS
from darkroom.kernel.shapes import fits, whole

_SESSION = "session#"


class SessionItem(SalvagedItem):
    class Meta:
        table_name = "unbound"

    account_id = UnicodeAttribute(hash_key=True, attr_name="accountId")
    counter = UnicodeAttribute(range_key=True)
    """``session#<the request's operation>``, in the table of the account's counters."""
    asset_ids = UnicodeAttribute(attr_name="assetIds")
    """A JSON list, in the order of the request's files."""
    expires_at = NumberAttribute(attr_name="expiresAt")


def find_session(account_id: str, request: str, *, now: datetime) -> list[str] | None:
    """Ids of the assets that the request has opened; None if there are none, or it has expired.

    Raises:
        Unreadable: the record is damaged, so the key cannot be used again.
    """
    try:
        item = SessionItem.get(account_id, _SESSION + request, consistent_read=True)
    except Model.DoesNotExist:
        return None
    asset_ids, expires_at = read_item(item, to_session)
    return list(asset_ids) if expires_at > to_epoch_seconds(now) else None


def to_session(item: SessionItem) -> tuple[tuple[str, ...], int]:
    """The ids of the assets, and when the record expires, in Unix seconds."""
    asset_ids = tuple(json.loads(item.asset_ids))
    if not fits(asset_ids, tuple[str, ...]):
        raise TypeError("no list of ids")
    return asset_ids, whole(item.expires_at)


def session_write(
    account_id: str, request: str, *, asset_ids: Sequence[str], now: datetime, operation: str
) -> Write:
    """Store the request's assets. ``operation`` is unique to this attempt, because two attempts at
    the same request open different assets."""
    item = SessionItem(
        account_id,
        _SESSION + request,
        asset_ids=json.dumps(list(asset_ids)),
        expires_at=to_epoch_seconds(now + timedelta(seconds=IDEMPOTENCY_TTL_SECONDS)),
        operation=operation,
    )
    # TTL deletes items late.
    free = SessionItem.counter.does_not_exist() | (SessionItem.expires_at <= to_epoch_seconds(now))
    return put(item, condition=free, refused=ConcurrentUpdate("the same request is being done"))
