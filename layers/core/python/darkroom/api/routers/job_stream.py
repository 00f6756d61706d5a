"""``GET /api/jobs/stream``: live updates as server-sent events, and the ticket that opens them.

Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html. A response
has the new events and ends; the browser's EventSource reconnects by itself after ``retry`` with the
last event id. EventSource cannot send an Authorization header, so it sends a short-lived ticket.
The route has no authorizer at the gateway; the function verifies the ticket or the token itself.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.responses import Response

from darkroom.api.auth import CurrentApp, CurrentCaller, trusted_account
from darkroom.api.json_response import to_json
from darkroom.api.openapi.declare import declare
from darkroom.api.schemas.jobs import StreamTicketResponse
from darkroom.bootstrap.composition import App
from darkroom.kernel.clock import to_epoch_seconds, to_iso
from darkroom.kernel.errors import Unauthorized
from darkroom.kernel.limits import STREAM_RETRY_MS, STREAM_TICKET_SECONDS
from darkroom.kernel.signing import BadSignature, sign, verify
from darkroom.usecases.accounts.check_account import check_not_erased
from darkroom.usecases.limits.limit_requests import limit_stream
from darkroom.views.job_changes import Changes, JobEvent, changes_since, job_event, read_position

PURPOSE = "stream-ticket"
MEDIA_TYPE = "text/event-stream"
EVENTS = {
    "type": "string",
    "contentMediaType": MEDIA_TYPE,
    "contentSchema": {"$ref": f"#/components/schemas/{JobEvent.__name__}"},
    "examples": ["retry: 2000\n\nid: 1767603600000999\nevent: job\ndata: {…}\n\n"],
}
"""The body in the API's document: the content of its events is a ``JobEvent`` each."""
HEADERS = {
    "Cache-Control": "no-store, no-transform",
    # nginx and other proxies must not buffer the response.
    "X-Accel-Buffering": "no",
}
ticket_router = APIRouter(tags=["Jobs"])
router = APIRouter(tags=["Jobs"])


@ticket_router.post(
    "/api/jobs/stream-ticket",
    operation_id="createStreamTicket",
    summary="Get a ticket for the stream",
    openapi_extra=declare(),
)
async def open_stream(app: CurrentApp, caller: CurrentCaller) -> StreamTicketResponse:
    """A ticket for ``GET /api/jobs/stream?ticket=``, valid for ten minutes and no other route."""
    now = app.clock.now().replace(microsecond=0)
    until = now + timedelta(seconds=STREAM_TICKET_SECONDS)
    grant = {"account": caller.account_id, "until": to_epoch_seconds(until)}
    return StreamTicketResponse(
        ticket=sign(app.signing_secret.value, PURPOSE, grant), expires_at=to_iso(until)
    )


@router.get(
    "/api/jobs/stream",
    operation_id="streamJobs",
    summary="Watch jobs",
    response_class=Response,
    responses={
        200: {
            "description": "Server-sent events: `job`, with a `JobEvent` as data. The response "
            "ends; reconnect after `retry` milliseconds with `Last-Event-ID`.",
            "content": {MEDIA_TYPE: {"schema": EVENTS}},
        }
    },
    openapi_extra=declare(429, takes=["Last-Event-ID"], sends=dict.fromkeys(HEADERS, (200,))),
)
async def stream(
    app: CurrentApp,
    ticket: Annotated[
        str | None,
        Query(
            description="`ticket` of `POST /api/jobs/stream-ticket`, instead of a token.",
            examples=["eyJhY2NvdW50IjoiNDIifQ.5d1c"],
        ),
    ] = None,
    lastEventId: Annotated[
        str | None,
        Query(
            description="With a new ticket: the id of the last event received.",
            examples=["1767603600000999"],
        ),
    ] = None,
    last_event_id: Annotated[str | None, Header(include_in_schema=False)] = None,
    authorization: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> Response:
    """The caller's job changes since ``Last-Event-ID``; without it, the unfinished jobs."""
    if ticket is not None:
        account_id = _account_of_ticket(app, ticket)
    else:
        account_id = _account_of_token(app, authorization)
    check_not_erased(app, account_id)
    position = read_position(last_event_id or lastEventId, app.clock.now())
    changes = changes_since(app, account_id, position)
    return Response(_events(changes), media_type=MEDIA_TYPE, headers=HEADERS)


def _account_of_ticket(app: App, ticket: str) -> str:
    """Raises: Unauthorized; RateLimited: too many connections with this ticket."""
    try:
        grant = verify(app.signing_secret.value, PURPOSE, ticket)
    except BadSignature as error:
        raise Unauthorized("the ticket is not valid") from error
    if app.clock.now().timestamp() >= grant["until"]:
        raise Unauthorized("the ticket is too old")
    account_id: str = grant["account"]
    limit_stream(app, account_id, ticket=str(grant["until"]))
    return account_id


def _account_of_token(app: App, authorization: str | None) -> str:
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthorized("neither a ticket nor a token")
    settings = app.settings
    if not settings.jwt_issuer or not settings.jwt_audience:
        raise Unauthorized("no issuer of tokens is configured")
    return trusted_account(app, app.tokens.claims(token.strip()))


def _events(changes: Changes) -> str:
    """The body: the time to reconnect, a heartbeat, the events, and the position after them."""
    blocks = [f"retry: {STREAM_RETRY_MS}", ": heartbeat"]
    for number, change in changes.events:
        content = to_json(job_event(change))
        blocks.append(f"id: {number}\nevent: job\ndata: {content}")
    # An id without data is not an event, but EventSource remembers it.
    blocks.append(f"id: {changes.position}")
    return "".join(f"{block}\n\n" for block in blocks)
