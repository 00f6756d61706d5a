"""Many jobs at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from darkroom.api.auth import CurrentApp, CurrentCaller
from darkroom.api.bulk import answer_each
from darkroom.api.idempotency import answer_once, read_command
from darkroom.api.openapi.responses import responses
from darkroom.api.routers.regenerate import options_of
from darkroom.api.schemas import (
    BulkAnswer,
    BulkOptionsRequest,
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
    responses=responses(BulkAnswer, 200, 400, 401, 422),
    response_model=None,
)
async def patch_options(
    body: BulkOptionsRequest, request: Request, app: CurrentApp, caller: CurrentCaller
) -> JSONResponse:
    """Change the options of up to 100 drafts by one merge patch."""
    call, raw = await read_command(request, app, caller, key_required=False)

    def one(job_id: str) -> dict[str, Any]:
        draft = patch_draft(
            app,
            call,
            job_id=job_id,
            patch=lambda recipe: recipe.patch_of(body.options_partial),
        )
        return {"status": draft.status.value}

    return _answer_all(app, call, raw, one)


@router.post(
    "/api/jobs/bulk/run",
    responses=responses(BulkAnswer, 200, 400, 401, 422),
    response_model=None,
)
async def run(
    body: JobIdsRequest, request: Request, app: CurrentApp, caller: CurrentCaller
) -> JSONResponse:
    """Confirm up to 100 drafts in the order given; those that the balance does not reach stay."""
    call, raw = await read_command(request, app, caller, key_required=False)

    def one(job_id: str) -> dict[str, Any]:
        done = confirm_draft(app, call.of(job_id), draft_job_id=job_id, overrides={})
        return {"status": done.job.status.value}

    return _answer_all(app, call, raw, one)


@router.post(
    "/api/jobs/bulk/cancel",
    responses=responses(BulkAnswer, 200, 400, 401, 422),
    response_model=None,
)
async def cancel(
    body: JobIdsRequest, request: Request, app: CurrentApp, caller: CurrentCaller
) -> JSONResponse:
    """Cancel up to 100 jobs."""
    call, raw = await read_command(request, app, caller, key_required=False)

    def one(job_id: str) -> dict[str, Any]:
        outcome, job = cancel_job(app, account_id=call.account_id, job_id=job_id)
        return {"status": job.status.value, "outcome": outcome}

    return _answer_all(app, call, raw, one)


@router.post(
    "/api/jobs/bulk/retry",
    responses=responses(BulkAnswer, 200, 400, 401, 422),
    response_model=None,
)
async def retry(
    body: BulkRetryRequest, request: Request, app: CurrentApp, caller: CurrentCaller
) -> JSONResponse:
    """Retry up to 100 jobs, each as a child of its own."""
    call, raw = await read_command(request, app, caller, key_required=True)
    options = options_of(body)

    def one(job_id: str) -> dict[str, Any]:
        done = retry_job(app, call.of(job_id), parent_job_id=job_id, options=options)
        return {"status": done.job.status.value, "retryJobId": done.job.job_id}

    return _answer_all(app, call, raw, one)


def _answer_all(
    app: App, call: Command, raw: dict[str, Any], one: Callable[[str], dict[str, Any]]
) -> JSONResponse:
    return answer_once(
        app, call, raw, status=200, action=lambda: answer_each_job(call, raw["jobIds"], one)
    )


def answer_each_job(
    call: Command, job_ids: Sequence[str], one: Callable[[str], dict[str, Any]]
) -> dict[str, Any]:
    return answer_each(
        job_ids, one, name="jobId", knows=lambda each: is_id(each, "job"), language=call.language
    )
