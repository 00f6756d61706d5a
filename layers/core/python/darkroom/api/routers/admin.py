"""Operators' routes."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Annotated

from aws_lambda_powertools import Logger
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from darkroom.api.auth import CurrentApp, CurrentCaller
from darkroom.api.bulk import results_for_each
from darkroom.api.cursors import make_cursor, read_cursor
from darkroom.api.idempotency import read_command, respond_once
from darkroom.api.json_response import json_response
from darkroom.api.openapi.declare import KEY_REQUIRED, declare
from darkroom.api.parameters import AccountIdInPath, Cursor, Limit
from darkroom.api.schemas.admin import (
    AdjustRequest,
    AdjustResponse,
    AuditBreach,
    AuditResponse,
    ClearDebtRequest,
    DeadLetter,
    DeadLetterPage,
    PatchAccountRequest,
    RebuildResponse,
    RecountResponse,
    RedriveRequest,
    RedriveResponse,
    RedriveResult,
    SweepRequest,
    SweepResponse,
)
from darkroom.bootstrap.composition import App
from darkroom.kernel.clock import ShiftedClock, from_iso, to_iso
from darkroom.kernel.errors import InvalidInput, NotFound
from darkroom.kernel.ids import is_key_text
from darkroom.kernel.limits import PAGE_DEFAULT
from darkroom.kernel.problems import problem
from darkroom.usecases.accounts.change_plan import change_plan
from darkroom.usecases.accounts.check_account import check_not_erased
from darkroom.usecases.accounts.recount_usage import recount_usage
from darkroom.usecases.credits.adjust_credits import Adjusted, adjust_credits, clear_debt
from darkroom.usecases.credits.audit_accounts import audit_accounts
from darkroom.usecases.credits.freeze_account import freeze_account, unfreeze_account
from darkroom.usecases.credits.rebuild_wallet import rebuild_wallet
from darkroom.usecases.operations.keep_dead_letter import list_dead_letters, redrive
from darkroom.views import credits as views
from darkroom.views.credits import AccountResponse
from darkroom.workers.sweep import sweep_everything

router = APIRouter(tags=["Admin"])
logger = Logger()


@router.post(
    "/api/admin/sweep",
    operation_id="runSweeper",
    summary="Run the sweeper",
    openapi_extra=declare(404, is_test_hook=True),
)
async def sweep(body: SweepRequest, app: CurrentApp, caller: CurrentCaller) -> SweepResponse:
    """Run the sweeper as of ``now``. Only local stacks with test hooks have this route."""
    if not app.settings.test_hooks:
        raise NotFound("no such route")
    caller.require_admin()
    return SweepResponse(done=dict(sweep_everything(_at(app, body.now))))


@router.get(
    "/api/admin/audit",
    operation_id="auditAccounts",
    summary="Audit the books",
    openapi_extra=declare(404),
)
async def audit(
    app: CurrentApp,
    caller: CurrentCaller,
    account: Annotated[
        str | None,
        Query(
            description="Id of the only account to check; without it, all are.",
            examples=["4f1c2a9e-7b0d-4c55-9a3e-2d8f6b1e7c90"],
        ),
    ] = None,
) -> AuditResponse:
    """Check the wallet of one account or of all against the ledger, and list breaches."""
    caller.require_admin()
    if account is not None and not is_key_text(account):
        raise NotFound("no such account")
    report = audit_accounts(app, account)
    return AuditResponse(
        accounts_checked=report.accounts_checked,
        entries_checked=report.entries_checked,
        breaches=[
            AuditBreach(
                law=breach.law,
                account_id=breach.account_id,
                entry_id=breach.entry_id or None,
                message=breach.message,
            )
            for breach in report.breaches
        ],
    )


@router.get(
    "/api/admin/accounts/{accountId}",
    operation_id="getAccount",
    summary="Get an account",
    openapi_extra=declare(404, "ACCOUNT_FROZEN"),
)
async def get_account(
    account_id: AccountIdInPath,
    app: CurrentApp,
    caller: CurrentCaller,
) -> AccountResponse:
    """An account's plan and wallet."""
    caller.require_admin()
    check_not_erased(app, account_id)
    return views.get_account(account_id)


@router.get(
    "/api/admin/dead-letters",
    operation_id="listDeadLetters",
    summary="List dead letters",
    openapi_extra=declare(),
)
async def get_dead_letters(
    app: CurrentApp,
    caller: CurrentCaller,
    cursor: Cursor = None,
    limit: Limit = PAGE_DEFAULT,
) -> DeadLetterPage:
    """Messages that queues gave up on, and the outcome for what they were about."""
    caller.require_admin()
    bound = {"account_id": caller.account_id, "route": "dead-letters"}
    items, position = list_dead_letters(limit=limit, before=read_cursor(app, cursor, **bound))
    return DeadLetterPage(
        items=[
            DeadLetter(
                id=item.dead_letter_id,
                queue=item.queue,
                outcome=item.outcome,
                body=item.body,
                created_at=to_iso(item.created_at),
            )
            for item in items
        ],
        next_cursor=make_cursor(app, position, **bound),
    )


