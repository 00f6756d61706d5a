"""Payment webhooks: verify, store once, handle until done.

A redelivered event whose handling failed is handled again; one that was handled does nothing.
The sweeper handles what neither we nor the gateway finished. An event that is about nothing our
key can read is done: purchases are polled on their own (``sweep_purchases``), so no payment
depends on its events.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from darkroom.bootstrap import App
from darkroom.db import commit
from darkroom.kernel.errors import ConcurrentUpdate, Conflict, NotFound
from darkroom.kernel.limits import (
    GATEWAY_FAILURES_LIMIT,
    GATEWAY_SWEEP_SECONDS,
    RECEIVED_BACKOFF_LIMIT_SECONDS,
    RECEIVED_CHECK_SECONDS,
    SWEEP_PAGE_LIMIT,
)
from darkroom.payments.ports import GatewayUnavailable, Ignored, PaymentGateway, PaymentUnreadable
from darkroom.payments.reconcile import needs_operator
from darkroom.payments.store import Purchase
from darkroom.usecases.reconcile_payment import reconcile_payment
from darkroom.webhooks import store
from darkroom.webhooks.store import Received

UNREADABLE = "unreadable"


@dataclass(frozen=True, kw_only=True)
class Taken:
    outcome: str
    """``handled``, ``repeated`` or ``ignored``."""
    reason: str | None = None
    """Why it was ignored: ``type``, ``account``, ``mode`` or ``unreadable``."""
    type: str | None = None
    misplaced: Purchase | None = None
    """The purchase that an operator has to decide about, at each event of it."""


def receive_payment_event(app: App, *, body: bytes, signature: str) -> Taken:
    """Take in one webhook call of the gateway.

    Raises:
        NotFound: no gateway is configured.
        Unauthorized: BAD_SIGNATURE. InvalidInput: not an event.
        GatewayUnavailable: stored, and handled by a redelivery or by the sweeper.
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
        received_at=now,
        next_check_at=now + timedelta(seconds=RECEIVED_CHECK_SECONDS),
    )
    try:
        commit([store.receive_write(received)])
    except Conflict:
        known = store.find_received(received.event_id)
        if known is not None and known.is_handled:
            return Taken(outcome="repeated")
    return _handle(app, gateway, received)


def sweep_payment_events(
    app: App,
    on_error: Callable[[str, Exception], None],
    on_misplaced: Callable[[Purchase], None] = lambda purchase: None,
) -> Counter[str]:
    """Handle events that are past their time; a failing one waits longer each time.

    A gateway that answers nothing, or slowly, is left for the next run, so that the sweep ends
    in time.
    """
    done: Counter[str] = Counter()
    if app.payments is None:
        return done
    failures, until = 0, app.clock.now() + timedelta(seconds=GATEWAY_SWEEP_SECONDS)
    for event_id in store.list_due(app.clock.now(), limit=SWEEP_PAGE_LIMIT):
        if failures >= GATEWAY_FAILURES_LIMIT or app.clock.now() > until:
            break
        try:
            taken = _handle_due(app, app.payments, event_id)
            if taken is None:
                continue
            done[taken.outcome] += 1
            if taken.misplaced is not None:
                on_misplaced(taken.misplaced)
                done["misplaced"] += 1
        except Exception as error:
            on_error(event_id, error)
            done["error"] += 1
            failures += isinstance(error, GatewayUnavailable)
    return done


def _gateway(app: App) -> PaymentGateway:
    if app.payments is None:
        raise NotFound("no gateway takes webhooks here")
    return app.payments


def _handle_due(app: App, gateway: PaymentGateway, event_id: str) -> Taken | None:
    """Handle one event again; put it off, whatever it raises."""
    event: Received | None = None
    try:
        event = store.find_received(event_id)
        if event is None or event.is_handled:
            return None
        return _handle(app, gateway, event)
    except Exception:
        _put_off(app, event_id, event)
        raise


def _handle(app: App, gateway: PaymentGateway, event: Received) -> Taken:
    """Do what the event hints at."""
    try:
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


def _put_off(app: App, event_id: str, event: Received | None) -> None:
    """Later, and later each time; an event that cannot be read waits longest."""
    longest = timedelta(seconds=RECEIVED_BACKOFF_LIMIT_SECONDS)
    now = app.clock.now()
    write = store.postpone_write(event_id, now + longest)
    if event is not None:
        wait = timedelta(seconds=RECEIVED_CHECK_SECONDS * 2 ** min(event.tries, 20))
        write = store.again_write(event, now + min(wait, longest))
    with suppress(ConcurrentUpdate):
        commit([write])
