"""The inbox: one record per event, with whether it has been handled."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.models import Model

from darkroom.db.damage import read_item
from darkroom.db.due import Due, DueItem, due_fields, due_index, due_moment, list_due_items
from darkroom.db.items import SalvagedItem
from darkroom.db.writes import Write, put, update
from darkroom.kernel.clock import from_iso, to_epoch_seconds, to_iso
from darkroom.kernel.errors import AlreadyHappened
from darkroom.kernel.limits import RECEIVED_TTL_DAYS
from darkroom.kernel.shapes import checked

RECEIVED, HANDLED = "received", "handled"
SUBSCRIPTION = "subscription"


@dataclass(frozen=True, kw_only=True)
class Received:
    """An event of an external service, and whether it has been handled."""

    event_id: str
    """``<source>#<the source's own id>``: an event keeps its id however often it is delivered."""
    source: str
    type: str
    session_id: str | None
    payment_id: str | None
    received_at: datetime
    subscription_ref: str | None = None
    is_of_subscription: bool = False
    is_handled: bool = False
    next_check_at: datetime | None = None


class ReceivedItem(SalvagedItem, DueItem):
    class Meta:
        table_name = "unbound"

    event_id = UnicodeAttribute(hash_key=True, attr_name="eventId")
    source = UnicodeAttribute()
    type = UnicodeAttribute()
    session_id = UnicodeAttribute(null=True, attr_name="sessionId")
    payment_id = UnicodeAttribute(null=True, attr_name="paymentId")
    about = UnicodeAttribute(null=True)
    """``subscription``; absent for a payment."""
    subscription_ref = UnicodeAttribute(null=True, attr_name="subscriptionRef")
    received_at = UnicodeAttribute(attr_name="receivedAt")
    status = UnicodeAttribute()
    tries = NumberAttribute(default=0)
    expires_at = NumberAttribute(attr_name="expiresAt")
    due = due_index()


def find_received(event_id: str) -> Received | None:
    """Raises: Unreadable."""
    try:
        item = ReceivedItem.get(event_id, consistent_read=True)
    except Model.DoesNotExist:
        return None
    return read_item(item, _to_received)


def list_due(until: datetime, *, limit: int) -> list[Due]:
    """Ids of events whose next attempt is due by ``until``, oldest first."""
    return list_due_items(ReceivedItem.due, until, limit=limit)


def receive_write(event: Received) -> Write:
    """Store the event unless it is already stored."""
    item = ReceivedItem(
        event.event_id,
        source=event.source,
        type=event.type,
        session_id=event.session_id,
        payment_id=event.payment_id,
        about=SUBSCRIPTION if event.is_of_subscription else None,
        subscription_ref=event.subscription_ref,
        received_at=to_iso(event.received_at),
        status=RECEIVED,
        **due_fields(event.next_check_at),
        expires_at=to_epoch_seconds(event.received_at + timedelta(days=RECEIVED_TTL_DAYS)),
    )
    return put(
        item,
        condition=ReceivedItem.event_id.does_not_exist(),
        refused=AlreadyHappened("the event is already stored"),
    )


def handled_write(event_id: str) -> Write:
    """Mark the event as handled and remove it from the index of due events. Safe to repeat."""
    return update(
        ReceivedItem(event_id),
        [
            ReceivedItem.status.set(HANDLED),
            ReceivedItem.due_shard.remove(),
            ReceivedItem.next_check_at.remove(),
        ],
        condition=ReceivedItem.event_id.exists(),
        refused=AlreadyHappened("the event is gone"),
    )


def _to_received(item: ReceivedItem) -> Received:
    if item.status not in (RECEIVED, HANDLED):
        raise ValueError("no state of an event")
    received = Received(
        event_id=item.event_id,
        source=item.source,
        type=item.type,
        session_id=item.session_id,
        payment_id=item.payment_id,
        subscription_ref=item.subscription_ref,
        is_of_subscription=item.about == SUBSCRIPTION,
        received_at=from_iso(item.received_at),
        is_handled=item.status == HANDLED,
        next_check_at=due_moment(item),
    )
    return checked(received)
