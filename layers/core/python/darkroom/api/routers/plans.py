"""``/api/plans/…``: subscribe to a plan, and cancel."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from darkroom.api.auth import CurrentApp, CurrentCaller
from darkroom.api.idempotency import read_command, respond_once
from darkroom.api.openapi.declare import KEY_REQUIRED, declare
from darkroom.api.schemas.plans import CancelPlanResponse, SubscribeRequest, SubscribeResponse
from darkroom.kernel.clock import to_iso
from darkroom.usecases.plans.cancel_subscription import cancel_subscription
from darkroom.usecases.plans.subscribe import subscribe

router = APIRouter(tags=["Account"])


@router.post(
    "/api/plans/subscribe",
    operation_id="subscribePlan",
    summary="Subscribe to a plan",
    status_code=201,
    response_model=SubscribeResponse,
    openapi_extra=declare("PAYMENT_UNAVAILABLE", key=KEY_REQUIRED),
)
async def post_subscription(
    body: SubscribeRequest, request: Request, app: CurrentApp, caller: CurrentCaller
) -> Response:
    """Subscribe to a plan, or change to another: its limits apply as soon as it is paid.

    A change to a smaller plan deletes nothing, but refuses what is new until less is used. To the
    plan that the account already has, nothing is charged, and a canceled one continues.
    """
    command, raw = await read_command(request, app, caller, key_required=True)

    def action() -> SubscribeResponse:
        done = subscribe(app, command, plan=body.plan, currency=body.currency)
        return SubscribeResponse(
            subscription_id=done.subscription.subscription_id,
            status="active" if done.checkout_url is None else "pending",
            plan=done.subscription.plan,
            checkout_url=done.checkout_url,
        )

    return respond_once(app, command, raw, status=201, action=action)


@router.post(
    "/api/plans/cancel",
    operation_id="cancelPlan",
    summary="Cancel the subscription",
    openapi_extra=declare(409, "NOT_SUBSCRIBED"),
)
async def post_cancellation(app: CurrentApp, caller: CurrentCaller) -> CancelPlanResponse:
    """Cancel the subscription: the plan lasts to the end of the paid period, then it is free.
    Repeating it changes nothing."""
    canceled = cancel_subscription(app, caller.account_id)
    return CancelPlanResponse(
        status="cancelled", ends_at=to_iso(canceled.ends_at or app.clock.now())
    )
