"""Reconcile a purchase and its wallet with the payment's state at the gateway.

One function serves every event, in any order: settlement and reversals are derived from the
payment's state and from the recorded steps, and committed a bounded number of steps at a time. If
it stops between two commits, the remaining steps are derived again. The cause of credits is the
purchase; the cause of a reversal is the refund or dispute.

A purchase belongs to the first payment that was made for it. Any other payment that names it (two
checkouts of one purchase, both paid) gets its own record, as money that bought nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from aws_lambda_powertools import Logger

from darkroom.bootstrap.composition import App
from darkroom.credits import model
from darkroom.credits import store as credits_store
from darkroom.credits.model import PURCHASE_PRIORITY, Change, Grant, Reason, Wallet
from darkroom.db import commit
from darkroom.db.retry import retry_on_conflict
from darkroom.kernel.errors import ConcurrentUpdate, Gone
from darkroom.kernel.ids import derived_id
from darkroom.kernel.limits import (
    RECEIVED_CHECK_SECONDS,
    RECONCILE_COMMITS_LIMIT,
    REVERSAL_CAUSES_LIMIT,
    REVERSALS_PER_COMMIT,
)
from darkroom.kernel.pseudonyms import pseudonym_of
from darkroom.payments import store as payments_store
from darkroom.payments.polling import due_at, is_given_up, scheduled
from darkroom.payments.ports import PaymentGateway, PaymentMissing, PaymentState, PaymentUnreadable
from darkroom.payments.reconcile import (
    Reversal,
    is_of_another_payment,
    is_returned,
    matches,
    reversals_of,
)
from darkroom.payments.store import PAID, Purchase, PurchaseStatus
from darkroom.usecases.accounts.check_account import is_erased
from darkroom.usecases.accounts.open_account import ensure_wallet
from darkroom.usecases.credits.expire_grants import expire_due_first

logger = Logger()
_UNPAID = (PurchaseStatus.PENDING, PurchaseStatus.FAILED)
Found = tuple[Purchase, str | None]
"""A purchase and the operation that created it."""


@dataclass(frozen=True, kw_only=True)
class Reconciled:
    purchase: Purchase
    state: PaymentState
    """The payment's state with which the purchase was reconciled."""


def reconcile_payment(app: App, read: Callable[[], PaymentState | None]) -> Reconciled | None:
    """Settle, fail or reverse the purchase as its payment requires; None if it is not ours.

    ``read`` reads the payment from the gateway: once to find the purchase, and again after our own
    record was read. The first state may be older than what the record already reflects, and acting
    on it would undo a newer step of another writer.

    Raises:
        Unavailable: every attempt lost its race; repeating is safe.
        whatever ``read`` raises.
    """
    whose = read()
    if whose is None:
        return None

    def attempt() -> Reconciled | None:
        nonlocal whose
        found = _record_of(app, whose) if whose is not None else None
        state = read() if found is not None else None
        if found is None or state is None:
            return None
        if whose is not None and state.payment_id != whose.payment_id:
            whose = state
            raise ConcurrentUpdate("the checkout has got its payment meanwhile")
        return _bring(app, found, state)

    return retry_on_conflict(app.jitter, attempt)


def reconcile_purchase(
    app: App, gateway: PaymentGateway, *, account_id: str, purchase_id: str
) -> Reconciled | None:
    """Reconcile one purchase; None if it does not exist, or the gateway has no payment yet.

    Afterwards, the purchase is no longer due.

    Raises:
        PaymentUnreadable, GatewayUnavailable; Unavailable: repeating is safe.
    """

    def attempt() -> Reconciled | None:
        found = payments_store.find_purchase(account_id, purchase_id)
        if found is None:
            return None
        state = _read(app, gateway, found[0])
        if state is None or state.purchase_id not in (purchase_id, found[0].duplicate_of):
            _bring_nothing(app, found)
            return None
        return _bring(app, found, state)

    return retry_on_conflict(app.jitter, attempt)


