"""Operators' routes for the log of events, template analytics, the funnel and the margin."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response

from darkroom.api.auth import CurrentApp, CurrentCaller
from darkroom.api.csv_response import csv_response
from darkroom.api.cursors import make_cursor, read_cursor
from darkroom.api.openapi.declare import declare
from darkroom.api.parameters import Cursor, Limit
from darkroom.api.schemas.events import RebuildProjectionsRequest, RebuildProjectionsResponse
from darkroom.bootstrap.composition import App
from darkroom.kernel.clock import from_iso, to_iso
from darkroom.kernel.errors import InvalidInput
from darkroom.kernel.limits import (
    ANALYTICS_DAYS_LIMIT,
    ANALYTICS_DEFAULT_DAYS,
    PAGE_DEFAULT,
)
from darkroom.kernel.problems import problem
from darkroom.usecases.projections.rebuild_projections import rebuild_projections
from darkroom.views import analytics as views
from darkroom.views import events as event_views
from darkroom.views.analytics import (
    FunnelReport,
    GroupBy,
    MarginReport,
    Period,
    TemplateFilters,
    TemplateReport,
)
from darkroom.views.events import EVENT_NAMES, EventFilters, EventPage

router = APIRouter(tags=["Admin"])
_CSV: dict[int | str, dict[str, Any]] = {
    200: {"description": "A CSV file", "content": {"text/csv": {"schema": {"type": "string"}}}}
}
_DAY = timedelta(days=1)
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""Far enough from the first date that can be computed with."""
From = Annotated[
    str | None,
    Query(
        alias="from",
        description="The start: an ISO 8601 date or time, in UTC unless it has an offset.",
        examples=["2026-01-01"],
    ),
]
To = Annotated[
    str | None,
    Query(
        alias="to",
        description="The end, which is not included: an ISO 8601 date or time.",
        examples=["2026-02-01"],
    ),
]


async def wanted_period(app: CurrentApp, from_: From = None, to: To = None) -> Period:
    """Whole days: that of ``from``, and up to the last one before ``to``. By default the last 30.

    Raises:
        InvalidInput: a parameter is no time, or the period is longer than 400 days.
    """
    start, end = _moment(from_, "from"), _moment(to, "to")
    last = _last_day(app, end)
    first = last - (ANALYTICS_DEFAULT_DAYS - 1) * _DAY if start is None else start.date()
    if (last - first).days >= ANALYTICS_DAYS_LIMIT:
        limit = f"{ANALYTICS_DAYS_LIMIT} days"
        raise InvalidInput("too long", fields=[problem("from", "TOO_LARGE", limit=limit)])
    return Period(first=first, last=last)


def _last_day(app: App, end: datetime | None) -> date:
    if end is None:
        return app.clock.now().date()
    # The end is not included: midnight ends the day before.
    return (max(end, _EARLIEST) - timedelta(microseconds=1)).date()


async def wanted_templates(
    mode: Annotated[
        str | None, Query(description="Only templates of this mode.", examples=["story"])
    ] = None,
    stage: Annotated[
        str | None, Query(description="Only templates of this stage.", examples=["together"])
    ] = None,
    genre: Annotated[
        str | None, Query(description="Only templates of this genre.", examples=["comedy"])
    ] = None,
) -> TemplateFilters:
    return TemplateFilters(mode=mode, stage=stage, genre=genre)


WantedPeriod = Annotated[Period, Depends(wanted_period)]
WantedTemplates = Annotated[TemplateFilters, Depends(wanted_templates)]
WantedGroup = Annotated[
    GroupBy,
    Query(
        alias="groupBy",
        description="What a row is about; a template is one variant.",
        examples=["recipe"],
    ),
]


@router.get(
    "/api/admin/events",
    operation_id="listEvents",
    summary="List events",
    openapi_extra=declare(400),
)
async def list_events(
    app: CurrentApp,
    caller: CurrentCaller,
    account: Annotated[
        str | None,
        Query(
            max_length=200,
            description="Only events of the account with this id.",
            examples=["4f1c2a9e-7b0d-4c55-9a3e-2d8f6b1e7c90"],
        ),
    ] = None,
    job: Annotated[
        str | None,
        Query(
            max_length=200,
            description="Only events of the job with this id.",
            examples=["job_01JGTQ4M9R8W3Z5K7N2P6X0A00"],
        ),
    ] = None,
    name: Annotated[
        Annotated[str, EVENT_NAMES] | None,
        Query(max_length=100, description="Only events with this name.", examples=["job_done"]),
    ] = None,
    from_: From = None,
    to: To = None,
    cursor: Cursor = None,
    limit: Limit = PAGE_DEFAULT,
) -> EventPage:
    """Events of an account, a job or a name, latest first; at least one of these is required."""
    caller.require_admin()
    if account is None and job is None and name is None:
        raise InvalidInput("no filter", fields=[problem("account", "REQUIRED")])
    filters = EventFilters(
        account_id=account,
        job_id=job,
        name=name,
        created_from=_moment(from_, "from"),
        created_before=_moment(to, "to"),
    )
    bound = {
        "account_id": caller.account_id,
        "route": "admin-events",
        "filters": json.dumps([account, job, name, from_, to]),
    }
    items, position = event_views.page_events(
        filters, limit=limit, before=read_cursor(app, cursor, **bound)
    )
    return EventPage(items=items, next_cursor=make_cursor(app, position, **bound))


