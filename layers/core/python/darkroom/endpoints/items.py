"""The items of the table ``endpoints`` by account: endpoints, their deliveries, and a lock."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pynamodb.attributes import BooleanAttribute, ListAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection

from darkroom.db.due import DueItem, due_fields, due_index, due_moment
from darkroom.db.items import SalvagedItem
from darkroom.endpoints.model import (
    Delivery,
    DeliveryStatus,
    Endpoint,
    EndpointStatus,
    Flight,
)
from darkroom.kernel.clock import from_iso, to_epoch_seconds, to_iso
from darkroom.kernel.limits import DELIVERY_TTL_DAYS, DUE_SHARDS
from darkroom.kernel.shapes import checked, whole

ENDPOINT, DELIVERY, LOCK = "endpoint#", "delivery#", "lock"
_SEQUENCE_DIGITS = 12


class EndpointItem(SalvagedItem):
    class Meta:
        table_name = "unbound"

    account_id = UnicodeAttribute(hash_key=True, attr_name="accountId")
    sort_key = UnicodeAttribute(range_key=True, attr_name="sk")
    """``endpoint#<id>``"""
    url = UnicodeAttribute()
    events: Any = ListAttribute(of=UnicodeAttribute)
    description = UnicodeAttribute(null=True)
    status = UnicodeAttribute()
    is_gone = BooleanAttribute(null=True, attr_name="isGone")
    salt = UnicodeAttribute()
    previous_salt = UnicodeAttribute(null=True, attr_name="previousSalt")
    previous_until = UnicodeAttribute(null=True, attr_name="previousUntil")
    last_sequence = NumberAttribute(attr_name="lastSequence")
    day = UnicodeAttribute(null=True)
    day_began_at = NumberAttribute(null=True, attr_name="dayBeganAt")
    flights = UnicodeAttribute()
    """JSON: ``[[delivery id, Unix seconds], …]``"""
    hangs = NumberAttribute()
    version = NumberAttribute()
    created_at = UnicodeAttribute(attr_name="createdAt")
    updated_at = UnicodeAttribute(attr_name="updatedAt")


class EndpointsLockItem(SalvagedItem):
    """Orders the creations of one account, so that racing ones cannot pass the limit together."""

    class Meta:
        table_name = "unbound"

    account_id = UnicodeAttribute(hash_key=True, attr_name="accountId")
    sort_key = UnicodeAttribute(range_key=True, attr_name="sk")
    """``lock``"""
    creation = UnicodeAttribute(null=True)
    """The last endpoint that was created."""


class ByStatus(GlobalSecondaryIndex[Any]):
    class Meta:
        index_name = "byStatus"
        projection = KeysOnlyProjection()

    account_id = UnicodeAttribute(hash_key=True, attr_name="accountId")
    place = UnicodeAttribute(range_key=True)


class DeliveryItem(SalvagedItem, DueItem):
    class Meta:
        table_name = "unbound"

    account_id = UnicodeAttribute(hash_key=True, attr_name="accountId")
    sort_key = UnicodeAttribute(range_key=True, attr_name="sk")
    """``delivery#<endpoint>#<delivery>``"""
    event_id = UnicodeAttribute(attr_name="eventId")
    type = UnicodeAttribute()
    sequence = NumberAttribute()
    body = UnicodeAttribute()
    status = UnicodeAttribute()
    attempt = NumberAttribute()
    earlier_attempts = NumberAttribute(attr_name="earlierAttempts")
    response_status = NumberAttribute(null=True, attr_name="responseStatus")
    response_body = UnicodeAttribute(null=True, attr_name="responseBody")
    failure = UnicodeAttribute(null=True)
    next_attempt_at = UnicodeAttribute(null=True, attr_name="nextAttemptAt")
    place = UnicodeAttribute()
    """``<endpoint>#<status>#<sequence>``"""
    version = NumberAttribute()
    created_at = UnicodeAttribute(attr_name="createdAt")
    expires_at = NumberAttribute(attr_name="expiresAt")
    """Unix seconds; the table's TTL."""
    by_status = ByStatus()
    due = due_index()


ITEM_CLASSES = (EndpointItem, EndpointsLockItem, DeliveryItem)


def endpoint_key(endpoint_id: str) -> str:
    return f"{ENDPOINT}{endpoint_id}"


def delivery_key(endpoint_id: str, delivery_id: str) -> str:
    return f"{DELIVERY}{endpoint_id}#{delivery_id}"


def ids_of_delivery(sort_key: str) -> tuple[str, str]:
    """The endpoint and the delivery of a sort key."""
    endpoint_id, _, delivery_id = sort_key.removeprefix(DELIVERY).partition("#")
    return endpoint_id, delivery_id


