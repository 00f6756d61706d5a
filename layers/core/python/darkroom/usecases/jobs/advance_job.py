"""Advance a queued job: load it, apply a pure step, and commit with the settlement."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from darkroom.bootstrap.composition import App
from darkroom.credits import store as credits_store
from darkroom.db import Write, commit
from darkroom.db.retry import retry_on_conflict
from darkroom.jobs import store as jobs_store
from darkroom.jobs.model import Job, JobFamily
from darkroom.kernel.errors import ConcurrentUpdate
from darkroom.usecases.credits.settle_hold import settle_writes
from darkroom.usecases.jobs.end_unreadable import must_end, write_off
from darkroom.usecases.limits.limit_jobs import commit_end
from darkroom.usecases.projections.report_unknown_hold import report_unknown_hold

Step = Callable[[JobFamily], JobFamily | None]


def advance(
    app: App, job_id: str, step: Step, *, extra_writes: Sequence[Write] = ()
) -> JobFamily | None:
    """Apply a pure step to a job and commit what changed; the last step settles the hold.

    ``extra_writes`` are part of the same transaction. A job with a damaged item is ended instead.

    The step returns None if there is nothing to do. Returns the current family, or None if the
    job does not exist.

    Raises:
        Unavailable: every attempt lost its race; nothing has changed.
    """
    operation = app.ids.token()

    def attempt() -> JobFamily | None:
        before = jobs_store.find_family(job_id)
        if before is not None and must_end(before):
            return write_off(app, before, operation=operation)
        after = None if before is None else step(before)
        if before is None or after is None or after == before:
            return before
        writes = jobs_store.family_writes(before, after, operation=operation)
        if after.job.is_final and not before.job.is_final:
            writes += _settlement(app, after.job, operation)
            commit_end([*writes, *extra_writes], before.job)
        else:
            commit([*writes, *extra_writes])
        return after

    return retry_on_conflict(app.jitter, attempt)


def _has_moved_on(job: Job) -> bool:
    current = jobs_store.find_job(job.job_id)
    return current is None or current.version != job.version


def _settlement(app: App, job: Job, operation: str) -> list[Write]:
    """The writes that settle the hold, in the same transaction as the job's end."""
    hold = credits_store.hold_from_json(job.hold)
    if not hold.credits:
        return []
    assert job.receipt is not None
    wallet = credits_store.find_wallet(job.account_id)
    if wallet is None or wallet.held < hold.credits:
        if _has_moved_on(job):
            # Another caller ended the job between our reads of it and of the wallet.
            raise ConcurrentUpdate("the job has moved on")
        # The wallet was damaged or restored from a backup. The job still ends, but moves no
        # credits that the ledger does not explain; the auditor reports the breach.
        report_unknown_hold(job.account_id, job_id=job.job_id)
        return []
    return settle_writes(
        app, wallet, hold=hold, used=job.receipt.used, job_id=job.job_id, operation=operation
    )
