"""Endpoints and deliveries: reads, and the writes of changes.

An endpoint is changed by its owner, by announcements (its sequence) and by workers (its places and
hangs), each with a condition on what it changes, so that none undoes another's change.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from pynamodb.models import Model

from darkroom.db.damage import read_all, read_item
from darkroom.db.due import Due, list_due_items
from darkroom.db.writes import Write, delete, put, update
from darkroom.endpoints.items import (
    ENDPOINT,
    LOCK,
    DeliveryItem,
    EndpointItem,
    EndpointsLockItem,
    delivery_from_item,
    delivery_key,
    delivery_to_item,
    endpoint_from_item,
    endpoint_key,
    endpoint_to_item,
    flights_to_text,
    place_of,
    sequence_of,
)
from darkroom.endpoints.model import (
    DELIVERY_PREFIX,
    ENDPOINT_PREFIX,
    Delivery,
    DeliveryStatus,
    Endpoint,
)
from darkroom.kernel.clock import to_epoch_seconds, to_iso
from darkroom.kernel.errors import AlreadyHappened, ConcurrentUpdate, NotFound
from darkroom.kernel.ids import is_id
from darkroom.kernel.limits import ENDPOINTS_LIMIT

_MOVED_ON = ConcurrentUpdate("the endpoint has moved on")
_DELIVERY_MOVED_ON = ConcurrentUpdate("the delivery has moved on")


# Endpoints


def get_endpoint(account_id: str, endpoint_id: str) -> Endpoint:
    """The account's endpoint.

    Raises:
        NotFound: missing, deleted, another account's, or not an id at all; Unreadable.
    """
    endpoint = find_endpoint(account_id, endpoint_id)
    if endpoint is None:
        raise NotFound("no such endpoint")
    return endpoint


def find_endpoint(account_id: str, endpoint_id: str) -> Endpoint | None:
    """Raises: Unreadable."""
    item = _find_endpoint_item(account_id, endpoint_id)
    return None if item is None else read_item(item, endpoint_from_item)


def is_stored(account_id: str, endpoint_id: str) -> bool:
    """Whether the endpoint exists, readable or not."""
    return _find_endpoint_item(account_id, endpoint_id) is not None


def _find_endpoint_item(account_id: str, endpoint_id: str) -> EndpointItem | None:
    if not is_id(endpoint_id, ENDPOINT_PREFIX):
        return None
    try:
        return EndpointItem.get(account_id, endpoint_key(endpoint_id), consistent_read=True)
    except Model.DoesNotExist:
        return None


def list_endpoints(account_id: str) -> list[Endpoint]:
    """All of the account's endpoints, newest first."""
    endpoints = read_all(_endpoint_items(account_id), endpoint_from_item)
    return sorted(endpoints, key=lambda each: (each.created_at, each.endpoint_id), reverse=True)


def count_endpoints(account_id: str) -> int:
    """The number of the account's endpoints, readable or not."""
    return len(_endpoint_items(account_id))


def _endpoint_items(account_id: str) -> list[EndpointItem]:
    return list(
        EndpointItem.query(
            account_id,
            range_key_condition=EndpointItem.sort_key.startswith(ENDPOINT),
            limit=ENDPOINTS_LIMIT,
            consistent_read=True,
        )
    )


def find_last_creation(account_id: str) -> str | None:
    """The last endpoint that the account created; None also if the lock is damaged."""
    try:
        item = EndpointsLockItem.get(account_id, LOCK, consistent_read=True)
    except Model.DoesNotExist:
        return None
    return item.creation if isinstance(item.creation, str) else None


def create_writes(endpoint: Endpoint, *, last_creation: str | None, operation: str) -> list[Write]:
    """Create the endpoint, if no other was created since ``last_creation`` was read."""
    creation = EndpointsLockItem.creation
    is_last = creation == last_creation
    if last_creation is None:
        # There is no lock yet, or it is damaged and holds another type.
        is_last = creation.does_not_exist() | ~creation.is_type()
    lock = EndpointsLockItem(
        endpoint.account_id, LOCK, creation=endpoint.endpoint_id, operation=operation
    )
    return [
        put(
            endpoint_to_item(endpoint, operation),
            condition=EndpointItem.sort_key.does_not_exist(),
            refused=AlreadyHappened("the endpoint exists"),
        ),
        put(lock, condition=is_last, refused=_MOVED_ON),
    ]


def change_write(before: Endpoint, after: Endpoint, *, operation: str) -> Write:
    """Save what the owner changed, if nothing else of it has changed since it was read."""
    item = EndpointItem
    until, previous = after.previous_until, after.previous_salt
    actions = [
        item.url.set(after.url),
        item.events.set(list(after.events)),
        item.status.set(after.status.value),
        item.salt.set(after.salt),
        item.hangs.set(after.hangs),
        item.flights.set(flights_to_text(after.flights)),
        item.updated_at.set(to_iso(after.updated_at)),
        item.version.set(before.version + 1),
        item.is_gone.set(True) if after.is_gone else item.is_gone.remove(),
        item.description.set(after.description) if after.description else item.description.remove(),
        item.previous_salt.set(previous) if previous else item.previous_salt.remove(),
        item.previous_until.set(to_iso(until)) if until else item.previous_until.remove(),
    ]
    unchanged = (item.version == before.version) & (item.flights == flights_to_text(before.flights))
    return update(
        EndpointItem(before.account_id, endpoint_key(before.endpoint_id)),
        actions,
        condition=unchanged,
        refused=_MOVED_ON,
        operation=operation,
    )


def delete_write(account_id: str, endpoint_id: str) -> Write:
    return delete(
        EndpointItem(account_id, endpoint_key(endpoint_id)),
        condition=EndpointItem.sort_key.exists(),
        refused=NotFound("no such endpoint"),
    )


