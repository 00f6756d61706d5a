"""Settle the cost of a job: its month has an estimate of it, and then what its attempts cost.

This is a projection of the job's end. The relay runs it at once; the sweeper repeats it later, and
so adds what was recorded in between, such as the cost of a run whose end was lost.
"""

from __future__ import annotations

from darkroom.bootstrap.composition import App
from darkroom.db import commit
from darkroom.db.retry import retry_on_conflict
from darkroom.generation.routing.store import list_costs
from darkroom.jobs.model import Job
from darkroom.kernel.shapes import whole
from darkroom.limits import store
from darkroom.limits.model import reserved_of
from darkroom.limits.store import Count


def settle_cost(app: App, job: Job) -> int:
    """Let the job's month have what its attempts cost; returns by how many nanos it changed.

    Nothing is read for a job that had no cloud provider.
    """
    reserved = reserved_of(job.counted)
    if reserved is None or not job.is_final:
        return 0
    if not reserved.nanos and not app.settings.provider_routes:
        return 0

    def attempt() -> int:
        settled = store.find_settled(job.account_id, job.job_id)
        cost = sum(whole(record.cost_nanos or 0) for record in list_costs(job.job_id))
        before = reserved.nanos if settled is None else settled
        if cost == settled or (settled is None and cost == before):
            return 0
        now = app.clock.now()
        note = store.settled_write(job.account_id, job.job_id, before=settled, nanos=cost, now=now)
        change = store.month_change(
            job.account_id, reserved.month, now, Count(name="cost_nanos", more=cost - before)
        )
        commit([note, change.to_write()])
        return cost - before

    return retry_on_conflict(app.jitter, attempt)
