"""Sweep purchases: repeat their projections, and check their payments at the gateway.

Webhooks are fast; this sweep is reliable. A pending purchase is checked until it is paid or
failed, and a decided refund until it is made. A paid purchase is polled a few times while its
payment can still be refunded or disputed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

from darkroom.bootstrap.composition import App
from darkroom.db import commit
from darkroom.db.due import ONE_SHARD
from darkroom.kernel.errors import ConcurrentUpdate
from darkroom.kernel.limits import POLLS_PER_SWEEP, SWEEP_ITEMS_LIMIT
from darkroom.payments import store
from darkroom.payments.polling import LONGEST_CHECK_SECONDS
from darkroom.payments.reconcile import needs_operator
from darkroom.payments.store import POLL_SHARD, Purchase
from darkroom.usecases.projections.project_purchase import project_purchase
from darkroom.usecases.purchases.refund_purchase import check_purchase
from darkroom.usecases.sweeps.gateway_patience import Patience
from darkroom.usecases.sweeps.sweep_items import OnError, sweep_items

_SHARDS = {ONE_SHARD: SWEEP_ITEMS_LIMIT, POLL_SHARD: POLLS_PER_SWEEP}


def sweep_purchases(
    app: App,
    on_error: OnError,
    on_misplaced: Callable[[Purchase], None] = lambda purchase: None,
) -> Counter[str]:
    """Check due purchases, those with open steps first.

    If the gateway is down or slow, the rest is left for the next run, so that the sweep ends in
    time.
    """
    misplaced = 0

    def check(account_id: str, purchase_id: str) -> str:
        nonlocal misplaced
        outcome, to_decide = _check(app, account_id, purchase_id)
        if to_decide is not None:
            on_misplaced(to_decide)
            misplaced += 1
        return outcome

    done: Counter[str] = Counter()
    patience = Patience(app, on_error)
    for shard, limit in _SHARDS.items():
        found = patience.with_(store.list_due(app.clock.now(), limit=limit, shard=shard))
        done += sweep_items(app, found, handle=check, on_error=patience.on_error)
    return done + Counter(misplaced=misplaced)


def _check(app: App, account_id: str, purchase_id: str) -> tuple[str, Purchase | None]:
    """The outcome of one purchase, and the purchase if an operator has to decide about it."""
    found = store.find_purchase(account_id, purchase_id)
    if found is None:
        return "gone", None
    purchase, creation = found
    if purchase.gateway == "test":
        return _project(app, purchase, creation), None
    if app.payments is None or app.payments.name != purchase.gateway:
        # Its gateway is not configured any more: there is nothing to call and nothing to report.
        later = app.clock.now() + timedelta(seconds=LONGEST_CHECK_SECONDS)
        after = replace(purchase, next_check_at=later)
        with suppress(ConcurrentUpdate):
            commit(
                [store.save_write(purchase, after, operation=app.ids.token(), creation=creation)]
            )
        return "postponed", None
    done = check_purchase(app, app.payments, account_id=account_id, purchase_id=purchase_id)
    if done is None or not needs_operator(done.purchase, done.state):
        return "polled", None
    return "polled", done.purchase


def _project(app: App, purchase: Purchase, creation: str | None) -> str:
    project_purchase(app, purchase)
    after = replace(purchase, next_check_at=None)
    try:
        commit([store.save_write(purchase, after, operation=app.ids.token(), creation=creation)])
    except ConcurrentUpdate:
        return "moved_on"
    return "projected"
