"""Admit tasks: send the messages of an account's next ready tasks.

An account has as many tasks in flight as its plan allows; the others wait in the account queue.
So a thousand tasks of one account never delay the single task of another.
"""

from __future__ import annotations

from datetime import timedelta

from aws_lambda_powertools import Logger

from darkroom.bootstrap.composition import App
from darkroom.db import commit_one
from darkroom.db.damage import DAMAGE
from darkroom.jobs import task_store
from darkroom.jobs.model import Task
from darkroom.jobs.states import TaskStatus
from darkroom.kernel.errors import ConcurrentUpdate
from darkroom.kernel.limits import DISPATCH_CHECK_SECONDS
from darkroom.plans.model import limits_of
from darkroom.plans.store import find_plan
from darkroom.usecases.tasks.call_provider import healthy_provider
from darkroom.usecases.tasks.dispatch_task import dispatch_task
from darkroom.usecases.tasks.finish_task import reroute_task

logger = Logger()


def admit_tasks(app: App, task: Task) -> int:
    """Send the account's next tasks after ``task`` changed; returns how many were sent.

    The account queue is an eventually consistent index, so the given state of ``task`` takes
    precedence over its place there. Two concurrent calls may send one task too many; only the
    number of concurrent tasks depends on it.
    """
    limit = limits_of(find_plan(task.account_id)).concurrent_tasks
    queue = task_store.list_account_queue(task.account_id, limit=limit + 1)
    places = [place for place in queue if (place.job_id, place.key) != (task.job_id, task.key)]
    own = task_store.place_of(task)
    if own is not None:
        places.append(own)
    sent = 0
    for place in sorted(places, key=lambda place: place.order)[:limit]:
        if place.is_in_flight:
            continue
        waiting = task_store.find_task(place.job_id, place.key)
        if waiting is not None and waiting.status is TaskStatus.READY and not waiting.is_sent:
            sent += _send_if_possible(app, waiting)
    return sent


def _send_if_possible(app: App, task: Task) -> bool:
    """Whether the task was sent. A task that cannot be sent must not block those behind it; its
    own deadline ends it. An outage of the queue is raised to the caller."""
    try:
        send_task(app, task)
    except DAMAGE:
        logger.exception("unsendable_task", job_id=task.job_id, task_key=task.key)
        return False
    return True


def send_task(app: App, task: Task) -> None:
    """Send a ready task's message, then store that it was sent. If storing fails, the message is
    sent once more at worst.

    If the circuit of its provider is open, the task is rerouted to the next provider instead; the
    stream record of that change sends it.
    """
    provider = healthy_provider(app, task)
    if provider != task.provider:
        reroute_task(app, task, provider=provider)
        return
    dispatch_task(app, task)
    check_at = app.clock.now() + timedelta(seconds=DISPATCH_CHECK_SECONDS)
    if task.not_before is not None:
        check_at = max(check_at, task.not_before + timedelta(seconds=DISPATCH_CHECK_SECONDS))
    try:
        commit_one(task_store.sent_write(task, check_at=check_at, operation=app.ids.token()))
    except ConcurrentUpdate:
        return
