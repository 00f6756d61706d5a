"""The sweeper checks purchases: their projections once more, and their payments at the gateway.

Webhooks are the quick way; this is the sure one. A pending purchase is checked until it is paid
or over, a refund that an operator decided on until it is made, and a paid one is polled a few
times while its payment can still be refunded or disputed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

from darkroom.bootstrap import App
from darkroom.db import commit
from darkroom.db.due import ONE_SHARD
from darkroom.kernel.errors import ConcurrentUpdate
from darkroom.kernel.limits import (
    GATEWAY_FAILURES_LIMIT,
    GATEWAY_SWEEP_SECONDS,
    POLLS_PER_SWEEP,
    SWEEP_PAGE_LIMIT,
)
from darkroom.payments import store
from darkroom.payments.polling import LONGEST_CHECK_SECONDS, retry_at
from darkroom.payments.ports import GatewayUnavailable
from darkroom.payments.reconcile import needs_operator
from darkroom.payments.store import POLL_SHARD, Purchase
from darkroom.usecases.project_purchase import project_purchase
from darkroom.usecases.refund_purchase import check_purchase

_SHARDS = {ONE_SHARD: SWEEP_PAGE_LIMIT, POLL_SHARD: POLLS_PER_SWEEP}


def sweep_purchases(
    app: App,
    on_error: Callable[[str, Exception], None],
    on_misplaced: Callable[[Purchase], None] = lambda purchase: None,
) -> Counter[str]:
    """Check purchases that are due, a bounded number; what fails is put off on its own.

    A gateway that answers nothing, or slowly, is left for the next run, so that the sweep ends
    in time.
    """
    done: Counter[str] = Counter()
    failures, until = 0, app.clock.now() + timedelta(seconds=GATEWAY_SWEEP_SECONDS)
    for shard, limit in _SHARDS.items():
        for account_id, purchase_id in store.list_due(app.clock.now(), limit=limit, shard=shard):
            if failures >= GATEWAY_FAILURES_LIMIT or app.clock.now() > until:
                return done
            try:
                outcome, misplaced = _check(app, account_id, purchase_id)
                done[outcome] += 1
                if misplaced is not None:
                    on_misplaced(misplaced)
                    done["misplaced"] += 1
            except Exception as error:
                on_error(purchase_id, error)
                done["error"] += 1
                failures += isinstance(error, GatewayUnavailable)
    return done


def _check(app: App, account_id: str, purchase_id: str) -> tuple[str, Purchase | None]:
    """What became of one purchase, and itself when an operator has to decide about it."""
    purchase: Purchase | None = None
    try:
        found = store.find_purchase(account_id, purchase_id)
        if found is None:
            return "gone", None
        purchase, creation = found
        if purchase.gateway == "test":
            return _project(app, purchase, creation), None
        return _poll(app, purchase)
    except Exception:
        later = retry_at(purchase, app.clock.now())
        with suppress(ConcurrentUpdate):
            commit([store.postpone_write(account_id, purchase_id, later)])
        raise


def _project(app: App, purchase: Purchase, creation: str | None) -> str:
    project_purchase(app, purchase)
    after = replace(purchase, next_check_at=None)
    try:
        commit([store.save_write(purchase, after, app.ids.token(), creation=creation)])
    except ConcurrentUpdate:
        return "moved_on"
    return "projected"


def _poll(app: App, purchase: Purchase) -> tuple[str, Purchase | None]:
    if app.payments is None or app.payments.name != purchase.gateway:
        # Its gateway is not configured (any more): nothing to ask, and nothing to report.
        later = app.clock.now() + timedelta(seconds=LONGEST_CHECK_SECONDS)
        with suppress(ConcurrentUpdate):
            commit([store.postpone_write(purchase.account_id, purchase.purchase_id, later)])
        return "postponed", None
    done = check_purchase(app, app.payments, purchase.account_id, purchase.purchase_id)
    if done is None or not needs_operator(done.purchase, done.state):
        return "polled", None
    return "polled", done.purchase