def place_of(endpoint_id: str, status: str, sequence: int) -> str:
    return f"{endpoint_id}#{status}#{sequence:0{_SEQUENCE_DIGITS}}"


def sequence_of(place: str) -> int:
    return int(place.rpartition("#")[2])


def shard_of(delivery_id: str) -> str:
    return f"s{zlib.crc32(delivery_id.encode()) % DUE_SHARDS}"


def due_shards() -> list[str]:
    return [f"s{number}" for number in range(DUE_SHARDS)]


def flights_to_text(flights: Sequence[Flight]) -> str:
    held = [[flight.delivery_id, to_epoch_seconds(flight.until)] for flight in flights]
    return json.dumps(held, separators=(",", ":"))


def _flights_from_text(text: str) -> tuple[Flight, ...]:
    return tuple(
        checked(Flight(delivery_id=name, until=datetime.fromtimestamp(whole(seconds), UTC)))
        for name, seconds in json.loads(text)
    )


def endpoint_to_item(endpoint: Endpoint, operation: str) -> EndpointItem:
    until = endpoint.previous_until
    return EndpointItem(
        endpoint.account_id,
        endpoint_key(endpoint.endpoint_id),
        url=endpoint.url,
        events=list(endpoint.events),
        description=endpoint.description,
        status=endpoint.status.value,
        is_gone=endpoint.is_gone or None,
        salt=endpoint.salt,
        previous_salt=endpoint.previous_salt,
        previous_until=None if until is None else to_iso(until),
        last_sequence=endpoint.last_sequence,
        day=endpoint.day or None,
        day_began_at=endpoint.day_began_at or None,
        flights=flights_to_text(endpoint.flights),
        hangs=endpoint.hangs,
        version=endpoint.version,
        created_at=to_iso(endpoint.created_at),
        updated_at=to_iso(endpoint.updated_at),
        operation=operation,
    )


def endpoint_from_item(item: EndpointItem) -> Endpoint:
    endpoint = Endpoint(
        account_id=item.account_id,
        endpoint_id=item.sort_key.removeprefix(ENDPOINT),
        url=item.url,
        events=tuple(item.events),
        description=item.description,
        status=EndpointStatus(item.status),
        is_gone=bool(item.is_gone),
        salt=item.salt,
        previous_salt=item.previous_salt,
        previous_until=_moment(item.previous_until),
        last_sequence=whole(item.last_sequence),
        day=item.day or "",
        day_began_at=whole(item.day_began_at or 0),
        flights=_flights_from_text(item.flights),
        hangs=whole(item.hangs),
        version=whole(item.version),
        created_at=from_iso(item.created_at),
        updated_at=from_iso(item.updated_at),
    )
    return checked(endpoint)


def delivery_to_item(delivery: Delivery, operation: str) -> DeliveryItem:
    next_at = delivery.next_attempt_at
    # A replay of an old delivery goes through the whole schedule.
    kept_until = (next_at or delivery.created_at) + timedelta(days=DELIVERY_TTL_DAYS)
    return DeliveryItem(
        delivery.account_id,
        delivery_key(delivery.endpoint_id, delivery.delivery_id),
        event_id=delivery.event_id,
        type=delivery.type,
        sequence=delivery.sequence,
        body=delivery.body,
        status=delivery.status.value,
        attempt=delivery.attempt,
        earlier_attempts=delivery.earlier_attempts,
        response_status=delivery.response_status,
        response_body=delivery.response_body,
        failure=delivery.failure,
        next_attempt_at=None if next_at is None else to_iso(next_at),
        place=place_of(delivery.endpoint_id, delivery.status, delivery.sequence),
        version=delivery.version,
        created_at=to_iso(delivery.created_at),
        expires_at=to_epoch_seconds(kept_until),
        operation=operation,
        **due_fields(delivery.next_check_at, shard=shard_of(delivery.delivery_id)),
    )


def delivery_from_item(item: DeliveryItem) -> Delivery:
    endpoint_id, delivery_id = ids_of_delivery(item.sort_key)
    status = item.response_status
    delivery = Delivery(
        account_id=item.account_id,
        endpoint_id=endpoint_id,
        delivery_id=delivery_id,
        event_id=item.event_id,
        type=item.type,
        sequence=whole(item.sequence),
        body=item.body,
        status=DeliveryStatus(item.status),
        attempt=whole(item.attempt),
        earlier_attempts=whole(item.earlier_attempts),
        response_status=None if status is None else whole(status),
        response_body=item.response_body,
        failure=item.failure,
        next_attempt_at=_moment(item.next_attempt_at),
        next_check_at=due_moment(item),
        version=whole(item.version),
        created_at=from_iso(item.created_at),
    )
    return checked(delivery)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else from_iso(text)
