"""Events that clients send."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from darkroom.api.auth import CurrentApp, CurrentCaller
from darkroom.api.idempotency import read_command, respond_once
from darkroom.api.openapi.declare import KEY_OPTIONAL, declare
from darkroom.api.schemas.events import SendEventsRequest, SendEventsResponse
from darkroom.usecases.events.record_client_events import ClientEvent, record_client_events

router = APIRouter(tags=["Events"])


@router.post(
    "/api/events",
    operation_id="sendEvents",
    summary="Send events",
    status_code=202,
    response_model=SendEventsResponse,
    openapi_extra=declare(400, key=KEY_OPTIONAL),
)
async def send_events(
    body: SendEventsRequest, request: Request, app: CurrentApp, caller: CurrentCaller
) -> Response:
    """Record what the user did in the frontend: up to 50 events, all of them or none."""
    command, raw = await read_command(request, app, caller, key_required=False)
    sent = [
        ClientEvent(
            name=event.name,
            props=event.props,
            job_id=event.job_id,
            occurred_at=event.occurred_at,
        )
        for event in body.events
    ]

    def action() -> SendEventsResponse:
        return SendEventsResponse(accepted=record_client_events(app, command, sent))

    return respond_once(app, command, raw, status=202, action=action)
