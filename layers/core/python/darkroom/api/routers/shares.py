"""Public links to the outputs of a job."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter, Body, Request
from fastapi.responses import Response

from darkroom.api.app import IS_HEAD
from darkroom.api.auth import CurrentApp, CurrentCaller
from darkroom.api.idempotency import REPLAYED_HEADER, read_command, respond_once
from darkroom.api.json_response import json_response
from darkroom.api.openapi.declare import KEY_OPTIONAL, declare
from darkroom.api.parameters import JobIdInPath, ShareTokenInPath
from darkroom.api.schemas.shares import LinkTerms, ShareRequest, ShareResponse
from darkroom.bootstrap.composition import App
from darkroom.jobs.share_store import to_token
from darkroom.kernel.clock import to_iso
from darkroom.usecases.shares.share_job import share_job, share_secret, unshare_job
from darkroom.usecases.shares.view_share import Visitor, find_shared, view_share
from darkroom.views.shares import SharedJob, shared_job

router = APIRouter(tags=["Shares"])


@router.post(
    "/api/jobs/{jobId}/share",
    operation_id="shareJob",
    summary="Share a job",
    status_code=201,
    response_model=ShareResponse,
    openapi_extra=declare("JOB_NOT_FINAL", key=KEY_OPTIONAL),
)
async def share(
    job_id: JobIdInPath,
    request: Request,
    app: CurrentApp,
    caller: CurrentCaller,
    body: Annotated[ShareRequest, Body(default_factory=ShareRequest)],
) -> Response:
    """Create a link to the outputs of a job that succeeded, at least in part.

    Each request creates a link; with an Idempotency-Key, a repeat returns the same one.
    """
    command, raw = await read_command(request, app, caller, key_required=False)
    secret = share_secret(app, command)

    def action() -> LinkTerms:
        made = share_job(
            app, command, job_id=job_id, secret=secret, expires_in_days=body.expires_in_days
        )
        return LinkTerms(expires_at=to_iso(made.expires_at) if made.expires_at else None)

    response = respond_once(app, command, raw, status=201, action=action)
    token = to_token(job_id, secret)
    replayed = {
        name: response.headers[name] for name in (REPLAYED_HEADER,) if name in response.headers
    }
    stored = json.loads(bytes(response.body)).get("expiresAt")
    url = f"{_link_base(app, request)}/s/{token}"
    shared = ShareResponse(
        token=token, url=url, expires_at=stored if isinstance(stored, str) else None
    )
    return json_response(shared, status=201, headers=replayed)


@router.delete(
    "/api/jobs/{jobId}/share",
    operation_id="unshareJob",
    summary="Revoke the links of a job",
    status_code=204,
    openapi_extra=declare(404),
)
async def unshare(job_id: JobIdInPath, app: CurrentApp, caller: CurrentCaller) -> Response:
    """Revoke all links to the job. Safe to repeat."""
    unshare_job(app, account_id=caller.account_id, job_id=job_id)
    return Response(status_code=204)


@router.get(
    "/api/shares/{token}",
    operation_id="getShare",
    summary="Get shared outputs",
    response_model=SharedJob,
    openapi_extra=declare(404, sends=dict.fromkeys(("Cache-Control", "Referrer-Policy"), (200,))),
)
async def read_share(token: ShareTokenInPath, request: Request, app: CurrentApp) -> Response:
    """The shared outputs, for every client with the link. A GET counts as a
    view, once for each link, visitor and day."""
    is_head = bool(request.scope.get(IS_HEAD))
    family = find_shared(app, token) if is_head else view_share(app, token, visitor_of(request))
    headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    return json_response(shared_job(app, family), headers=headers)


def visitor_of(request: Request) -> Visitor:
    """Who opens a link: the address is the one that the gateway saw, not what a header claims."""
    http = request.scope.get("aws.event", {}).get("requestContext", {}).get("http", {})
    return Visitor(
        address=str(http.get("sourceIp", "")),
        user_agent=request.headers.get("user-agent", ""),
    )


def _link_base(app: App, request: Request) -> str:
    """The base URL of links: the console's, or else this API's own page (``share_page``)."""
    return (app.settings.console_url or str(request.base_url)).rstrip("/")
