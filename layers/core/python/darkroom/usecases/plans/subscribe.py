"""Subscribe an account to a plan: with the test gateway at once, else through a checkout.

The record is written first, so that every payment has one. A change to another plan takes effect
when it is paid, and ends the subscription before it.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace

from darkroom.bootstrap.composition import App
from darkroom.db import commit
from darkroom.db.retry import retry_on_conflict
from darkroom.kernel.command import Command
from darkroom.kernel.errors import ConcurrentUpdate, Conflict, DarkroomError, KeyReused
from darkroom.payments import subscription_store as store
from darkroom.payments.ports import AttemptSpent, PaymentGateway
from darkroom.payments.store import TEST_GATEWAY
from darkroom.payments.subscription_store import (
    SUBSCRIPTION_PREFIX,
    Found,
    Subscription,
    SubscriptionStatus,
    months_after,
)
from darkroom.payments.subscriptions import scheduled
from darkroom.plans.model import price_of
from darkroom.plans.store import find_account
from darkroom.usecases.plans.reconcile_subscription import (
    account_write,
    check_subscription,
    replaced,
    running_subscription,
)
from darkroom.usecases.purchases.start_purchase import minor_units


@dataclass(frozen=True, kw_only=True)
class Subscribed:
    subscription: Subscription
    checkout_url: str | None = None
    """Where the customer pays; None if nothing is to be paid."""


def subscribe(app: App, command: Command, *, plan: str, currency: str | None) -> Subscribed:
    """Subscribe to the plan. A subscription to the same plan continues, also after it was
    canceled.

    Raises:
        InvalidInput: the plan is not sold, or not in the currency. KeyReused.
        GatewayUnavailable: repeating is safe: the gateway recognizes the subscription by its id and
            attempt.
    """
    chosen_currency = currency or app.settings.currency
    price = price_of(plan, chosen_currency)
    gateway, now = app.payments, app.clock.now()
    wanted = Subscription(
        subscription_id=command.id_for(app.ids, SUBSCRIPTION_PREFIX),
        account_id=command.account_id,
        gateway=TEST_GATEWAY if gateway is None else gateway.name,
        plan=plan,
        status=SubscriptionStatus.PENDING,
        created_at=now,
        currency=chosen_currency,
        amount_minor=minor_units(price, chosen_currency),
    )
    known = _find(command, wanted.subscription_id)
    if known is None:
        continued = _continue(app, command, plan)
        if continued is not None:
            return Subscribed(subscription=continued)
    if gateway is None:
        return Subscribed(subscription=known[0] if known else _begin_now(app, command, wanted))
    return _open_checkout(app, command, gateway, wanted)


def _find(command: Command, subscription_id: str) -> Found | None:
    found = store.find_subscription(command.account_id, subscription_id)
    if found is not None and found[1] != command.operation:
        raise KeyReused("the key was used for another subscription")
    return found


def _continue(app: App, command: Command, plan: str) -> Subscription | None:
    """The account's subscription to the same plan, renewed again if it was canceled."""

    def attempt() -> Subscription | None:
        account = find_account(command.account_id)
        found = running_subscription(account, command.account_id)
        if found is None or found[0].plan != plan or account.plan != plan:
            return None
        current, now = found[0], app.clock.now()
        if current.status is SubscriptionStatus.ACTIVE:
            return current
        needs_no_order = current.gateway == TEST_GATEWAY
        after = replace(
            current, status=SubscriptionStatus.ACTIVE, order=None if needs_no_order else "resume"
        )
        after = scheduled(after, now)
        operation = app.ids.token()
        commit(
            [
                store.save_write(found, after, operation=operation),
                account_write(account, after, is_new=False, operation=operation),
            ]
        )
        return after

    continued = retry_on_conflict(app.jitter, attempt)
    if continued is not None and continued.order is not None:
        give_order_now(app, continued)
    return continued


def give_order_now(app: App, subscription: Subscription) -> None:
    """Give the gateway the stored order; if it does not respond, the sweeper repeats it."""
    with suppress(DarkroomError):
        check_subscription(
            app,
            account_id=subscription.account_id,
            subscription_id=subscription.subscription_id,
        )


def _begin_now(app: App, command: Command, wanted: Subscription) -> Subscription:
    """Begin without money: subscription, plan and the end of the one before, in one transaction."""

    def attempt() -> Subscription:
        now = app.clock.now()
        account = find_account(command.account_id)
        begun = scheduled(
            replace(
                wanted,
                status=SubscriptionStatus.ACTIVE,
                started_at=now,
                ends_at=months_after(now, 1),
            ),
            now,
        )
        writes = [
            store.create_write(begun, operation=command.operation),
            account_write(account, begun, is_new=True, operation=command.operation),
        ]
        other = running_subscription(account, command.account_id)
        if other is not None:
            ended = scheduled(replaced(other[0], now), now)
            writes.append(store.save_write(other, ended, operation=command.operation))
        commit(writes)
        return begun

    try:
        return retry_on_conflict(app.jitter, attempt)
    except KeyReused:
        known = _find(command, wanted.subscription_id)
        if known is None:
            raise
        return known[0]


def _open_checkout(
    app: App, command: Command, gateway: PaymentGateway, wanted: Subscription
) -> Subscribed:
    """Open the checkout of a new subscription, or return the one that is open."""
    pending = _record(command, wanted)
    if pending.checkout_url is not None:
        return Subscribed(subscription=pending, checkout_url=pending.checkout_url)
    try:
        checkout = gateway.create_subscription(pending)
    except AttemptSpent:
        _count_attempt(app, pending)
        raise

    def attempt() -> Subscribed:
        found = _get(command, pending.subscription_id)
        current = found[0]
        if current.checkout_url is None:
            # Only one checkout is ever returned: no customer can pay for the others.
            opened = replace(
                current,
                # One that was given up waits for its payment again.
                status=SubscriptionStatus.PENDING,
                session_id=checkout.session_id,
                checkout_url=checkout.url,
            )
            opened = scheduled(opened, app.clock.now())
            commit([store.save_write(found, opened, operation=app.ids.token())])
            current = opened
        return Subscribed(subscription=current, checkout_url=current.checkout_url)

    return retry_on_conflict(app.jitter, attempt)


def _record(command: Command, wanted: Subscription) -> Subscription:
    """The stored record: created now, or by an earlier attempt at the price of that time."""
    account = find_account(command.account_id)
    current = running_subscription(account, command.account_id)
    # What the customer has paid for the plan before is credited only to the same customer.
    customer = current[0].customer if current and current[0].gateway == wanted.gateway else None
    pending = scheduled(replace(wanted, customer=customer), wanted.created_at)
    with suppress(KeyReused):
        commit([store.create_write(pending, operation=command.operation)])
    return _get(command, wanted.subscription_id)[0]


def _count_attempt(app: App, spent: Subscription) -> None:
    """Move past an attempt that can only fail, unless another request has done so."""
    found = store.find_subscription(spent.account_id, spent.subscription_id)
    if found is None or found[0].attempt != spent.attempt:
        return
    after = replace(found[0], attempt=spent.attempt + 1)
    with suppress(ConcurrentUpdate):
        commit([store.save_write(found, after, operation=app.ids.token())])


def _get(command: Command, subscription_id: str) -> Found:
    found = _find(command, subscription_id)
    if found is None:
        raise Conflict("the subscription is gone")
    return found
