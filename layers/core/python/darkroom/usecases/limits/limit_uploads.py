"""Limit what an account uploads: sessions of an hour, and minutes of recordings of a day."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from darkroom.db import Write, commit
from darkroom.kernel.errors import CountersDamaged, DarkroomError
from darkroom.limits import store
from darkroom.limits.store import MINUTE_MS, Count
from darkroom.plans.model import (
    INGEST_MINUTES_PER_DAY,
    UPLOAD_SESSIONS_PER_HOUR,
    limit_reached,
    limits_of,
)


def sessions_write(account_id: str, count: int, *, plan: str, needed: int, now: datetime) -> Write:
    """Count sessions that are opened, if ``needed`` fit into the hour; refused with PlanLimit."""
    opened = Count(
        name="upload_sessions",
        more=count,
        needed=needed,
        limit=limits_of(plan).by_name[UPLOAD_SESSIONS_PER_HOUR],
        refused=lambda used: limit_reached(plan, UPLOAD_SESSIONS_PER_HOUR, used=used, more=needed),
    )
    return store.hour_change(account_id, now, opened).to_write()


def check_ingest(account_id: str, *, plan: str, now: datetime) -> None:
    """Check that recordings may still be uploaded on this day.

    How long a recording is, is known only after its check. So one that was opened before the limit
    was reached is still taken; the number of open uploads bounds them.

    Raises:
        PlanLimit.
    """
    minutes = limits_of(plan).by_name[INGEST_MINUTES_PER_DAY]
    begun = Count(
        name="ingest_ms",
        more=1,
        limit=None if minutes is None else minutes * MINUTE_MS,
        refused=_no_minutes(plan),
    )
    store.check([store.day_change(account_id, now, begun)])


def commit_ingested(
    writes: Sequence[Write], account_id: str, *, duration_ms: int, now: datetime
) -> None:
    """Commit the end of a check, and count the recording that was checked.

    A damaged counter of the day does not keep a check from ending.
    """
    if not duration_ms:
        commit(writes)
        return
    count = store.day_change(account_id, now, Count(name="ingest_ms", more=duration_ms)).to_write()
    try:
        commit([*writes, count])
    except CountersDamaged:
        commit(writes)


def _no_minutes(plan: str) -> Callable[[int], DarkroomError]:
    def refused(used: int) -> DarkroomError:
        minutes = round(used / MINUTE_MS, 2)
        return limit_reached(plan, INGEST_MINUTES_PER_DAY, used=minutes, more=1 / MINUTE_MS)

    return refused
