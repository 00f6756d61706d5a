"""Make one attempt to deliver an event to a webhook endpoint.

A worker takes one of the endpoint's few places before it sends anything, so an endpoint that hangs
occupies few workers, and other endpoints have the rest. The result of the attempt and the end of
the place are one transaction.

A worker that dies leaves everything as it was: the place ends by itself, and the queue or the
sweeper brings the attempt again. The receiver then sees the same ``webhook-id`` twice.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from darkroom.bootstrap.composition import App
from darkroom.db import Write, commit, commit_one
from darkroom.db.retry import retry_on_conflict
from darkroom.endpoints import model, store
from darkroom.endpoints.model import Attempted, Delivery, Endpoint, Failure
from darkroom.kernel.errors import ConcurrentUpdate, Unreadable
from darkroom.kernel.limits import (
    DELIVERY_LIMIT_SECONDS,
    DELIVERY_RESPONSE_LIMIT_BYTES,
    POSTPONED_LIMIT_SECONDS,
    POSTPONED_MIN_SECONDS,
)
from darkroom.kernel.standard_webhooks import headers_of

USER_AGENT = "Darkroom-Webhooks"
CLOCK_SKEW_SECONDS = 1
IGNORED, EARLY, POSTPONED, REMOVED = "ignored", "early", "postponed", "removed"


def deliver_event(
    app: App,
    *,
    account_id: str,
    endpoint_id: str,
    delivery_id: str,
    attempt: int,
    is_due: bool = False,
) -> str:
    """Make the attempt of this number; returns the delivery's status after it, or why there was
    none. ``is_due``: whatever the clock says."""
    delivery = store.find_delivery(account_id, endpoint_id, delivery_id)
    if delivery is None or not _is_next(delivery, attempt):
        return IGNORED
    assert delivery.next_attempt_at is not None
    now = app.clock.now()
    if not is_due and now < delivery.next_attempt_at - timedelta(seconds=CLOCK_SKEW_SECONDS):
        return EARLY
    try:
        endpoint = store.find_endpoint(account_id, endpoint_id)
    except Unreadable:
        # It counts as a failed attempt, so that it is given up in the end.
        return _record(app, delivery, Attempted(seconds=0, failure=Failure.UNDELIVERED))
    if endpoint is None:
        commit([store.delete_delivery_write(account_id, endpoint_id, delivery_id)])
        return REMOVED
    if not endpoint.is_active:
        return _give_up(app, delivery)
    return _deliver(app, endpoint, delivery)


def fail_undelivered(
    app: App, *, account_id: str, endpoint_id: str, delivery_id: str, attempt: int
) -> None:
    """The queue gave the attempt up: it counts as failed, and the next one follows the schedule."""
    delivery = store.find_delivery(account_id, endpoint_id, delivery_id)
    if delivery is not None and _is_next(delivery, attempt):
        _record(app, delivery, Attempted(seconds=0, failure=Failure.UNDELIVERED))


def _is_next(delivery: Delivery, attempt: int) -> bool:
    return not delivery.is_final and delivery.attempt + 1 == attempt


def _deliver(app: App, endpoint: Endpoint, delivery: Delivery) -> str:
    now = app.clock.now()
    if model.in_flight(endpoint.flights, delivery.delivery_id, now=now):
        return IGNORED
    free_at = model.free_at(endpoint.flights, now=now)
    if free_at > now:
        return _postpone(app, delivery, free_at)
    taken = model.taken_off(endpoint, delivery.delivery_id, now=now)
    try:
        commit_one(store.flights_write(endpoint, taken, operation=app.ids.token()))
    except ConcurrentUpdate:
        # Another worker took a place at the same moment.
        return _postpone(app, delivery, now)
    # Until the place was taken, another worker may have made this attempt.
    again = store.find_delivery(delivery.account_id, delivery.endpoint_id, delivery.delivery_id)
    if again is None or not _is_next(again, delivery.attempt + 1):
        _land(app, delivery, None)
        return IGNORED
    return _record(app, again, _attempt(app, endpoint, again))


def _attempt(app: App, endpoint: Endpoint, delivery: Delivery) -> Attempted:
    now, body = app.clock.now(), delivery.body.encode()
    secrets = model.secrets_of(endpoint, app.endpoint_key.value, now=now)
    posted = app.poster.post(
        endpoint.url,
        body,
        headers={
            "Content-Type": "application/json",
            "User-Agent": USER_AGENT,
            **headers_of(secrets, delivery.event_id, now=now, body=body),
        },
        limit_seconds=DELIVERY_LIMIT_SECONDS,
        limit_bytes=DELIVERY_RESPONSE_LIMIT_BYTES,
    )
    return Attempted(
        seconds=posted.seconds,
        status=posted.status,
        body=posted.body or None,
        failure=posted.failure,
    )


def _record(app: App, delivery: Delivery, made: Attempted) -> str:
    """Store the result and free the place; returns the delivery's status."""
    operation = app.ids.token()

    def attempt() -> str:
        now = app.clock.now()
        current = store.find_delivery(
            delivery.account_id, delivery.endpoint_id, delivery.delivery_id
        )
        writes = _landing(delivery, made, now=now, operation=operation)
        status = IGNORED
        if current is not None and _is_next(current, delivery.attempt + 1):
            after = model.after_attempt(current, made, now=now)
            writes.append(store.save_delivery_write(current, after, operation=operation))
            status = after.status
        if writes:
            commit(writes)
        return status

    return retry_on_conflict(app.jitter, attempt)


def _land(app: App, delivery: Delivery, made: Attempted | None) -> None:
    def attempt() -> None:
        now, operation = app.clock.now(), app.ids.token()
        if writes := _landing(delivery, made, now=now, operation=operation):
            commit(writes)

    retry_on_conflict(app.jitter, attempt)


def _landing(
    delivery: Delivery, made: Attempted | None, *, now: datetime, operation: str
) -> list[Write]:
    """Free the place of the delivery, if the endpoint is there and readable."""
    try:
        endpoint = store.find_endpoint(delivery.account_id, delivery.endpoint_id)
    except Unreadable:
        return []
    if endpoint is None:
        return []
    after = model.landed(endpoint, delivery.delivery_id, made, now=now)
    return [] if after == endpoint else [store.flights_write(endpoint, after, operation=operation)]


def _postpone(app: App, delivery: Delivery, free_at: datetime) -> str:
    """Try again when there may be a place: the longer the delivery has waited, the later, so that
    many of them take few turns."""
    now = app.clock.now()
    assert delivery.next_attempt_at is not None
    waited = (now - delivery.next_attempt_at).total_seconds()
    longest = min(max(waited, 2 * POSTPONED_MIN_SECONDS), POSTPONED_LIMIT_SECONDS)
    later = POSTPONED_MIN_SECONDS + app.jitter.uniform(0, longest)
    after = model.scheduled(delivery, max(free_at, now) + timedelta(seconds=later))
    try:
        commit([store.save_delivery_write(delivery, after, operation=app.ids.token())])
    except ConcurrentUpdate:
        return IGNORED
    return POSTPONED


def _give_up(app: App, delivery: Delivery) -> str:
    after = model.given_up(delivery, Failure.ENDPOINT_DISABLED)
    try:
        commit([store.save_delivery_write(delivery, after, operation=app.ids.token())])
    except ConcurrentUpdate:
        return IGNORED
    return after.status
