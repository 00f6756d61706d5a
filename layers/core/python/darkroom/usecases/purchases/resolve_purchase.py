"""Resolve a mismatched payment by an operator's decision: accept it for credits, or refund it.

The decision, the credits and the ledger entry are one transaction. The refund at the gateway is
derived from the record, by this request and by the sweeper.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from darkroom.bootstrap.composition import App
from darkroom.credits import store as credits_store
from darkroom.db import commit
from darkroom.db.retry import retry_on_conflict
from darkroom.kernel.command import Command
from darkroom.kernel.errors import Conflict, DarkroomError, InvalidInput, NotFound
from darkroom.kernel.limits import DECISIONS_LIMIT
from darkroom.payments import store
from darkroom.payments.polling import due_at
from darkroom.payments.ports import PaymentUnreadable
from darkroom.payments.store import Decision, DecisionAction, Purchase, PurchaseStatus
from darkroom.usecases.accounts.open_account import ensure_wallet
from darkroom.usecases.credits.expire_grants import expire_due_first
from darkroom.usecases.purchases.reconcile_payment import credit, reconcile_purchase
from darkroom.usecases.purchases.refund_purchase import check_purchase

ACCEPT, REFUND = "accept", "refund"


def resolve_purchase(
    app: App,
    command: Command,
    *,
    account_id: str,
    purchase_id: str,
    action: DecisionAction,
    credits: int | None,
    reason: str,
) -> Purchase:
    """Record the decision about a mismatched purchase and apply it; a repeat changes nothing.

    Earlier and later refunds and disputes reverse accepted credits like those of any purchase, in
    proportion to the amount that was paid.

    Raises:
        NotFound: the purchase does not exist.
        InvalidInput: no reason; credits with a refund, or none with an acceptance; a refund of
            nothing.
        Conflict: NOT_RESOLVABLE; the purchase does not await an operator's decision.
        GatewayUnavailable: a refund needs the amount that was paid, which could not be read.
            Nothing has changed.
    """
    _check(action, credits, reason)
    if action == REFUND:
        _read_missing_amount(app, account_id, purchase_id)

    def attempt() -> None:
        found = store.find_purchase(account_id, purchase_id)
        if found is None:
            raise NotFound("no such purchase")
        before, creation = found
        if any(decision.operation == command.operation for decision in before.decisions):
            return
        now = app.clock.now()
        decision = Decision(
            action=action,
            reason=reason,
            by=command.account_id,
            at=now,
            operation=command.operation,
            credits=credits,
        )
        after = _decided(before, decision)
        writes = [store.save_write(before, after, operation=command.operation, creation=creation)]
        if action == ACCEPT:
            wallet = expire_due_first(app, ensure_wallet(app, account_id), now=now)
            change = credit(after, wallet, now=now)
            writes += credits_store.change_writes(
                change, before=wallet, operation=command.operation
            )
        commit(writes)

    retry_on_conflict(app.jitter, attempt)
    if app.payments is not None:
        # The decision is stored: if the gateway fails now, the sweeper calls it again.
        with suppress(DarkroomError):
            check_purchase(app, app.payments, account_id=account_id, purchase_id=purchase_id)
    resolved = store.find_purchase(account_id, purchase_id)
    if resolved is None:
        raise NotFound("no such purchase")
    return resolved[0]


def _read_missing_amount(app: App, account_id: str, purchase_id: str) -> None:
    """Read the paid amount from the gateway, because records of earlier versions lack it."""
    found = store.find_purchase(account_id, purchase_id)
    if found is None or app.payments is None:
        return
    purchase = found[0]
    is_open = purchase.status is PurchaseStatus.MISMATCHED
    if is_open and purchase.payment_id is not None and purchase.paid_minor is None:
        with suppress(PaymentUnreadable):
            reconcile_purchase(app, app.payments, account_id=account_id, purchase_id=purchase_id)


def _check(action: str, credits: int | None, reason: str) -> None:
    if not reason.strip():
        raise InvalidInput("no reason", fields=[{"path": "reason", "message": "must say why"}])
    if (action == ACCEPT) != (credits is not None):
        message = "belongs to accept, and only there"
        raise InvalidInput("credits", fields=[{"path": "credits", "message": message}])


def _decided(purchase: Purchase, decision: Decision) -> Purchase:
    """The purchase with the decision; it is due at once, so that the sweeper checks it."""
    is_open = purchase.status is PurchaseStatus.MISMATCHED
    if not is_open or len(purchase.decisions) >= DECISIONS_LIMIT:
        raise Conflict("there is nothing to decide", code="NOT_RESOLVABLE")
    decided = replace(purchase, decisions=(*purchase.decisions, decision))
    decided = due_at(decided, decision.at)
    if decision.credits is not None:
        return replace(decided, status=PurchaseStatus.SETTLED, credits=decision.credits)
    if not purchase.payment_id or not purchase.paid_minor:
        message = "nothing was paid that could be refunded"
        raise InvalidInput("no payment", fields=[{"path": "action", "message": message}])
    return replace(decided, status=PurchaseStatus.REFUNDING)
