"""Bodies about purchases, for their owners and for operators."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    Field,
    StringConstraints,
)

from darkroom.api.schemas.base import Identifier, RequestBody, ResponseBody
from darkroom.kernel.limits import PURCHASE_LIMIT_CREDITS, REASON_LIMIT_CHARS


class PurchaseRequest(RequestBody):
    """Exactly one of pack and amount; ``amount`` with the test gateway only."""

    pack: Identifier | None = None
    amount: Annotated[int, Field(ge=1, le=PURCHASE_LIMIT_CREDITS)] | None = None
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] | None = None


class PurchaseResponse(ResponseBody):
    """``balance`` when the credits are there at once, ``checkoutUrl`` when they are to be paid."""

    purchase_id: str
    status: str
    credits: int
    balance: int | None = None
    checkout_url: str | None = None


class PurchaseRecord(ResponseBody):
    """``message`` is a sentence for the user: what became of a purchase that failed, was refunded,
    or was paid with another amount. ``creditsReversed`` is what a refund or dispute has taken."""

    purchase_id: str
    status: Literal["pending", "settled", "failed", "mismatched", "refunding", "refunded"]
    credits: int
    credits_reversed: int | None = None
    message: str | None = None
    pack: str | None = None
    gateway: str
    created_at: str


class PurchasePage(ResponseBody):
    items: list[PurchaseRecord]
    next_cursor: str | None


class PurchaseDecision(ResponseBody):
    """``outcome`` of a refund that the gateway did not make: its own word for why."""

    action: Literal["accept", "refund"]
    credits: int | None = None
    reason: str
    by: str
    at: str
    outcome: str | None = None


class AdminPurchase(ResponseBody):
    """``amountMinor`` was asked for, ``paidMinor`` was paid where that differs. A payment that
    came in for a purchase which another had paid is a ``duplicateOf`` it."""

    purchase_id: str
    account_id: str
    status: str
    gateway: str
    pack: str | None = None
    credits: int
    credits_reversed: int | None = None
    amount_minor: int | None = None
    currency: str | None = None
    paid_minor: int | None = None
    paid_currency: str | None = None
    payment_id: str | None = None
    session_id: str | None = None
    duplicate_of: str | None = None
    decisions: list[PurchaseDecision]
    created_at: str


class AdminPurchasePage(ResponseBody):
    items: list[AdminPurchase]
    next_cursor: str | None


class ResolvePurchaseRequest(RequestBody):
    """``accept`` gives ``credits`` for what was paid, ``refund`` gives the money back."""

    account_id: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    action: Literal["accept", "refund"]
    credits: Annotated[int, Field(ge=1, le=PURCHASE_LIMIT_CREDITS)] | None = None
    reason: Annotated[str, StringConstraints(min_length=1, max_length=REASON_LIMIT_CHARS)]
