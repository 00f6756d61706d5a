"""Fill the album that a job names with its outputs, one by one."""

from __future__ import annotations

from collections.abc import Sequence

from darkroom.bootstrap.composition import App
from darkroom.jobs.model import Task
from darkroom.jobs.states import TaskStatus
from darkroom.usecases.albums.add_to_album import add_outputs_to_album

ALBUM_PARAM = "albumId"


def fill_album(app: App, tasks: Sequence[Task]) -> int:
    """Add the outputs of succeeded tasks that name an album; returns how many were new.

    This is a projection: it may run twice or late, and the sweeper repeats it for the whole job.
    """
    return sum(
        add_outputs_to_album(app, task.account_id, task.params[ALBUM_PARAM], outputs=task.outputs)
        for task in tasks
        if task.status is TaskStatus.SUCCEEDED and ALBUM_PARAM in task.params
    )
