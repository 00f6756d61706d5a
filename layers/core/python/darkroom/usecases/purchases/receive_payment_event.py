"""Receive payment webhooks: verify an event, store it once, and handle it until it is done.

A redelivered event whose handling failed is handled again; one that was handled has no effect.
The sweeper handles events that were neither finished nor redelivered. An event about an object
that our key cannot read is done: purchases are also polled (``sweep_purchases``), so no payment
depends on its events.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from darkroom.bootstrap.composition import App
from darkroom.db import commit
from darkroom.kernel.errors import Conflict, NotFound, Unreadable
from darkroom.kernel.limits import (
    RECEIVED_CHECK_SECONDS,
    SWEEP_ITEMS_LIMIT,
)
from darkroom.payments.ports import Ignored, PaymentGateway, PaymentUnreadable
from darkroom.payments.reconcile import needs_operator
from darkroom.payments.store import Purchase
from darkroom.usecases.plans.reconcile_subscription import reconcile_subscription
from darkroom.usecases.purchases.reconcile_payment import reconcile_payment
from darkroom.usecases.sweeps.gateway_patience import Patience
from darkroom.usecases.sweeps.sweep_items import OnError, sweep_items
from darkroom.webhooks import store
from darkroom.webhooks.store import Received

UNREADABLE = "unreadable"
EventOutcome = Literal["handled", "repeated", "ignored"]


@dataclass(frozen=True, kw_only=True)
class Taken:
    outcome: EventOutcome
    reason: str | None = None
    """Why it was ignored: ``type``, ``account``, ``mode`` or ``unreadable``."""
    type: str | None = None
    misplaced: Purchase | None = None
    """The purchase that an operator has to decide about; set by each of its events."""


def receive_payment_event(app: App, *, body: bytes, signature: str) -> Taken:
    """Handle one webhook call of the gateway.

    Raises:
        NotFound: no gateway is configured.
        Unauthorized: BAD_SIGNATURE. InvalidInput: not an event.
        GatewayUnavailable: the event is stored; a redelivery or the sweeper handles it.
    """
    gateway = _gateway(app)
    event = gateway.read_event(body, signature)
    if isinstance(event, Ignored):
        return Taken(outcome="ignored", reason=event.reason, type=event.type)
    now = app.clock.now()
    received = Received(
        event_id=f"{gateway.name}#{event.event_id}",
        source=gateway.name,
        type=event.type,
        session_id=event.session_id,
        payment_id=event.payment_id,
        subscription_ref=event.subscription_ref,
        is_of_subscription=event.is_of_subscription,
        received_at=now,
        next_check_at=now + timedelta(seconds=RECEIVED_CHECK_SECONDS),
    )
    try:
        commit([store.receive_write(received)])
    except Conflict:
        if _is_handled(received.event_id):
            return Taken(outcome="repeated")
    return _handle(app, gateway, received)


def sweep_payment_events(
    app: App,
    on_error: OnError,
    on_misplaced: Callable[[Purchase], None] = lambda purchase: None,
) -> Counter[str]:
    """Handle overdue events; one that keeps failing waits longer each time.

    If the gateway is down or slow, the rest is left for the next run, so that the sweep ends in
    time.
    """
    gateway, misplaced = app.payments, 0
    if gateway is None:
        return Counter()

    def handle(event_id: str) -> str:
        nonlocal misplaced
        event = store.find_received(event_id)
        if event is None or event.is_handled:
            return "unchanged"
        taken = _handle(app, gateway, event)
        if taken.misplaced is not None:
            on_misplaced(taken.misplaced)
            misplaced += 1
        return taken.outcome

    patience = Patience(app, on_error)
    found = patience.with_(store.list_due(app.clock.now(), limit=SWEEP_ITEMS_LIMIT))
    return sweep_items(app, found, handle=handle, on_error=patience.on_error) + Counter(
        misplaced=misplaced
    )


def _is_handled(event_id: str) -> bool:
    """Whether the event was handled. False for a damaged record: handling it again is harmless."""
    try:
        known = store.find_received(event_id)
    except Unreadable:
        return False
    return known is not None and known.is_handled


def _gateway(app: App) -> PaymentGateway:
    if app.payments is None:
        raise NotFound("no gateway takes webhooks here")
    return app.payments


def _handle(app: App, gateway: PaymentGateway, event: Received) -> Taken:
    """Reconcile the payment or the subscription that the event is about."""
    try:
        if event.is_of_subscription:
            reconcile_subscription(
                app,
                lambda: gateway.read_subscription(
                    session_id=event.session_id, ref=event.subscription_ref
                ),
            )
            commit([store.handled_write(event.event_id)])
            return Taken(outcome="handled")
        done = reconcile_payment(
            app,
            lambda: gateway.read_payment(session_id=event.session_id, payment_id=event.payment_id),
        )
    except PaymentUnreadable:
        commit([store.handled_write(event.event_id)])
        return Taken(outcome="ignored", reason=UNREADABLE, type=event.type)
    commit([store.handled_write(event.event_id)])
    if done is None or not needs_operator(done.purchase, done.state):
        return Taken(outcome="handled")
    return Taken(outcome="handled", misplaced=done.purchase)
