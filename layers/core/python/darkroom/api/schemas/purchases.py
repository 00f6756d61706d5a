"""Bodies about purchases, for their owners and for operators."""

from __future__ import annotations

from typing import Annotated

from pydantic import (
    Field,
    StringConstraints,
)

from darkroom.api.schemas.base import Identifier, RequestBody
from darkroom.kernel.limits import PURCHASE_LIMIT_CREDITS, REASON_LIMIT_CHARS
from darkroom.payments.store import DecisionAction
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


class ResolvePurchaseRequest(RequestBody):
    """``accept`` adds ``credits`` for the payment; ``refund`` returns the money."""

    account_id: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    action: DecisionAction
    credits: Annotated[int, Field(ge=1, le=PURCHASE_LIMIT_CREDITS)] | None = None
    reason: Annotated[str, StringConstraints(min_length=1, max_length=REASON_LIMIT_CHARS)]
