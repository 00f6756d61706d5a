"""Bodies about subscriptions to plans."""

from __future__ import annotations

from typing import Annotated, Literal

from darkroom.api.schemas.base import Identifier, RequestBody
from darkroom.api.schemas.purchases import PaidCurrency
from darkroom.plans.model import paid_plan_names
from darkroom.views.base import Omittable, ResponseBody, Timestamp, Words, described
from darkroom.views.credits import PlanWord


class SubscribeRequest(RequestBody):
    plan: Annotated[
        Identifier,
        Words("PaidPlanName", paid_plan_names),
        described("Name of the plan.", "basic"),
    ]
    currency: PaidCurrency | None = None


class SubscribeResponse(ResponseBody):
    """With ``pending``, the plan changes when the user has paid at ``checkoutUrl``."""

    subscription_id: Annotated[
        str, described("Id of the subscription.", "sub_01JGTQ4M9R8W3Z5K7N2P6X0F00")
    ]
    status: Annotated[
        Literal["active", "pending"],
        Words("NewSubscriptionStatus"),
        described("`active`: the plan has changed. `pending`: payment is due."),
    ]
    plan: PlanWord
    checkout_url: Annotated[
        Omittable[str],
        described(
            "The page where the user pays; absent if nothing is to be paid.",
            "https://checkout.stripe.com/c/pay/cs_test_a1b2c3d4",
            format="uri",
        ),
    ] = None


class CancelPlanResponse(ResponseBody):
    status: Annotated[Literal["cancelled"], described("The subscription is not renewed.")]
    ends_at: Annotated[Timestamp, described("Until then the plan lasts; then it is `free`.")]
