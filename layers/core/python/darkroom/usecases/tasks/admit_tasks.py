"""Admit: of an account's ready tasks, those whose turn it is get their messages sent.

An account has as many tasks on their way as its plan allows; the others wait in its lane. So a
thousand tasks of one account never stand in front of another's single one.
"""

from __future__ import annotations

from datetime import timedelta

from aws_lambda_powertools import Logger

from darkroom.bootstrap.composition import App
from darkroom.db import commit_one
from darkroom.jobs import store as jobs_store
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
    """Send what of its account may go now that ``task`` changed; returns how many were sent.

    The lane is an index and a moment old, so what is known of ``task`` itself counts more: it
    may not be in it yet, or not have left it. Two calls at once may send one task too many;
    nothing but the number of concurrent tasks depends on it.
    """
    limit = limits_of(find_plan(task.account_id)).concurrent_tasks
    lane = jobs_store.list_account_queue(task.account_id, limit=limit + 1)
    places = [place for place in lane if (place.job_id, place.key) != (task.job_id, task.key)]
    own = jobs_store.place_of(task)
    if own is not None:
        places.append(own)
    sent = 0
    for place in sorted(places, key=lambda place: place.order)[:limit]:
        if place.is_in_flight:
            continue
        waiting = jobs_store.find_task(place.job_id, place.key)
        if waiting is not None and waiting.status is TaskStatus.READY and not waiting.is_sent:
            sent += _send_if_possible(app, waiting)
    return sent


def _send_if_possible(app: App, task: Task) -> bool:
    """A task that cannot be sent must not keep those behind it from being sent: its own deadline
    ends it. That nothing can be sent at all is for the caller."""
    try:
        send_task(app, task)
    except (ValueError, TypeError, LookupError, AttributeError):
        logger.exception("unsendable_task", job_id=task.job_id, task_key=task.key)
        return False
    return True


def send_task(app: App, task: Task) -> None:
    """Send a ready task's message, then note it: unnoted, it is sent once more at worst.

    If its provider is left alone for now, it is given to the next one instead, and the news of
    that sends it.
    """
    provider = healthy_provider(app, task)
    if provider != task.provider:
        reroute_task(app, task, provider)
        return
    dispatch_task(app, task)
    check_at = app.clock.now() + timedelta(seconds=DISPATCH_CHECK_SECONDS)
    if task.not_before is not None:
        check_at = max(check_at, task.not_before + timedelta(seconds=DISPATCH_CHECK_SECONDS))
    try:
        commit_one(jobs_store.sent_write(task, check_at=check_at, operation=app.ids.token()))
    except ConcurrentUpdate:
        return
