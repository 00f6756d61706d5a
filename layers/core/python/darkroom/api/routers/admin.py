"""Operators' routes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from aws_lambda_powertools import Logger
from fastapi import APIRouter

from darkroom.api.auth import CurrentApp, CurrentCaller
from darkroom.api.docs import responses
from darkroom.api.schemas import SweepAnswer, SweepRequest
from darkroom.bootstrap import App
from darkroom.kernel.clock import ShiftedClock, from_iso
from darkroom.kernel.errors import InvalidInput, NotFound
from darkroom.workers.sweep import sweep_everything

router = APIRouter(tags=["admin"])
logger = Logger()


@router.post(
    "/api/admin/sweep",
    responses=responses(SweepAnswer, 200, 400, 401, 403, 404),
    response_model=None,
)
async def sweep(body: SweepRequest, app: CurrentApp, caller: CurrentCaller) -> dict[str, Any]:
    """Run the sweeper, as if it were ``now``. Local stacks with test hooks only."""
    if not app.settings.test_hooks:
        raise NotFound("no such route")
    caller.require_admin()
    return {"done": dict(sweep_everything(_at(app, body.now)))}


def _at(app: App, now: str | None) -> App:
    if now is None:
        return app
    try:
        offset = from_iso(now) - app.clock.now()
    except ValueError as error:
        raise InvalidInput(
            "not a time", fields=[{"path": "now", "message": "must be an ISO 8601 time"}]
        ) from error
    return replace(app, clock=ShiftedClock(app.clock, offset))
