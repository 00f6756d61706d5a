"""Dispatch a task: send its message to the queue of the worker for its provider."""

from __future__ import annotations

from math import ceil

from darkroom.bootstrap.composition import App
from darkroom.jobs.model import Task
from darkroom.jobs.states import TaskStatus

CLOCK_SKEW_SECONDS = 1


def dispatch_task(app: App, task: Task) -> bool:
    """Send the message of the task's next attempt. Sending it twice is harmless: the claim
    decides."""
    if task.status is not TaskStatus.READY:
        return False
    _send(app, task, attempt=task.attempts + 1)
    return True


def dispatch_poll(app: App, task: Task) -> bool:
    """Send the message of a waiting task's next poll, delayed until the poll is due."""
    if task.status is not TaskStatus.WAITING or task.run is None:
        return False
    _send(app, task, attempt=task.attempts, look=task.run.poll)
    return True


def dispatch_stop(app: App, task: Task) -> bool:
    """Send the message that cancels the run of an ended task. Best effort: it is sent once."""
    if not task.is_final or task.run is None or task.run.ref is None:
        return False
    _send(app, task, attempt=task.attempts, stop=True)
    return True


def _send(app: App, task: Task, **fields: int) -> None:
    delay = 0
    if task.not_before is not None:
        delay = ceil((task.not_before - app.clock.now()).total_seconds())
    if delay > 0 and task.status is TaskStatus.WAITING:
        # The worker ignores a poll that is early by its clock.
        delay += CLOCK_SKEW_SECONDS
    message = {"jobId": task.job_id, "key": task.key, **fields}
    app.task_queue(task.provider).send(message, delay_seconds=delay)
