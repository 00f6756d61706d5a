"""Operators erase and export accounts, and repeat erasures after a restore."""

from __future__ import annotations

from aws_lambda_powertools import Logger
from fastapi import APIRouter
from fastapi.responses import Response

from darkroom.api.auth import CurrentApp, CurrentCaller
from darkroom.api.cursors import make_cursor, read_cursor
from darkroom.api.openapi.declare import declare
from darkroom.api.parameters import AccountIdInPath, ExportIdInPath
from darkroom.api.routers.erasure import export_response
from darkroom.api.schemas.erasure import (
    ErasingResponse,
    ExportRequestedResponse,
    ExportResponse,
    RepeatErasuresRequest,
    RepeatErasuresResponse,
)
from darkroom.bootstrap.composition import App
from darkroom.kernel.errors import NotFound
from darkroom.kernel.ids import is_key_text
from darkroom.usecases.accounts.check_account import check_not_erased, is_erased
from darkroom.usecases.accounts.erasure.find_account import has_data
from darkroom.usecases.accounts.erasure.request_erasure import repeat_erasures, request_erasure
from darkroom.usecases.accounts.erasure.request_export import follow_export, request_export

router = APIRouter(tags=["Admin"])
logger = Logger()
_ROUTE = "erasures"


@router.delete(
    "/api/admin/accounts/{accountId}",
    operation_id="eraseAnAccount",
    summary="Erase an account",
    status_code=202,
    openapi_extra=declare(404),
)
async def erase(
    account_id: AccountIdInPath, app: CurrentApp, caller: CurrentCaller
) -> ErasingResponse:
    """Erase an account and all that it has, as its owner could. Safe to repeat."""
    caller.require_admin()
    if not is_key_text(account_id) or not (is_erased(app, account_id) or has_data(account_id)):
        raise NotFound("no such account")
    request_erasure(app, account_id=account_id, requested_by="operator")
    logger.warning("erasure_requested", operator=caller.account_id)
    return ErasingResponse(status="erasing")


@router.post(
    "/api/admin/accounts/{accountId}/export",
    operation_id="exportAnAccount",
    summary="Export an account",
    status_code=202,
    openapi_extra=declare(404),
)
async def export(
    account_id: AccountIdInPath, app: CurrentApp, caller: CurrentCaller
) -> ExportRequestedResponse:
    """Make a zip of everything an account has, as its owner could."""
    caller.require_admin()
    _check(app, account_id)
    return ExportRequestedResponse(export_id=request_export(app, account_id))


@router.get(
    "/api/admin/accounts/{accountId}/export/{exportId}",
    operation_id="getExportOfAccount",
    summary="Get an export of an account",
    response_model=ExportResponse,
    openapi_extra=declare(404, sends={"Cache-Control": (200,)}),
)
async def get_export(
    account_id: AccountIdInPath, export_id: ExportIdInPath, app: CurrentApp, caller: CurrentCaller
) -> Response:
    """The state of an account's export, with a link to the zip when it is ready."""
    caller.require_admin()
    _check(app, account_id)
    return export_response(follow_export(app, account_id, export_id))


@router.post(
    "/api/admin/erasures/repeat",
    operation_id="repeatErasures",
    summary="Repeat erasures",
    openapi_extra=declare(400, "BAD_CURSOR"),
)
async def repeat(
    body: RepeatErasuresRequest, app: CurrentApp, caller: CurrentCaller
) -> RepeatErasuresResponse:
    """Begin the erasures of the list again, after a table or files were restored from a backup.
    Safe to repeat."""
    caller.require_admin()
    bound = {"account_id": caller.account_id, "route": _ROUTE}
    restarted, position = repeat_erasures(app, after=read_cursor(app, body.cursor, **bound))
    logger.warning("erasures_repeated", operator=caller.account_id, restarted=restarted)
    return RepeatErasuresResponse(
        restarted=restarted, next_cursor=make_cursor(app, position, **bound)
    )


def _check(app: App, account_id: str) -> None:
    if not is_key_text(account_id):
        raise NotFound("no such account")
    check_not_erased(app, account_id)
    if not has_data(account_id):
        raise NotFound("no such account")
