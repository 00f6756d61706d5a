"""Refund a purchase as an operator decided, while it is checked at its gateway.

The decision is stored before the gateway is called, and the call derives from the record: every
check of the purchase makes it, until the gateway shows the money as returned. A repeated call
refunds once: the refund covers only what is left of the payment, and the gateway recognizes a
repeat of the same attempt by its idempotency key.
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
"""The gateway accepted the refund and later reported that it failed."""


def check_purchase(
    app: App, gateway: PaymentGateway, *, account_id: str, purchase_id: str
) -> Reconciled | None:
    """Reconcile the purchase with its payment, and request its decided refund; None if the gateway
    has no payment.

    Raises:
        PaymentUnreadable, GatewayUnavailable, Unavailable: the sweeper checks again.
    """
    done = reconcile_purchase(app, gateway, account_id=account_id, purchase_id=purchase_id)
    if done is None or done.purchase.status is not PurchaseStatus.REFUNDING:
        return done
    try:
        gateway.refund_payment(done.purchase)
    except AttemptSpent:
        count_attempt(app, done.purchase)
        raise
    except RefundRefused as error:
        _reopen(app, done.purchase, error.error_code)
    again = reconcile_purchase(app, gateway, account_id=account_id, purchase_id=purchase_id)
    if again is None or again.purchase.status is not PurchaseStatus.REFUNDING:
        return again
    _reopen(app, again.purchase, REFUND_FAILED)
    return reconcile_purchase(app, gateway, account_id=account_id, purchase_id=purchase_id)


def _reopen(app: App, refunding: Purchase, outcome: str) -> None:
    """Reopen a purchase whose decision cannot be carried out: the operator has to decide again."""
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
        commit([store.save_write(before, after, operation=app.ids.token(), creation=creation)])
