"""Messages about purchases that did not simply add their credits: for the owner, in English and
Korean, and for the log."""

from __future__ import annotations

from typing import Any

from darkroom.payments.store import Purchase, PurchaseStatus

_OF_STATUS: dict[PurchaseStatus, tuple[str, str]] = {
    PurchaseStatus.FAILED: (
        "The payment was not completed. No credits were added.",
        "결제가 완료되지 않아 크레딧이 추가되지 않았습니다.",
    ),
    PurchaseStatus.MISMATCHED: (
        (
            "The amount paid differs from the price. We are checking this payment and will add the"
            " credits or refund you."
        ),
        "결제 금액이 가격과 다릅니다. 확인 후 크레딧을 추가하거나 환불해 드리겠습니다.",
    ),
    PurchaseStatus.REFUNDING: (
        "We are refunding this payment.",
        "이 결제를 환불하고 있습니다.",
    ),
    PurchaseStatus.REFUNDED: (
        "This payment was refunded. No credits were added.",
        "환불된 결제입니다. 크레딧은 추가되지 않았습니다.",
    ),
}
_DUPLICATE = (
    "This purchase was paid more than once. We are checking the second payment.",
    "같은 구매가 두 번 결제되었습니다. 두 번째 결제를 확인하고 있습니다.",
)
_REVERSED = (
    "This payment was refunded or disputed, so its credits were taken back.",
    "환불되었거나 이의가 제기된 결제이므로 크레딧이 회수되었습니다.",
)
_PARTLY_REVERSED = (
    "Part of this payment was refunded or disputed, so some of its credits were taken back.",
    "결제의 일부가 환불되었거나 이의가 제기되어 크레딧 일부가 회수되었습니다.",
)


def message_of(purchase: Purchase, language: str) -> str | None:
    """A sentence for the purchase's owner; None when everything went as usual."""
    sentences = _sentences_of(purchase)
    if sentences is None:
        return None
    english, korean = sentences
    return korean if language == "ko" else english


def mismatch_facts(purchase: Purchase) -> dict[str, Any]:
    """The log fields of a payment that an operator has to decide about."""
    return {
        "purchase_id": purchase.purchase_id,
        "payment_id": purchase.payment_id,
        "account_id": purchase.account_id,
        "asked": f"{purchase.amount_minor} {purchase.currency}",
        "paid": f"{purchase.paid_minor} {purchase.paid_currency}",
    }


def _sentences_of(purchase: Purchase) -> tuple[str, str] | None:
    if purchase.status is PurchaseStatus.MISMATCHED and purchase.duplicate_of is not None:
        return _DUPLICATE
    if purchase.status is PurchaseStatus.SETTLED and purchase.reversed_credits > 0:
        is_whole = purchase.reversed_credits >= purchase.credits
        return _REVERSED if is_whole else _PARTLY_REVERSED
    return _OF_STATUS.get(purchase.status)
