"""Dispatch: a ready task's message goes to the queue of the worker that its provider needs."""

from __future__ import annotations

from math import ceil

from darkroom.bootstrap import App
from darkroom.jobs.model import Task
from darkroom.jobs.states import TaskStatus


def dispatch_task(app: App, task: Task) -> bool:
    """Send the task's next attempt; sending it again is harmless, the claim decides."""
    if task.status is not TaskStatus.READY:
        return False
    delay = 0
    if task.not_before is not None:
        delay = ceil((task.not_before - app.clock.now()).total_seconds())
    app.queues[task.provider].send(
        {"jobId": task.job_id, "key": task.key, "attempt": task.attempts + 1},
        delay_seconds=delay,
    )
    return True
