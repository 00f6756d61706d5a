"""Public links to the outputs of a job."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Request
from fastapi.responses import JSONResponse, Response

from darkroom.api.app import IS_HEAD
from darkroom.api.auth import CurrentApp, CurrentCaller
from darkroom.api.idempotency import REPLAYED_HEADER, read_command, respond_once
from darkroom.api.openapi.responses import responses
from darkroom.api.schemas.shares import SharedJob, ShareRequest, ShareResponse
from darkroom.bootstrap.composition import App
from darkroom.jobs.share_store import to_token
from darkroom.kernel.clock import to_iso
from darkroom.usecases.shares.share_job import share_job, share_secret, unshare_job
from darkroom.usecases.shares.view_share import find_shared, view_share
from darkroom.views.shares import shared_outputs

router = APIRouter(tags=["shares"])
JobId = Annotated[str, Path(alias="jobId")]


@router.post(
    "/api/jobs/{jobId}/share",
    status_code=201,
    responses=responses(ShareResponse, 201, 400, 401, 404, 409, 422),
)
async def share(
    job_id: JobId,
    request: Request,
    app: CurrentApp,
    caller: CurrentCaller,
    body: Annotated[ShareRequest, Body(default_factory=ShareRequest)],
) -> JSONResponse:
    """Create a link to the outputs of a job that succeeded, at least in part.

    Each request creates a link; with an Idempotency-Key, a repeat returns the same one.
    """
    command, raw = await read_command(request, app, caller, key_required=False)
    secret = share_secret(app, command)

    def action() -> dict[str, Any]:
        made = share_job(
            app, command, job_id=job_id, secret=secret, expires_in_days=body.expires_in_days
        )
        return {"expiresAt": to_iso(made.expires_at)} if made.expires_at else {}

    response = respond_once(app, command, raw, status=201, action=action)
    # The stored response has no link, because the secret of a link is not stored.
    token = to_token(job_id, secret)
    link = {"token": token, "url": f"{_link_base(app, request)}/s/{token}"}
    replayed = {
        name: response.headers[name] for name in (REPLAYED_HEADER,) if name in response.headers
    }
    content = {**link, **json.loads(bytes(response.body))}
    return JSONResponse(content, status_code=201, headers=replayed)


@router.delete("/api/jobs/{jobId}/share", status_code=204, responses=responses(None, 204, 401, 404))
async def unshare(job_id: JobId, app: CurrentApp, caller: CurrentCaller) -> Response:
    """Revoke all links to the job. Safe to repeat."""
    unshare_job(app, account_id=caller.account_id, job_id=job_id)
    return Response(status_code=204)


@router.get("/api/shares/{token}", responses=responses(SharedJob, 200, 404), response_model=None)
async def read_share(token: str, request: Request, app: CurrentApp) -> JSONResponse:
    """The shared outputs, for every client with the link. Each GET counts as a view."""
    is_head = bool(request.scope.get(IS_HEAD))
    family = find_shared(app, token) if is_head else view_share(app, token)
    shape = {
        "outputs": shared_outputs(app, family),
        "recipe": family.job.recipe,
        "createdAt": to_iso(family.job.created_at),
    }
    headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    return JSONResponse(shape, headers=headers)


def _link_base(app: App, request: Request) -> str:
    """The base URL of links: the console's, or else this API's own page (``share_page``)."""
    return (app.settings.console_url or str(request.base_url)).rstrip("/")
