"""Cancel a subscription: the plan lasts to the end of the paid period, then it is free."""

from __future__ import annotations

from dataclasses import replace

from darkroom.bootstrap.composition import App
from darkroom.db import commit
from darkroom.db.retry import retry_on_conflict
from darkroom.kernel.errors import Conflict
from darkroom.payments import subscription_store as store
from darkroom.payments.store import TEST_GATEWAY
from darkroom.payments.subscription_store import Subscription, SubscriptionStatus
from darkroom.payments.subscriptions import scheduled
from darkroom.plans.store import find_account
from darkroom.usecases.plans.reconcile_subscription import (
    account_write,
    running_subscription,
)
from darkroom.usecases.plans.subscribe import give_order_now


def cancel_subscription(app: App, account_id: str) -> Subscription:
    """Cancel the account's subscription; repeating it changes nothing.

    The decision is stored before the gateway gets its order, which the sweeper repeats.

    Raises:
        Conflict: NOT_SUBSCRIBED.
    """

    def attempt() -> Subscription:
        account = find_account(account_id)
        found = running_subscription(account, account_id)
        if found is None:
            raise Conflict("there is no subscription", code="NOT_SUBSCRIBED")
        current, now = found[0], app.clock.now()
        if current.status is SubscriptionStatus.CANCELED:
            return current
        needs_no_order = current.gateway == TEST_GATEWAY
        after = replace(
            current,
            status=SubscriptionStatus.CANCELED,
            ends_at=current.ends_at or now,
            order=None if needs_no_order else "cancel",
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

    canceled = retry_on_conflict(app.jitter, attempt)
    if canceled.order is not None:
        give_order_now(app, canceled)
    return canceled
