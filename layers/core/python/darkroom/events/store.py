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
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.indexes import GlobalSecondaryIndex, IncludeProjection
from pynamodb.models import Model

from darkroom.db.damage import read_all, read_item
from darkroom.db.due import Due, DueItem, due_fields, due_index, list_due_items
from darkroom.db.items import SalvagedItem
from darkroom.db.raw import delete_raw, page_raw
from darkroom.db.writes import Write, put, update
from darkroom.events.names import KINDS
from darkroom.kernel.clock import from_iso, to_epoch_seconds, to_iso
from darkroom.kernel.errors import AlreadyHappened, Unreadable
from darkroom.kernel.ids import derived_id, is_key_text
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

    @property
    def unique_id(self) -> str:
        """Its id outside of the log. ``event_id`` is unique among the events of its entity only."""
        return derived_id("evt", self.entity_id, self.event_id)


_SHOWN = ["name", "entityType", "accountId", "jobId", "props", "createdAt"]
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
    """``order_of``: unique, in the order of time. Events of the version before lack it, and are in
    no index."""
    name_shard = UnicodeAttribute(null=True, attr_name="nameShard")
    counted_in = NumberAttribute(null=True, attr_name="countedIn")
    """The epoch of the analytics that count it."""
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
        order=order_of(event),
        name_shard=name_key(event.name, shard_of(event)),
        **_due_fields(event),
    )
    return put(
        item,
        condition=EventItem.event_id.does_not_exist(),
        refused=AlreadyHappened("already recorded"),
    )


def order_of(event: Event) -> str:
    """Its place in lists: by time, and no two events have the same."""
    return f"{to_iso(event.created_at)}#{event.entity_id}#{event.event_id}"


def name_key(name: str, shard: int) -> str:
    return f"{name}#{shard}"


def shard_of(event: Event) -> int:
    """One of ``EVENT_SHARDS`` numbers, the same for every call."""
    return zlib.crc32(f"{event.entity_id}|{event.event_id}".encode()) % EVENT_SHARDS


def _due_fields(event: Event) -> dict[str, Any]:
    kind = KINDS.get(event.name)
    if kind is not None and not kind.is_projected:
        return {}
    check_at = event.created_at + timedelta(seconds=EVENT_CHECK_SECONDS)
    return due_fields(check_at, shard=f"s{shard_of(event)}")


def counted_write(event: Event, *, epoch: int, is_projected: bool) -> Write:
    """The analytics of this epoch count the event: part of the transaction that adds it to them.

    Refused with AlreadyHappened if they, or those of a later epoch, count it already.
    """
    actions = [EventItem.counted_in.set(epoch)]
    if is_projected:
        actions += [EventItem.next_check_at.remove(), EventItem.due_shard.remove()]
    is_new: Any = EventItem.counted_in.does_not_exist() | (EventItem.counted_in < epoch)
    return update(
        EventItem(event.entity_id, event.event_id),
        actions,
        condition=EventItem.entity_id.exists() & is_new,
        refused=AlreadyHappened("counted already, expired or erased"),
    )


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


def page_entity(
    entity_id: str, *, limit: int, first: str, last: str, before: str | None
) -> tuple[list[Event], str | None]:
    """A page of an entity's events with an id from ``first`` to ``last``, latest first, and the id
    before which the next page starts."""
    items = list(
        EventItem.query(
            entity_id,
            EventItem.event_id.between(first, before or last),
            scan_index_forward=False,
            limit=limit + 2,
            page_size=limit + 2,
            consistent_read=True,
        )
    )
    found = [item for item in items if item.event_id != before]
    page = found[:limit]
    return read_all(page, to_event), (page[-1].event_id if len(found) > limit else None)


def page_account(
    account_id: str, *, limit: int, first: str, last: str, before: str | None
) -> tuple[list[Event], str | None]:
    """The same of an account's events, by ``order_of``."""
    return _page_index(
        EventItem.by_account, [account_id], limit=limit, first=first, last=last, before=before
    )


def page_name(
    name: str, *, limit: int, first: str, last: str, before: str | None
) -> tuple[list[Event], str | None]:
    """The same of events with this name: one query for each shard, whatever the period."""
    keys = [name_key(name, shard) for shard in range(EVENT_SHARDS)]
    return _page_index(EventItem.by_name, keys, limit=limit, first=first, last=last, before=before)


def _page_index(
    index: Any, keys: Sequence[str], *, limit: int, first: str, last: str, before: str | None
) -> tuple[list[Event], str | None]:
    items = [
        item
        for key in keys
        for item in index.query(
            key,
            EventItem.order.between(first, before or last),
            scan_index_forward=False,
            limit=limit + 2,
            page_size=limit + 2,
        )
        if item.order != before
    ]
    items.sort(key=lambda item: item.order, reverse=True)
    page = items[:limit]
    return read_all(page, to_event), (page[-1].order if len(items) > limit else None)


def scan_page(
    start: list[str] | None, *, limit: int
) -> tuple[list[tuple[Event, int | None]], list[str] | None]:
    """A page of the whole log in no order, each event with the epoch that counts it, and where the
    next page starts: for operators' tools only."""
    key = None if start is None else {"entityId": {"S": start[0]}, "eventId": {"S": start[1]}}
    found = EventItem.scan(
        limit=limit, page_size=limit, last_evaluated_key=key, consistent_read=True
    )
    page: list[tuple[Event, int | None]] = []
    for item in found:
        with suppress(Unreadable):
            counted_in = None if item.counted_in is None else int(item.counted_in)
            page.append((read_item(item, to_event), counted_in))
    last: dict[str, Any] | None = found.last_evaluated_key
    following = None if last is None else [last["entityId"]["S"], last["eventId"]["S"]]
    return page, following


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
