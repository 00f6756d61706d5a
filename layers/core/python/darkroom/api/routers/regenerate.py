"""``POST /api/jobs/{jobId}/regenerate``, ``/retry`` and ``/rerun``."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Request
from fastapi.responses import Response

from darkroom.api.auth import CurrentApp, CurrentCaller
from darkroom.api.idempotency import read_command, respond_once
from darkroom.api.openapi.declare import CHARGED, CHILD, DRAFTED, KEY_REQUIRED, declare
from darkroom.api.parameters import JobIdInPath
from darkroom.api.problem_paths import inputs_below
from darkroom.api.routers.confirm import confirmation
from darkroom.api.schemas.jobs import (
    ConfirmResponse,
    RegenerateRequest,
    RegenerateResponse,
    RetryRequest,
)
from darkroom.kernel.errors import InvalidInput
from darkroom.kernel.problems import problem
from darkroom.recipes.base import Target
from darkroom.usecases.jobs.regenerate_job import regenerate
from darkroom.usecases.jobs.retry_job import rerun_job, retry_job
from darkroom.usecases.jobs.submit_job import Submission

router = APIRouter(tags=["Jobs"])


@router.post(
    "/api/jobs/{jobId}/regenerate",
    operation_id="regenerateJob",
    summary="Regenerate a part of a job",
    status_code=202,
    response_model=RegenerateResponse,
    openapi_extra=declare(*CHARGED, *CHILD, "INVALID_TARGET", "NOT_REGENERABLE", key=KEY_REQUIRED),
)
async def regenerate_job(
    jobId: JobIdInPath,
    body: RegenerateRequest,
    request: Request,
    app: CurrentApp,
    caller: CurrentCaller,
) -> Response:
    """Make one clip, scene, ending or image again, as a child job that inherits the rest."""
    command, raw = await read_command(request, app, caller, key_required=True)
    target = Target(name=body.target, clip_no=body.clip_no, key=body.key)

    def action() -> RegenerateResponse:
        return child_response(regenerate(app, command, parent_job_id=jobId, target=target))

    return respond_once(app, command, raw, status=202, action=action)


@router.post(
    "/api/jobs/{jobId}/retry",
    operation_id="retryJob",
    summary="Retry a job",
    status_code=202,
    response_model=RegenerateResponse,
    openapi_extra=declare(
        *CHARGED,
        *CHILD,
        "ASSET_FAILED",
        "ASSET_NOT_READY",
        "CONTENT_REJECTED",
        "NO_TEMPLATES",
        "NOT_RETRYABLE",
        key=KEY_REQUIRED,
    ),
)
async def retry(
    jobId: JobIdInPath,
    body: Annotated[RetryRequest, Body(default_factory=RetryRequest)],
    request: Request,
    app: CurrentApp,
    caller: CurrentCaller,
) -> Response:
    """Make the missing outputs of a failed, partial or canceled job, as a child job.

    The price is that of the whole run, at the costs of the first run, less the credits used.
    """
    command, raw = await read_command(request, app, caller, key_required=True)
    options = options_of(body)

    def action() -> RegenerateResponse:
        with inputs_below("options", body):
            return child_response(retry_job(app, command, parent_job_id=jobId, options=options))

    return respond_once(app, command, raw, status=202, action=action)


@router.post(
    "/api/jobs/{jobId}/rerun",
    operation_id="rerunJob",
    summary="Run a job again",
    status_code=202,
    response_model=ConfirmResponse,
    openapi_extra=declare(*CHARGED, *DRAFTED, "JOB_NOT_FINAL", key=KEY_REQUIRED),
)
async def rerun(
    jobId: JobIdInPath, request: Request, app: CurrentApp, caller: CurrentCaller
) -> Response:
    """Run the same inputs again, as a new job at full price."""
    command, raw = await read_command(request, app, caller, key_required=True)

    def action() -> ConfirmResponse:
        return confirmation(rerun_job(app, command, job_id=jobId))

    return respond_once(app, command, raw, status=202, action=action)


def options_of(body: RetryRequest) -> dict[str, Any]:
    """The options that a retry changes; none by default.

    Raises:
        InvalidInput: the old options are not kept and no new ones are given.
    """
    if not body.keep_options and not body.options:
        fields = [problem("options", "REQUIRED_WITH", field="keepOptions: false")]
        raise InvalidInput("no options", fields=fields)
    return body.options or {}


def child_response(done: Submission) -> RegenerateResponse:
    return RegenerateResponse(
        job_id=done.job.job_id,
        retry_job_id=done.job.job_id,
        credits_reserved=done.job.reserved,
        balance=done.balance,
    )
