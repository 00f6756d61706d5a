"""Announce that an account has used 80 % or all of a limit: one event for each limit, level and
month.

A projection: the level is derived from the counters as they are now, and the event is written with
a mark in the month's item. So a change that is projected twice or late announces nothing twice, and
one whose record was lost is announced by the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from darkroom.bootstrap.composition import App
from darkroom.db import commit
from darkroom.events.store import Event, record_write
from darkroom.kernel.clock import to_iso
from darkroom.kernel.errors import AlreadyHappened
from darkroom.plans.model import (
    CONCURRENT_TASKS,
    EXCEEDED_PERCENT,
    WARNING_PERCENT,
    Level,
    levels_of,
)
from darkroom.plans.store import find_plan
from darkroom.usage import store as usage_store
from darkroom.usage.model import month_of
from darkroom.usecases.accounts.find_used import find_counted

WARNING, EXCEEDED = "PLAN_LIMIT_WARNING", "PLAN_LIMIT_EXCEEDED"
_PERCENT_OF = {WARNING: WARNING_PERCENT, EXCEEDED: EXCEEDED_PERCENT}
UNANNOUNCED = frozenset({CONCURRENT_TASKS})
"""Tasks beyond it wait for their turn, and nothing is refused."""


def announce_levels(app: App, account_id: str) -> int:
    """Record the events of the levels that are reached; returns how many were new."""
    reached = list(_reached(levels_of(find_plan(account_id), find_counted(app, account_id))))
    if not reached:
        return 0
    month = month_of(app.clock.now())
    known = usage_store.find_announced(account_id, month)
    return sum(
        _announce(app, account_id, name, level)
        for name, level in reached
        if _mark(name, level) not in known
    )


def _reached(levels: Sequence[Level]) -> Iterator[tuple[str, Level]]:
    for level in levels:
        for name, percent in _PERCENT_OF.items():
            if level.percent >= percent and level.name not in UNANNOUNCED:
                yield name, level


def _mark(name: str, level: Level) -> str:
    return f"{level.name}#{name}"


def _announce(app: App, account_id: str, name: str, level: Level) -> bool:
    """Whether the event is new."""
    now = app.clock.now()
    month = month_of(now)
    event = Event(
        event_id=f"{to_iso(now)}#{name}#{level.name}",
        name=name,
        entity_type="account",
        entity_id=account_id,
        account_id=account_id,
        created_at=now,
        props={
            "name": level.name,
            "used": level.used,
            "limit": level.limit,
            "month": month,
        },
    )
    try:
        commit(
            [
                usage_store.announced_write(account_id, month, _mark(name, level)),
                record_write(event, retention_days=app.settings.event_retention_days),
            ]
        )
    except AlreadyHappened:
        return False
    return True
