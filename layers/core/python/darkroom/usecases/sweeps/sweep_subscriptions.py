"""Sweep subscriptions: end those whose period is over, and repeat what a webhook would have done.

Webhooks are fast; this sweep is reliable. If the gateway is down or slow, the rest is left for the
next run; a subscription that was canceled ends without it.
"""

from __future__ import annotations

from collections import Counter

from darkroom.bootstrap.composition import App
from darkroom.kernel.limits import SWEEP_ITEMS_LIMIT
from darkroom.payments import subscription_store as store
from darkroom.payments.subscription_store import LOCAL_SHARD
from darkroom.usecases.plans.reconcile_subscription import check_subscription
from darkroom.usecases.sweeps.gateway_patience import Patience
from darkroom.usecases.sweeps.sweep_items import OnError, sweep_items


def sweep_subscriptions(app: App, on_error: OnError) -> Counter[str]:
    """Check due subscriptions; returns the number of them by outcome."""

    def check(account_id: str, subscription_id: str) -> str:
        return check_subscription(app, account_id=account_id, subscription_id=subscription_id)

    now, limit = app.clock.now(), SWEEP_ITEMS_LIMIT
    ending = store.list_due(now, limit=limit, shard=LOCAL_SHARD)
    done = sweep_items(app, ending, handle=check, on_error=on_error)
    patience = Patience(app, on_error)
    found = patience.with_(store.list_due(now, limit=limit))
    return done + sweep_items(app, found, handle=check, on_error=patience.on_error)
