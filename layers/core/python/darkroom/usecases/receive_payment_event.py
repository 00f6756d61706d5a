"""Payment webhooks: verify, store once, handle until done.

A redelivered event whose handling failed is handled again; one that was handled does nothing.
The sweeper takes up what neither we nor the gateway finished. An event is done when its purchase
is no longer pending: until then the sweeper looks again, should no other event ever come.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta

from darkroom.bootstrap import App
from darkroom.db import commit
from darkroom.kernel.errors import ConcurrentUpdate, Conflict, NotFound
from darkroom.kernel.limits import (
    RECEIVED_BACKOFF_LIMIT_SECONDS,
    RECEIVED_CHECK_SECONDS,
    SWEEP_ITEMS_LIMIT,
)
from darkroom.payments.ports import PaymentGateway
from darkroom.payments.reconcile import is_misplaced
from darkroom.payments.store import Purchase, PurchaseStatus
from darkroom.usecases.reconcile_payment import reconcile_payment
from darkroom.usecases.sweep_items import OnError, sweep_items
from darkroom.webhooks import store
from darkroom.webhooks.store import Received


@dataclass(frozen=True, kw_only=True)
class Taken:
    outcome: str
    """``handled``, ``repeated`` or ``ignored``."""
    misplaced: Purchase | None = None
    """The purchase for which something else was paid than was asked for, at each event of it."""


def receive_payment_event(app: App, *, body: bytes, signature: str) -> Taken:
    """Take in one webhook call of the gateway.

    Raises:
        NotFound: no gateway is configured.
        Unauthorized: BAD_SIGNATURE. InvalidInput: not an event.
        GatewayUnavailable: stored, and handled by a redelivery or by the sweeper.
    """
    gateway = _gateway(app)
    event = gateway.read_event(body, signature)
    if event is None:
        return Taken(outcome="ignored")
    now = app.clock.now()
    received = Received(
        event_id=f"{gateway.name}#{event.event_id}",
        source=gateway.name,
        type=event.type,
        session_id=event.session_id,
        payment_id=event.payment_id,
        received_at=now,
        next_check_at=now + timedelta(seconds=RECEIVED_CHECK_SECONDS),
    )
    try:
        commit([store.receive_write(received)])
    except Conflict:
        known = store.find_received(received.event_id)
        if known is not None and known.is_handled:
            return Taken(outcome="repeated")
    return Taken(outcome="handled", misplaced=_handle(app, gateway, received).misplaced)


def sweep_payment_events(app: App, on_error: OnError) -> Counter[str]:
    """Handle events that are past their time; one whose payment is undecided waits longer each
    time."""
    gateway, misplaced = app.payments, 0
    if gateway is None:
        return Counter()

    def handle(event_id: str) -> str:
        nonlocal misplaced
        event = store.find_received(event_id)
        if event is None or event.is_handled:
            return "unchanged"
        handled = _handle(app, gateway, event)
        if handled.misplaced is not None:
            misplaced += 1
        if handled.is_waiting:
            _put_off(app, event)
        return "waiting" if handled.is_waiting else "handled"

    found = store.list_due(app.clock.now(), limit=SWEEP_ITEMS_LIMIT)
    return sweep_items(app, found, handle, on_error) + Counter(misplaced=misplaced)


def _gateway(app: App) -> PaymentGateway:
    if app.payments is None:
        raise NotFound("no gateway takes webhooks here")
    return app.payments


@dataclass(frozen=True, kw_only=True)
class _Handled:
    is_waiting: bool
    misplaced: Purchase | None


def _handle(app: App, gateway: PaymentGateway, event: Received) -> _Handled:
    """Do what the event hints at; it stays due while its payment is undecided."""
    done = reconcile_payment(
        app,
        lambda: gateway.read_payment(session_id=event.session_id, payment_id=event.payment_id),
    )
    is_waiting = done is not None and done.purchase.status is PurchaseStatus.PENDING
    if not is_waiting:
        commit([store.handled_write(event.event_id)])
    if done is None or not is_misplaced(done.purchase, done.state):
        return _Handled(is_waiting=is_waiting, misplaced=None)
    return _Handled(is_waiting=is_waiting, misplaced=done.purchase)


def _put_off(app: App, event: Received) -> None:
    wait = min(RECEIVED_BACKOFF_LIMIT_SECONDS, RECEIVED_CHECK_SECONDS * 2 ** min(event.tries, 20))
    try:
        commit([store.again_write(event, app.clock.now() + timedelta(seconds=wait))])
    except ConcurrentUpdate:
        return
