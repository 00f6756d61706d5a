"""The files of a job as a zip archive, for one job or for many."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from darkroom.api.auth import CurrentApp, CurrentCaller
from darkroom.api.bulk import results_for_each
from darkroom.api.idempotency import read_command
from darkroom.api.json_response import EscapingJSONResponse
from darkroom.api.openapi.responses import responses
from darkroom.api.routers.bulk_jobs import is_job_id
from darkroom.api.schemas.bulk import BulkResponse, JobIdsRequest
from darkroom.api.schemas.jobs import BuildingResponse, DownloadResponse
from darkroom.kernel.clock import to_iso
from darkroom.kernel.limits import ARCHIVE_RETRY_SECONDS
from darkroom.usecases.archives.request_archive import Link, allowance, request_archive

BUILDING = {"status": "building"}
router = APIRouter(tags=["jobs"])


@router.get(
    "/api/jobs/{jobId}/download",
    responses=responses(DownloadResponse, 200, 401, 404, 409, 413)
    | {
        202: {
            "model": BuildingResponse,
            "description": "The archive is being built; repeat the request later",
        }
    },
    response_model=None,
)
async def download(jobId: str, app: CurrentApp, caller: CurrentCaller) -> JSONResponse:
    """A link to a zip of a finished job's files. 202 while a large archive is being built."""
    link = request_archive(app, account_id=caller.account_id, job_id=jobId, allowed=allowance(app))
    if link is None:
        retry = {"Retry-After": str(ARCHIVE_RETRY_SECONDS)}
        return JSONResponse(BUILDING, status_code=202, headers=retry)
    return JSONResponse(_link(link), headers={"Cache-Control": "private, no-store"})


@router.post(
    "/api/jobs/bulk/download",
    responses=responses(BulkResponse, 200, 400, 401),
    response_model=None,
)
async def download_many(
    body: JobIdsRequest, request: Request, app: CurrentApp, caller: CurrentCaller
) -> JSONResponse:
    """Links to the zips of up to 100 jobs. Repeat the request for those with
    ``status: building``."""
    command, _ = await read_command(request, app, caller, key_required=False)
    allowed = allowance(app)

    def one(job_id: str) -> dict[str, Any]:
        link = request_archive(app, account_id=command.account_id, job_id=job_id, allowed=allowed)
        return BUILDING if link is None else {"status": "ready", **_link(link)}

    # Not stored under an Idempotency-Key: links expire earlier than stored responses.
    results = results_for_each(
        body.job_ids, one, name="jobId", knows=is_job_id, language=command.language
    )
    return EscapingJSONResponse(results)


def _link(link: Link) -> dict[str, str]:
    return {"downloadUrl": link.url, "expiresAt": to_iso(link.expires_at)}
