"""Reads of jobs, and drafts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response

from darkroom.api.auth import CurrentApp, CurrentCaller
from darkroom.api.cursors import make_cursor, read_cursor
from darkroom.api.docs import responses
from darkroom.api.idempotency import answer_once, read_command
from darkroom.api.schemas import CreateJobsRequest, JobAnswer, JobPage, JobsAnswer
from darkroom.bootstrap import App
from darkroom.jobs import store
from darkroom.jobs.model import Job
from darkroom.kernel.limits import PAGE_DEFAULT, PAGE_LIMIT
from darkroom.usecases.confirm_job import confirm_new
from darkroom.usecases.create_drafts import create_draft
from darkroom.usecases.requests import Command
from darkroom.views import jobs as views

router = APIRouter(tags=["jobs"])
_ROUTE = "jobs"


@router.post(
    "/api/jobs",
    status_code=201,
    responses=responses(JobsAnswer, 201, 400, 401, 402, 404, 409, 422),
)
async def create_jobs(
    body: CreateJobsRequest, request: Request, app: CurrentApp, caller: CurrentCaller
) -> JSONResponse:
    """Create a draft, or a job that is queued at once (then an Idempotency-Key is required)."""
    queued = body.status == "queued"
    call, raw = await read_command(request, app, caller, key_required=queued)

    def action() -> dict[str, Any]:
        device_id = body.device_id or ""
        create = _queue if queued else create_draft
        job = create(app, call, recipe_name=body.recipe, inputs=body.inputs, device_id=device_id)
        return {"jobs": [views.job_summary(job)]}

    return answer_once(app, call, raw, status=201, action=action)


def _queue(
    app: App, call: Command, *, recipe_name: str, inputs: Mapping[str, Any], device_id: str
) -> Job:
    done = confirm_new(app, call, recipe_name=recipe_name, inputs=inputs, device_id=device_id)
    return done.job


@router.get("/api/jobs", responses=responses(JobPage, 200, 400, 401), response_model=None)
async def list_jobs(
    app: CurrentApp,
    caller: CurrentCaller,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_LIMIT)] = PAGE_DEFAULT,
) -> dict[str, Any]:
    """The account's jobs, newest first."""
    bound = {"account_id": caller.account_id, "route": _ROUTE}
    jobs, position = store.list_jobs(
        caller.account_id, limit=limit, before=read_cursor(app, cursor, **bound)
    )
    return {
        "items": [views.job_summary(job) for job in jobs],
        "nextCursor": make_cursor(app, position, **bound),
    }


@router.get(
    "/api/jobs/{jobId}",
    responses=responses(JobAnswer, 200, 401, 404) | {304: {"description": "Unchanged"}},
    response_model=None,
)
async def get_job(
    jobId: str,
    request: Request,
    app: CurrentApp,
    caller: CurrentCaller,
) -> Response:
    """One job with tasks, outputs, receipt and timeline. Poll with ``If-None-Match``."""
    family = views.get_family(caller.account_id, jobId)
    tag = views.etag(app, family)
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if tag in [known.strip() for known in request.headers.get("if-none-match", "").split(",")]:
        return Response(status_code=304, headers=headers)
    return JSONResponse(views.job_detail(app, family), headers=headers)
