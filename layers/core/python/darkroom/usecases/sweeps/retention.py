"""How long files are kept: the days that the configuration gives the account's plan, or forever.

A file is checked when it would be too old by the shortest of the configured times, and then from
time to time, because its account may change its plan.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from darkroom.bootstrap.composition import App
from darkroom.kernel.limits import RETENTION_CHECK_DAYS
from darkroom.plans.store import find_plan


@dataclass(frozen=True)
class Retention:
    """What becomes of a file that is old enough to be checked."""

    is_over: bool
    """It was kept for as long as its account's plan says."""
    check_at: datetime | None
    """When it is checked next; None if files are kept forever."""


KEPT = Retention(is_over=False, check_at=None)


def retention_of(app: App, account_id: str, *, since: datetime) -> Retention:
    """The retention of a file that exists since then."""
    days_of = app.settings.file_retention_days
    if not days_of:
        return KEPT
    now = app.clock.now()
    first = since + timedelta(days=min(days_of.values()))
    if now < first:
        return Retention(is_over=False, check_at=first)
    days = days_of.get(find_plan(account_id))
    later = now + timedelta(days=RETENTION_CHECK_DAYS)
    if days is None:
        return Retention(is_over=False, check_at=later)
    end = since + timedelta(days=days)
    return Retention(is_over=now >= end, check_at=later if now >= end else min(end, later))
