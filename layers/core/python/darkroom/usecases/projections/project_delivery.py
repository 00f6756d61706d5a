"""Project a delivery: send the message for its next attempt, if that is due soon.

A message that is sent twice is harmless: the worker takes each attempt once. The sweeper sends the
messages of attempts that are due later, and those that were lost.
"""

from __future__ import annotations

from datetime import timedelta
from math import ceil

from darkroom.bootstrap.composition import App
from darkroom.endpoints.model import Delivery
from darkroom.kernel.limits import DELIVERY_AHEAD_SECONDS


def project_delivery(app: App, delivery: Delivery, *, before: Delivery | None = None) -> bool:
    """Send a message if the next attempt is due soon, and ``before`` had not the same; returns
    whether it was sent."""
    if delivery.next_attempt_at is None:
        return False
    if before is not None and _next_attempt(before) == _next_attempt(delivery):
        return False
    wait = delivery.next_attempt_at - app.clock.now()
    if wait > timedelta(seconds=DELIVERY_AHEAD_SECONDS):
        return False
    send_attempt(app, delivery, delay_seconds=max(0, ceil(wait.total_seconds())))
    return True


def send_attempt(
    app: App, delivery: Delivery, *, delay_seconds: int = 0, is_due: bool = False
) -> None:
    """Send the message for the next attempt. ``is_due``: whatever the worker's clock says."""
    message = {
        "accountId": delivery.account_id,
        "endpointId": delivery.endpoint_id,
        "deliveryId": delivery.delivery_id,
        "attempt": delivery.attempt + 1,
    }
    if is_due:
        message["isDue"] = True
    app.deliver_queue.send(message, delay_seconds=delay_seconds)


def _next_attempt(delivery: Delivery) -> tuple[object, ...]:
    return delivery.attempt, delivery.next_attempt_at
