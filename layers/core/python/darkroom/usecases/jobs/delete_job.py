"""Delete a job at once; the stream or the sweeper removes its files later."""

from __future__ import annotations

from darkroom.bootstrap.composition import App
from darkroom.db import commit
from darkroom.db.retry import retry_on_conflict
from darkroom.jobs import store as jobs_store
from darkroom.jobs import tombstone_store
from darkroom.jobs.model import Job
from darkroom.jobs.states import JobStatus
from darkroom.kernel.errors import Conflict, NotFound
from darkroom.kernel.limits import DESCENDANTS_LIMIT
from darkroom.usecases.limits.limit_jobs import commit_end


def delete_job(app: App, *, account_id: str, job_id: str, cascade: bool) -> None:
    """Delete a draft or a finished job; with ``cascade`` also its descendants.

    Every job is deleted in its own transaction, children before their parents. If it stops in the
    middle, the remaining jobs are consistent and the next call continues.

    Raises:
        NotFound; Conflict JOB_NOT_FINAL, HAS_CHILDREN; Unavailable.
    """

    def attempt() -> None:
        for job in reversed(_doomed(account_id, job_id, cascade=cascade)):
            _delete(app, job)

    retry_on_conflict(app.jitter, attempt)


def check_deletable(job: Job, *, cascade: bool = False) -> None:
    """Raises: Conflict JOB_NOT_FINAL, HAS_CHILDREN."""
    if not job.is_final and job.status is not JobStatus.DRAFT:
        raise Conflict("a job has not ended", code="JOB_NOT_FINAL")
    if job.children and not cascade:
        raise Conflict("others were made from it", code="HAS_CHILDREN")


def _doomed(account_id: str, job_id: str, *, cascade: bool) -> list[Job]:
    """The job and, with ``cascade``, all its descendants, parents first."""
    root = jobs_store.find_job(job_id)
    if root is None or root.account_id != account_id:
        raise NotFound("no such job")
    found, number = [root], 0
    while number < len(found):
        job = found[number]
        check_deletable(job, cascade=cascade)
        if len(found) + len(job.children) > DESCENDANTS_LIMIT:
            raise Conflict("too many were made from it", code="HAS_CHILDREN")
        children = (jobs_store.find_job(child_id) for child_id in sorted(job.children))
        found += [child for child in children if child is not None]
        number += 1
    return found


def _delete(app: App, job: Job) -> None:
    operation = app.ids.token()
    writes = [tombstone_store.delete_write(job, now=app.clock.now(), operation=operation)]
    if job.parent_job_id is not None:
        writes.append(jobs_store.disown_write(job.parent_job_id, child_id=job.job_id))
    if job.status is JobStatus.DRAFT:
        commit_end(writes, job)
    else:
        commit(writes)
