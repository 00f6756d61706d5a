"""Claim one attempt, or one poll of a waiting task, for one worker under one lease.

A claim is one conditional write.
"""

from __future__ import annotations

from datetime import timedelta

from darkroom.bootstrap.composition import App
from darkroom.db import Write, commit_one
from darkroom.db.commit import load
from darkroom.jobs import task_store
from darkroom.jobs.items import TaskItem
from darkroom.jobs.model import Task
from darkroom.jobs.reading import read_task
from darkroom.kernel.errors import Conflict
from darkroom.kernel.limits import LEASE_SECONDS
from darkroom.usecases.jobs.end_unreadable import end_unreadable


def claim_task(app: App, *, job_id: str, key: str, attempt: int) -> Task | None:
    """The task, running under our lease; None if the message is outdated."""
    now = app.clock.now()
    write = task_store.claim_write(
        job_id,
        key,
        attempt=attempt,
        claim=app.ids.token(),
        worker=app.settings.log_stream,
        lease_until=now + timedelta(seconds=LEASE_SECONDS),
        now=now,
    )
    return _claimed(app, write)


def claim_poll(app: App, *, job_id: str, key: str, attempt: int, poll: int) -> Task | None:
    """The waiting task, to be polled under our lease; None if the message is outdated."""
    now = app.clock.now()
    write = task_store.poll_write(
        job_id,
        key,
        attempt=attempt,
        poll=poll,
        claim=app.ids.token(),
        worker=app.settings.log_stream,
        lease_until=now + timedelta(seconds=LEASE_SECONDS),
        now=now,
    )
    return _claimed(app, write)


def _claimed(app: App, write: Write) -> Task | None:
    try:
        raw = commit_one(write)
    except Conflict:
        return None
    read = read_task(load(TaskItem, raw))
    if read.unreadable:
        end_unreadable(app, read.value.job_id)
        return None
    return read.value
