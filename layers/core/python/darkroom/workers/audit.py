"""The daily schedule → the auditor, with a metric that an alarm watches."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from darkroom.bootstrap import App
from darkroom.usecases.audit_accounts import audit_accounts
from darkroom.usecases.freeze_account import freeze_broken_accounts
from darkroom.workers.edge import logger, metrics

LOGGED_BREACHES_LIMIT = 100


def handle_schedule(app: App) -> dict[str, Any]:
    """Check all accounts; each breach is logged with its law and entry.

    An account whose credits are in doubt is frozen: an operator mends its books and thaws it.
    """
    report = audit_accounts(app)
    frozen = freeze_broken_accounts(app, report.breaches)
    for breach in report.breaches[:LOGGED_BREACHES_LIMIT]:
        logger.error(
            "ledger_breach",
            law=breach.law,
            account_id=breach.account_id,
            entry_id=breach.entry_id,
            detail=breach.message,
        )
    metrics.add_metric(name="AuditBreaches", unit=MetricUnit.Count, value=len(report.breaches))
    done = {
        "accounts": report.accounts_checked,
        "entries": report.entries_checked,
        "breaches": len(report.breaches),
        "frozen": frozen,
    }
    logger.info("audit", extra={"done": done})
    return done
