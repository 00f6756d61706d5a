"""Operators' routes for purchases: payments without credits, and decisions about them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from darkroom.api.auth import CurrentApp, CurrentCaller
from darkroom.api.cursors import make_cursor, read_cursor
from darkroom.api.idempotency import read_command, respond_once
from darkroom.api.openapi.declare import KEY_REQUIRED, declare
from darkroom.api.parameters import Cursor, Limit, PurchaseIdInPath
from darkroom.api.schemas.purchases import ResolvePurchaseRequest
from darkroom.kernel.limits import PAGE_DEFAULT
from darkroom.payments.store import PurchaseStatus
from darkroom.usecases.purchases.resolve_purchase import resolve_purchase
from darkroom.views import purchases as views
from darkroom.views.purchases import AdminPurchase, AdminPurchasePage

router = APIRouter(tags=["Admin"])
_PURCHASES = "admin-purchases"


@router.get(
    "/api/admin/purchases",
    operation_id="listAllPurchases",
    summary="List purchases of all accounts",
    openapi_extra=declare(),
)
async def list_purchases(
    app: CurrentApp,
    caller: CurrentCaller,
    status: Annotated[
        PurchaseStatus | None, Query(description="Only purchases in this state.")
    ] = None,
    account: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=200,
            description="Only purchases of the account with this id.",
            examples=["4f1c2a9e-7b0d-4c55-9a3e-2d8f6b1e7c90"],
        ),
    ] = None,
    cursor: Cursor = None,
    limit: Limit = PAGE_DEFAULT,
) -> AdminPurchasePage:
    """Purchases of one account, or of all accounts by status, oldest first. Without filters, those
    that need a decision (``mismatched``)."""
    caller.require_admin()
    filters = f"{status.value if status else ''}|{account or ''}"
    bound = {"account_id": caller.account_id, "route": _PURCHASES, "filters": filters}
    items, following = views.page_purchases(
        account_id=account,
        status=status,
        limit=limit,
        position=read_cursor(app, cursor, **bound),
    )
    return AdminPurchasePage(items=items, next_cursor=make_cursor(app, following, **bound))


@router.post(
    "/api/admin/purchases/{purchaseId}/resolve",
    operation_id="resolvePurchase",
    summary="Resolve a purchase",
    response_model=AdminPurchase,
    openapi_extra=declare(
        404, "ACCOUNT_FROZEN", "NOT_RESOLVABLE", "PAYMENT_UNAVAILABLE", key=KEY_REQUIRED
    ),
)
async def resolve(
    purchase_id: PurchaseIdInPath,
    body: ResolvePurchaseRequest,
    request: Request,
    app: CurrentApp,
    caller: CurrentCaller,
) -> Response:
    """Resolve a mismatched purchase: add credits for the payment, or refund it. An Idempotency-Key
    is required."""
    caller.require_admin()
    command, raw = await read_command(request, app, caller, key_required=True)

    def action() -> AdminPurchase:
        resolved = resolve_purchase(
            app,
            command,
            account_id=body.account_id,
            purchase_id=purchase_id,
            action=body.action,
            credits=body.credits,
            reason=body.reason,
        )
        return views.admin_purchase(resolved)

    return respond_once(app, command, raw, status=200, action=action)
