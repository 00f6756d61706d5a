"""The wallet, transactions, purchases and prices."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from darkroom.api.auth import CurrentApp, CurrentCaller
from darkroom.api.cursors import make_cursor, read_cursor
from darkroom.api.openapi.responses import responses
from darkroom.api.schemas.credits import PricingResponse, TransactionPage, WalletResponse
from darkroom.api.schemas.purchases import PurchasePage
from darkroom.credits.model import EntryType
from darkroom.kernel.limits import PAGE_DEFAULT, PAGE_LIMIT
from darkroom.views import credits as views
from darkroom.views import purchases

router = APIRouter(tags=["credits"])
_TRANSACTIONS = "transactions"
Limit = Annotated[int, Query(ge=1, le=PAGE_LIMIT)]


@router.get("/api/credits", responses=responses(WalletResponse, 200, 401), response_model=None)
async def get_credits(app: CurrentApp, caller: CurrentCaller) -> dict[str, Any]:
    """The wallet and its newest transactions. The first request adds the signup bonus."""
    shape, position = views.get_wallet(app, caller.account_id, limit=PAGE_DEFAULT)
    cursor = make_cursor(app, position, account_id=caller.account_id, route=_TRANSACTIONS)
    return {**shape, "nextCursor": cursor}


@router.get(
    "/api/credits/transactions",
    responses=responses(TransactionPage, 200, 400, 401),
    response_model=None,
)
async def list_transactions(
    app: CurrentApp,
    caller: CurrentCaller,
    cursor: str | None = None,
    limit: Limit = PAGE_DEFAULT,
    type: EntryType | None = None,
) -> dict[str, Any]:
    """The ledger, newest first. ``GET /api/credits`` returns a cursor for this list."""
    filters = type.value if type else ""
    bound = {"account_id": caller.account_id, "route": _TRANSACTIONS, "filters": filters}
    items, position = views.list_transactions(
        app,
        caller.account_id,
        limit=limit,
        before=read_cursor(app, cursor, **bound),
        type_=filters or None,
    )
    return {"items": items, "nextCursor": make_cursor(app, position, **bound)}


@router.get("/api/purchases", responses=responses(PurchasePage, 200, 401), response_model=None)
async def list_purchases(app: CurrentApp, caller: CurrentCaller) -> dict[str, Any]:
    """All purchases, newest first; ``message`` explains those that did not simply add credits."""
    items = purchases.list_purchases(caller.account_id, language=caller.language)
    return {"items": items, "nextCursor": None}


@router.get("/api/pricing", responses=responses(PricingResponse, 200), response_model=None)
async def get_pricing(app: CurrentApp) -> dict[str, Any]:
    """Packs, costs in credits, and the rules by which jobs are charged. Public."""
    return views.get_pricing(app.settings.currency)
