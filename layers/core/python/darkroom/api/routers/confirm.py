"""``POST /api/jobs/quote`` and ``POST /api/jobs/confirm``."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from darkroom.api.auth import CurrentApp, CurrentCaller
from darkroom.api.idempotency import read_command, respond_once
from darkroom.api.openapi.declare import CHARGED, DRAFTED, KEY_UNLESS_DRAFT, QUOTED, declare
from darkroom.api.problem_paths import inputs_below, renamed
from darkroom.api.schemas.jobs import (
    ConfirmRequest,
    ConfirmResponse,
    QuotePart,
    QuoteRequest,
    QuoteResponse,
)
from darkroom.kernel.clock import to_iso
from darkroom.kernel.errors import InvalidInput
from darkroom.kernel.problems import problem
from darkroom.usecases.jobs import confirm_job, quote_job
from darkroom.usecases.jobs.submit_job import Submission

router = APIRouter(tags=["Jobs"])
_NOT_INPUTS = {"draftJobId", "deviceId", "mode", "priority", "quoteId", "recipe"}


@router.post(
    "/api/jobs/quote",
    operation_id="quoteJob",
    summary="Quote a job",
    openapi_extra=declare(404, 409, *DRAFTED, "ACCOUNT_FROZEN"),
)
async def quote(
    body: QuoteRequest, request: Request, app: CurrentApp, caller: CurrentCaller
) -> QuoteResponse:
    """The price of a job. A job confirmed with the quote within 15 minutes costs exactly that."""
    command, _ = await read_command(request, app, caller, key_required=False)
    _check_subject(body)
    with inputs_below("inputs", body):
        if body.draft_job_id is not None:
            quoted = quote_job.quote_draft(app, command, draft_job_id=body.draft_job_id)
        else:
            assert body.recipe is not None and body.inputs is not None
            quoted = quote_job.quote_inputs(
                app,
                command,
                recipe_name=body.recipe,
                inputs=body.inputs,
                device_id=body.device_id or "",
            )
    return QuoteResponse(
        quote_id=quoted.quote_id,
        expires_at=to_iso(quoted.expires_at),
        credits=quoted.credits,
        breakdown=[
            QuotePart(name=part.name, credits=part.credits)
            for job in quoted.jobs
            for part in job.price
        ],
        balance=quoted.balance,
        debt=quoted.debt,
        sufficient=quoted.is_sufficient,
    )


@router.post(
    "/api/jobs/confirm",
    operation_id="confirmJob",
    summary="Confirm a job",
    status_code=202,
    response_model=ConfirmResponse,
    openapi_extra=declare(*DRAFTED, *CHARGED, *QUOTED, key=KEY_UNLESS_DRAFT),
)
async def confirm(
    body: ConfirmRequest, request: Request, app: CurrentApp, caller: CurrentCaller
) -> Response:
    """Hold the credits and queue the job, in one transaction."""
    command, raw = await read_command(request, app, caller, key_required=body.draft_job_id is None)
    sent = body.model_dump(by_alias=True, exclude_unset=True)
    inputs = {name: value for name, value in sent.items() if name not in _NOT_INPUTS}
    mode = _mode(body)

    def action() -> ConfirmResponse:
        with renamed("recipe", to="mode" if body.recipe is None else "recipe"):
            return confirmation(submit())

    def submit() -> Submission:
        if body.draft_job_id is not None:
            return confirm_job.confirm_draft(
                app,
                command,
                draft_job_id=body.draft_job_id,
                overrides=inputs if mode is None else {**inputs, "mode": mode},
                device_id=body.device_id,
                priority=body.priority,
                quote_id=body.quote_id,
            )
        return confirm_job.confirm_new(
            app,
            command,
            recipe_name=_required(mode),
            inputs=inputs,
            device_id=body.device_id or "",
            priority=body.priority or 0,
            quote_id=body.quote_id,
        )

    return respond_once(app, command, raw, status=202, action=action)


def _check_subject(body: QuoteRequest) -> None:
    """Check that the body names either a draft, or a recipe with its inputs.

    Raises:
        InvalidInput: both, or neither.
    """
    subject = {"recipe": body.recipe, "inputs": body.inputs}
    missing = [name for name, value in subject.items() if value is None]
    if (body.draft_job_id is None) != bool(missing):
        return
    fields = [problem(name, "REQUIRED") for name in missing]
    if body.draft_job_id is not None:
        fields = [problem(name, "NOT_WITH", field="draftJobId") for name in subject]
    raise InvalidInput("a draft, or a recipe and inputs", fields=fields)


def _mode(body: ConfirmRequest) -> str | None:
    """The recipe, from either of its two fields.

    Raises:
        InvalidInput: they contradict each other.
    """
    if body.mode is not None and body.recipe is not None and body.mode != body.recipe:
        raise InvalidInput("two recipes", fields=[problem("recipe", "NOT_WITH", field="mode")])
    return body.mode if body.mode is not None else body.recipe


def _required(mode: str | None) -> str:
    if mode is None:
        raise InvalidInput("mode is missing", fields=[problem("mode", "REQUIRED")])
    return mode


def confirmation(done: Submission) -> ConfirmResponse:
    return ConfirmResponse(
        job_id=done.job.job_id,
        status="queued",
        template_id=done.job.template_id,
        credits_reserved=done.job.reserved,
        balance=done.balance,
    )
