"""``POST /api/credits/purchase``."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from darkroom.api.auth import CurrentApp, CurrentCaller
from darkroom.api.docs import responses
from darkroom.api.idempotency import answer_once, read_command
from darkroom.api.schemas import PurchaseAnswer, PurchaseRequest
from darkroom.usecases.settle_purchase import purchase_with_test_gateway

router = APIRouter(tags=["credits"])


@router.post(
    "/api/credits/purchase",
    status_code=201,
    responses=responses(PurchaseAnswer, 201, 400, 401, 409, 422),
)
async def purchase(
    body: PurchaseRequest, request: Request, app: CurrentApp, caller: CurrentCaller
) -> JSONResponse:
    """Buy a pack (or, with the test gateway, any amount of credits)."""
    call, raw = await read_command(request, app, caller, key_required=True)

    def action() -> dict[str, Any]:
        done = purchase_with_test_gateway(app, call, pack=body.pack, amount=body.amount)
        return {
            "purchaseId": done.purchase.purchase_id,
            "status": done.purchase.status.value,
            "credits": done.purchase.credits,
            "balance": done.balance,
        }

    return answer_once(app, call, raw, status=201, action=action)
