"""Operators' routes."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

from aws_lambda_powertools import Logger
from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse

from darkroom.api.auth import CurrentApp, CurrentCaller
from darkroom.api.bulk import results_for_each
from darkroom.api.cursors import make_cursor, read_cursor
from darkroom.api.idempotency import read_command, respond_once
from darkroom.api.openapi.responses import responses
from darkroom.api.schemas.admin import (
    AccountResponse,
    AdjustRequest,
    AdjustResponse,
    AuditResponse,
    ClearDebtRequest,
    DeadLetterPage,
    PatchAccountRequest,
    RebuildResponse,
    RedriveRequest,
    RedriveResponse,
    SweepRequest,
    SweepResponse,
)
from darkroom.bootstrap.composition import App
from darkroom.kernel.clock import ShiftedClock, from_iso
from darkroom.kernel.errors import InvalidInput, NotFound
from darkroom.kernel.ids import is_key_text
from darkroom.kernel.limits import PAGE_DEFAULT, PAGE_LIMIT
from darkroom.kernel.problems import problem
from darkroom.usecases.accounts.change_plan import change_plan
from darkroom.usecases.credits.adjust_credits import Adjusted, adjust_credits, clear_debt
from darkroom.usecases.credits.audit_accounts import audit_accounts
from darkroom.usecases.credits.freeze_account import freeze_account, unfreeze_account
from darkroom.usecases.credits.rebuild_wallet import rebuild_wallet
from darkroom.usecases.operations.keep_dead_letter import list_dead_letters, redrive
from darkroom.views import credits as views
from darkroom.workers.sweep import sweep_everything

router = APIRouter(tags=["admin"])
logger = Logger()


@router.post(
    "/api/admin/sweep",
    responses=responses(SweepResponse, 200, 400, 401, 403, 404),
    response_model=None,
)
async def sweep(body: SweepRequest, app: CurrentApp, caller: CurrentCaller) -> dict[str, Any]:
    """Run the sweeper as of ``now``. Only local stacks with test hooks have this route."""
    if not app.settings.test_hooks:
        raise NotFound("no such route")
    caller.require_admin()
    return {"done": dict(sweep_everything(_at(app, body.now)))}


@router.get(
    "/api/admin/audit",
    responses=responses(AuditResponse, 200, 401, 403, 404),
    response_model=None,
)
async def audit(
    app: CurrentApp, caller: CurrentCaller, account: str | None = None
) -> dict[str, Any]:
    """Check the wallet of one account or of all against the ledger, and list breaches."""
    caller.require_admin()
    if account is not None and not is_key_text(account):
        raise NotFound("no such account")
    report = audit_accounts(app, account)
    return {
        "accountsChecked": report.accounts_checked,
        "entriesChecked": report.entries_checked,
        "breaches": [
            {
                "law": breach.law,
                "accountId": breach.account_id,
                **({"entryId": breach.entry_id} if breach.entry_id else {}),
                "message": breach.message,
            }
            for breach in report.breaches
        ],
    }


@router.get(
    "/api/admin/accounts/{accountId}",
    responses=responses(AccountResponse, 200, 401, 403, 404),
    response_model=None,
)
async def get_account(
    accountId: str,
    app: CurrentApp,
    caller: CurrentCaller,
) -> dict[str, Any]:
    """An account's plan and wallet."""
    caller.require_admin()
    return views.get_account(accountId)


@router.get(
    "/api/admin/dead-letters",
    responses=responses(DeadLetterPage, 200, 400, 401, 403),
    response_model=None,
)
async def get_dead_letters(
    app: CurrentApp,
    caller: CurrentCaller,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_LIMIT)] = PAGE_DEFAULT,
) -> dict[str, Any]:
    """Messages that queues gave up on, and the outcome for what they were about."""
    caller.require_admin()
    bound = {"account_id": caller.account_id, "route": "dead-letters"}
    items, position = list_dead_letters(limit=limit, before=read_cursor(app, cursor, **bound))
    return {"items": items, "nextCursor": make_cursor(app, position, **bound)}


