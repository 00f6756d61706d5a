"""``/api/usage``: what the caller's account used, month by month."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from darkroom.api.auth import ADMIN_GROUP, CurrentApp, CurrentCaller
from darkroom.api.csv_response import csv_page
from darkroom.api.cursors import make_cursor, read_cursor
from darkroom.api.openapi.declare import declare
from darkroom.api.parameters import Cursor, Limit
from darkroom.kernel.limits import CSV_ROWS_LIMIT, PAGE_DEFAULT
from darkroom.views import usage as views
from darkroom.views.usage import UsagePage, UsageSummary

router = APIRouter(tags=["Account"])
_RECORDS, _CSV = "usage", "usage.csv"
Month = Annotated[
    str | None,
    Query(
        max_length=10,
        description="The month, in UTC, as `YYYY-MM`; without it, the current one.",
        examples=["2026-11"],
    ),
]
Rows = Annotated[
    int, Query(ge=1, le=CSV_ROWS_LIMIT, description="Most rows in the file.", examples=[1000])
]


@router.get(
    "/api/usage/summary",
    operation_id="getUsage",
    summary="Get a month's usage",
    openapi_extra=declare(400, "ITEM_UNREADABLE"),
)
async def get_summary(app: CurrentApp, caller: CurrentCaller, month: Month = None) -> UsageSummary:
    """What the account used in a month, and how much of each limit of its plan it uses now."""
    is_admin = ADMIN_GROUP in caller.groups
    return views.get_summary(app, caller.account_id, month, shows_cost=is_admin)


@router.get(
    "/api/usage/records",
    operation_id="listUsage",
    summary="List usage",
    openapi_extra=declare(),
)
async def list_records(
    app: CurrentApp,
    caller: CurrentCaller,
    month: Month = None,
    cursor: Cursor = None,
    limit: Limit = PAGE_DEFAULT,
) -> UsagePage:
    """The jobs that ended in a month, with what each of them used."""
    wanted = views.checked_month(app, month)
    bound = {"account_id": caller.account_id, "route": _RECORDS, "filters": wanted}
    items, position = views.list_records(
        caller.account_id, wanted, limit=limit, before=read_cursor(app, cursor, **bound)
    )
    return UsagePage(items=items, next_cursor=make_cursor(app, position, **bound))


@router.get(
    "/api/usage/records.csv",
    operation_id="exportUsage",
    summary="Export usage as CSV",
    responses={
        200: {"description": "A CSV file", "content": {"text/csv": {"schema": {"type": "string"}}}}
    },
    response_class=Response,
    response_model=None,
    openapi_extra=declare(400, sends={"Content-Disposition": (200,), "Link": (200,)}),
)
async def export_records(
    request: Request,
    app: CurrentApp,
    caller: CurrentCaller,
    month: Month = None,
    cursor: Cursor = None,
    limit: Rows = CSV_ROWS_LIMIT,
) -> Response:
    """The same list as CSV, up to 1,000 rows; ``Link: <…>; rel="next"`` names the next page."""
    wanted = views.checked_month(app, month)
    bound = {"account_id": caller.account_id, "route": _CSV, "filters": wanted}
    items, position = views.list_records(
        caller.account_id, wanted, limit=limit, before=read_cursor(app, cursor, **bound)
    )
    return csv_page(
        views.to_csv(items),
        name=f"usage-{wanted}",
        request=request,
        # The month is named, because this may be the last moment of the current one.
        query={"month": wanted, "limit": limit},
        following=make_cursor(app, position, **bound),
    )
