"""Limit what an account's jobs take: of the day, of the month, and at the moment.

A job is counted in the transaction that queues it, and no longer counted as open in the one that
ends it. Its estimated cost is reserved with it; ``settle_cost`` replaces the estimate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from darkroom.db import Write, commit
from darkroom.jobs.model import Job
from darkroom.kernel.errors import CountersDamaged, DarkroomError
from darkroom.kernel.money import NANOS
from darkroom.limits import store
from darkroom.limits.model import DRAFT, Reserved
from darkroom.limits.store import Change, Count
from darkroom.plans.model import (
    DRAFTS_OPEN,
    FREE_JOBS_PER_DAY,
    JOBS_PER_MONTH,
    PROVIDER_COST_USD,
    QUEUED_JOBS,
    limit_reached,
    limits_of,
)


def job_changes(
    job: Job, *, plan: str, draft: Job | None, reserved: Reserved, now: datetime
) -> list[Change]:
    """Count a job that is being queued, from a draft or new; refused with PlanLimit."""
    month = [_count(plan, JOBS_PER_MONTH, "jobs")]
    if reserved.nanos:
        month.append(_cost_count(plan, reserved.nanos))
    changes = [store.month_change(job.account_id, reserved.month, now, *month)]
    if not job.reserved:
        free = _count(plan, FREE_JOBS_PER_DAY, "free_jobs")
        changes.append(store.day_change(job.account_id, now, free))
    opened = [_count(plan, QUEUED_JOBS, "queued")]
    if draft is not None and draft.counted == DRAFT:
        opened.append(Count(name="drafts", more=-1))
    changes.append(store.open_change(job.account_id, *opened))
    return changes


def draft_write(account_id: str, *, plan: str, needed: int) -> Write:
    """Count a draft, if ``needed`` fit; refused with PlanLimit."""
    count = _count(plan, DRAFTS_OPEN, "drafts", needed=needed)
    return store.open_change(account_id, count).to_write()


def uncounted_draft_write(account_id: str) -> Write:
    """Count a draft without regard to the plan."""
    return store.open_change(account_id, Count(name="drafts", more=1)).to_write()


def commit_end(writes: Sequence[Write], job: Job) -> None:
    """Commit the end of an open job, or its deletion, and count it no longer.

    A damaged counter does not keep a job from ending.
    """
    if job.counted is None:
        commit(writes)
        return
    name = "drafts" if job.counted == DRAFT else "queued"
    release = store.open_change(job.account_id, Count(name=name, more=-1)).to_write()
    try:
        commit([*writes, release])
    except CountersDamaged:
        commit(writes)


def _count(plan: str, limit_name: str, name: str, *, needed: int | None = None) -> Count:
    return Count(
        name=name,
        more=1,
        needed=needed,
        limit=limits_of(plan).by_name[limit_name],
        refused=_refusal(plan, limit_name, more=needed or 1),
    )


def _cost_count(plan: str, nanos: int) -> Count:
    limit_usd = limits_of(plan).by_name[PROVIDER_COST_USD]

    def refused(used: int) -> DarkroomError:
        return limit_reached(
            plan, PROVIDER_COST_USD, used=round(used / NANOS, 6), more=nanos / NANOS
        )

    return Count(
        name="cost_nanos",
        more=nanos,
        limit=None if limit_usd is None else limit_usd * NANOS,
        refused=refused,
    )


def _refusal(plan: str, limit_name: str, *, more: int) -> Callable[[int], DarkroomError]:
    return lambda used: limit_reached(plan, limit_name, used=used, more=more)
