"""``POST /api/credits/purchase``."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from darkroom.api.auth import CurrentApp, CurrentCaller
from darkroom.api.idempotency import read_command, respond_once
from darkroom.api.openapi.declare import KEY_REQUIRED, declare
from darkroom.api.schemas.purchases import PurchaseRequest, PurchaseResponse
from darkroom.usecases.purchases.settle_purchase import purchase_with_test_gateway
from darkroom.usecases.purchases.start_purchase import start_purchase

router = APIRouter(tags=["Credits"])


@router.post(
    "/api/credits/purchase",
    operation_id="createPurchase",
    summary="Buy credits",
    status_code=201,
    response_model=PurchaseResponse,
    openapi_extra=declare("ACCOUNT_FROZEN", "PAYMENT_UNAVAILABLE", key=KEY_REQUIRED),
)
async def purchase(
    body: PurchaseRequest, request: Request, app: CurrentApp, caller: CurrentCaller
) -> Response:
    """Buy a pack, or with the test gateway any amount of credits."""
    command, raw = await read_command(request, app, caller, key_required=True)

    def action() -> PurchaseResponse:
        if app.payments is not None:
            started = start_purchase(
                app,
                command,
                app.payments,
                pack=body.pack,
                amount=body.amount,
                currency=body.currency,
            )
            return PurchaseResponse(
                purchase_id=started.purchase.purchase_id,
                status=started.purchase.status.value,
                credits=started.purchase.credits,
                checkout_url=started.checkout_url,
            )
        done = purchase_with_test_gateway(
            app, command, pack=body.pack, amount=body.amount, currency=body.currency
        )
        return PurchaseResponse(
            purchase_id=done.purchase.purchase_id,
            status=done.purchase.status.value,
            credits=done.purchase.credits,
            balance=done.balance,
        )

    return respond_once(app, command, raw, status=201, action=action)
