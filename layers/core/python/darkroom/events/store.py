"""The event log. The id of an event derives from its cause, so a repeated write changes nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.models import Model

from darkroom.db.damage import read_all, read_item
from darkroom.db.items import SalvagedItem
from darkroom.db.writes import Write, put
from darkroom.kernel.clock import from_iso, to_epoch_seconds, to_iso
from darkroom.kernel.errors import AlreadyHappened
from darkroom.kernel.ids import is_key_text
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


class EventItem(SalvagedItem):
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
    )
    return put(
        item,
        condition=EventItem.event_id.does_not_exist(),
        refused=AlreadyHappened("already recorded"),
    )


def list_events(entity_id: str) -> list[Event]:
    """An entity's events in the order of their ids, which start with their time."""
    return read_all(EventItem.query(entity_id, consistent_read=True), _event)


def find_event(entity_id: str, event_id: str) -> Event | None:
    """Raises: Unreadable."""
    if not is_key_text(event_id):
        return None
    try:
        item = EventItem.get(entity_id, event_id, consistent_read=True)
    except Model.DoesNotExist:
        return None
    return read_item(item, _event)


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
    return read_all(page, _event), (page[-1].event_id if len(items) > limit else None)


def _event(item: EventItem) -> Event:
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
