"""Send a delivery again."""

from __future__ import annotations

from darkroom.bootstrap.composition import App
from darkroom.db import commit
from darkroom.db.retry import retry_on_conflict
from darkroom.endpoints import store
from darkroom.endpoints.model import Delivery, DeliveryStatus, replayed
from darkroom.usecases.endpoints.send_test import active_endpoint


def replay_delivery(app: App, *, account_id: str, endpoint_id: str, delivery_id: str) -> Delivery:
    """Begin the schedule of attempts again, with the same message. One that waits for its first
    attempt is left as it is.

    Raises:
        NotFound; Conflict: ENDPOINT_DISABLED.
    """
    operation = app.ids.token()

    def attempt() -> Delivery:
        active_endpoint(account_id, endpoint_id)
        before = store.get_delivery(account_id, endpoint_id, delivery_id)
        if before.status is DeliveryStatus.PENDING:
            return before
        after = replayed(before, now=app.clock.now())
        commit([store.save_delivery_write(before, after, operation=operation)])
        return after

    return retry_on_conflict(app.jitter, attempt)
