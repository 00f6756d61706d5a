"""Complete or fail one attempt: the task, its dependents and the settlement, in one step."""

from __future__ import annotations

from collections.abc import Sequence

from darkroom.bootstrap.composition import App
from darkroom.db import Write
from darkroom.jobs import engine
from darkroom.jobs.model import Failure, JobFamily, Output, Task
from darkroom.jobs.states import TaskStatus
from darkroom.kernel.backoff import jittered_backoff_seconds
from darkroom.kernel.limits import TASK_BACKOFF_BASE_SECONDS, TASK_BACKOFF_LIMIT_SECONDS
from darkroom.usecases.jobs.advance_job import advance


def complete_task(
    app: App, task: Task, outputs: Sequence[Output], *, extra_writes: Sequence[Write] = ()
) -> JobFamily | None:
    """Complete the attempt. Does nothing if the lease was lost to another attempt.

    Here and below, ``extra_writes`` records the attempt in the same transaction.
    """
    now = app.clock.now()

    def step(family: JobFamily) -> JobFamily | None:
        if not _holds(family, task):
            return None
        return engine.succeed(family, task.key, outputs, now)

    return advance(app, task.job_id, step, extra_writes=extra_writes)


def await_provider(
    app: App, task: Task, ref: str | None, *, extra_writes: Sequence[Write] = ()
) -> JobFamily | None:
    """Let the task wait for a provider that has accepted the request, or may have. Does nothing if
    the provider has called back already, which has the same effect."""
    now = app.clock.now()

    def step(family: JobFamily) -> JobFamily | None:
        if not _holds(family, task):
            return None
        return engine.wait(family, task.key, ref=ref, now=now)

    return advance(app, task.job_id, step, extra_writes=extra_writes)


def poll_later(app: App, task: Task, ref: str | None) -> JobFamily | None:
    """Schedule the next poll of a waiting task whose run is unfinished."""
    now = app.clock.now()

    def step(family: JobFamily) -> JobFamily | None:
        if not _holds(family, task) or task.run is None:
            return None
        return engine.poll_again(family, task.key, seen=task.run.poll, ref=ref, now=now)

    return advance(app, task.job_id, step)


def fail_task(
    app: App,
    task: Task,
    failure: Failure,
    *,
    transient: bool,
    at_least_seconds: float = 0,
    provider: str | None = None,
    extra_writes: Sequence[Write] = (),
) -> JobFamily | None:
    """Fail the attempt; another one follows if that may help and attempts are left.

    ``provider`` is the provider of the next attempt; without it, the provider does not change.
    """
    now = app.clock.now()
    delay_seconds = max(at_least_seconds, task_backoff_seconds(app, task.attempts))

    def step(family: JobFamily) -> JobFamily | None:
        if not _holds(family, task):
            return None
        if transient:
            return engine.retry(
                family,
                task.key,
                failure=failure,
                delay_seconds=delay_seconds,
                now=now,
                provider=provider,
            )
        return engine.fail(family, task.key, failure, now)

    return advance(app, task.job_id, step, extra_writes=extra_writes)


def reroute_task(app: App, task: Task, *, provider: str) -> JobFamily | None:
    """Assign a ready task to another provider. Does nothing if the task was claimed already."""
    now = app.clock.now()

    def step(family: JobFamily) -> JobFamily | None:
        current = family.task(task.key)
        if current is None or (current.status, current.attempts, current.provider) != (
            task.status,
            task.attempts,
            task.provider,
        ):
            return None
        return engine.reroute(family, task.key, provider=provider, now=now)

    return advance(app, task.job_id, step)


def task_backoff_seconds(app: App, attempts: int) -> float:
    """The delay after a task's ``attempts``-th attempt: under 2 s, doubling up to 30 s."""
    return jittered_backoff_seconds(
        app.jitter,
        attempts,
        base_seconds=TASK_BACKOFF_BASE_SECONDS,
        limit_seconds=TASK_BACKOFF_LIMIT_SECONDS,
    )


def _holds(family: JobFamily, task: Task) -> bool:
    """Whether this attempt or poll still holds the task's lease."""
    current = family.task(task.key)
    return (
        current is not None
        and current.status is task.status
        and current.status in (TaskStatus.RUNNING, TaskStatus.WAITING)
        and current.attempts == task.attempts
        and current.claim == task.claim
    )
