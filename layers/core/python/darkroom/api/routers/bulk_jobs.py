"""Bulk requests about jobs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from darkroom.api.auth import CurrentApp, CurrentCaller
from darkroom.api.bulk import respond_once_for_each
from darkroom.api.idempotency import read_command
from darkroom.api.openapi.responses import responses
from darkroom.api.routers.regenerate import options_of
from darkroom.api.schemas.bulk import (
    BulkOptionsRequest,
    BulkResponse,
    BulkRetryRequest,
    JobIdsRequest,
)
from darkroom.bootstrap.composition import App
from darkroom.kernel.command import Command
from darkroom.kernel.ids import is_id
from darkroom.usecases.jobs.cancel_job import cancel_job
from darkroom.usecases.jobs.confirm_job import confirm_draft
from darkroom.usecases.jobs.draft_job import patch_draft
from darkroom.usecases.jobs.retry_job import retry_job

router = APIRouter(tags=["jobs"])


@router.patch(
    "/api/jobs/bulk",
    responses=responses(BulkResponse, 200, 400, 401, 422),
    response_model=None,
)
async def patch_options(
    body: BulkOptionsRequest, request: Request, app: CurrentApp, caller: CurrentCaller
) -> JSONResponse:
    """Change the options of up to 100 drafts with one merge patch."""
    command, raw = await read_command(request, app, caller, key_required=False)

    def one(job_id: str) -> dict[str, Any]:
        draft = patch_draft(
            app,
            command,
            job_id=job_id,
            patch=lambda recipe: recipe.patch_of(body.options_partial),
        )
        return {"status": draft.status.value}

    return _respond(app, command, raw, body.job_ids, one)


@router.post(
    "/api/jobs/bulk/run",
    responses=responses(BulkResponse, 200, 400, 401, 422),
    response_model=None,
)
async def run(
    body: JobIdsRequest, request: Request, app: CurrentApp, caller: CurrentCaller
) -> JSONResponse:
    """Confirm up to 100 drafts in the given order. Those beyond the balance stay drafts."""
    command, raw = await read_command(request, app, caller, key_required=False)

    def one(job_id: str) -> dict[str, Any]:
        done = confirm_draft(app, command.of(job_id), draft_job_id=job_id, overrides={})
        return {"status": done.job.status.value}

    return _respond(app, command, raw, body.job_ids, one)


@router.post(
    "/api/jobs/bulk/cancel",
    responses=responses(BulkResponse, 200, 400, 401, 422),
    response_model=None,
)
async def cancel(
    body: JobIdsRequest, request: Request, app: CurrentApp, caller: CurrentCaller
) -> JSONResponse:
    """Cancel up to 100 jobs."""
    command, raw = await read_command(request, app, caller, key_required=False)

    def one(job_id: str) -> dict[str, Any]:
        outcome, job = cancel_job(app, account_id=command.account_id, job_id=job_id)
        return {"status": job.status.value, "outcome": outcome}

    return _respond(app, command, raw, body.job_ids, one)


@router.post(
    "/api/jobs/bulk/retry",
    responses=responses(BulkResponse, 200, 400, 401, 422),
    response_model=None,
)
async def retry(
    body: BulkRetryRequest, request: Request, app: CurrentApp, caller: CurrentCaller
) -> JSONResponse:
    """Retry up to 100 jobs, each with a child job."""
    command, raw = await read_command(request, app, caller, key_required=True)
    options = options_of(body)

    def one(job_id: str) -> dict[str, Any]:
        done = retry_job(app, command.of(job_id), parent_job_id=job_id, options=options)
        return {"status": done.job.status.value, "retryJobId": done.job.job_id}

    return _respond(app, command, raw, body.job_ids, one)


def _respond(
    app: App,
    command: Command,
    raw: dict[str, Any],
    job_ids: Sequence[str],
    one: Callable[[str], dict[str, Any]],
) -> JSONResponse:
    return respond_once_for_each(
        app, command, raw, ids=job_ids, one=one, name="jobId", knows=is_job_id
    )


def is_job_id(text: str) -> bool:
    """Whether a text has the form of a job's id."""
    return is_id(text, "job")
