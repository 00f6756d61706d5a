"""Bodies about purchases, for their owners and for operators."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    Field,
    StringConstraints,
)

from darkroom.api.schemas.base import Identifier, RequestBody
from darkroom.kernel.limits import PURCHASE_LIMIT_CREDITS, REASON_LIMIT_CHARS
from darkroom.views.base import Omittable, ResponseBody


class PurchaseRequest(RequestBody):
    """Exactly one of ``pack`` and ``amount``; ``amount`` works with the test gateway only."""

    pack: Identifier | None = None
    amount: Annotated[int, Field(ge=1, le=PURCHASE_LIMIT_CREDITS)] | None = None
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] | None = None


class PurchaseResponse(ResponseBody):
    """``balance`` if the credits were added at once; ``checkoutUrl`` if payment is still due."""

    purchase_id: str
    status: str
    credits: int
    balance: Omittable[int] = None
    checkout_url: Omittable[str] = None


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

    action: Literal["accept", "refund"]
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


class ResolvePurchaseRequest(RequestBody):
    """``accept`` adds ``credits`` for the payment; ``refund`` returns the money."""

    account_id: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    action: Literal["accept", "refund"]
    credits: Annotated[int, Field(ge=1, le=PURCHASE_LIMIT_CREDITS)] | None = None
    reason: Annotated[str, StringConstraints(min_length=1, max_length=REASON_LIMIT_CHARS)]
