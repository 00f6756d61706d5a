"""Check a purchase at its gateway, and make the refund that an operator decided on.

The decision is in the record before anything is asked of the gateway, and the call follows from
the record: every check of the purchase makes it, until the gateway shows the money as returned.
Asking twice refunds once: the refund is of what is left of the payment, and a repeat of the same
attempt is known to the gateway by its key.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from darkroom.bootstrap.composition import App
from darkroom.db import commit
from darkroom.kernel.errors import ConcurrentUpdate
from darkroom.payments import store
from darkroom.payments.ports import AttemptSpent, PaymentGateway, RefundRefused
from darkroom.payments.store import Purchase, PurchaseStatus
from darkroom.usecases.purchases.advance_checkout_attempt import count_attempt
from darkroom.usecases.purchases.reconcile_payment import Reconciled, reconcile_purchase

REFUND_FAILED = "REFUND_FAILED"
"""The gateway took the refund and then said that it failed."""


def check_purchase(
    app: App, gateway: PaymentGateway, account_id: str, purchase_id: str
) -> Reconciled | None:
    """Bring the purchase to its payment, and its refund to the gateway; None when the gateway
    knows nothing of it.

    Raises:
        PaymentUnreadable, GatewayUnavailable, Unavailable: the sweeper checks again.
    """
    done = reconcile_purchase(app, gateway, account_id, purchase_id)
    if done is None or done.purchase.status is not PurchaseStatus.REFUNDING:
        return done
    try:
        gateway.refund_payment(done.purchase)
    except AttemptSpent:
        count_attempt(app, done.purchase)
        raise
    except RefundRefused as error:
        _reopen(app, done.purchase, error.error_code)
    again = reconcile_purchase(app, gateway, account_id, purchase_id)
    if again is None or again.purchase.status is not PurchaseStatus.REFUNDING:
        return again
    _reopen(app, again.purchase, REFUND_FAILED)
    return reconcile_purchase(app, gateway, account_id, purchase_id)


def _reopen(app: App, refunding: Purchase, outcome: str) -> None:
    """The decision cannot be carried out: the next one is the operator's again."""
    found = store.find_purchase(refunding.account_id, refunding.purchase_id)
    if found is None or found[0].decisions != refunding.decisions:
        return
    before, creation = found
    if before.status is not PurchaseStatus.REFUNDING:
        return
    last = replace(before.decisions[-1], outcome=outcome)
    after = replace(
        before, status=PurchaseStatus.MISMATCHED, decisions=(*before.decisions[:-1], last)
    )
    with suppress(ConcurrentUpdate):
        commit([store.save_write(before, after, app.ids.token(), creation=creation)])