@router.post(
    "/api/admin/dead-letters/redrive",
    responses=responses(RedriveResponse, 200, 400, 401, 403),
    response_model=None,
)
async def redrive_dead_letters(
    body: RedriveRequest, app: CurrentApp, caller: CurrentCaller
) -> dict[str, Any]:
    """Send dead letters to their queues again; each has its own result."""
    caller.require_admin()

    def one(dead_letter_id: str) -> dict[str, Any]:
        redrive(app, dead_letter_id)
        return {}

    return results_for_each(body.ids, one, name="id", knows=is_key_text, language=caller.language)


@router.patch(
    "/api/admin/accounts/{accountId}",
    responses=responses(AccountResponse, 200, 400, 401, 403, 404),
    response_model=None,
)
async def patch_account(
    accountId: str,
    body: PatchAccountRequest,
    app: CurrentApp,
    caller: CurrentCaller,
) -> dict[str, Any]:
    """Change an account's plan, freeze its credits, or unfreeze them."""
    caller.require_admin()
    views.get_account(accountId)
    if body.plan is not None:
        change_plan(app, account_id=accountId, plan=body.plan)
    if body.frozen:
        freeze_account(app, account_id=accountId, reason=body.reason or "")
    elif body.frozen is not None:
        unfreeze_account(app, account_id=accountId)
    return views.get_account(accountId)


@router.post(
    "/api/admin/accounts/{accountId}/credits",
    status_code=201,
    responses=responses(AdjustResponse, 201, 400, 401, 403, 404, 409, 422),
)
async def adjust(
    accountId: str,
    body: AdjustRequest,
    request: Request,
    app: CurrentApp,
    caller: CurrentCaller,
) -> JSONResponse:
    """Add or remove credits, with a reason. An Idempotency-Key is required."""
    caller.require_admin()
    command, raw = await read_command(request, app, caller, key_required=True)
    expires_at = None if body.expires_at is None else _moment(body.expires_at, "expiresAt")

    def action() -> dict[str, Any]:
        done = adjust_credits(
            app,
            command,
            account_id=accountId,
            amount=body.amount,
            reason=body.reason,
            expires_at=expires_at,
        )
        return _adjusted(done)

    return respond_once(app, command, raw, status=201, action=action)


@router.post(
    "/api/admin/accounts/{accountId}/debt",
    status_code=201,
    responses=responses(AdjustResponse, 201, 400, 401, 403, 404, 409, 422),
)
async def forgive_debt(
    accountId: str,
    body: ClearDebtRequest,
    request: Request,
    app: CurrentApp,
    caller: CurrentCaller,
) -> JSONResponse:
    """Clear an account's debt, or part of it, with a reason. An Idempotency-Key is required."""
    caller.require_admin()
    command, raw = await read_command(request, app, caller, key_required=True)

    def action() -> dict[str, Any]:
        return _adjusted(
            clear_debt(app, command, account_id=accountId, amount=body.amount, reason=body.reason)
        )

    return respond_once(app, command, raw, status=201, action=action)


@router.post(
    "/api/admin/accounts/{accountId}/rebuild-wallet",
    responses=responses(RebuildResponse, 200, 401, 403, 404, 409),
    response_model=None,
)
async def rebuild(accountId: str, app: CurrentApp, caller: CurrentCaller) -> dict[str, Any]:
    """Rebuild a damaged or restored wallet from its ledger. Safe to repeat."""
    caller.require_admin()
    done = rebuild_wallet(app, accountId)
    logger.warning("wallet_rebuilt", account_id=accountId, settled_jobs=len(done.settled_jobs))
    return {
        "balance": done.wallet.balance,
        "held": done.wallet.held,
        "debt": done.wallet.debt,
        "version": done.wallet.version,
        "settledJobs": list(done.settled_jobs),
    }


def _adjusted(done: Adjusted) -> dict[str, Any]:
    return {
        "transaction": views.transaction(done.entry),
        "balance": done.balance,
        "debt": done.debt,
    }


def _at(app: App, now: str | None) -> App:
    if now is None:
        return app
    offset = _moment(now, "now") - app.clock.now()
    return replace(app, clock=ShiftedClock(app.clock, offset))


def _moment(text: str, path: str) -> datetime:
    try:
        return from_iso(text)
    except ValueError as error:
        raise InvalidInput("not a time", fields=[problem(path, "BAD_TIME")]) from error