def _read(app: App, gateway: PaymentGateway, purchase: Purchase) -> PaymentState | None:
    """The payment at the gateway; None if there is none and never will be."""
    session_id, payment_id = purchase.session_id, purchase.payment_id
    if purchase.status in PAID and payment_id is not None:
        session_id = None
    if session_id is None and payment_id is None:
        return None
    try:
        return gateway.read_payment(session_id=session_id, payment_id=payment_id)
    except PaymentUnreadable as error:
        if purchase.status is PurchaseStatus.PENDING and is_given_up(purchase, app.clock.now()):
            return None
        if purchase.status is PurchaseStatus.SETTLED and isinstance(error, PaymentMissing):
            # It was paid with a key that was replaced since; this key can never read it.
            logger.warning("payment_unreadable", purchase_id=purchase.purchase_id)
            return None
        raise


def _bring_nothing(app: App, found: Found) -> None:
    """Schedule another check of a purchase without a payment, or give it up."""
    before, creation = found
    now = app.clock.now()
    is_over = before.status is PurchaseStatus.PENDING and is_given_up(before, now)
    after = replace(before, status=PurchaseStatus.FAILED) if is_over else before
    after = scheduled(after, now)
    commit([payments_store.save_write(before, after, operation=app.ids.token(), creation=creation)])


def _record_of(app: App, state: PaymentState) -> Found | None:
    """The record of a payment: the purchase that it names, or a separate one."""
    found = payments_store.find_purchase(state.account_id, state.purchase_id)
    if found is None:
        # If the account was erased since, its purchases are under its pseudonym.
        pseudonym = pseudonym_of(app.signing_secret.value, state.account_id)
        found = payments_store.find_purchase(pseudonym, state.purchase_id)
    if found is None or not is_of_another_payment(found[0], state) or state.payment_id is None:
        return found
    own_id = derived_id("pur", "payment", state.payment_id)
    return payments_store.find_purchase(found[0].account_id, own_id) or (
        _own_record(found[0], state, own_id, app.clock.now()),
        f"payment#{state.payment_id}",
    )


def _own_record(named: Purchase, state: PaymentState, own_id: str, now: datetime) -> Purchase:
    """The record of a payment that bought nothing; version 0 means that it is not stored yet.

    Its credits are those of the purchase that it names; they are added only if an operator accepts
    the payment.
    """
    return Purchase(
        purchase_id=own_id,
        account_id=named.account_id,
        gateway=named.gateway,
        status=PurchaseStatus.PENDING,
        credits=named.credits,
        pack=None,
        created_at=now,
        currency=named.currency,
        amount_minor=named.amount_minor,
        payment_id=state.payment_id,
        duplicate_of=named.purchase_id,
        version=0,
    )


def _bring(app: App, found: Found, state: PaymentState) -> Reconciled:
    """Commit the steps that the state requires, a bounded number at a time."""
    before, creation = found
    if before.version == 0 and not state.is_paid:
        return Reconciled(purchase=before, state=state)
    try:
        wallet = ensure_wallet(app, before.account_id)
    except Gone as error:
        # The books are being moved to the pseudonym, where the next attempt finds them.
        raise ConcurrentUpdate("the account is being erased") from error
    may_settle = not _is_for_erased(app, before, state)
    for _ in range(RECONCILE_COMMITS_LIMIT):
        now = app.clock.now()
        wallet = expire_due_first(app, wallet, now=now)
        after, change = derive(before, state=state, wallet=wallet, now=now, may_settle=may_settle)
        after = _scheduled(before, after, state, now)
        if after == before:
            break
        # Each commit has its own token, so that none is mistaken for the previous one.
        operation = app.ids.token()
        writes = [payments_store.save_write(before, after, operation=operation, creation=creation)]
        if change.entries:
            writes += credits_store.change_writes(change, before=wallet, operation=operation)
        commit(writes)
        before, wallet = replace(after, version=before.version + 1), change.wallet
    return Reconciled(purchase=before, state=state)


def _is_for_erased(app: App, purchase: Purchase, state: PaymentState) -> bool:
    """Whether it is a first payment for an erased account, whose credits no user could
    spend. An operator refunds it."""
    is_new = state.is_paid and purchase.status in _UNPAID
    return is_new and is_erased(app, purchase.account_id)


