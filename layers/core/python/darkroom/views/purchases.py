"""Purchases, as the API shows them to their account and to operators."""

from __future__ import annotations

from typing import Any, Literal

from darkroom.kernel.clock import to_iso
from darkroom.payments import store
from darkroom.payments.messages import message_of
from darkroom.payments.store import Decision, DecisionAction, Purchase, PurchaseStatus
from darkroom.views.base import Omittable, ResponseBody


class PurchaseRecord(ResponseBody):
    """``message`` explains to the user that a purchase failed or was refunded, or that another
    amount was paid. ``creditsReversed`` is what a refund or dispute took back."""

    purchase_id: str
    status: Literal["pending", "settled", "failed", "mismatched", "refunding", "refunded"]
    credits: int
    credits_reversed: Omittable[int] = None
    message: Omittable[str] = None
    pack: Omittable[str] = None
    gateway: str
    created_at: str


class PurchasePage(ResponseBody):
    items: list[PurchaseRecord]
    next_cursor: str | None


class PurchaseDecision(ResponseBody):
    """``outcome`` is the gateway's reason if it did not make the refund."""

    action: DecisionAction
    credits: Omittable[int] = None
    reason: str
    by: str
    at: str
    outcome: Omittable[str] = None


class AdminPurchase(ResponseBody):
    """``amountMinor`` is the price; ``paidMinor`` is the amount paid if different. ``duplicateOf``
    names the purchase that had already been paid when this payment arrived."""

    purchase_id: str
    account_id: str
    status: str
    gateway: str
    pack: Omittable[str] = None
    credits: int
    credits_reversed: Omittable[int] = None
    amount_minor: Omittable[int] = None
    currency: Omittable[str] = None
    paid_minor: Omittable[int] = None
    paid_currency: Omittable[str] = None
    payment_id: Omittable[str] = None
    session_id: Omittable[str] = None
    duplicate_of: Omittable[str] = None
    decisions: list[PurchaseDecision]
    created_at: str


class AdminPurchasePage(ResponseBody):
    items: list[AdminPurchase]
    next_cursor: str | None


def list_purchases(account_id: str, *, language: str) -> list[PurchaseRecord]:
    """An account's purchases, newest first."""
    return [_own(purchase, language) for purchase in store.list_purchases(account_id)]


def page_purchases(
    *, account_id: str | None, status: PurchaseStatus | None, limit: int, position: Any
) -> tuple[list[AdminPurchase], Any]:
    """A page for operators: one account's purchases, or all in one state (by default those that
    need a decision)."""
    purchases: list[Purchase]
    following: Any
    if account_id is not None:
        purchases, following = store.page_purchases(
            account_id, status=status, limit=limit, after=position
        )
    else:
        wanted = status or PurchaseStatus.MISMATCHED
        purchases, following = store.page_by_status(wanted, limit=limit, after=position)
    return [admin_purchase(purchase) for purchase in purchases], following


def admin_purchase(purchase: Purchase) -> AdminPurchase:
    """Everything an operator needs to decide about a purchase."""
    return AdminPurchase(
        purchase_id=purchase.purchase_id,
        account_id=purchase.account_id,
        status=purchase.status.value,
        gateway=purchase.gateway,
        pack=purchase.pack,
        credits=purchase.credits,
        credits_reversed=purchase.reversed_credits or None,
        amount_minor=purchase.amount_minor,
        currency=purchase.currency,
        paid_minor=purchase.paid_minor,
        paid_currency=purchase.paid_currency,
        payment_id=purchase.payment_id,
        session_id=purchase.session_id,
        duplicate_of=purchase.duplicate_of,
        decisions=[_decision(decision) for decision in purchase.decisions],
        created_at=to_iso(purchase.created_at),
    )


def _own(purchase: Purchase, language: str) -> PurchaseRecord:
    return PurchaseRecord(
        purchase_id=purchase.purchase_id,
        status=purchase.status.value,
        credits=purchase.credits,
        credits_reversed=purchase.reversed_credits or None,
        message=message_of(purchase, language),
        pack=purchase.pack,
        gateway=purchase.gateway,
        created_at=to_iso(purchase.created_at),
    )


def _decision(decision: Decision) -> PurchaseDecision:
    return PurchaseDecision(
        action=decision.action,
        credits=decision.credits,
        reason=decision.reason,
        by=decision.by,
        at=to_iso(decision.at),
        outcome=decision.outcome,
    )
