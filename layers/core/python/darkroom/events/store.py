"""The event log. The id of an event derives from its cause, so a repeated write changes nothing.

An event is due until all its projections have run (``usecases/projections/project_event.py``): the
relay runs them from the table's stream, and the sweeper runs them for events that the stream lost.

Three keys spread the writes of a busy moment: an event's own entity, its account, and its name
with one of ``EVENT_SHARDS`` numbers. So no key takes more than its entity's or account's own
writes, or an eighth of the writes of one name.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pynamodb.attributes import BooleanAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.indexes import GlobalSecondaryIndex, IncludeProjection
from pynamodb.models import Model

from darkroom.db.damage import read_all, read_item
from darkroom.db.due import Due, DueItem, due_fields, due_index, list_due_items
from darkroom.db.items import SalvagedItem
from darkroom.db.raw import delete_raw, page_raw
from darkroom.db.writes import Write, put, update
from darkroom.events.names import KINDS
from darkroom.kernel.clock import from_iso, to_epoch_seconds, to_iso
from darkroom.kernel.errors import AlreadyHappened
from darkroom.kernel.ids import is_key_text
from darkroom.kernel.limits import ERASURE_BATCH, EVENT_CHECK_SECONDS, EVENT_SHARDS
from darkroom.kernel.shapes import checked


@dataclass(frozen=True, kw_only=True)
class Event:
    event_id: str
    name: str
    entity_type: str
    entity_id: str
    created_at: datetime
    account_id: str | None = None
    job_id: str | None = None
    props: Mapping[str, Any] = field(default_factory=dict)


_SHOWN = ["name", "entityType", "entityId", "eventId", "accountId", "jobId", "props", "createdAt"]
_GONE = AlreadyHappened("the event has expired or was erased")


def _log_index(name: str, attribute: str) -> Any:
    """A new index of events by their order in time, with what a reader shows.

    What projections change is not in it, so that they cost no writes there. pynamodb binds each
    index object to one item class.
    """

    class Log(GlobalSecondaryIndex[Any]):
        class Meta:
            index_name = name
            projection = IncludeProjection(_SHOWN)

        common = UnicodeAttribute(hash_key=True, attr_name=attribute)
        order = UnicodeAttribute(range_key=True)

    return Log()


class EventItem(SalvagedItem, DueItem):
    class Meta:
        table_name = "unbound"

    entity_id = UnicodeAttribute(hash_key=True, attr_name="entityId")
    event_id = UnicodeAttribute(range_key=True, attr_name="eventId")
    name = UnicodeAttribute()
    entity_type = UnicodeAttribute(attr_name="entityType")
    account_id = UnicodeAttribute(null=True, attr_name="accountId")
    job_id = UnicodeAttribute(null=True, attr_name="jobId")
    props = UnicodeAttribute(default="{}")
    created_at = UnicodeAttribute(attr_name="createdAt")
    expires_at = NumberAttribute(attr_name="expiresAt")
    """Unix seconds; the table's TTL."""
    order = UnicodeAttribute(null=True)
    """``<event id>#<entity id>``: unique, in the order of time. Events of the version before lack
    it, and are in no index."""
    name_shard = UnicodeAttribute(null=True, attr_name="nameShard")
    counted = BooleanAttribute(null=True)
    by_account = _log_index("byAccount", "accountId")
    by_name = _log_index("byName", "nameShard")
    due = due_index()


def record_write(event: Event, *, retention_days: int) -> Write:
    """Append the event unless it is already recorded."""
    item = EventItem(
        event.entity_id,
        event.event_id,
        name=event.name,
        entity_type=event.entity_type,
        account_id=event.account_id,
        job_id=event.job_id,
        props=json.dumps(event.props, ensure_ascii=False, separators=(",", ":")),
        created_at=to_iso(event.created_at),
        expires_at=to_epoch_seconds(event.created_at + timedelta(days=retention_days)),
        order=f"{event.event_id}#{event.entity_id}",
        name_shard=f"{event.name}#{shard_of(event)}",
        **_due_fields(event),
    )
    return put(
        item,
        condition=EventItem.event_id.does_not_exist(),
        refused=AlreadyHappened("already recorded"),
    )


def shard_of(event: Event) -> int:
    """One of ``EVENT_SHARDS`` numbers, the same for every call."""
    return zlib.crc32(f"{event.entity_id}|{event.event_id}".encode()) % EVENT_SHARDS


def _due_fields(event: Event) -> dict[str, Any]:
    kind = KINDS.get(event.name)
    if kind is not None and not kind.is_projected:
        return {}
    check_at = event.created_at + timedelta(seconds=EVENT_CHECK_SECONDS)
    return due_fields(check_at, shard=f"s{shard_of(event)}")


def projected_write(event: Event) -> Write:
    """All projections of the event have run: the sweeper need not check it any more."""
    return update(
        EventItem(event.entity_id, event.event_id),
        [EventItem.next_check_at.remove(), EventItem.due_shard.remove()],
        condition=EventItem.entity_id.exists(),
        refused=_GONE,
    )


def due_shards() -> list[str]:
    return [f"s{number}" for number in range(EVENT_SHARDS)]


def list_due(shard: str, until: datetime, *, limit: int) -> list[Due]:
    """Keys of events whose projections are overdue, the longest overdue first."""
    return list_due_items(EventItem.due, until, limit=limit, shard=shard)


def erase_of_account(account_id: str, *, limit: int) -> int:
    """Delete up to ``limit`` events of an account; returns how many were found. The index is
    eventually consistent, and lacks events of the version before."""
    found = page_raw(
        EventItem, account_id, limit=limit, index_name=EventItem.by_account.Meta.index_name
    )
    if found:
        delete_raw(EventItem, found)
    return len(found)


def erase_events(entity_id: str) -> None:
    """Delete all events of an entity. Safe to repeat."""
    while found := page_raw(EventItem, entity_id, limit=ERASURE_BATCH):
        delete_raw(EventItem, found)


def list_events(entity_id: str) -> list[Event]:
    """An entity's events in the order of their ids, which start with their time."""
    return read_all(EventItem.query(entity_id, consistent_read=True), to_event)


def find_event(entity_id: str, event_id: str) -> Event | None:
    """Raises: Unreadable."""
    if not is_key_text(event_id):
        return None
    try:
        item = EventItem.get(entity_id, event_id, consistent_read=True)
    except Model.DoesNotExist:
        return None
    return read_item(item, to_event)


def page_events(
    entity_id: str, *, limit: int, before: str | None = None
) -> tuple[list[Event], str | None]:
    """A page of an entity's events, latest first, and the id before which the next page starts."""
    items = list(
        EventItem.query(
            entity_id,
            range_key_condition=None if before is None else EventItem.event_id < before,
            scan_index_forward=False,
            limit=limit + 1,
            page_size=limit + 1,
            consistent_read=True,
        )
    )
    page = items[:limit]
    return read_all(page, to_event), (page[-1].event_id if len(items) > limit else None)


def to_event(item: EventItem) -> Event:
    event = Event(
        event_id=item.event_id,
        name=item.name,
        entity_type=item.entity_type,
        entity_id=item.entity_id,
        created_at=from_iso(item.created_at),
        account_id=item.account_id,
        job_id=item.job_id,
        props=json.loads(item.props),
    )
    return checked(event)
