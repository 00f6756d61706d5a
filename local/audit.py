"""Runs the audit of a running local cloud, and prints its report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx

from local.errors import AuditFailed
from local.stack import RunningStack

AUDITOR = "auditor"
# The audit reads everything; API Gateway gives up after 30 seconds.
RESPONSE_TIMEOUT_SECONDS = 40


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
        AuditFailed: any response but a report.
    """
    response = _get(stack, "/api/admin/audit", {"account": account} if account else {})
    if response.is_error:
        raise AuditFailed(f"The audit returned {response.status_code}: {response.text}")
    report: Mapping[str, Any] = response.json()
    return report


def require_account(stack: RunningStack, account: str) -> None:
    """Check that the account exists: books without a single entry would pass the audit.

    Raises:
        AuditFailed: the account does not exist.
    """
    if _get(stack, f"/api/admin/accounts/{quote(account, safe='')}", {}).status_code == 404:
        raise AuditFailed(f"There is no account {account}: an account is the `sub` of its tokens.")


def rebuild(stack: RunningStack, account: str) -> None:
    """Rebuild a wallet from its ledger, and print it.

    Raises:
        AuditFailed: the account does not exist, or its ledger is not sound.
    """
    path = f"/api/admin/accounts/{quote(account, safe='')}/rebuild-wallet"
    response = _call(stack, "POST", path, {})
    if response.is_error:
        raise AuditFailed(f"The wallet was not rebuilt: {response.text}")
    wallet = response.json()
    print(
        f"{account}: balance {wallet['balance']}, held {wallet['held']}, debt {wallet['debt']}, "
        f"{len(wallet['settledJobs'])} jobs settled"
    )


def rebuild_projections(stack: RunningStack) -> None:
    """Count the log of events again, page by page, and print how many events there were.

    Raises:
        AuditFailed: a page failed; running it again goes on.
    """
    counted, cursor = 0, None
    while True:
        body: dict[str, str] = {} if cursor is None else {"cursor": cursor}
        response = _call(stack, "POST", "/api/admin/rebuild-projections", {}, body=body)
        if response.is_error:
            raise AuditFailed(f"The counters were not rebuilt: {response.text}")
        page = response.json()
        counted, cursor = counted + page["counted"], page["nextCursor"]
        if cursor is None:
            break
    print(f"{counted} events counted")


def _get(stack: RunningStack, path: str, query: Mapping[str, str]) -> httpx.Response:
    return _call(stack, "GET", path, query)


def _call(
    stack: RunningStack,
    method: str,
    path: str,
    query: Mapping[str, str],
    *,
    body: Mapping[str, Any] | None = None,
) -> httpx.Response:
    headers = {"Authorization": f"Bearer {stack.token(AUDITOR, 'admin')}"}
    try:
        return httpx.request(
            method,
            stack.api_url + path,
            params=query,
            json=body,
            headers=headers,
            timeout=RESPONSE_TIMEOUT_SECONDS,
        )
    except httpx.HTTPError as error:
        raise AuditFailed(f"The API does not respond: {error}") from error


def line_of(breach: Mapping[str, Any]) -> str:
    """Law, account and entry (where the breach has one), then what is wrong."""
    where = " ".join([breach["accountId"], *([breach["entryId"]] if "entryId" in breach else [])])
    return f"{breach['law']}  {where}: {breach['message']}"