@router.post(
    "/api/admin/dead-letters/redrive",
    operation_id="redriveDeadLetters",
    summary="Redrive dead letters",
    response_model=RedriveResponse,
    openapi_extra=declare(400),
)
async def redrive_dead_letters(
    body: RedriveRequest, app: CurrentApp, caller: CurrentCaller
) -> Response:
    """Send dead letters to their queues again; each has its own result."""
    caller.require_admin()

    def one(dead_letter_id: str) -> RedriveResult:
        redrive(app, dead_letter_id)
        return RedriveResult(id=dead_letter_id, ok=True)

    results = results_for_each(
        body.ids, one, refused=RedriveResult.refused, knows=is_key_text, language=caller.language
    )
    return json_response(RedriveResponse(results=results))


@router.patch(
    "/api/admin/accounts/{accountId}",
    operation_id="updateAccount",
    summary="Change an account",
    openapi_extra=declare(404, "ACCOUNT_FROZEN"),
)
async def patch_account(
    account_id: AccountIdInPath,
    body: PatchAccountRequest,
    app: CurrentApp,
    caller: CurrentCaller,
) -> AccountResponse:
    """Change an account's plan, freeze its credits, or unfreeze them."""
    caller.require_admin()
    check_not_erased(app, account_id)
    views.get_account(account_id)
    if body.plan is not None:
        change_plan(app, account_id=account_id, plan=body.plan)
    if body.frozen:
        freeze_account(app, account_id=account_id, reason=body.reason or "")
    elif body.frozen is not None:
        unfreeze_account(app, account_id=account_id)
    return views.get_account(account_id)


@router.post(
    "/api/admin/accounts/{accountId}/credits",
    operation_id="adjustCredits",
    summary="Adjust credits",
    status_code=201,
    response_model=AdjustResponse,
    openapi_extra=declare(404, "ACCOUNT_FROZEN", key=KEY_REQUIRED),
)
async def adjust(
    account_id: AccountIdInPath,
    body: AdjustRequest,
    request: Request,
    app: CurrentApp,
    caller: CurrentCaller,
) -> Response:
    """Add or remove credits, with a reason. An Idempotency-Key is required."""
    caller.require_admin()
    check_not_erased(app, account_id)
    command, raw = await read_command(request, app, caller, key_required=True)
    expires_at = None if body.expires_at is None else _moment(body.expires_at, "expiresAt")

    def action() -> AdjustResponse:
        done = adjust_credits(
            app,
            command,
            account_id=account_id,
            amount=body.amount,
            reason=body.reason,
            expires_at=expires_at,
        )
        return _adjusted(done)

    return respond_once(app, command, raw, status=201, action=action)


@router.post(
    "/api/admin/accounts/{accountId}/debt",
    operation_id="clearDebt",
    summary="Clear a debt",
    status_code=201,
    response_model=AdjustResponse,
    openapi_extra=declare(404, "ACCOUNT_FROZEN", "NO_DEBT", key=KEY_REQUIRED),
)
async def forgive_debt(
    account_id: AccountIdInPath,
    body: ClearDebtRequest,
    request: Request,
    app: CurrentApp,
    caller: CurrentCaller,
) -> Response:
    """Clear an account's debt, or part of it, with a reason. An Idempotency-Key is required."""
    caller.require_admin()
    check_not_erased(app, account_id)
    command, raw = await read_command(request, app, caller, key_required=True)

    def action() -> AdjustResponse:
        return _adjusted(
            clear_debt(app, command, account_id=account_id, amount=body.amount, reason=body.reason)
        )

    return respond_once(app, command, raw, status=201, action=action)


@router.post(
    "/api/admin/accounts/{accountId}/rebuild-wallet",
    operation_id="rebuildWallet",
    summary="Rebuild a wallet",
    openapi_extra=declare(404, 409, "ACCOUNT_FROZEN", "LEDGER_UNSOUND"),
)
async def rebuild(
    account_id: AccountIdInPath, app: CurrentApp, caller: CurrentCaller
) -> RebuildResponse:
    """Rebuild a damaged or restored wallet from its ledger. Safe to repeat."""
    caller.require_admin()
    check_not_erased(app, account_id)
    done = rebuild_wallet(app, account_id)
    logger.warning("wallet_rebuilt", account_id=account_id, settled_jobs=len(done.settled_jobs))
    return RebuildResponse(
        balance=done.wallet.balance,
        held=done.wallet.held,
        debt=done.wallet.debt,
        version=done.wallet.version,
        settled_jobs=list(done.settled_jobs),
    )


@router.post(
    "/api/admin/accounts/{accountId}/recount",
    operation_id="recountAccount",
    summary="Recount an account's usage and storage",
    openapi_extra=declare(404),
)
async def recount(
    account_id: AccountIdInPath, app: CurrentApp, caller: CurrentCaller
) -> RecountResponse:
    """Count again what the account stores and used, from its files and jobs, where the auditor
    found a difference (law L9) or a damaged counter. Safe to repeat."""
    caller.require_admin()
    views.get_account(account_id)
    done = recount_usage(app, account_id)
    logger.warning("usage_recounted", account_id=account_id, jobs=done.jobs, months=done.months)
    return RecountResponse(
        storage_bytes=max(0, done.after.used_bytes),
        open_uploads=max(0, done.after.open_uploads),
        storage_bytes_before=max(0, done.before.used_bytes),
        open_uploads_before=max(0, done.before.open_uploads),
        jobs=done.jobs,
        months=done.months,
    )


def _adjusted(done: Adjusted) -> AdjustResponse:
    return AdjustResponse(
        transaction=views.transaction(done.entry), balance=done.balance, debt=done.debt
    )


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
