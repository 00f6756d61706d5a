"""Erase one's account, and export everything it has."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from darkroom.api.auth import CurrentApp, CurrentCaller
from darkroom.api.json_response import json_response
from darkroom.api.openapi.declare import declare
from darkroom.api.parameters import ExportIdInPath
from darkroom.api.schemas.erasure import ErasingResponse, ExportRequestedResponse, ExportResponse
from darkroom.kernel.clock import to_iso
from darkroom.usecases.accounts.erasure.request_erasure import request_erasure
from darkroom.usecases.accounts.erasure.request_export import (
    FollowedExport,
    follow_export,
    request_export,
)

router = APIRouter(tags=["Account"])
NOT_STORED = {"Cache-Control": "private, no-store"}


@router.delete(
    "/api/account",
    operation_id="eraseAccount",
    summary="Erase the account",
    status_code=202,
    openapi_extra=declare(),
)
async def erase(app: CurrentApp, caller: CurrentCaller) -> ErasingResponse:
    """Erase the account and all that it has, for good. From now on every request of the account is
    410 ``ACCOUNT_ERASED``.

    Running jobs are canceled, and unused credits are lost. Only the books stay, without a name.
    """
    request_erasure(app, account_id=caller.account_id, requested_by="owner")
    return ErasingResponse(status="erasing")


@router.post(
    "/api/account/export",
    operation_id="exportAccount",
    summary="Export the account",
    status_code=202,
    openapi_extra=declare(404),
)
async def export(app: CurrentApp, caller: CurrentCaller) -> ExportRequestedResponse:
    """Make a zip of everything the account has: records as JSON, and files. There is one a day;
    repeating the request returns the same one."""
    return ExportRequestedResponse(export_id=request_export(app, caller.account_id))


@router.get(
    "/api/account/export/{exportId}",
    operation_id="getExport",
    summary="Get an export",
    response_model=ExportResponse,
    openapi_extra=declare(404, sends={"Cache-Control": (200,)}),
)
async def get_export(export_id: ExportIdInPath, app: CurrentApp, caller: CurrentCaller) -> Response:
    """The state of an export, with a link to the zip when it is ready."""
    return export_response(follow_export(app, caller.account_id, export_id))


def export_response(export: FollowedExport) -> Response:
    """An export as the API shows it."""
    link = export.link
    shown = ExportResponse(
        status=export.status,
        download_url=None if link is None else link.url,
        expires_at=None if link is None else to_iso(link.expires_at),
    )
    return json_response(shown, headers=NOT_STORED)
