"""``POST /api/jobs/{jobId}/regenerate``."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from darkroom.api.auth import CurrentApp, CurrentCaller
from darkroom.api.docs import responses
from darkroom.api.idempotency import answer_once, read_command
from darkroom.api.schemas import RegenerateAnswer, RegenerateRequest
from darkroom.kernel.errors import InvalidInput
from darkroom.usecases.regenerate_job import regenerate

router = APIRouter(tags=["jobs"])


@router.post(
    "/api/jobs/{jobId}/regenerate",
    status_code=202,
    responses=responses(RegenerateAnswer, 202, 400, 401, 402, 404, 409, 422),
)
async def regenerate_job(
    jobId: str,
    body: RegenerateRequest,
    request: Request,
    app: CurrentApp,
    caller: CurrentCaller,
) -> JSONResponse:
    """Make one clip, scene or ending again, as a child job that inherits the rest."""
    call, raw = await read_command(request, app, caller, key_required=True)
    if body.key is not None:
        raise InvalidInput("no recipe here has single images", code="INVALID_TARGET")

    def action() -> dict[str, Any]:
        done = regenerate(app, call, parent_job_id=jobId, target=body.target, clip_no=body.clip_no)
        return {
            "retryJobId": done.job.job_id,
            "creditsReserved": done.job.reserved,
            "balance": done.balance,
        }

    return answer_once(app, call, raw, status=202, action=action)
