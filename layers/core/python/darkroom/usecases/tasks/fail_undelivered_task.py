"""Fail a task whose message could not be delivered; its job continues to its end."""

from __future__ import annotations

from darkroom.bootstrap.composition import App
from darkroom.jobs import engine
from darkroom.jobs.model import Failure, JobFamily
from darkroom.jobs.states import TaskStatus
from darkroom.usecases.jobs.advance_job import advance

UNDELIVERABLE = Failure(code="UNDELIVERABLE")


def fail_undelivered_task(
    app: App, *, job_id: str, key: str, attempt: int, poll: int | None = None
) -> None:
    """Fail the task if this attempt or poll is still the current one."""
    now = app.clock.now()

    def step(family: JobFamily) -> JobFamily | None:
        task = family.task(key)
        if task is None:
            return None
        waiting = task.status is TaskStatus.READY and task.attempts == attempt - 1
        running = task.status is TaskStatus.RUNNING and task.attempts == attempt
        if poll is not None:
            is_meant = task.attempts == attempt and task.run is not None and task.run.poll == poll
        else:
            is_meant = waiting or running
        if task.is_final or not is_meant:
            return None
        return engine.fail(family, key, UNDELIVERABLE, now)

    advance(app, job_id, step)
