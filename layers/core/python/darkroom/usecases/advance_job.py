"""The one way in which a queued job moves: load, decide purely, commit with the settlement."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from darkroom.bootstrap import App
from darkroom.credits import model
from darkroom.credits import store as credits_store
from darkroom.db import Write, commit
from darkroom.jobs import store as jobs_store
from darkroom.jobs.model import Job, JobFamily
from darkroom.kernel.errors import ConcurrentUpdate
from darkroom.usecases.expire_grants import expire_due_first, find_expired
from darkroom.usecases.racing import until_won

Step = Callable[[JobFamily], JobFamily | None]


def advance(app: App, job_id: str, step: Step, *, beside: Sequence[Write] = ()) -> JobFamily | None:
    """Apply a pure step to a job and commit what changed; the last step settles the hold.

    What is ``beside`` it is written with it, or not at all.

    The step returns None when there is nothing (any more) to do. Returns the family as it now
    is, or None when there is no such job.

    Raises:
        Unavailable: other writers were faster every time; nothing has changed.
    """
    operation = app.ids.token()

    def attempt() -> JobFamily | None:
        before = jobs_store.find_family(job_id)
        after = None if before is None else step(before)
        if before is None or after is None or after == before:
            return before
        writes = jobs_store.family_writes(before, after, operation)
        if after.job.is_final and not before.job.is_final:
            writes += _settlement(app, after.job, operation)
        commit([*writes, *beside])
        return after

    return until_won(app, attempt)


def _has_moved_on(job: Job) -> bool:
    current = jobs_store.find_job(job.job_id)
    return current is None or current.version != job.version


def _settlement(app: App, job: Job, operation: str) -> list[Write]:
    """Spend what was made and return the rest: the other half of the job's terminal write."""
    hold = credits_store.hold_from_json(job.hold)
    if not hold.credits:
        return []
    assert job.receipt is not None
    wallet = credits_store.find_wallet(job.account_id)
    if wallet is None:
        raise RuntimeError(f"{job.job_id} holds credits of a wallet that does not exist")
    if wallet.held < hold.credits and _has_moved_on(job):
        # Somebody ended the job between our reads of it and of the wallet.
        raise ConcurrentUpdate("the job has moved on")
    now = app.clock.now()
    wallet = expire_due_first(app, wallet, now)
    expired = find_expired(job.account_id, hold, wallet)
    change = model.settle(wallet, hold, job.receipt.used, job.job_id, now, expired=expired)
    return credits_store.change_writes(change, before=wallet, operation=operation)
