"""Purchases, as the API shows them to their account and to operators."""

from __future__ import annotations

from typing import Annotated, Any

from darkroom.kernel.clock import to_iso
from darkroom.payments import store
from darkroom.payments.messages import message_of
from darkroom.payments.store import Decision, DecisionAction, Purchase, PurchaseStatus
from darkroom.views.base import (
    AccountId,
    Credits,
    NextCursor,
    Omittable,
    ResponseBody,
    Timestamp,
    Words,
    described,
)
from darkroom.views.credits import GatewayWord

PurchaseId = Annotated[str, described("Id of the purchase.", "pur_01JGTQ4M9R8W3Z5K7N2P6X0E00")]
PurchaseStatusWord = Annotated[
    str,
    Words("PurchaseStatus", lambda: PurchaseStatus),
    described(
        "`pending`: not paid yet. `settled`: its credits were added. `failed`: it can no longer be "
        "paid. `mismatched`: another amount was paid, and an operator decides. `refunding`, "
        "`refunded`: such a payment is being returned, or was."
    ),
]
PurchasedCredits = Annotated[Credits, described("Credits that it adds.", 10)]
CreditsReversed = Annotated[
    Omittable[Credits],
    described("Credits that refunds and disputes took back; absent if none.", 10, minimum=1),
]
PurchasedPack = Annotated[
    Omittable[str],
    described(
        "Name of the pack at that time, which may no longer be sold; absent if a number of credits "
        "was bought.",
        "Starter",
    ),
]
AmountMinor = Annotated[
    int, described("In the currency's smallest unit (cents, won).", 399, minimum=0)
]
StoredCurrency = Annotated[str, described("Currency as its ISO 4217 code.", "USD")]


class PurchaseRecord(ResponseBody):
    """``message`` explains to the user that a purchase failed or was refunded, or that another
    amount was paid. ``creditsReversed`` is what a refund or dispute took back."""

    purchase_id: PurchaseId
    status: PurchaseStatusWord
    credits: PurchasedCredits
    credits_reversed: CreditsReversed = None
    message: Annotated[
        Omittable[str],
        described(
            "A sentence for the user, in the language of `Accept-Language`; absent if all went as "
            "usual.",
            "The payment was not completed. No credits were added.",
        ),
    ] = None
    pack: PurchasedPack = None
    gateway: GatewayWord
    created_at: Annotated[Timestamp, described("When the purchase was started.")]


class PurchasePage(ResponseBody):
    items: Annotated[list[PurchaseRecord], described("All purchases, newest first.")]
    next_cursor: Annotated[NextCursor, described("Null: all purchases are on one page.", None)]


class PurchaseDecision(ResponseBody):
    """``outcome`` is the gateway's reason if it did not make the refund."""

    action: Annotated[
        DecisionAction,
        Words("DecisionAction"),
        described("`accept` added credits for the payment, `refund` returned it."),
    ]
    credits: Annotated[
        Omittable[Credits], described("With `accept`: credits that the payment bought.", 10)
    ] = None
    reason: Annotated[str, described("The operator's reason.", "Paid in another currency")]
    by: Annotated[AccountId, described("Id of the operator's account.")]
    at: Annotated[Timestamp, described("When it was decided.")]
    outcome: Annotated[
        Omittable[str],
        described(
            "With `refund`: why the gateway refused it; the purchase then awaits a new decision.",
            "charge_disputed",
        ),
    ] = None


class AdminPurchase(ResponseBody):
    """``amountMinor`` is the price; ``paidMinor`` is the amount paid if different. ``duplicateOf``
    names the purchase that had already been paid when this payment arrived."""

    purchase_id: PurchaseId
    account_id: AccountId
    status: PurchaseStatusWord
    gateway: GatewayWord
    pack: PurchasedPack = None
    credits: PurchasedCredits
    credits_reversed: CreditsReversed = None
    amount_minor: Annotated[
        Omittable[AmountMinor],
        described(
            "The price in the currency's smallest unit (cents, won); absent with the test gateway."
        ),
    ] = None
    currency: Annotated[
        Omittable[StoredCurrency],
        described("The price's currency (ISO 4217); absent with the test gateway."),
    ] = None
    paid_minor: Annotated[
        Omittable[AmountMinor],
        described("The amount paid, in the currency's smallest unit; absent if it is the price."),
    ] = None
    paid_currency: Annotated[
        Omittable[StoredCurrency],
        described("The currency that was paid in (ISO 4217); absent if it is the price's."),
    ] = None
    payment_id: Annotated[
        Omittable[str], described("The gateway's id of the payment.", "pi_3QaZ4e2eZvKYlo2C")
    ] = None
    session_id: Annotated[
        Omittable[str], described("The gateway's id of the checkout.", "cs_test_a1b2c3d4")
    ] = None
    duplicate_of: Annotated[
        Omittable[PurchaseId],
        described("The purchase that had already been paid when this payment arrived."),
    ] = None
    decisions: Annotated[list[PurchaseDecision], described("Operators' decisions, oldest first.")]
    created_at: Annotated[Timestamp, described("When the purchase was started.")]


class AdminPurchasePage(ResponseBody):
    items: Annotated[list[AdminPurchase], described("Purchases, oldest first.")]
    next_cursor: NextCursor


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
