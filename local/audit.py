"""Asks a running local cloud to prove its books, and prints what it says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx

from local.errors import AuditFailed
from local.stack import RunningStack

AUDITOR = "auditor"
# The audit reads everything; API Gateway gives up after 30 seconds.
ANSWER_LIMIT_SECONDS = 40


def audit(stack: RunningStack, account: str | None) -> bool:
    """Print the report on one account, or on all; returns whether the books are right."""
    report = ask(stack, account)
    if account and not report["entriesChecked"] and not report["breaches"]:
        require_account(stack, account)
    breaches = report["breaches"]
    for breach in breaches:
        print(line_of(breach))
    print(
        f"{report['accountsChecked']} accounts, {report['entriesChecked']} entries, "
        f"{len(breaches)} breaches"
    )
    return not breaches


def ask(stack: RunningStack, account: str | None) -> Mapping[str, Any]:
    """The report, as an operator of the local user pool gets it.

    Raises:
        AuditFailed: any answer but a report.
    """
    answer = _get(stack, "/api/admin/audit", {"account": account} if account else {})
    if answer.is_error:
        raise AuditFailed(f"The audit was answered {answer.status_code}: {answer.text}")
    report: Mapping[str, Any] = answer.json()
    return report


def require_account(stack: RunningStack, account: str) -> None:
    """Books without a single entry are right, but of an account that nobody has.

    Raises:
        AuditFailed: there is no such account.
    """
    if _get(stack, f"/api/admin/accounts/{quote(account, safe='')}", {}).status_code == 404:
        raise AuditFailed(f"There is no account {account}: an account is the `sub` of its tokens.")


def rebuild(stack: RunningStack, account: str) -> None:
    """Derive a wallet from its ledger again, and print what it is now.

    Raises:
        AuditFailed: there is no such account, or its ledger does not make a wallet.
    """
    path = f"/api/admin/accounts/{quote(account, safe='')}/rebuild-wallet"
    answer = _call(stack, "POST", path, {})
    if answer.is_error:
        raise AuditFailed(f"The wallet was not rebuilt: {answer.text}")
    wallet = answer.json()
    print(
        f"{account}: balance {wallet['balance']}, held {wallet['held']}, debt {wallet['debt']}, "
        f"{len(wallet['settledJobs'])} jobs settled"
    )


def _get(stack: RunningStack, path: str, query: Mapping[str, str]) -> httpx.Response:
    return _call(stack, "GET", path, query)


def _call(stack: RunningStack, method: str, path: str, query: Mapping[str, str]) -> httpx.Response:
    headers = {"Authorization": f"Bearer {stack.token(AUDITOR, 'admin')}"}
    try:
        return httpx.request(
            method,
            stack.api_url + path,
            params=query,
            headers=headers,
            timeout=ANSWER_LIMIT_SECONDS,
        )
    except httpx.HTTPError as error:
        raise AuditFailed(f"The API does not answer: {error}") from error


def line_of(breach: Mapping[str, Any]) -> str:
    """Law, account and entry (where the breach has one), then what is wrong."""
    where = " ".join([breach["accountId"], *([breach["entryId"]] if "entryId" in breach else [])])
    return f"{breach['law']}  {where}: {breach['message']}"
