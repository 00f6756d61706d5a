"""Asks a running local cloud to prove its books, and prints what it says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from local.stack import RunningStack

AUDITOR = "auditor"
# The audit reads everything; API Gateway gives up after 30 seconds.
ANSWER_LIMIT_SECONDS = 40


class AuditFailed(Exception):
    """The API did not answer the question."""


def audit(stack: RunningStack, account: str | None) -> bool:
    """Print the report on one account, or on all; returns whether the books are right."""
    report = ask(stack, account)
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
    answer = httpx.get(
        f"{stack.api_url}/api/admin/audit",
        params={"account": account} if account else {},
        headers={"Authorization": f"Bearer {stack.token(AUDITOR, 'admin')}"},
        timeout=ANSWER_LIMIT_SECONDS,
    )
    if answer.is_error:
        raise AuditFailed(f"The audit was answered {answer.status_code}: {answer.text}")
    report: Mapping[str, Any] = answer.json()
    return report


def line_of(breach: Mapping[str, Any]) -> str:
    """Law, account and entry (where the breach has one), then what is wrong."""
    where = " ".join([breach["accountId"], *([breach["entryId"]] if "entryId" in breach else [])])
    return f"{breach['law']}  {where}: {breach['message']}"
