"""``POST /api/credits/purchase``."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from darkroom.api.auth import CurrentApp, CurrentCaller
from darkroom.api.idempotency import read_command, respond_once
from darkroom.api.openapi.responses import responses
from darkroom.api.schemas.purchases import PurchaseRequest, PurchaseResponse
from darkroom.payments.store import Purchase
from darkroom.usecases.purchases.settle_purchase import purchase_with_test_gateway
from darkroom.usecases.purchases.start_purchase import start_purchase

router = APIRouter(tags=["credits"])


@router.post(
    "/api/credits/purchase",
    status_code=201,
    responses=responses(PurchaseResponse, 201, 400, 401, 409, 422),
)
async def purchase(
    body: PurchaseRequest, request: Request, app: CurrentApp, caller: CurrentCaller
) -> JSONResponse:
    """Buy a pack, or with the test gateway any amount of credits."""
    command, raw = await read_command(request, app, caller, key_required=True)

    def action() -> dict[str, Any]:
        if app.payments is not None:
            started = start_purchase(
                app,
                command,
                app.payments,
                pack=body.pack,
                amount=body.amount,
                currency=body.currency,
            )
            return _shape(started.purchase, checkoutUrl=started.checkout_url)
        done = purchase_with_test_gateway(
            app, command, pack=body.pack, amount=body.amount, currency=body.currency
        )
        return _shape(done.purchase, balance=done.balance)

    return respond_once(app, command, raw, status=201, action=action)


def _shape(purchase: Purchase, **more: Any) -> dict[str, Any]:
    return {
        "purchaseId": purchase.purchase_id,
        "status": purchase.status.value,
        "credits": purchase.credits,
        **more,
    }
