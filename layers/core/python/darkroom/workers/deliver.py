"""Handles messages of the queue of deliveries: makes attempts to deliver events to endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from darkroom.bootstrap.composition import App
from darkroom.endpoints.model import DeliveryStatus
from darkroom.kernel.errors import InvalidInput
from darkroom.usecases.endpoints.deliver_event import deliver_event
from darkroom.workers.edge import logger, metrics, read_message

_METRICS = {
    DeliveryStatus.SUCCEEDED: "WebhooksDelivered",
    DeliveryStatus.FAILED: "WebhooksFailed",
    DeliveryStatus.GIVEN_UP: "WebhooksGivenUp",
}


def handle_delivery_message(app: App, record: Mapping[str, Any]) -> str:
    """Make the attempt that the message names; returns the outcome.

    Raises:
        InvalidInput: the message is not one of ours, and goes to the dead-letter queue.
    """
    message = read_message(record)
    subject = delivery_of(message)
    logger.append_keys(account_id=subject["account_id"], delivery_id=subject["delivery_id"])
    started = perf_counter()
    outcome = deliver_event(app, **subject, is_due=message.get("isDue") is True)
    logger.info("delivery", outcome=outcome, took_ms=round((perf_counter() - started) * 1000))
    for status, name in _METRICS.items():
        if outcome == status:
            metrics.add_metric(name=name, unit=MetricUnit.Count, value=1)
    return outcome


def delivery_of(message: Mapping[str, Any]) -> dict[str, Any]:
    """The delivery that a message names, and the number of its attempt.

    Raises:
        InvalidInput: the message names none.
    """
    names = {"account_id": "accountId", "endpoint_id": "endpointId", "delivery_id": "deliveryId"}
    found: dict[str, Any] = {name: message.get(sent) for name, sent in names.items()}
    attempt = message.get("attempt")
    is_whole = isinstance(attempt, int) and not isinstance(attempt, bool)
    if not is_whole or not all(isinstance(value, str) for value in found.values()):
        raise InvalidInput("the message names no delivery")
    return {**found, "attempt": attempt}
