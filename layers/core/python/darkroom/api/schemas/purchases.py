"""Bodies about purchases, for their owners and for operators."""

from __future__ import annotations

from typing import Annotated

from pydantic import (
    Field,
    StringConstraints,
)

from darkroom.api.schemas.base import Identifier, RequestBody
from darkroom.credits import pricing
from darkroom.kernel.limits import PURCHASE_LIMIT_CREDITS, REASON_LIMIT_CHARS
from darkroom.payments.store import DecisionAction
from darkroom.views.base import Omittable, ResponseBody, Words, described
from darkroom.views.credits import Balance
from darkroom.views.purchases import PurchasedCredits, PurchaseId, PurchaseStatusWord

BoughtPack = Annotated[
    Identifier,
    Words("PackName", pricing.pack_names),
    described("Name of the pack to buy."),
]
BoughtCredits = Annotated[
    int,
    Field(ge=1, le=PURCHASE_LIMIT_CREDITS),
    described("Credits to add; only with the test gateway.", 50),
]
PaidCurrency = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Z]{3}$"),
    Words("Currency", pricing.currencies),
    described("Currency to pay in (ISO 4217); without it, that of `GET /api/pricing`."),
]


class PackPurchase(RequestBody):
    pack: BoughtPack
    currency: PaidCurrency | None = None


class CreditsPurchase(RequestBody):
    """Works with the test gateway only."""

    amount: BoughtCredits


class PurchaseRequest(RequestBody):
    """Exactly one of ``pack`` and ``amount``; ``amount`` works with the test gateway only."""

    forms = (PackPurchase, CreditsPurchase)

    pack: BoughtPack | None = None
    amount: BoughtCredits | None = None
    currency: PaidCurrency | None = None


class PurchaseResponse(ResponseBody):
    """``balance`` if the credits were added at once; ``checkoutUrl`` if payment is still due."""

    purchase_id: PurchaseId
    status: PurchaseStatusWord
    credits: PurchasedCredits
    balance: Annotated[
        Omittable[Balance],
        described("The balance with the new credits; absent while payment is due.", 60),
    ] = None
    checkout_url: Annotated[
        Omittable[str],
        described(
            "The page where the user pays; absent if nothing is to be paid any more.",
            "https://checkout.stripe.com/c/pay/cs_test_a1b2c3d4",
            format="uri",
        ),
    ] = None


class ResolvePurchaseRequest(RequestBody):
    """``accept`` adds ``credits`` for the payment; ``refund`` returns the money."""

    account_id: Annotated[
        str,
        StringConstraints(min_length=1, max_length=200),
        described("Id of the purchase's account.", "4f1c2a9e-7b0d-4c55-9a3e-2d8f6b1e7c90"),
    ]
    action: Annotated[
        DecisionAction,
        Words("DecisionAction"),
        described("What to do with the payment."),
    ]
    credits: Annotated[
        Annotated[int, Field(ge=1, le=PURCHASE_LIMIT_CREDITS)] | None,
        described("Credits that the payment buys; required with `accept`, and only then.", 10),
    ] = None
    reason: Annotated[
        str,
        StringConstraints(min_length=1, max_length=REASON_LIMIT_CHARS),
        described("Why, for other operators.", "Paid in another currency"),
    ]