def _scheduled(before: Purchase, after: Purchase, state: PaymentState, now: datetime) -> Purchase:
    """The purchase with its next check: soon while steps are left, else by its age."""
    if after != before and after.status is PurchaseStatus.SETTLED and _steps(after, state):
        return due_at(after, now + timedelta(seconds=RECEIVED_CHECK_SECONDS))
    due = before.next_check_at
    waits = after.status in (PurchaseStatus.PENDING, PurchaseStatus.REFUNDING)
    if after != before or (due is not None and due <= now) or (due is None and waits):
        return scheduled(after, now)
    return after


def derive(
    purchase: Purchase,
    *,
    state: PaymentState,
    wallet: Wallet,
    now: datetime,
    may_settle: bool = True,
) -> tuple[Purchase, Change]:
    """The purchase and wallet after the steps that the payment's state requires, or after the
    first of them. Pure.

    A payment that may not be settled waits for an operator's decision.
    """
    change = Change(wallet, ())
    if is_of_another_payment(purchase, state):
        return purchase, change
    if not state.is_paid:
        return _unpaid(purchase, state), change
    purchase = _identified(purchase, state)
    if purchase.status in _UNPAID and matches(purchase, state) and may_settle:
        purchase = replace(purchase, status=PurchaseStatus.SETTLED)
        change = credit(purchase, wallet, now=now)
    elif purchase.status is not PurchaseStatus.SETTLED:
        return _mismatched(purchase, state), change
    for step in _steps(purchase, state):
        change = _reverse(purchase, step, change, now)
        reversals = {**purchase.reversals, step.cause: step.credits}
        purchase = replace(purchase, reversals=reversals)
    return purchase, change


def _identified(purchase: Purchase, state: PaymentState) -> Purchase:
    return replace(
        purchase,
        session_id=purchase.session_id or state.session_id,
        payment_id=state.payment_id or purchase.payment_id,
    )


def _unpaid(purchase: Purchase, state: PaymentState) -> Purchase:
    """Only the checkout that was returned to the client decides whether the purchase failed."""
    is_other = state.session_id is not None and purchase.session_id not in (None, state.session_id)
    if purchase.status in PAID or is_other:
        return purchase
    purchase = _identified(purchase, state)
    if state.has_failed and purchase.status is PurchaseStatus.PENDING:
        return replace(purchase, status=PurchaseStatus.FAILED)
    return purchase


def _mismatched(purchase: Purchase, state: PaymentState) -> Purchase:
    """Money that bought nothing: returned to the customer, being refunded, or undecided."""
    status = PurchaseStatus.MISMATCHED
    if is_returned(state):
        status = PurchaseStatus.REFUNDED
    elif purchase.status is PurchaseStatus.REFUNDING:
        status = PurchaseStatus.REFUNDING
    return replace(
        purchase, status=status, paid_minor=state.amount_minor, paid_currency=state.currency
    )


def _steps(purchase: Purchase, state: PaymentState) -> list[Reversal]:
    """The reversals of one commit. Beyond the record's limit, an operator has to act."""
    capacity = REVERSAL_CAUSES_LIMIT - len(purchase.reversals)
    return reversals_of(purchase, state)[: max(0, min(REVERSALS_PER_COMMIT, capacity))]


def credit(purchase: Purchase, wallet: Wallet, *, now: datetime) -> Change:
    """Add the purchase's credits to the wallet. Pure."""
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
    return model.add_purchase(wallet, grant, reason=reason, now=now)


def _reverse(purchase: Purchase, step: Reversal, change: Change, now: datetime) -> Change:
    taken = step.credits > 0
    text = "Payment refunded or disputed" if taken else "Payment came back"
    reason = Reason(step.cause, "purchase", purchase.purchase_id, text)
    act = model.reverse if taken else model.restore
    moved = act(
        change.wallet,
        purchase_id=purchase.purchase_id,
        credits=abs(step.credits),
        reason=reason,
        now=now,
    )
    return change.then(moved)
