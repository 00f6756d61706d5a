"""``POST /api/jobs/confirm``."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from darkroom.api.auth import CurrentApp, CurrentCaller
from darkroom.api.docs import responses
from darkroom.api.idempotency import answer_once, read_command
from darkroom.api.schemas import ConfirmAnswer, ConfirmRequest
from darkroom.kernel.errors import InvalidInput
from darkroom.usecases import confirm_job
from darkroom.usecases.submit_job import Submission

router = APIRouter(tags=["jobs"])
_NOT_INPUTS = {"draftJobId", "deviceId"}


@router.post(
    "/api/jobs/confirm",
    status_code=202,
    responses=responses(ConfirmAnswer, 202, 400, 401, 402, 404, 409, 422),
)
async def confirm(
    body: ConfirmRequest, request: Request, app: CurrentApp, caller: CurrentCaller
) -> JSONResponse:
    """Hold the credits and queue the job, in one transaction."""
    call, raw = await read_command(request, app, caller, key_required=body.draft_job_id is None)
    sent = body.model_dump(by_alias=True, exclude_unset=True)
    fields = {name: value for name, value in sent.items() if name not in _NOT_INPUTS}

    def action() -> dict[str, Any]:
        if body.draft_job_id is not None:
            done = confirm_job.confirm_draft(
                app,
                call,
                draft_job_id=body.draft_job_id,
                overrides=fields,
                device_id=body.device_id,
            )
        else:
            done = confirm_job.confirm_new(
                app,
                call,
                recipe_name=_mode(fields),
                inputs={name: value for name, value in fields.items() if name != "mode"},
                device_id=body.device_id or "",
            )
        return confirmation(done)

    return answer_once(app, call, raw, status=202, action=action)


def _mode(fields: dict[str, Any]) -> str:
    mode = fields.get("mode")
    if mode is None:
        raise InvalidInput(
            "mode is missing", fields=[{"path": "mode", "message": "Field required"}]
        )
    return mode


def confirmation(done: Submission) -> dict[str, Any]:
    return {
        "jobId": done.job.job_id,
        "status": "queued",
        "templateId": done.job.template_id,
        "creditsReserved": done.job.reserved,
        "balance": done.balance,
    }
