"""Lists of jobs, a spreadsheet, the history of tasks; and the selection of an output."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Query, Request
from fastapi.responses import Response

from darkroom.api.auth import CurrentApp, CurrentCaller
from darkroom.api.csv_response import csv_page
from darkroom.api.cursors import make_cursor, read_cursor
from darkroom.api.openapi.declare import declare
from darkroom.api.parameters import Cursor, Limit, OutputIdInPath
from darkroom.api.schemas.jobs import SelectRequest
from darkroom.jobs.lists import pages as listing
from darkroom.jobs.lists.pages import Filters, Sort, to_search
from darkroom.jobs.states import JobStatus
from darkroom.kernel.clock import from_iso, to_iso
from darkroom.kernel.errors import InvalidInput
from darkroom.kernel.limits import (
    BULK_LIMIT,
    CSV_ROWS_LIMIT,
    PAGE_DEFAULT,
    SEARCH_LIMIT_CHARS,
)
from darkroom.kernel.problems import Problem, problem
from darkroom.recipes import get_recipe
from darkroom.usecases.jobs.select_output import select_output
from darkroom.views import generations, job_lists
from darkroom.views.generations import GenerationPage
from darkroom.views.jobs import JobPage, OutputDetail, output_detail
from darkroom.views.words import RECIPES

router = APIRouter(tags=["Jobs"])
Rows = Annotated[
    int, Query(ge=1, le=CSV_ROWS_LIMIT, description="Most rows in the file.", examples=[1000])
]


@dataclass(frozen=True)
class Wanted:
    """The filters of a request, and their text, which cursors are bound to."""

    filters: Filters
    text: str


async def wanted_jobs(
    status: Annotated[
        JobStatus | None, Query(description="Only jobs in this state.", examples=["succeeded"])
    ] = None,
    recipe: Annotated[
        Annotated[str, RECIPES] | None,
        Query(description="Only jobs of this recipe.", examples=["captions"]),
    ] = None,
    translate: Annotated[
        bool | None, Query(description="Only captions with, or without, a translation.")
    ] = None,
    date_from: Annotated[
        str | None,
        Query(
            alias="dateFrom",
            description="Only jobs created then or later: an ISO 8601 date or time, in UTC unless "
            "it has an offset.",
            examples=["2026-01-05"],
        ),
    ] = None,
    date_to: Annotated[
        str | None,
        Query(
            alias="dateTo",
            description="Only jobs created before it: an ISO 8601 date or time.",
            examples=["2026-02-01T00:00:00Z"],
        ),
    ] = None,
    search: Annotated[
        str | None,
        Query(
            max_length=SEARCH_LIMIT_CHARS,
            description="Beginnings of words in file names and tags, all of which must match, or a "
            "whole id.",
            examples=["wedding"],
        ),
    ] = None,
    sort: Annotated[
        Sort,
        Query(description="Order of the jobs. A search knows no `duration`.", examples=["newest"]),
    ] = Sort.NEWEST,
) -> Wanted:
    """The filters; raises InvalidInput with the name of a bad parameter."""
    if recipe is not None:
        get_recipe(recipe)
    is_search = search is not None and search.strip() != ""
    if is_search and sort is Sort.DURATION:
        raise _bad(problem("sort", "ONLY_THESE_SORTS", allowed="newest, oldest, failedFirst"))
    filters = Filters(
        status=status,
        recipe=recipe,
        translate=translate,
        created_from=_moment(date_from, "dateFrom"),
        created_before=_moment(date_to, "dateTo"),
        search=to_search(search) if search is not None and is_search else None,
        sort=sort,
    )
    parts = [status, recipe, translate, date_from, date_to, search if is_search else None, sort]
    return Wanted(filters, json.dumps(parts))


WantedJobs = Annotated[Wanted, Depends(wanted_jobs)]


@router.get(
    "/api/jobs",
    operation_id="listJobs",
    summary="List jobs",
    openapi_extra=declare(),
)
async def list_jobs(
    app: CurrentApp,
    caller: CurrentCaller,
    wanted: WantedJobs,
    cursor: Cursor = None,
    limit: Limit = PAGE_DEFAULT,
) -> JobPage:
    """The account's jobs without their tasks, outputs and timelines.

    ``dateFrom`` (inclusive) and ``dateTo`` (exclusive) limit the time of creation. ``translate``
    applies to captions. ``search`` matches the beginnings of words in file names and tags, all
    of its words, or a whole id. A search or ``sort=duration`` combined with other filters may
    return short or empty pages with a ``nextCursor``: continue until it is null.
    """
    bound = {"account_id": caller.account_id, "route": "jobs", "filters": wanted.text}
    items, position = job_lists.list_jobs(
        app,
        caller.account_id,
        wanted.filters,
        limit=limit,
        after=read_cursor(app, cursor, **bound),
        language=caller.language,
    )
    return JobPage(items=items, next_cursor=make_cursor(app, position, **bound))


@router.get(
    "/api/jobs.csv",
    operation_id="exportJobs",
    summary="Export jobs as CSV",
    responses={
        200: {"description": "A CSV file", "content": {"text/csv": {"schema": {"type": "string"}}}}
    },
    response_class=Response,
    response_model=None,
    openapi_extra=declare(400, sends={"Content-Disposition": (200,), "Link": (200,)}),
)
async def export_jobs(
    request: Request,
    app: CurrentApp,
    caller: CurrentCaller,
    wanted: WantedJobs,
    job_ids: Annotated[
        str | None,
        Query(
            alias="jobIds",
            description="Only these jobs: up to 100 ids, separated by commas; with no other "
            "parameter.",
            examples=["job_01JGTQ4M9R8W3Z5K7N2P6X0A00"],
        ),
    ] = None,
    cursor: Cursor = None,
    limit: Rows = CSV_ROWS_LIMIT,
) -> Response:
    """The same list as CSV, up to 1,000 rows; ``Link: <…>; rel="next"`` names the next page.

    ``jobIds`` (up to 100, separated by commas) selects single jobs; jobs that are missing or
    belong to another account are left out.
    """
    bound = {"account_id": caller.account_id, "route": "jobs.csv", "filters": wanted.text}
    if job_ids is not None:
        if set(request.query_params) - {"jobIds"}:
            others = sorted(set(request.query_params) - {"jobIds"})
            raise _bad(problem("jobIds", "NOT_WITH", field=others))
        page = listing.find_page(caller.account_id, _ids(job_ids))
    else:
        after = read_cursor(app, cursor, **bound)
        page = listing.read_page(caller.account_id, wanted.filters, limit=limit, after=after)
    day = to_iso(app.clock.now())[:10]
    return csv_page(
        job_lists.to_csv(caller.account_id, page),
        name=f"jobs-{day}",
        request=request,
        query=request.query_params,
        following=make_cursor(app, page.position, **bound),
    )


@router.get(
    "/api/generations",
    operation_id="listGenerations",
    summary="List tasks",
    openapi_extra=declare(409, "ACCOUNT_FROZEN"),
)
async def list_generations(
    app: CurrentApp,
    caller: CurrentCaller,
    cursor: Cursor = None,
    limit: Limit = PAGE_DEFAULT,
) -> GenerationPage:
    """The history of tasks, including failed ones, newest first."""
    bound = {"account_id": caller.account_id, "route": "generations"}
    items, position = generations.list_generations(
        app,
        caller.account_id,
        limit=limit,
        after=read_cursor(app, cursor, **bound),
        language=caller.language,
    )
    return GenerationPage(
        items=items,
        next_cursor=make_cursor(app, position, **bound),
        remaining_credits=generations.remaining_credits(app, caller.account_id),
    )


@router.post(
    "/api/outputs/{outputId}/select",
    operation_id="selectOutput",
    summary="Select an output",
    openapi_extra=declare(404),
)
async def select(
    output_id: OutputIdInPath,
    app: CurrentApp,
    caller: CurrentCaller,
    body: Annotated[SelectRequest, Body(default_factory=SelectRequest)],
) -> OutputDetail:
    """Select an output of its job; only one output is selected. Safe to repeat."""
    job, output = select_output(
        app,
        account_id=caller.account_id,
        output_id=output_id,
        job_id=body.job_id,
    )
    return output_detail(app, job, output)


def _ids(text: str) -> list[str]:
    ids = [job_id.strip() for job_id in text.split(",") if job_id.strip()]
    if not 1 <= len(ids) <= BULK_LIMIT:
        code, limit = ("TOO_MANY", BULK_LIMIT) if ids else ("TOO_FEW", 1)
        raise _bad(problem("jobIds", code, limit=limit))
    return ids


def _moment(text: str | None, name: str) -> datetime | None:
    """A time, or the start of a date; without a zone it is UTC."""
    if text is None:
        return None
    try:
        # In a query string a plus sign means a space.
        moment = from_iso(text.replace(" ", "+") if "T" in text else text)
        to_iso(moment)
    except (ValueError, OverflowError) as error:
        raise _bad(problem(name, "BAD_TIME")) from error
    return moment


def _bad(found: Problem) -> InvalidInput:
    return InvalidInput("bad filter", fields=[found])
