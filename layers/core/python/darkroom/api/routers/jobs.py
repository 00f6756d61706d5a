"""One job: create, read, change, cancel, delete."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from darkroom.api.auth import CurrentApp, CurrentCaller
from darkroom.api.caching import UNCHANGED, has_tag, tags_of
from darkroom.api.idempotency import read_command, respond_once
from darkroom.api.json_response import json_response
from darkroom.api.openapi.declare import (
    CHARGED,
    DRAFTED,
    KEY_IF_QUEUED,
    KEY_OPTIONAL,
    QUOTED,
    declare,
)
from darkroom.api.parameters import JobIdInPath
from darkroom.api.problem_paths import inputs_below
from darkroom.api.schemas.jobs import (
    CreateJobsRequest,
    PatchJobRequest,
)
from darkroom.jobs.model import Job, JobFamily
from darkroom.usecases.jobs.cancel_job import cancel_job
from darkroom.usecases.jobs.confirm_job import create_jobs
from darkroom.usecases.jobs.delete_job import delete_job
from darkroom.usecases.jobs.draft_job import patch_draft
from darkroom.views import jobs as views
from darkroom.views.jobs import CancelResponse, JobResponse, JobsResponse, JobSummary

router = APIRouter(tags=["Jobs"])
Cascade = Annotated[bool, Query(description="Also delete jobs made from it.")]


@router.post(
    "/api/jobs",
    operation_id="createJobs",
    summary="Create jobs",
    status_code=201,
    response_model=JobsResponse,
    openapi_extra=declare(*DRAFTED, *CHARGED, *QUOTED, key=KEY_IF_QUEUED),
)
async def post_jobs(
    body: CreateJobsRequest, request: Request, app: CurrentApp, caller: CurrentCaller
) -> Response:
    """Create drafts, or jobs that are queued at once (then an Idempotency-Key is required).

    Captions make one job for each file. Of several jobs to be queued, those that the balance does
    not cover stay drafts, with a ``code``.
    """
    queued = body.status == "queued"
    command, raw = await read_command(request, app, caller, key_required=queued)

    def action() -> JobsResponse:
        with inputs_below("inputs", body):
            made = create_jobs(
                app,
                command,
                recipe_name=body.recipe,
                inputs=body.inputs,
                device_id=body.device_id or "",
                priority=body.priority,
                queued=queued,
                quote_id=body.quote_id,
            )
        return views.created_jobs(made, language=command.language)

    return respond_once(app, command, raw, status=201, action=action)


@router.get(
    "/api/jobs/{jobId}",
    operation_id="getJob",
    summary="Get a job",
    response_model=JobResponse,
    responses=UNCHANGED,
    openapi_extra=declare(
        400,
        404,
        takes=["If-None-Match"],
        sends=dict.fromkeys(("Cache-Control", "ETag", "Vary"), (200, 304)),
    ),
)
async def get_job(
    jobId: JobIdInPath,
    request: Request,
    app: CurrentApp,
    caller: CurrentCaller,
    disposition: Annotated[
        Literal["attachment", "inline"],
        Query(
            description="Whether `downloadUrl` and `jpegUrl` of outputs save the file under its "
            "name, or show it. The other links always show their picture."
        ),
    ] = "attachment",
) -> Response:
    """One job with tasks, outputs, receipt and timeline. Poll with ``If-None-Match``.

    Links stay the same for up to 15 minutes, so that a client that asks again finds its pictures in
    its cache; ``expiresAt`` says when they end.
    """
    family = views.get_family(caller.account_id, jobId)
    actions = views.actions_of(app, family, language=caller.language)
    tag = views.etag(app, family, actions, language=caller.language)
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Accept-Language"}
    if has_tag(request, tag):
        return Response(status_code=304, headers=headers)
    detail = views.job_detail(
        app, family, actions, language=caller.language, inline=disposition == "inline"
    )
    return json_response(detail, headers=headers)


@router.patch(
    "/api/jobs/{jobId}",
    operation_id="updateJob",
    summary="Change a draft",
    response_model=JobSummary,
    openapi_extra=declare(
        404,
        409,
        412,
        "JOB_NOT_DRAFT",
        "CONTENT_REJECTED",
        takes=["If-Match"],
        sends={"ETag": (200,)},
    ),
)
async def patch_job(
    jobId: JobIdInPath,
    body: PatchJobRequest,
    request: Request,
    app: CurrentApp,
    caller: CurrentCaller,
) -> Response:
    """Change a draft by a JSON merge patch (RFC 7396) of its inputs.

    With ``If-Match``, only if the draft has not changed since it was read. Inputs may be sent in
    ``inputs`` or at the top level.
    """
    command, _ = await read_command(request, app, caller, key_required=False)
    wanted = tags_of(request, "if-match")

    def is_current(draft: Job) -> bool:
        # The rest of an ETag depends on the links and on other items, which may change by time.
        states = {tag.strip('"').partition(".")[0] for tag in wanted}
        return not wanted or "*" in wanted or views.state_of(JobFamily(job=draft)) in states

    with inputs_below("inputs", body):
        draft = patch_draft(
            app,
            command,
            job_id=jobId,
            patch=lambda recipe: {**(body.inputs or {}), **(body.model_extra or {})},
            device_id=body.device_id,
            priority=body.priority,
            is_current=is_current,
        )
    family = JobFamily(job=draft)
    actions = views.actions_of(app, family, language=caller.language)
    headers = {"ETag": views.etag(app, family, actions, language=caller.language)}
    summary = views.changed_job(app, draft, actions, language=caller.language)
    return json_response(summary, headers=headers)


@router.post(
    "/api/jobs/{jobId}/cancel",
    operation_id="cancelJob",
    summary="Cancel a job",
    response_model=CancelResponse,
    openapi_extra=declare("ACCOUNT_FROZEN", key=KEY_OPTIONAL),
)
async def cancel(
    jobId: JobIdInPath, request: Request, app: CurrentApp, caller: CurrentCaller
) -> Response:
    """Cancel a job. Finished outputs are kept and charged, the rest is refunded. Safe to repeat.

    Each part of the price with a finished output costs at least 1 credit.
    """
    command, raw = await read_command(request, app, caller, key_required=False)

    def action() -> CancelResponse:
        outcome, job = cancel_job(app, account_id=command.account_id, job_id=jobId)
        receipt = views.job_receipt(job, language=command.language)
        return CancelResponse(outcome=outcome, receipt=receipt)

    return respond_once(app, command, raw, status=200, action=action)


@router.delete(
    "/api/jobs/{jobId}",
    operation_id="deleteJob",
    summary="Delete a job",
    status_code=204,
    openapi_extra=declare(404, 409, "HAS_CHILDREN", "JOB_NOT_FINAL"),
)
async def delete(
    jobId: JobIdInPath, app: CurrentApp, caller: CurrentCaller, cascade: Cascade = False
) -> Response:
    """Delete a draft or a finished job with its files; with ``cascade``, also jobs made from it."""
    delete_job(app, account_id=caller.account_id, job_id=jobId, cascade=cascade)
    return Response(status_code=204)
