"""End the subscriptions of an account that is erased, so that nothing is charged any more."""

from __future__ import annotations

from dataclasses import replace

from darkroom.bootstrap.composition import App
from darkroom.db import Write, commit
from darkroom.db.retry import retry_on_conflict
from darkroom.payments import subscription_store as store
from darkroom.payments.subscription_store import SubscriptionStatus
from darkroom.plans.store import find_account
from darkroom.usecases.plans.reconcile_subscription import account_write, replaced


def stop_subscriptions(app: App, account_id: str) -> bool:
    """End every subscription; returns whether the gateway still has to end one. Safe to repeat.

    The sweeper gives the gateway its orders. A record must stay while it has one, unless its
    gateway is not configured any more.
    """
    is_open = False
    gateway = app.payments.name if app.payments is not None else None
    for subscription in store.list_subscriptions(account_id):
        if subscription.status is not SubscriptionStatus.EXPIRED:
            order = _stop(app, account_id, subscription.subscription_id)
        else:
            order = subscription.order
        is_open |= order is not None and subscription.gateway == gateway
    return is_open


def _stop(app: App, account_id: str, subscription_id: str) -> str | None:
    """End one now; returns what the gateway has to do."""

    def attempt() -> str | None:
        found = store.find_subscription(account_id, subscription_id)
        if found is None or found[0].status is SubscriptionStatus.EXPIRED:
            return None if found is None else found[0].order
        account, now, operation = find_account(account_id), app.clock.now(), app.ids.token()
        after = replaced(found[0], now)
        # The sweeper gives the order in its next run.
        due = replace(after, next_check_at=None if after.order is None else now)
        writes: list[Write] = [store.save_write(found, due, operation=operation)]
        if account.subscription_id == subscription_id:
            writes.append(account_write(account, after, is_new=False, operation=operation))
        commit(writes)
        return after.order

    return retry_on_conflict(app.jitter, attempt)
