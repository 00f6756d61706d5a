"""Bulk requests about jobs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from darkroom.api.auth import CurrentApp, CurrentCaller
from darkroom.api.bulk import results_for_each
from darkroom.api.idempotency import read_command, respond_once
from darkroom.api.openapi.declare import KEY_OPTIONAL, KEY_REQUIRED, declare
from darkroom.api.routers.regenerate import options_of
from darkroom.api.schemas.bulk import (
    BulkOptionsRequest,
    BulkResponse,
    BulkResult,
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

router = APIRouter(tags=["Jobs"])


@router.patch(
    "/api/jobs/bulk",
    operation_id="updateJobs",
    summary="Change many drafts",
    response_model=BulkResponse,
    openapi_extra=declare(key=KEY_OPTIONAL),
)
async def patch_options(
    body: BulkOptionsRequest, request: Request, app: CurrentApp, caller: CurrentCaller
) -> Response:
    """Change the options of up to 100 drafts with one merge patch."""
    command, raw = await read_command(request, app, caller, key_required=False)

    def one(job_id: str) -> BulkResult:
        draft = patch_draft(
            app,
            command,
            job_id=job_id,
            patch=lambda recipe: recipe.patch_of(body.options_partial),
        )
        return BulkResult(job_id=job_id, ok=True, status=draft.status.value)

    return _respond(app, command, raw, body.job_ids, one)


@router.post(
    "/api/jobs/bulk/run",
    operation_id="runJobs",
    summary="Confirm many drafts",
    response_model=BulkResponse,
    openapi_extra=declare(key=KEY_OPTIONAL),
)
async def run(
    body: JobIdsRequest, request: Request, app: CurrentApp, caller: CurrentCaller
) -> Response:
    """Confirm up to 100 drafts in the given order. Those beyond the balance stay drafts."""
    command, raw = await read_command(request, app, caller, key_required=False)

    def one(job_id: str) -> BulkResult:
        done = confirm_draft(app, command.of(job_id), draft_job_id=job_id, overrides={})
        return BulkResult(job_id=job_id, ok=True, status=done.job.status.value)

    return _respond(app, command, raw, body.job_ids, one)


@router.post(
    "/api/jobs/bulk/cancel",
    operation_id="cancelJobs",
    summary="Cancel many jobs",
    response_model=BulkResponse,
    openapi_extra=declare(key=KEY_OPTIONAL),
)
async def cancel(
    body: JobIdsRequest, request: Request, app: CurrentApp, caller: CurrentCaller
) -> Response:
    """Cancel up to 100 jobs."""
    command, raw = await read_command(request, app, caller, key_required=False)

    def one(job_id: str) -> BulkResult:
        outcome, job = cancel_job(app, account_id=command.account_id, job_id=job_id)
        return BulkResult(job_id=job_id, ok=True, status=job.status.value, outcome=outcome)

    return _respond(app, command, raw, body.job_ids, one)


@router.post(
    "/api/jobs/bulk/retry",
    operation_id="retryJobs",
    summary="Retry many jobs",
    response_model=BulkResponse,
    openapi_extra=declare(key=KEY_REQUIRED),
)
async def retry(
    body: BulkRetryRequest, request: Request, app: CurrentApp, caller: CurrentCaller
) -> Response:
    """Retry up to 100 jobs, each with a child job."""
    command, raw = await read_command(request, app, caller, key_required=True)
    options = options_of(body)

    def one(job_id: str) -> BulkResult:
        done = retry_job(app, command.of(job_id), parent_job_id=job_id, options=options)
        return BulkResult(
            job_id=job_id,
            ok=True,
            status=done.job.status.value,
            retry_job_id=done.job.job_id,
        )

    return _respond(app, command, raw, body.job_ids, one)


def _respond(
    app: App,
    command: Command,
    raw: dict[str, Any],
    job_ids: Sequence[str],
    one: Callable[[str], BulkResult],
) -> Response:
    def action() -> BulkResponse:
        return each_job(job_ids, one, language=command.language)

    return respond_once(app, command, raw, status=200, action=action)


def each_job(
    job_ids: Sequence[str], one: Callable[[str], BulkResult], *, language: str
) -> BulkResponse:
    results = results_for_each(
        job_ids, one, refused=BulkResult.refused, knows=is_job_id, language=language
    )
    return BulkResponse(results=results)


def is_job_id(text: str) -> bool:
    """Whether a text has the form of a job's id."""
    return is_id(text, "job")
