"""The files of a job as a zip archive, for one job or for many."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response

from darkroom.api.auth import CurrentApp, CurrentCaller
from darkroom.api.idempotency import read_command
from darkroom.api.json_response import json_response
from darkroom.api.openapi.declare import declare
from darkroom.api.parameters import JobIdInPath
from darkroom.api.routers.bulk_jobs import each_job
from darkroom.api.schemas.bulk import BulkResponse, BulkResult, JobIdsRequest
from darkroom.api.schemas.jobs import BuildingResponse, DownloadResponse
from darkroom.kernel.clock import to_iso
from darkroom.kernel.limits import ARCHIVE_RETRY_SECONDS
from darkroom.usecases.archives.request_archive import allowance, request_archive

BUILDING: Literal["building"] = "building"
router = APIRouter(tags=["Jobs"])


@router.get(
    "/api/jobs/{jobId}/download",
    operation_id="downloadJob",
    summary="Download a job",
    response_model=DownloadResponse,
    responses={
        202: {
            "model": BuildingResponse,
            "description": "The archive is being built; repeat the request later",
        }
    },
    openapi_extra=declare(
        404,
        409,
        "JOB_NOT_FINAL",
        "NO_OUTPUTS",
        "ARCHIVE_FAILED",
        "ARCHIVE_TOO_LARGE",
        sends={"Cache-Control": (200,), "Retry-After": (202,)},
    ),
)
async def download(jobId: JobIdInPath, app: CurrentApp, caller: CurrentCaller) -> Response:
    """A link to a zip of a finished job's files. 202 while a large archive is being built."""
    link = request_archive(app, account_id=caller.account_id, job_id=jobId, allowed=allowance(app))
    if link is None:
        retry = {"Retry-After": str(ARCHIVE_RETRY_SECONDS)}
        return json_response(BuildingResponse(status=BUILDING), status=202, headers=retry)
    ready = DownloadResponse(download_url=link.url, expires_at=to_iso(link.expires_at))
    return json_response(ready, headers={"Cache-Control": "private, no-store"})


@router.post(
    "/api/jobs/bulk/download",
    operation_id="downloadJobs",
    summary="Download many jobs",
    response_model=BulkResponse,
    openapi_extra=declare(),
)
async def download_many(
    body: JobIdsRequest, request: Request, app: CurrentApp, caller: CurrentCaller
) -> Response:
    """Links to the zips of up to 100 jobs. Repeat the request for those with
    ``status: building``."""
    command, _ = await read_command(request, app, caller, key_required=False)
    allowed = allowance(app)

    def one(job_id: str) -> BulkResult:
        link = request_archive(app, account_id=command.account_id, job_id=job_id, allowed=allowed)
        if link is None:
            return BulkResult(job_id=job_id, ok=True, status=BUILDING)
        return BulkResult(
            job_id=job_id,
            ok=True,
            status="ready",
            download_url=link.url,
            expires_at=to_iso(link.expires_at),
        )

    # Not stored under an Idempotency-Key: links expire earlier than stored responses.
    return json_response(each_job(body.job_ids, one, language=command.language))
