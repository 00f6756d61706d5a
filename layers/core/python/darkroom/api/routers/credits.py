"""The wallet, transactions, purchases and prices."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from darkroom.api.auth import CurrentApp, CurrentCaller
from darkroom.api.caching import CACHE_HEADERS, UNCHANGED, catalog_response, content_of
from darkroom.api.cursors import make_cursor, read_cursor
from darkroom.api.openapi.declare import declare
from darkroom.api.parameters import Cursor, Limit
from darkroom.credits.model import EntryType
from darkroom.kernel.limits import PAGE_DEFAULT
from darkroom.views import credits as views
from darkroom.views import purchases
from darkroom.views.credits import PricingResponse, TransactionPage, WalletResponse
from darkroom.views.purchases import PurchasePage

router = APIRouter(tags=["Credits"])
_TRANSACTIONS = "transactions"


@router.get(
    "/api/credits",
    operation_id="getCredits",
    summary="Get the wallet",
    openapi_extra=declare(409, "ACCOUNT_FROZEN"),
)
async def get_credits(app: CurrentApp, caller: CurrentCaller) -> WalletResponse:
    """The wallet and its newest transactions. The first request adds the signup bonus."""
    wallet, newest, position = views.get_wallet(app, caller.account_id, limit=PAGE_DEFAULT)
    cursor = make_cursor(app, position, account_id=caller.account_id, route=_TRANSACTIONS)
    return views.wallet_response(wallet, newest, cursor)


@router.get(
    "/api/credits/transactions",
    operation_id="listTransactions",
    summary="List transactions",
    openapi_extra=declare(409, "ACCOUNT_FROZEN"),
)
async def list_transactions(
    app: CurrentApp,
    caller: CurrentCaller,
    cursor: Cursor = None,
    limit: Limit = PAGE_DEFAULT,
    type: Annotated[EntryType | None, Query(description="Only entries of this type.")] = None,
) -> TransactionPage:
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
    return TransactionPage(items=items, next_cursor=make_cursor(app, position, **bound))


@router.get(
    "/api/purchases",
    operation_id="listPurchases",
    summary="List purchases",
    openapi_extra=declare(),
)
async def list_purchases(app: CurrentApp, caller: CurrentCaller) -> PurchasePage:
    """All purchases, newest first; ``message`` explains those that did not simply add credits."""
    items = purchases.list_purchases(caller.account_id, language=caller.language)
    return PurchasePage(items=items, next_cursor=None)


@router.get(
    "/api/pricing",
    operation_id="getPricing",
    summary="Get prices",
    response_model=PricingResponse,
    responses=UNCHANGED,
    openapi_extra=declare(takes=["If-None-Match"], sends=CACHE_HEADERS),
)
async def get_pricing(request: Request, app: CurrentApp) -> Response:
    """Packs, costs in credits, and the rules by which jobs are charged. Public."""
    return catalog_response(request, content_of(views.get_pricing(app)))
