"""Find how much of each limit of its plan an account uses now."""

from __future__ import annotations

from collections.abc import Mapping

from darkroom.bootstrap.composition import App
from darkroom.jobs.task_store import list_account_queue
from darkroom.limits import store as limits_store
from darkroom.plans.model import (
    CONCURRENT_TASKS,
    CONCURRENT_UPLOADS,
    STORAGE_BYTES,
    Level,
    levels_of,
    limits_of,
)
from darkroom.plans.storage_store import find_stored
from darkroom.plans.store import find_plan


def find_levels(app: App, account_id: str, *, plan: str | None = None) -> tuple[Level, ...]:
    """The level of every limit of the account's plan; a fixed number of reads."""
    plan = find_plan(account_id) if plan is None else plan
    most_tasks = limits_of(plan).concurrent_tasks
    queue = list_account_queue(account_id, limit=most_tasks)
    tasks = sum(1 for place in queue if place.is_in_flight)
    return levels_of(plan, {**find_counted(app, account_id), CONCURRENT_TASKS: tasks})


def find_counted(app: App, account_id: str) -> Mapping[str, float]:
    """What counters hold of the account's use, by the name of the limit."""
    stored = find_stored(account_id)
    return {
        **limits_store.find_used(account_id, app.clock.now()),
        STORAGE_BYTES: stored.used_bytes,
        CONCURRENT_UPLOADS: stored.open_uploads,
    }
