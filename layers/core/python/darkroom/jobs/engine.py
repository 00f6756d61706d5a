"""The steps of a job: pure functions from one ``JobFamily`` to the next.

A use case loads a family, calls one of these functions, and commits the difference together with
the settlement. Nothing else changes the state of a task or a job, except the claim of a single
task (``jobs.store.claim_write``).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from darkroom.jobs.covers import cover_of
from darkroom.jobs.model import (
    Failure,
    Job,
    JobFamily,
    Output,
    Progress,
    ProviderRun,
    Receipt,
    Source,
    Task,
)
from darkroom.jobs.states import JobStatus, TaskStatus, check_job, check_task
from darkroom.kernel.backoff import backoff_seconds
from darkroom.kernel.limits import (
    DISPATCH_CHECK_SECONDS,
    POLL_BASE_SECONDS,
    POLL_LIMIT_SECONDS,
    PROJECTION_CHECK_SECONDS,
    QUEUED_LIMIT_SECONDS,
    TASK_ATTEMPTS_LIMIT,
    WAITING_LIMIT_SECONDS,
)

CANCELED = "CANCELED"
SKIPPED = Failure(code="DEPENDENCY_FAILED")


def plan(job: Job, tasks: Sequence[Task], inherited: Sequence[Output], now: datetime) -> JobFamily:
    """The family of a queued job whose tasks have just been planned."""
    deadline = (job.queued_at or now) + timedelta(seconds=QUEUED_LIMIT_SECONDS)
    planned = replace(job, planned=True, next_check_at=deadline)
    return _advance(JobFamily(job=planned, tasks=tuple(tasks), inherited=tuple(inherited)), now)


def begin(family: JobFamily, now: datetime) -> JobFamily:
    """Mark a queued job as running, when its first task has been claimed."""
    if family.job.status is not JobStatus.QUEUED:
        return family
    started = [task.started_at for task in family.tasks if task.started_at]
    if not started:
        return family
    job = replace(
        family.job,
        status=check_job(family.job.status, JobStatus.RUNNING),
        started_at=min(started),
    )
    return _touched(replace(family, job=job), now)


def succeed(family: JobFamily, key: str, outputs: Sequence[Output], now: datetime) -> JobFamily:
    """Complete a running or waiting task."""
    task = _require(family, key)
    done = replace(
        task,
        status=check_task(task.status, TaskStatus.SUCCEEDED),
        outputs=tuple(outputs),
        failure=None,
        finished_at=now,
        run=None,
        **_NO_LEASE,
    )
    return _advance(_with_task(family, done), now)


def fail(family: JobFamily, key: str, failure: Failure, now: datetime) -> JobFamily:
    """Fail a task permanently."""
    task = _require(family, key)
    failed = replace(
        task,
        status=check_task(task.status, TaskStatus.FAILED),
        failure=failure,
        finished_at=now,
        run=None,
        **_NO_LEASE,
    )
    return _advance(_with_task(family, failed), now)


def wait(
    family: JobFamily, key: str, *, ref: str | None, now: datetime, has_called_back: bool = False
) -> JobFamily:
    """Let a running task wait for its provider; without ``ref``, the provider may not have
    accepted the request.

    A task of a job that is being canceled stops instead.
    """
    task = _require(family, key)
    until = now + timedelta(seconds=WAITING_LIMIT_SECONDS)
    run = ProviderRun(ref=ref, until=until, has_called_back=has_called_back)
    if family.job.status is JobStatus.CANCELING:
        return _advance(_with_task(family, _stopped(replace(task, run=run), now)), now)
    poll_at = now if has_called_back else now + timedelta(seconds=poll_seconds(run.poll))
    waiting = replace(
        task, status=check_task(task.status, TaskStatus.WAITING), **_polled_at(run, poll_at)
    )
    return _touched(begin(_with_task(family, waiting), now), now)


def callback_received(family: JobFamily, key: str, *, ref: str, now: datetime) -> JobFamily:
    """Poll a waiting task now because its provider called back, once for any number of callbacks.

    A callback that arrives before the response to our request counts as that response.
    """
    task = _require(family, key)
    if task.status is TaskStatus.RUNNING:
        return wait(family, key, ref=ref, now=now, has_called_back=True)
    run = task.run
    if task.status is not TaskStatus.WAITING or run is None or run.has_called_back:
        return family
    called = replace(run, ref=run.ref or ref, poll=run.poll + 1, has_called_back=True)
    # A worker that polls at this moment keeps its lease: it may find what the callback is about.
    lease = {"claim": task.claim, "lease_until": task.lease_until}
    return _with_task(family, replace(task, **(_polled_at(called, now) | lease)))


def poll_again(
    family: JobFamily, key: str, *, seen: int, ref: str | None, now: datetime
) -> JobFamily:
    """Schedule the next poll of a waiting task, whose poll ``seen`` found the run unfinished.

    The next poll is due at once if the provider has called back meanwhile.
    """
    task = _require(family, key)
    if task.run is None:
        raise ValueError(f"{key} waits for nothing")
    run = replace(task.run, ref=task.run.ref or ref, poll=task.run.poll + 1)
    delay_seconds = poll_seconds(run.poll) if task.run.poll == seen else 0
    poll_at = min(now + timedelta(seconds=delay_seconds), max(now, run.until))
    return _with_task(family, replace(task, **_polled_at(run, poll_at)))


def poll_seconds(poll: int) -> float:
    """The delay before this poll: 10 s, doubling, at most two minutes."""
    return backoff_seconds(poll, base_seconds=POLL_BASE_SECONDS, limit_seconds=POLL_LIMIT_SECONDS)


def _polled_at(run: ProviderRun, moment: datetime) -> dict[str, Any]:
    return {
        "run": run,
        "claim": None,
        "lease_until": None,
        "not_before": moment,
        "next_check_at": moment + timedelta(seconds=DISPATCH_CHECK_SECONDS),
    }


def retry(
    family: JobFamily,
    key: str,
    *,
    failure: Failure,
    delay_seconds: float,
    now: datetime,
    provider: str | None = None,
) -> JobFamily:
    """Make a task ready again after the delay, or fail it if its attempts are used up.

    ``provider`` is the provider of the next attempt; without it, the provider does not change.
    """
    task = _require(family, key)
    if family.job.status is JobStatus.CANCELING:
        return _advance(_with_task(family, _stopped(task, now)), now)
    if task.attempts >= TASK_ATTEMPTS_LIMIT:
        return fail(family, key, failure, now)
    not_before = now + timedelta(seconds=delay_seconds) if delay_seconds > 0 else None
    again = replace(
        task,
        status=check_task(task.status, TaskStatus.READY),
        failure=failure,
        lease_until=None,
        claim=None,
        not_before=not_before,
        run=None,
        is_sent=False,
        provider=provider or task.provider,
        next_check_at=(not_before or now) + timedelta(seconds=DISPATCH_CHECK_SECONDS),
    )
    return _touched(_with_task(family, again), now)


def reroute(family: JobFamily, key: str, *, provider: str, now: datetime) -> JobFamily:
    """Assign a ready task to another provider."""
    task = _require(family, key)
    if task.status is not TaskStatus.READY:
        return family
    moved = replace(task, provider=provider, is_sent=False)
    return _touched(_with_task(family, moved), now)


def abandon(family: JobFamily, failure: Failure, now: datetime) -> JobFamily:
    """End all unfinished tasks and the job: it is past its deadline, or cannot be planned."""
    tasks = tuple(task if task.is_final else _ended(task, failure, now) for task in family.tasks)
    return _advance(replace(family, tasks=tasks), now, reason=failure.code)


def write_off(
    family: JobFamily, failure: Failure, lost: Collection[str], now: datetime
) -> JobFamily:
    """End a job with a damaged item: all of its credits are returned.

    ``lost`` are the keys of tasks whose state is unknown. Finished outputs stay, free of charge.
    """
    tasks = tuple(_written_off(task, failure, task.key in lost, now) for task in family.tasks)
    job = family.job
    ended = replace(
        job,
        # This bypasses the table of transitions: the previous state may be unknown.
        status=JobStatus.CANCELED if job.status is JobStatus.DRAFT else JobStatus.FAILED,
        progress=_progress(tasks),
        receipt=Receipt(
            used=0, refunded=job.reserved, parts=(0,) * len(job.price), reason=failure.code
        ),
        finished_at=now,
        updated_at=now,
        next_check_at=now + timedelta(seconds=PROJECTION_CHECK_SECONDS),
    )
    return replace(family, job=ended, tasks=tasks)


def _written_off(task: Task, failure: Failure, is_lost: bool, now: datetime) -> Task:
    if is_lost:
        return replace(
            task, status=TaskStatus.FAILED, failure=failure, finished_at=now, **_NO_LEASE
        )
    return task if task.is_final else _ended(task, failure, now)


def cancel(family: JobFamily, now: datetime) -> JobFamily:
    """Cancel a job: tasks that have not started are canceled, running ones may finish.

    A job without running tasks ends at once; otherwise it ends with its last running task. A task
    that waits for its provider is canceled too, and its run at the provider is stopped.
    """
    job = family.job
    if job.status is JobStatus.DRAFT:
        ended = replace(
            job,
            status=check_job(job.status, JobStatus.CANCELED),
            receipt=Receipt(used=0, refunded=0, parts=(), reason=CANCELED),
            price=(),
            finished_at=now,
            updated_at=now,
            next_check_at=now + timedelta(seconds=PROJECTION_CHECK_SECONDS),
        )
        return replace(family, job=ended)
    family = begin(family, now)
    tasks = tuple(
        task if task.is_final or task.status is TaskStatus.RUNNING else _stopped(task, now)
        for task in family.tasks
    )
    stopping = replace(family.job, status=check_job(family.job.status, JobStatus.CANCELING))
    return _advance(replace(family, job=stopping, tasks=tasks), now)


def _stopped(task: Task, now: datetime) -> Task:
    return replace(
        task,
        status=check_task(task.status, TaskStatus.CANCELED),
        finished_at=now,
        **_NO_LEASE,
    )


def _ended(task: Task, failure: Failure, now: datetime) -> Task:
    status = TaskStatus.SKIPPED if task.status is TaskStatus.BLOCKED else TaskStatus.FAILED
    return replace(
        task,
        status=check_task(task.status, status),
        failure=failure,
        finished_at=now,
        **_NO_LEASE,
    )


# No worker holds the task any more, and the sweeper need not check it again.
_NO_LEASE: dict[str, Any] = {
    "lease_until": None,
    "claim": None,
    "next_check_at": None,
    "not_before": None,
    "is_sent": False,
}


def _advance(family: JobFamily, now: datetime, *, reason: str | None = None) -> JobFamily:
    """Release or skip dependents of finished tasks, count, and end the job if all are final."""
    tasks = _released(family, now)
    while tasks != family.tasks:
        family = replace(family, tasks=tasks)
        tasks = _released(family, now)
    job = replace(family.job, progress=_progress(family.tasks), cover_key=cover_of(family))
    family = begin(replace(family, job=job), now)
    if all(task.is_final for task in family.tasks):
        return replace(family, job=_finished(family, now, reason))
    return _touched(family, now)


def _released(family: JobFamily, now: datetime) -> tuple[Task, ...]:
    return tuple(
        _release(family, task, now) if task.status is TaskStatus.BLOCKED else task
        for task in family.tasks
    )


def _release(family: JobFamily, task: Task, now: datetime) -> Task:
    made = [_delivered(family, need) for need in task.needs]
    if any(_never(family, need) for need in task.needs):
        return replace(
            task,
            status=check_task(task.status, TaskStatus.SKIPPED),
            failure=SKIPPED,
            finished_at=now,
        )
    if None in made:
        return task
    return replace(
        task,
        status=check_task(task.status, TaskStatus.READY),
        sources=(*task.sources, *(source for source in made if source is not None)),
        next_check_at=now + timedelta(seconds=DISPATCH_CHECK_SECONDS),
    )


def _never(family: JobFamily, need: str) -> bool:
    """Whether the needed output can no longer be made."""
    task = family.task(need)
    if task is None:
        return _delivered(family, need) is None
    return task.is_final and task.status is not TaskStatus.SUCCEEDED


def _delivered(family: JobFamily, key: str) -> Source | None:
    """The first output under this key, from a succeeded task or inherited from a parent."""
    task = family.task(key)
    if task is not None:
        outputs = task.outputs if task.status is TaskStatus.SUCCEEDED else ()
    else:
        outputs = tuple(output for output in family.inherited if output.key == key)
    if not outputs:
        return None
    first = outputs[0]
    return Source(key=key, storage_key=first.storage_key, mime_type=first.mime_type)


def _progress(tasks: Sequence[Task]) -> Progress:
    completed = sum(1 for task in tasks if task.status is TaskStatus.SUCCEEDED)
    finished = sum(1 for task in tasks if task.is_final)
    return Progress(completed=completed, failed=finished - completed, total=len(tasks))


def _finished(family: JobFamily, now: datetime, reason: str | None) -> Job:
    job = family.job
    made = {task.key for task in family.tasks if task.status is TaskStatus.SUCCEEDED}
    if family.tasks and all(task.status is TaskStatus.SUCCEEDED for task in family.tasks):
        # This also applies to a job that is being canceled: there was nothing left to stop.
        status = JobStatus.SUCCEEDED
    elif job.status is JobStatus.CANCELING:
        status, reason = JobStatus.CANCELED, CANCELED
    elif made & job.promised:
        status = JobStatus.PARTIAL
    else:
        status = JobStatus.FAILED
    is_canceled = status is JobStatus.CANCELED
    parts = tuple(part.used(made, is_canceled=is_canceled) for part in job.price)
    used = sum(parts)
    failures = [task.failure.code for task in family.tasks if task.failure and task.is_final]
    because = None if status is JobStatus.SUCCEEDED else reason or next(iter(failures), None)
    # The last check derives the job's projections again, and removes it from the ``due`` index.
    return replace(
        job,
        status=check_job(job.status, status),
        receipt=Receipt(
            used=used,
            refunded=job.reserved - used,
            parts=parts,
            reason=because,
            note=_note(family) if status is JobStatus.SUCCEEDED else None,
        ),
        finished_at=now,
        updated_at=now,
        next_check_at=now + timedelta(seconds=PROJECTION_CHECK_SECONDS),
    )


def _note(family: JobFamily) -> str | None:
    """The note that all promised outputs have in common; None if they differ."""
    promised = [output for output in family.outputs if output.key in family.job.promised]
    notes = {output.note for output in promised}
    return notes.pop() if len(notes) == 1 else None


def _touched(family: JobFamily, now: datetime) -> JobFamily:
    return replace(family, job=replace(family.job, updated_at=now))


def _with_task(family: JobFamily, changed: Task) -> JobFamily:
    tasks = tuple(changed if task.key == changed.key else task for task in family.tasks)
    return replace(family, tasks=tasks)


def _require(family: JobFamily, key: str) -> Task:
    task = family.task(key)
    if task is None:
        raise KeyError(f"{family.job.job_id} has no task {key}")
    return task
