"""What follows from a task's change: messages, the job's state, and the places of its outputs.

A projection: the relay runs it for every change, and the sweeper runs the parts that can be lost.
Running it twice, late or out of order changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from darkroom.bootstrap.composition import App
from darkroom.jobs.model import Task
from darkroom.jobs.states import TaskStatus
from darkroom.usecases.jobs.mark_running import mark_running
from darkroom.usecases.projections.fill_album import fill_album
from darkroom.usecases.projections.import_generated_images import import_generated_images
from darkroom.usecases.tasks.admit_tasks import admit_tasks
from darkroom.usecases.tasks.dispatch_task import dispatch_poll, dispatch_stop


def project_task(app: App, task: Task, *, before: Task | None) -> None:
    """Do what ``task`` implies and ``before`` did not."""
    # A task that became ready may start, and one that ended or waits for its next attempt frees
    # its place. A sent message or a claim changes nothing for the others.
    turn = (task.status, task.attempts, task.provider)
    is_new = before is None or (before.status, before.attempts, before.provider) != turn
    if is_new and (task.is_final or task.status is TaskStatus.READY):
        admit_tasks(app, task)
    if is_new or before is None or before.run != task.run:
        # Each poll has its own message, sent when the one before has left the task waiting.
        dispatch_poll(app, task)
    if is_new:
        dispatch_stop(app, task)
    if task.status is TaskStatus.RUNNING and task.attempts == 1:
        mark_running(app, task.job_id)
    if is_new:
        project_outputs(app, [task])


def project_outputs(app: App, tasks: Sequence[Task]) -> None:
    """Put the outputs of succeeded tasks where their job wants them."""
    fill_album(app, tasks)
    import_generated_images(app, tasks)
