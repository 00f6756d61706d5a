"""The log of events, as operators see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Annotated, Any

from darkroom.events import store
from darkroom.events.names import KINDS
from darkroom.events.store import Event
from darkroom.kernel.clock import to_iso
from darkroom.kernel.ids import is_id, is_key_text
from darkroom.views.base import (
    AccountId,
    JobId,
    NextCursor,
    Omittable,
    ResponseBody,
    Timestamp,
    Words,
    described,
)

EVENT_NAMES = Words("EventName", lambda: KINDS)
EventNameWord = Annotated[str, EVENT_NAMES, described("What happened.", "job_confirmed")]
EntityTypeWord = Annotated[
    str,
    Words("EntityType", lambda: dict.fromkeys(kind.entity for kind in KINDS.values())),
    described("The kind of thing that it is about.", "job"),
]
_FIRST, _LAST = "0", ":"
"""Before and after every time."""


class EventRecord(ResponseBody):
    """``props`` are facts about it, by name; which ones depends on the event's name."""

    id: Annotated[str, described("Id of the event.", "evt_3QZV4N6K8T1R5W7Y9A2C4E6G00")]
    name: EventNameWord
    entity_type: EntityTypeWord
    entity_id: Annotated[
        str, described("Id of what it is about.", "job_01JGTQ4M9R8W3Z5K7N2P6X0A00")
    ]
    account_id: Omittable[AccountId] = None
    job_id: Omittable[JobId] = None
    props: Annotated[
        dict[str, Any], described("Facts about it, by name.", {"mode": "story", "stage": "spark"})
    ]
    created_at: Annotated[Timestamp, described("When it happened.")]


class EventPage(ResponseBody):
    items: Annotated[list[EventRecord], described("Events, the latest first.")]
    next_cursor: NextCursor


@dataclass(frozen=True, kw_only=True)
class EventFilters:
    """At least one of account, job and name."""

    account_id: str | None = None
    job_id: str | None = None
    name: str | None = None
    created_from: datetime | None = None
    created_before: datetime | None = None


def page_events(
    filters: EventFilters, *, limit: int, before: str | None
) -> tuple[list[EventRecord], str | None]:
    """A page of events that match every filter, latest first, and where the next page starts.

    It reads the narrowest list: a job's, an account's, or a name's. What another filter leaves out
    makes the page short.
    """
    read = _list_of(filters)
    if read is None:
        return [], None
    first = to_iso(filters.created_from) if filters.created_from else _FIRST
    # A key is a time and more, so it is larger than its own time: the end is excluded.
    last = to_iso(filters.created_before) if filters.created_before else _LAST
    if first > last or (before is not None and before < first):
        return [], None
    events, position = read(limit=limit, first=first, last=last, before=before)
    return [event_record(event) for event in events if _matches(event, filters)], position


def _list_of(filters: EventFilters) -> Callable[..., tuple[list[Event], str | None]] | None:
    """The narrowest list; None if it must be empty."""
    if filters.job_id is not None:
        is_job = is_id(filters.job_id, "job")
        return partial(store.page_entity, filters.job_id) if is_job else None
    if filters.account_id is not None:
        is_account = is_key_text(filters.account_id)
        return partial(store.page_account, filters.account_id) if is_account else None
    name = filters.name or ""
    return partial(store.page_name, name) if name in KINDS else None


def _matches(event: Event, filters: EventFilters) -> bool:
    return (
        filters.account_id in (None, event.account_id)
        and filters.job_id in (None, event.job_id)
        and filters.name in (None, event.name)
    )


def event_record(event: Event) -> EventRecord:
    return EventRecord(
        id=event.unique_id,
        name=event.name,
        entity_type=event.entity_type,
        entity_id=event.entity_id,
        account_id=event.account_id,
        job_id=event.job_id,
        props=dict(event.props),
        created_at=to_iso(event.created_at),
    )
