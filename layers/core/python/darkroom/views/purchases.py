"""Purchases, as the API shows them to their account and to operators."""

from __future__ import annotations

from typing import Any

from darkroom.kernel.clock import to_iso
from darkroom.payments import store
from darkroom.payments.messages import message_of
from darkroom.payments.store import Decision, Purchase, PurchaseStatus


def list_purchases(account_id: str, *, language: str) -> list[dict[str, Any]]:
    """An account's purchases, newest first."""
    return [_own(purchase, language) for purchase in store.list_purchases(account_id)]


def page_purchases(
    *, account_id: str | None, status: PurchaseStatus | None, limit: int, position: Any
) -> tuple[list[dict[str, Any]], Any]:
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


def admin_purchase(purchase: Purchase) -> dict[str, Any]:
    """Everything an operator needs to decide about a purchase."""
    facts = {
        "purchaseId": purchase.purchase_id,
        "accountId": purchase.account_id,
        "status": purchase.status.value,
        "gateway": purchase.gateway,
        "pack": purchase.pack,
        "credits": purchase.credits,
        "creditsReversed": purchase.reversed_credits or None,
        "amountMinor": purchase.amount_minor,
        "currency": purchase.currency,
        "paidMinor": purchase.paid_minor,
        "paidCurrency": purchase.paid_currency,
        "paymentId": purchase.payment_id,
        "sessionId": purchase.session_id,
        "duplicateOf": purchase.duplicate_of,
        "decisions": [_decision(decision) for decision in purchase.decisions],
        "createdAt": to_iso(purchase.created_at),
    }
    return {name: value for name, value in facts.items() if value is not None}


def _own(purchase: Purchase, language: str) -> dict[str, Any]:
    facts = {
        "purchaseId": purchase.purchase_id,
        "status": purchase.status.value,
        "credits": purchase.credits,
        "creditsReversed": purchase.reversed_credits or None,
        "message": message_of(purchase, language),
        "pack": purchase.pack,
        "gateway": purchase.gateway,
        "createdAt": to_iso(purchase.created_at),
    }
    return {name: value for name, value in facts.items() if value is not None}


def _decision(decision: Decision) -> dict[str, Any]:
    facts = {
        "action": decision.action,
        "credits": decision.credits,
        "reason": decision.reason,
        "by": decision.by,
        "at": to_iso(decision.at),
        "outcome": decision.outcome,
    }
    return {name: value for name, value in facts.items() if value is not None}
