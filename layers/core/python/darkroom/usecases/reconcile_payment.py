"""Reconcile: bring a purchase and its wallet to what the gateway says of the payment.

One function for every event, in any order: settlement and reversals are derived from the
payment's state and from what has been done, and committed in one transaction per change of
that state. The cause of the credits is the purchase, of a reversal the refund or dispute.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from darkroom.bootstrap import App
from darkroom.credits import model
from darkroom.credits import store as credits_store
from darkroom.credits.model import PURCHASE_PRIORITY, Change, Grant, Reason, Wallet
from darkroom.db import commit
from darkroom.payments import store as payments_store
from darkroom.payments.ports import PaymentState
from darkroom.payments.reconcile import Reversal, matches, reversals_of
from darkroom.payments.store import Purchase, PurchaseStatus
from darkroom.usecases.expire_grants import expire_due_first
from darkroom.usecases.open_account import ensure_wallet
from darkroom.usecases.racing import until_won


@dataclass(frozen=True, kw_only=True)
class Reconciled:
    purchase: Purchase
    state: PaymentState
    """What the gateway said when the purchase was brought to it."""


def reconcile_payment(app: App, read: Callable[[], PaymentState | None]) -> Reconciled | None:
    """Settle, fail or reverse the purchase as its payment demands; None when it is not ours.

    ``read`` asks the gateway. It is asked once to learn whose payment this is, and again after
    our own record was read: what was said before that may be older than what the record already
    reflects, and acting on it would undo somebody else's newer step.

    Raises:
        Unavailable: other writers were faster every time; repeating is safe.
        whatever ``read`` raises.
    """
    operation = app.ids.token()
    whose = read()
    if whose is None:
        return None

    def attempt() -> Reconciled | None:
        found = payments_store.find_purchase(whose.account_id, whose.purchase_id)
        state = read() if found is not None else None
        if found is None or state is None:
            return None
        before, creation = found
        now = app.clock.now()
        wallet = expire_due_first(app, ensure_wallet(app, state.account_id), now)
        after, change = derive(before, state, wallet, now)
        if after == before:
            return Reconciled(purchase=before, state=state)
        writes = [payments_store.save_write(before, after, operation, creation=creation)]
        if change.entries:
            writes += credits_store.change_writes(change, before=wallet, operation=operation)
        commit(writes)
        return Reconciled(purchase=after, state=state)

    return until_won(app, attempt)


def derive(
    purchase: Purchase, state: PaymentState, wallet: Wallet, now: datetime
) -> tuple[Purchase, Change]:
    """The purchase and wallet as the payment's state demands. Pure."""
    change = Change(wallet, ())
    if purchase.status is PurchaseStatus.SETTLED and purchase.payment_id != state.payment_id:
        # A second payment of the same purchase neither buys again nor undoes what the first did.
        return purchase, change
    if state.session_id is not None or state.payment_id is not None:
        purchase = replace(
            purchase,
            session_id=purchase.session_id or state.session_id,
            payment_id=state.payment_id or purchase.payment_id,
        )
    if not state.is_paid:
        if state.has_failed and purchase.status is PurchaseStatus.PENDING:
            purchase = replace(purchase, status=PurchaseStatus.FAILED)
        return purchase, change
    if purchase.status is not PurchaseStatus.SETTLED:
        if not matches(purchase, state):
            return replace(purchase, status=PurchaseStatus.MISMATCHED), change
        purchase = replace(purchase, status=PurchaseStatus.SETTLED)
        change = _credit(purchase, change, now)
    for step in reversals_of(purchase, state):
        change = _reverse(purchase, step, change, now)
        reversals = {**purchase.reversals, step.cause: step.credits}
        purchase = replace(purchase, reversals=reversals)
    return purchase, change


def _credit(purchase: Purchase, change: Change, now: datetime) -> Change:
    grant = Grant(
        grant_id=purchase.purchase_id,
        source="purchase",
        remaining=purchase.credits,
        priority=PURCHASE_PRIORITY,
        created_at=now,
    )
    reason = Reason(
        f"purchase#{purchase.purchase_id}", "purchase", purchase.purchase_id, "Credits purchased"
    )
    return change.then(model.add_purchase(change.wallet, grant, reason, now))


def _reverse(purchase: Purchase, step: Reversal, change: Change, now: datetime) -> Change:
    taken = step.credits > 0
    text = "Payment refunded or disputed" if taken else "Payment came back"
    reason = Reason(step.cause, "purchase", purchase.purchase_id, text)
    act = model.reverse if taken else model.restore
    return change.then(act(change.wallet, purchase.purchase_id, abs(step.credits), reason, now))
