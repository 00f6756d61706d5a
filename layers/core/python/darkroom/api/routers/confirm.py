"""``POST /api/jobs/quote`` and ``POST /api/jobs/confirm``."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from darkroom.api.auth import CurrentApp, CurrentCaller
from darkroom.api.docs import responses
from darkroom.api.idempotency import answer_once, read_command
from darkroom.api.schemas import ConfirmAnswer, ConfirmRequest, QuoteAnswer, QuoteRequest
from darkroom.kernel.clock import to_iso
from darkroom.kernel.errors import InvalidInput
from darkroom.usecases import confirm_job, quote_job
from darkroom.usecases.submit_job import Submission

router = APIRouter(tags=["jobs"])
_NOT_INPUTS = {"draftJobId", "deviceId", "priority", "quoteId"}


@router.post(
    "/api/jobs/quote",
    responses=responses(QuoteAnswer, 200, 400, 401, 404, 409),
    response_model=None,
)
async def quote(
    body: QuoteRequest, request: Request, app: CurrentApp, caller: CurrentCaller
) -> dict[str, Any]:
    """What a job costs now; confirmed within 15 minutes, it costs just that."""
    call, _ = await read_command(request, app, caller, key_required=False)
    if (body.draft_job_id is None) == (body.recipe is None or body.inputs is None):
        raise InvalidInput(
            "a draft or inputs",
            fields=[{"path": "draftJobId", "message": "send this, or recipe and inputs"}],
        )
    if body.draft_job_id is not None:
        offered = quote_job.quote_draft(app, call, draft_job_id=body.draft_job_id)
    else:
        assert body.recipe is not None and body.inputs is not None
        offered = quote_job.quote_inputs(
            app,
            call,
            recipe_name=body.recipe,
            inputs=body.inputs,
            device_id=body.device_id or "",
        )
    return {
        "quoteId": offered.quote_id,
        "expiresAt": to_iso(offered.expires_at),
        "credits": offered.credits,
        "breakdown": [
            {"name": part.name, "credits": part.credits}
            for job in offered.jobs
            for part in job.price
        ],
        "balance": offered.balance,
        "debt": offered.debt,
        "sufficient": offered.is_sufficient,
    }


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
                priority=body.priority,
                quote_id=body.quote_id,
            )
        else:
            done = confirm_job.confirm_new(
                app,
                call,
                recipe_name=_mode(fields),
                inputs={name: value for name, value in fields.items() if name != "mode"},
                device_id=body.device_id or "",
                priority=body.priority or 0,
                quote_id=body.quote_id,
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