@router.get(
    "/api/analytics/templates",
    operation_id="getTemplateAnalytics",
    summary="Compare templates",
    openapi_extra=declare(400),
)
async def get_template_analytics(
    caller: CurrentCaller, period: WantedPeriod, filters: WantedTemplates
) -> TemplateReport:
    """How templates did in a period of whole days (by default the last 30), and how the variants of
    each combination compare."""
    caller.require_admin()
    return views.template_report(period, filters)


@router.get(
    "/api/analytics/templates.csv",
    operation_id="exportTemplateAnalytics",
    summary="Export templates as CSV",
    responses=_CSV,
    response_class=Response,
    response_model=None,
    openapi_extra=declare(400, sends={"Content-Disposition": (200,)}),
)
async def export_template_analytics(
    app: CurrentApp, caller: CurrentCaller, period: WantedPeriod, filters: WantedTemplates
) -> Response:
    """The rows of the same report as CSV."""
    caller.require_admin()
    text = views.templates_csv(views.template_report(period, filters))
    return _csv(app, "templates", text)


@router.get(
    "/api/analytics/funnel",
    operation_id="getFunnel",
    summary="Get the funnel",
    openapi_extra=declare(400),
)
async def get_funnel(caller: CurrentCaller, period: WantedPeriod) -> FunnelReport:
    """From uploads to running jobs, in a period of whole days (by default the last 30)."""
    caller.require_admin()
    return views.funnel_report(period)


@router.get(
    "/api/admin/margin",
    operation_id="getMargin",
    summary="Get the margin",
    openapi_extra=declare(400),
)
async def get_margin(
    caller: CurrentCaller, period: WantedPeriod, group_by: WantedGroup = "recipe"
) -> MarginReport:
    """Credits that jobs used against what providers charged, in a period of whole days (by default
    the last 30)."""
    caller.require_admin()
    return views.margin_report(period, group_by)


@router.get(
    "/api/admin/margin.csv",
    operation_id="exportMargin",
    summary="Export the margin as CSV",
    responses=_CSV,
    response_class=Response,
    response_model=None,
    openapi_extra=declare(400, sends={"Content-Disposition": (200,)}),
)
async def export_margin(
    app: CurrentApp,
    caller: CurrentCaller,
    period: WantedPeriod,
    group_by: WantedGroup = "recipe",
) -> Response:
    """The same report as CSV."""
    caller.require_admin()
    return _csv(app, "margin", views.margin_csv(views.margin_report(period, group_by)))


@router.post(
    "/api/admin/rebuild-projections",
    operation_id="rebuildProjections",
    summary="Rebuild the counters",
    openapi_extra=declare(400, "BAD_CURSOR"),
)
async def rebuild(
    body: RebuildProjectionsRequest, app: CurrentApp, caller: CurrentCaller
) -> RebuildProjectionsResponse:
    """Count a page of the log of events again. Send ``nextCursor`` until it is null: then the
    counters are those of the log. Safe to repeat, and to stop anywhere."""
    caller.require_admin()
    bound = {"account_id": caller.account_id, "route": "rebuild-projections"}
    step = rebuild_projections(app, read_cursor(app, body.cursor, **bound))
    return RebuildProjectionsResponse(
        counted=step.counted, next_cursor=make_cursor(app, step.position, **bound)
    )


def _csv(app: App, name: str, text: str) -> Response:
    return csv_response(text, name=f"{name}-{to_iso(app.clock.now())[:10]}")


def _moment(text: str | None, name: str) -> datetime | None:
    """A time, or the start of a date, in UTC."""
    if text is None:
        return None
    try:
        # In a query string a plus sign means a space.
        moment = from_iso(text.replace(" ", "+") if "T" in text else text)
        return from_iso(to_iso(moment))
    except (ValueError, OverflowError) as error:
        raise InvalidInput("bad filter", fields=[problem(name, "BAD_TIME")]) from error
