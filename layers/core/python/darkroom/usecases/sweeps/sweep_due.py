"""Sweep due jobs and tasks: finish everything that is overdue.

The sweep repairs lost stream records (plans, dispatches, projections) and lost leases, and ends
jobs and tasks that are past their deadlines. Each item is handled separately; the sweep is safe to
repeat and to stop at any point.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

from darkroom.bootstrap.composition import App
from darkroom.db import commit
from darkroom.generation.routing.routes import LATER
from darkroom.jobs import engine
from darkroom.jobs import items as jobs_items
from darkroom.jobs import store as jobs_store
from darkroom.jobs.model import Failure, Job, JobFamily, Task
from darkroom.jobs.states import JobStatus, TaskStatus
from darkroom.kernel.clock import to_epoch_seconds
from darkroom.kernel.errors import ConcurrentUpdate, Conflict, NotFound
from darkroom.kernel.limits import (
    ACCOUNT_QUEUE_CHECK_SECONDS,
    DISPATCH_CHECK_SECONDS,
    JOB_LIMIT_SECONDS,
    QUEUED_LIMIT_SECONDS,
    SWEEP_ITEMS_LIMIT,
    WAITING_GRACE_SECONDS,
)
from darkroom.usecases.jobs.advance_job import advance
from darkroom.usecases.jobs.delete_job import delete_job
from darkroom.usecases.jobs.end_unreadable import end_unreadable, must_end
from darkroom.usecases.jobs.erase_job import erase_job
from darkroom.usecases.jobs.plan_job import plan_job
from darkroom.usecases.projections.project_job import project_job
from darkroom.usecases.projections.project_share import settle_share
from darkroom.usecases.projections.project_task import project_outputs
from darkroom.usecases.sweeps.retention import KEPT, retention_of
from darkroom.usecases.sweeps.sweep_items import OnError, sweep_items
from darkroom.usecases.tasks.admit_tasks import admit_tasks, send_task
from darkroom.usecases.tasks.call_provider import Attempt, record_cost
from darkroom.usecases.tasks.dispatch_task import dispatch_poll
from darkroom.usecases.tasks.run_task import model_of

LEASE_LOST = Failure(code="LEASE_EXPIRED")
RUN_LOST = Failure(code="PROVIDER_TIMEOUT")
JOB_TIMED_OUT = Failure(code="JOB_TIMEOUT")
QUEUE_TIMED_OUT = Failure(code="QUEUE_TIMEOUT")


def sweep_jobs(app: App, on_error: OnError) -> Counter[str]:
    """Handle due items; returns the number of items by outcome."""
    done: Counter[str] = Counter()
    handle = functools.partial(_handle, app)
    for shard in jobs_items.due_shards():
        found = jobs_store.list_due(shard, app.clock.now(), limit=SWEEP_ITEMS_LIMIT)
        done += sweep_items(app, found, handle=handle, on_error=on_error)
    return done


def _handle(app: App, job_id: str, sort_key: str) -> str:
    if sort_key.startswith(jobs_items.SHARE_PREFIX):
        settle_share(app, job_id, sort_key)
        return "share_projected"
    family = jobs_store.find_family(job_id)
    if family is None:
        return "erased" if erase_job(app, job_id) else "gone"
    if must_end(family):
        end_unreadable(app, job_id)
        return "unreadable"
    # A job whose own check was lost is ended with the check of a task.
    if sort_key == jobs_items.JOB_KEY or _is_overdue(family.job, app.clock.now()):
        return _handle_job(app, family)
    task = family.task(sort_key.removeprefix(jobs_items.TASK_PREFIX))
    return "gone" if task is None else _handle_task(app, task)


def _handle_job(app: App, family: JobFamily) -> str:
    job, now = family.job, app.clock.now()
    if job.is_final or job.status is JobStatus.DRAFT:
        project_job(app, job)
        project_outputs(app, family.tasks)
        return _settle(app, job)
    queued_at = job.queued_at or job.created_at
    if _is_overdue(job, now):
        advance(app, job.job_id, lambda current: _abandon(current, JOB_TIMED_OUT, now))
        return "timed_out"
    never_began = job.status is JobStatus.QUEUED and not any(t.started_at for t in family.tasks)
    if never_began and now >= queued_at + timedelta(seconds=QUEUED_LIMIT_SECONDS):
        advance(app, job.job_id, lambda current: _abandon(current, QUEUE_TIMED_OUT, now))
        return "timed_out"
    if not job.planned:
        plan_job(app, job.job_id)
        return "planned"
    _recheck(app, job.job_id, jobs_items.JOB_KEY, job=job, queued_at=queued_at)
    return "waiting"


def _settle(app: App, job: Job) -> str:
    """End the checks of a job whose projections were derived again, unless its files are kept for
    a limited time only."""
    if job.next_check_at is None:
        return "projected"
    ended_at = job.finished_at
    kept = KEPT if ended_at is None else retention_of(app, job.account_id, since=ended_at)
    if kept.check_at is None:
        _ignoring_races(
            lambda: commit([jobs_store.settled_check_write(job, operation=app.ids.token())])
        )
        return "projected"
    if kept.is_over:
        # A job from which others were made waits for them.
        with suppress(Conflict, NotFound):
            delete_job(app, account_id=job.account_id, job_id=job.job_id, cascade=False)
            return "outlived"
    seen, later = job.next_check_at, kept.check_at
    _push(app, job.job_id, jobs_items.JOB_KEY, seen=seen, later=later)
    return "projected"


def _is_overdue(job: Job, now: datetime) -> bool:
    """Whether the job has run for as long as a job may."""
    if job.is_final or job.status is JobStatus.DRAFT:
        return False
    return now >= (job.queued_at or job.created_at) + timedelta(seconds=JOB_LIMIT_SECONDS)


def _abandon(family: JobFamily, failure: Failure, now: datetime) -> JobFamily | None:
    return None if family.job.is_final else engine.abandon(family, failure, now)


def _handle_task(app: App, task: Task) -> str:
    now = app.clock.now()
    if task.status is TaskStatus.READY:
        return _handle_ready(app, task)
    if task.status is TaskStatus.WAITING:
        return _handle_waiting(app, task)
    if task.status is TaskStatus.RUNNING and task.lease_until and task.lease_until <= now:
        attempt = Attempt(task, model_of(app, task), now)
        step = functools.partial(_lose_lease, seen=task, now=now)
        advance(app, task.job_id, step, extra_writes=record_cost(app, attempt, outcome="lost"))
        return "lease_lost"
    return "unchanged"


def _handle_ready(app: App, task: Task) -> str:
    """A message, a turn in the account queue, or a stream record may have been lost."""
    if task.next_check_at is not None and task.next_check_at > app.clock.now():
        return "unchanged"  # It was sent a moment ago, when another task was handled.
    if task.is_sent:
        send_task(app, task)
        return "dispatched"
    admitted = admit_tasks(app, task)
    # If this call sent it, it has a new due time already and keeps it.
    later = app.clock.now() + timedelta(seconds=ACCOUNT_QUEUE_CHECK_SECONDS)
    _push(app, task.job_id, jobs_items.TASK_PREFIX + task.key, seen=task.next_check_at, later=later)
    return "admitted" if admitted else "waiting"


def _handle_waiting(app: App, task: Task) -> str:
    """The message of the next poll may have been lost, or the polling worker may have died.

    A poll gives up a task that is past its deadline, and cancels the run at the provider. Only if
    no poll runs for a long time after the deadline is the task given up here.
    """
    now = app.clock.now()
    if task.run is None or (task.next_check_at is not None and task.next_check_at > now):
        return "unchanged"
    if now >= task.run.until + timedelta(seconds=WAITING_GRACE_SECONDS):
        attempt = Attempt(task, model_of(app, task), now)
        step = functools.partial(_lose_run, seen=task, now=now)
        advance(app, task.job_id, step, extra_writes=record_cost(app, attempt, outcome="lost"))
        return "run_lost"
    dispatch_poll(app, task)
    later = now + timedelta(seconds=DISPATCH_CHECK_SECONDS)
    _push(app, task.job_id, jobs_items.TASK_PREFIX + task.key, seen=task.next_check_at, later=later)
    return "looked"


def _lose_lease(family: JobFamily, seen: Task, now: datetime) -> JobFamily | None:
    current = family.task(seen.key)
    if current is None or current.claim != seen.claim or current.status is not seen.status:
        return None
    if current.lease_until is not None and current.lease_until > now:
        return None  # It was renewed a moment ago.
    if seen.provider in LATER:
        # The worker may have died after the provider accepted the request: wait for the run that
        # may exist, instead of starting another.
        return engine.wait(family, seen.key, ref=None, now=now)
    return engine.retry(family, seen.key, failure=LEASE_LOST, delay_seconds=0, now=now)


def _lose_run(family: JobFamily, seen: Task, now: datetime) -> JobFamily | None:
    current = family.task(seen.key)
    if current is None or (current.status, current.run) != (seen.status, seen.run):
        return None
    return engine.retry(family, seen.key, failure=RUN_LOST, delay_seconds=0, now=now)


def _recheck(app: App, job_id: str, sort_key: str, *, job: Job, queued_at: datetime) -> None:
    """Schedule the check at the next deadline: one hour to start, six hours to end."""
    limits_seconds = (QUEUED_LIMIT_SECONDS, JOB_LIMIT_SECONDS)
    deadlines = (queued_at + timedelta(seconds=limit) for limit in limits_seconds)
    later = min(moment for moment in deadlines if moment > app.clock.now())
    _push(app, job_id, sort_key, seen=job.next_check_at, later=later)


def _push(app: App, job_id: str, sort_key: str, *, seen: datetime | None, later: datetime) -> None:
    if seen is None:
        return
    write = jobs_store.recheck_write(
        job_id,
        sort_key,
        seen=to_epoch_seconds(seen),
        later=to_epoch_seconds(later),
        operation=app.ids.token(),
    )
    _ignoring_races(lambda: commit([write]))


def _ignoring_races(attempt: Callable[[], None]) -> None:
    """Ignore a lost race: the other writer has also scheduled the next check."""
    try:
        attempt()
    except ConcurrentUpdate:
        return
