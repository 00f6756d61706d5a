"""Renew the lease of a running attempt, so that it does not expire."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from datetime import timedelta

from darkroom.bootstrap.composition import App
from darkroom.db import commit_one, is_outage
from darkroom.jobs import task_store
from darkroom.jobs.model import Task
from darkroom.kernel.errors import Conflict, Unavailable
from darkroom.kernel.limits import ATTEMPT_LIMIT_SECONDS, LEASE_RENEW_SECONDS, LEASE_SECONDS


@contextlib.contextmanager
def lease_renewed(app: App, task: Task) -> Iterator[None]:
    """A context in which a thread renews the lease at intervals.

    Renewal ends with the block, when the lease was lost to another worker, and after the longest
    run time of any function.
    """
    done = threading.Event()

    def keep() -> None:
        for _ in range(int(ATTEMPT_LIMIT_SECONDS / LEASE_RENEW_SECONDS)):
            if done.wait(LEASE_RENEW_SECONDS) or not renew_lease(app, task):
                return

    thread = threading.Thread(target=keep, name=f"lease-{task.key}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def renew_lease(app: App, task: Task) -> bool:
    """Whether to renew again: False if another worker holds the task."""
    lease_until = app.clock.now() + timedelta(seconds=LEASE_SECONDS)
    try:
        commit_one(task_store.renew_write(task, lease_until=lease_until))
    except Conflict:
        return False
    except Unavailable:
        return True  # The next renewal is well before the lease expires.
    except Exception as error:
        if is_outage(error):
            return True
        raise
    return True
