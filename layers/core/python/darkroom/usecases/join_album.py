"""Join: what a job makes enters the album it was started for, output by output."""

from __future__ import annotations

from collections.abc import Sequence

from darkroom.bootstrap.composition import App
from darkroom.jobs.model import Task
from darkroom.jobs.states import TaskStatus
from darkroom.usecases.add_to_album import add_outputs_to_album

ALBUM_PARAM = "albumId"


def join_album(app: App, tasks: Sequence[Task]) -> int:
    """Add the outputs of tasks that succeeded and were told an album; returns how many were new.

    A projection: it may come twice or late, and the sweeper does it again for the whole job.
    """
    return sum(
        add_outputs_to_album(app, task.account_id, task.params[ALBUM_PARAM], task.outputs)
        for task in tasks
        if task.status is TaskStatus.SUCCEEDED and ALBUM_PARAM in task.params
    )
