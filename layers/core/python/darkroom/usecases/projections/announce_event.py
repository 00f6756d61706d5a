"""Announce an event: create its deliveries to the webhook endpoints of its account.

The id of a delivery derives from event and endpoint, so an event that is projected again changes
nothing. The messages for the attempts follow from the deliveries (``project_delivery``).
"""

from __future__ import annotations

from contextlib import suppress

from darkroom.bootstrap.composition import App
from darkroom.db import commit
from darkroom.db.retry import retry_on_conflict
from darkroom.endpoints import store
from darkroom.endpoints.model import (
    DELIVERY_PREFIX,
    MESSAGE_PREFIX,
    Delivery,
    Endpoint,
    is_current,
    message_body,
    numbered,
    scheduled,
)
from darkroom.events.names import PUBLIC_NAMES
from darkroom.events.store import Event
from darkroom.kernel.clock import to_iso
from darkroom.kernel.errors import AlreadyHappened
from darkroom.kernel.ids import derived_id_at
from darkroom.plans.model import limits_of
from darkroom.plans.store import find_plan

_PUBLIC = frozenset(PUBLIC_NAMES)


def announce_event(app: App, event: Event) -> None:
    """Create the event's deliveries, once for each endpoint that takes it.

    Old events are not announced, so that the projections of the whole log can run again. Nor are
    those over the plan's limit of a day, which bounds what an account without credits can cost.

    Raises:
        the first error of an endpoint; the others have their deliveries.
    """
    if event.account_id is None or event.name not in _PUBLIC:
        return
    if not is_current(event.created_at, now=app.clock.now()):
        return
    failed: Exception | None = None
    endpoints = [
        endpoint
        for endpoint in store.list_endpoints(event.account_id)
        if endpoint.takes(event.name, at=event.created_at)
    ]
    # Without endpoints, the plan is not read.
    limit = limits_of(find_plan(event.account_id)).webhooks_per_day if endpoints else 0
    for endpoint in endpoints:
        try:
            _announce_to(app, endpoint, event, limit=limit)
        except Exception as error:  # noqa: BLE001 - one endpoint must not stop the others
            failed = failed or error
    if failed is not None:
        raise failed


def _announce_to(app: App, listed: Endpoint, event: Event, *, limit: int) -> None:
    operation = app.ids.token()
    known: list[Endpoint] = [listed]

    def attempt() -> None:
        # What was listed is good for the first attempt; after a lost race it is read again.
        endpoint = (
            known.pop() if known else store.find_endpoint(listed.account_id, listed.endpoint_id)
        )
        if endpoint is None or not endpoint.takes(event.name, at=event.created_at):
            return
        now = app.clock.now()
        after = numbered(endpoint, limit=limit, now=now)
        if after is None:
            return
        delivery = scheduled(_delivery(endpoint, event, after.last_sequence), now)
        with suppress(AlreadyHappened):
            commit(
                [
                    store.create_delivery_write(delivery, operation=operation),
                    store.sequence_write(endpoint, after, operation=operation),
                ]
            )

    retry_on_conflict(app.jitter, attempt)


def message_id(event: Event) -> str:
    """The id of the event for receivers: without the characters that signatures separate by."""
    return derived_id_at(MESSAGE_PREFIX, event.created_at, event.entity_id, event.event_id)


def _delivery(endpoint: Endpoint, event: Event, sequence: int) -> Delivery:
    event_id = message_id(event)
    data = {
        "eventId": event_id,
        "sequence": sequence,
        "entityType": event.entity_type,
        "entityId": event.entity_id,
        **({} if event.job_id is None else {"jobId": event.job_id}),
        "props": event.props,
    }
    return Delivery(
        account_id=endpoint.account_id,
        endpoint_id=endpoint.endpoint_id,
        delivery_id=derived_id_at(
            DELIVERY_PREFIX, event.created_at, endpoint.endpoint_id, event_id
        ),
        event_id=event_id,
        type=event.name,
        sequence=sequence,
        body=message_body(event.name, to_iso(event.created_at), data),
        created_at=event.created_at,
    )