def sequence_write(before: Endpoint, after: Endpoint, *, operation: str) -> Write:
    """Take the endpoint's next number, if it is active and no other delivery took it."""
    item = EndpointItem
    unchanged = (
        (item.last_sequence == before.last_sequence)
        & (item.status == before.status.value)
        # Another salt would not matter, other events or another URL may.
        & (item.version == before.version)
    )
    return update(
        EndpointItem(before.account_id, endpoint_key(before.endpoint_id)),
        [
            item.last_sequence.set(after.last_sequence),
            item.day.set(after.day),
            item.day_began_at.set(after.day_began_at),
        ],
        condition=unchanged,
        refused=_MOVED_ON,
        operation=operation,
    )


def flights_write(before: Endpoint, after: Endpoint, *, operation: str) -> Write:
    """Save the places of attempts, if no other worker has changed them since they were read."""
    if before.status is not after.status:
        return change_write(before, after, operation=operation)
    item = EndpointItem
    return update(
        EndpointItem(before.account_id, endpoint_key(before.endpoint_id)),
        [item.flights.set(flights_to_text(after.flights)), item.hangs.set(after.hangs)],
        condition=item.flights == flights_to_text(before.flights),
        refused=_MOVED_ON,
        operation=operation,
    )


# Deliveries


def get_delivery(account_id: str, endpoint_id: str, delivery_id: str) -> Delivery:
    """Raises: NotFound; Unreadable."""
    delivery = find_delivery(account_id, endpoint_id, delivery_id)
    if delivery is None:
        raise NotFound("no such delivery")
    return delivery


def find_delivery(account_id: str, endpoint_id: str, delivery_id: str) -> Delivery | None:
    """Raises: Unreadable."""
    if not (is_id(endpoint_id, ENDPOINT_PREFIX) and is_id(delivery_id, DELIVERY_PREFIX)):
        return None
    key = delivery_key(endpoint_id, delivery_id)
    try:
        item = DeliveryItem.get(account_id, key, consistent_read=True)
    except Model.DoesNotExist:
        return None
    return read_item(item, delivery_from_item)


def list_deliveries(
    account_id: str,
    endpoint_id: str,
    *,
    status: DeliveryStatus | None = None,
    limit: int,
    before: int | None = None,
) -> tuple[list[Delivery], int | None]:
    """A page of deliveries, the latest first, and the number before which the next page starts.

    Each status is a range of the index; all of them are merged. The index is eventually
    consistent; the deliveries themselves are read by their keys.
    """
    found: dict[int, str] = {}
    for each in DeliveryStatus if status is None else (status,):
        found |= _keys_of(account_id, endpoint_id, each, limit=limit + 1, before=before)
    numbers = sorted(found, reverse=True)
    page = numbers[:limit]
    keys = [(account_id, found[number]) for number in page]
    items = DeliveryItem.batch_get(keys, consistent_read=True) if keys else ()
    deliveries = [
        delivery
        for delivery in read_all(items, delivery_from_item)
        # It may have moved on since the index was written.
        if status is None or delivery.status is status
    ]
    deliveries.sort(key=lambda delivery: delivery.sequence, reverse=True)
    return deliveries, page[-1] if len(numbers) > limit else None


def _keys_of(
    account_id: str, endpoint_id: str, status: DeliveryStatus, *, limit: int, before: int | None
) -> dict[int, str]:
    """Sort keys of the latest deliveries of a status, by number."""
    first = place_of(endpoint_id, status, 0)
    # Numbers have a fixed length, and each sorts before a tilde.
    last = f"{endpoint_id}#{status}#~" if before is None else place_of(endpoint_id, status, before)
    items = DeliveryItem.by_status.query(
        account_id,
        range_key_condition=DeliveryItem.place.between(first, last),
        scan_index_forward=False,
        limit=limit + 1,
        page_size=limit + 1,
    )
    found = {sequence_of(item.place): item.sort_key for item in items}
    # The range includes its end.
    return {number: key for number, key in found.items() if number != before}


def list_due(shard: str, until: datetime, *, limit: int) -> list[Due]:
    """Keys of deliveries with an attempt whose message may be missing, the longest overdue
    first."""
    return list_due_items(DeliveryItem.due, until, limit=limit, shard=shard)


def create_delivery_write(delivery: Delivery, *, operation: str) -> Write:
    """Create the delivery, once for each event and endpoint."""
    return put(
        delivery_to_item(delivery, operation),
        condition=DeliveryItem.sort_key.does_not_exist(),
        refused=AlreadyHappened("the event is announced"),
    )


def save_delivery_write(before: Delivery, after: Delivery, *, operation: str) -> Write:
    """Save the changed delivery, if it did not change since it was read."""
    item = delivery_to_item(replace(after, version=before.version + 1), operation)
    return put(item, condition=DeliveryItem.version == before.version, refused=_DELIVERY_MOVED_ON)


def recheck_write(delivery: Delivery, later: datetime) -> Write:
    """Check the delivery again later, unless it has a new time already."""
    key = delivery_key(delivery.endpoint_id, delivery.delivery_id)
    seen = delivery.next_check_at
    return update(
        DeliveryItem(delivery.account_id, key),
        [DeliveryItem.next_check_at.set(to_epoch_seconds(later))],
        condition=DeliveryItem.next_check_at == (None if seen is None else to_epoch_seconds(seen)),
        refused=_DELIVERY_MOVED_ON,
    )


def delete_delivery_write(account_id: str, endpoint_id: str, delivery_id: str) -> Write:
    """Remove a delivery whose endpoint was deleted."""
    return delete(DeliveryItem(account_id, delivery_key(endpoint_id, delivery_id)))
