"""Runs the auditor on the daily schedule, with a metric that an alarm watches."""

from __future__ import annotations

from collections import Counter
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from darkroom.bootstrap.composition import App
from darkroom.credits.audit.facts import Breach
from darkroom.kernel.errors import DarkroomError
from darkroom.usecases.credits.audit_accounts import iter_audits
from darkroom.usecases.credits.freeze_account import freeze_if_broken
from darkroom.workers.edge import logger, metrics

LOGGED_BREACHES_LIMIT = 100


def handle_schedule(app: App) -> dict[str, Any]:
    """Check all accounts; each breach is logged with its law and entry.

    An account whose credits are in doubt is frozen, until an operator repairs its books and
    unfreezes it.
    """
    done: Counter[str] = Counter(accounts=0, entries=0, breaches=0, frozen=0, not_frozen=0)
    for audited in iter_audits(app):
        loggable = LOGGED_BREACHES_LIMIT - done["breaches"]
        for breach in audited.breaches[: max(0, loggable)]:
            _log(breach)
        done["accounts"] += bool(audited.account_id)
        done["entries"] += audited.entries_checked
        done["breaches"] += len(audited.breaches)
        try:
            done["frozen"] += freeze_if_broken(app, audited)
        except DarkroomError:
            # The others are still audited; this one is frozen by the next audit.
            logger.exception("freeze_failed", account_id=audited.account_id)
            done["not_frozen"] += 1
    metrics.add_metric(name="AuditBreaches", unit=MetricUnit.Count, value=done["breaches"])
    logger.info("audit", extra={"done": dict(done)})
    return dict(done)


def _log(breach: Breach) -> None:
    logger.error(
        "ledger_breach",
        law=breach.law,
        account_id=breach.account_id,
        entry_id=breach.entry_id,
        detail=breach.message,
    )
