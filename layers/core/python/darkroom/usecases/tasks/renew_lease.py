"""Renew: while an attempt is being worked on, its lease does not run out."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from datetime import timedelta

from darkroom.bootstrap.composition import App
from darkroom.db import commit_one, is_outage
from darkroom.jobs import store as jobs_store
from darkroom.jobs.model import Task
from darkroom.kernel.errors import Conflict, Unavailable
from darkroom.kernel.limits import ATTEMPT_LIMIT_SECONDS, LEASE_RENEW_SECONDS, LEASE_SECONDS


@contextlib.contextmanager
def lease_renewed(app: App, task: Task) -> Iterator[None]:
    """Within, the lease is renewed now and then, by a thread of its own.

    It ends with the block, when the lease was lost (whoever took it is not disturbed), and after
    as long as any function may run: a worker that was stopped renews nothing.
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
    """Whether it is worth trying again: not when somebody else holds the task."""
    lease_until = app.clock.now() + timedelta(seconds=LEASE_SECONDS)
    try:
        commit_one(jobs_store.renew_write(task, lease_until=lease_until))
    except Conflict:
        return False
    except Unavailable:
        return True  # The next one is well before the lease ends.
    except Exception as error:
        if is_outage(error):
            return True
        raise
    return True
