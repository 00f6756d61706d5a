"""Send a test event to one endpoint."""

from __future__ import annotations

from darkroom.bootstrap.composition import App
from darkroom.db import commit
from darkroom.db.retry import retry_on_conflict
from darkroom.endpoints import store
from darkroom.endpoints.model import (
    DELIVERY_PREFIX,
    MESSAGE_PREFIX,
    TEST_EVENT,
    Delivery,
    Endpoint,
    message_body,
    numbered,
    scheduled,
)
from darkroom.kernel.clock import to_iso
from darkroom.kernel.command import Command
from darkroom.kernel.errors import AlreadyHappened, Conflict
from darkroom.plans.model import limits_of
from darkroom.plans.store import find_plan


def send_test(app: App, command: Command, endpoint_id: str) -> Delivery:
    """Create a delivery of a test event, whatever events the endpoint takes.

    Raises:
        NotFound; Conflict: ENDPOINT_DISABLED; TOO_MANY: the endpoint had as many deliveries today
        as the plan allows.
    """
    limit = limits_of(find_plan(command.account_id)).webhooks_per_day
    delivery_id = command.id_for(app.ids, DELIVERY_PREFIX, endpoint_id)
    event_id = command.id_for(app.ids, MESSAGE_PREFIX, endpoint_id)

    def attempt() -> Delivery:
        endpoint = active_endpoint(command.account_id, endpoint_id)
        now = app.clock.now()
        after = numbered(endpoint, limit=limit, now=now)
        if after is None:
            raise Conflict("enough for today", code="TOO_MANY", limit=limit)
        sequence = after.last_sequence
        data = {"eventId": event_id, "sequence": sequence, "endpointId": endpoint_id, "props": {}}
        delivery = Delivery(
            account_id=command.account_id,
            endpoint_id=endpoint_id,
            delivery_id=delivery_id,
            event_id=event_id,
            type=TEST_EVENT,
            sequence=sequence,
            body=message_body(TEST_EVENT, to_iso(now), data),
            created_at=now,
        )
        writes = [
            store.create_delivery_write(scheduled(delivery, now), operation=command.operation),
            store.sequence_write(endpoint, after, operation=command.operation),
        ]
        try:
            commit(writes)
        except AlreadyHappened:
            return store.get_delivery(command.account_id, endpoint_id, delivery_id)
        return delivery

    return retry_on_conflict(app.jitter, attempt)


def active_endpoint(account_id: str, endpoint_id: str) -> Endpoint:
    """Raises: NotFound; Conflict: ENDPOINT_DISABLED."""
    endpoint = store.get_endpoint(account_id, endpoint_id)
    if not endpoint.is_active:
        raise Conflict("the endpoint is disabled", code="ENDPOINT_DISABLED")
    return endpoint
