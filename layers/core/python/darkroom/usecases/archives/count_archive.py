"""Count a job's zip in the storage of its account.

The size is kept in the job's usage record, and only the difference is added, so it may be counted
any number of times. A job that is not counted itself yet, or whose record is damaged, gets no more
than its zip missing from the sum; a recount of the account finds it.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from darkroom.bootstrap.composition import App
from darkroom.db import commit
from darkroom.db.retry import retry_on_conflict
from darkroom.jobs.model import Job
from darkroom.kernel.errors import Unavailable, Unreadable
from darkroom.plans.storage_store import count_write
from darkroom.usage import store as usage_store


def count_archive(app: App, job: Job, *, size_bytes: int) -> bool:
    """Count the zip; returns whether that changed anything. It never fails: a zip that cannot be
    counted must still be delivered."""

    def attempt() -> bool:
        before = usage_store.find_record_of(
            job.account_id, job_id=job.job_id, ended_at=job.finished_at
        )
        if before is None or before.archive_bytes == size_bytes:
            return False
        after = replace(before, archive_bytes=size_bytes)
        commit(
            [
                *usage_store.count_writes(before, after, operation=app.ids.token()),
                count_write(
                    job.account_id, used_bytes=size_bytes - before.archive_bytes, uploads=0
                ),
            ]
        )
        return True

    with suppress(Unreadable, Unavailable):
        return retry_on_conflict(app.jitter, attempt)
    return False
