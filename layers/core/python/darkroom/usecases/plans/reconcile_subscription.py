"""Reconcile a subscription, and the plan of its account, with its state at the gateway.

One function serves every event, in any order and any number: an event is only a hint, and the
state is read from the gateway. The plan of the account changes in the transaction that begins or
ends the subscription. Of two subscriptions that are both paid, the one that began later decides
the plan, whichever is reconciled first; the other ends at once.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from darkroom.bootstrap.composition import App
from darkroom.db import Write, commit
from darkroom.db.retry import retry_on_conflict
from darkroom.kernel.errors import Unreadable
from darkroom.payments import subscription_store as store
from darkroom.payments.ports import (
    PaymentGateway,
    PaymentMissing,
    PaymentUnreadable,
    SubscriptionState,
)
from darkroom.payments.store import TEST_GATEWAY
from darkroom.payments.subscription_store import Found, Subscription, SubscriptionStatus
from darkroom.payments.subscriptions import (
    after_its_period,
    derive,
    is_given_up,
    scheduled,
)
from darkroom.plans.model import FREE
from darkroom.plans.store import Account, find_account, subscription_write
from darkroom.plans.store import SubscriptionState as Shown

_SHOWN: dict[SubscriptionStatus, Shown] = {
    SubscriptionStatus.ACTIVE: "active",
    SubscriptionStatus.CANCELED: "cancelled",
    SubscriptionStatus.EXPIRED: "expired",
}


def reconcile_subscription(
    app: App, read: Callable[[], SubscriptionState | None]
) -> Subscription | None:
    """Bring the subscription that ``read`` finds up to its state; None if it is not ours.

    ``read`` is called once to find our record, and again after that was read: the first state may
    be older than what the record already reflects.

    Raises:
        Unavailable: repeating is safe; whatever ``read`` raises.
    """
    whose = read()
    if whose is None:
        return None

    def attempt() -> Subscription | None:
        found = store.find_subscription(whose.account_id, whose.subscription_id)
        state = read() if found is not None else None
        if found is None or state is None:
            return None
        now = app.clock.now()
        return bring(app, found, derive(found[0], state, now), now)

    return retry_on_conflict(app.jitter, attempt)


def check_subscription(app: App, *, account_id: str, subscription_id: str) -> str:
    """Give the gateway its order, bring the subscription up to its state there, and end it with its
    period; returns the outcome.

    Raises:
        GatewayUnavailable, Unavailable: the sweeper checks again.
    """

    def attempt() -> str:
        found = store.find_subscription(account_id, subscription_id)
        if found is None:
            return "gone"
        now = app.clock.now()
        after = after_its_period(found[0], now)
        gateway = app.payments
        if after != found[0]:
            bring(app, found, after, now)
            return "expired" if not after.is_running else "renewed"
        if gateway is None or gateway.name != after.gateway or after.gateway == TEST_GATEWAY:
            # Its gateway is not configured (any more): there is nothing to call.
            bring(app, found, after, now)
            return "postponed"
        if after.order is not None and (after.ref or after.session_id) is not None:
            # The state that is read below shows what cannot be done any more.
            with suppress(PaymentMissing):
                gateway.give_order(after)
        state = _read(gateway, after, now)
        bring(app, found, after if state is None else derive(after, state, now), now)
        return "polled"

    return retry_on_conflict(app.jitter, attempt)


def _read(
    gateway: PaymentGateway, subscription: Subscription, now: datetime
) -> SubscriptionState | None:
    """Its state at the gateway, which is over if it can never begin or is gone."""
    over = SubscriptionState(
        account_id=subscription.account_id,
        subscription_id=subscription.subscription_id,
        session_id=subscription.session_id,
        ref=subscription.ref,
        customer=subscription.customer,
        status="ended",
        started_at=subscription.started_at,
        ends_at=subscription.ends_at,
        renews=False,
    )
    is_over = subscription.status is SubscriptionStatus.PENDING and is_given_up(subscription, now)
    if subscription.session_id is None and subscription.ref is None:
        return over if is_over else None
    try:
        return gateway.read_subscription(session_id=subscription.session_id, ref=subscription.ref)
    except PaymentUnreadable:
        if is_over or subscription.order == "stop":
            return over
        raise


def bring(app: App, found: Found, after: Subscription, now: datetime) -> Subscription:
    """Commit the changed subscription, with the plan of its account where it decides that.

    Raises:
        ConcurrentUpdate: something has changed since it was read.
    """
    before = found[0]
    account = find_account(before.account_id)
    operation = app.ids.token()
    is_new = after.is_running and not before.is_running
    writes: list[Write] = []
    if is_new:
        after, more = _begin(account, after, now, operation)
        writes += more
    elif account.subscription_id == before.subscription_id and _shows(after) != _shows(before):
        writes.append(_account_write(account, after, operation))
    after = scheduled(after, now)
    is_due = before.next_check_at is not None and before.next_check_at <= now
    if not is_due and replace(after, next_check_at=before.next_check_at) == before:
        return before
    commit([store.save_write(found, after, operation=operation), *writes])
    return replace(after, version=before.version + 1)


def _begin(
    account: Account, after: Subscription, now: datetime, operation: str
) -> tuple[Subscription, list[Write]]:
    """The subscription when it has been paid, and what becomes of the account's other one."""
    other = running_subscription(account, after.account_id)
    if other is None or other[0].subscription_id == after.subscription_id:
        return after, [_account_write(account, after, operation)]
    if _start(other[0]) > _start(after):
        return replaced(after, now), []
    writes = [
        _account_write(account, after, operation),
        store.save_write(other, scheduled(replaced(other[0], now), now), operation=operation),
    ]
    return after, writes


def running_subscription(account: Account, account_id: str) -> Found | None:
    """The subscription that decides the account's plan now; None if there is none."""
    if account.subscription_id is None:
        return None
    try:
        found = store.find_subscription(account_id, account.subscription_id)
    except Unreadable:
        # The auditor names it; a new subscription takes its place.
        return None
    return found if found is not None and found[0].is_running else None


def replaced(subscription: Subscription, now: datetime) -> Subscription:
    """The subscription when another takes its place: it has ended, and must end at the gateway,
    which does not know one whose checkout was never opened."""
    is_known = subscription.ref is not None or subscription.session_id is not None
    needs_no_order = subscription.gateway == TEST_GATEWAY or not is_known
    return replace(
        subscription,
        status=SubscriptionStatus.EXPIRED,
        ends_at=now,
        order=None if needs_no_order else "stop",
    )


def _start(subscription: Subscription) -> tuple[datetime, str]:
    return subscription.started_at or subscription.created_at, subscription.subscription_id


def _shows(subscription: Subscription) -> tuple[SubscriptionStatus, datetime | None]:
    return subscription.status, subscription.ends_at


def _account_write(account: Account, after: Subscription, operation: str) -> Write:
    is_new = (
        account.subscription_id != after.subscription_id or account.subscription_status == "expired"
    )
    return account_write(account, after, is_new=is_new, operation=operation)


def account_write(account: Account, after: Subscription, *, is_new: bool, operation: str) -> Write:
    """Show the subscription in its account. The plan changes when it begins and when it ends: in
    between, an operator's choice of another plan stays."""
    plan = account.plan
    if not after.is_running:
        plan = FREE
    elif is_new:
        plan = after.plan
    return subscription_write(
        after.account_id,
        seen=account,
        plan=plan,
        subscription_id=after.subscription_id,
        status=_SHOWN[after.status],
        ends_at=after.ends_at,
        operation=operation,
    )
