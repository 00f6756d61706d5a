"""Erase an account's jobs: cancel the running ones, and leave a tombstone under the pseudonym."""

from __future__ import annotations

from contextlib import suppress

from darkroom.bootstrap.composition import App
from darkroom.db import commit, commit_one
from darkroom.events import store as events_store
from darkroom.generation.routing import store as costs_store
from darkroom.jobs import store as jobs_store
from darkroom.jobs import tombstone_store
from darkroom.jobs.model import Job
from darkroom.jobs.states import JobStatus
from darkroom.kernel.errors import ConcurrentUpdate, Conflict, NotFound
from darkroom.kernel.limits import ERASURE_BATCH
from darkroom.usecases.accounts.erasure.steps import Left, Subject
from darkroom.usecases.jobs.cancel_job import cancel_job
from darkroom.usecases.jobs.delete_job import check_deletable
from darkroom.usecases.jobs.erase_job import erase_job


def erase_jobs(app: App, subject: Subject) -> Left:
    """Erase a batch of jobs, the newest first: so children come before their parents.

    A running job is canceled, which settles its credits. It is erased when its last task has ended.
    """
    is_busy, erased = False, 0
    for job_id in jobs_store.iter_owned(subject.account_id):
        job = _ended(app, subject.account_id, job_id)
        if job is None:
            continue  # The index is eventually consistent.
        try:
            check_deletable(job)
            _erase(app, subject, job)
        except Conflict:
            is_busy = True
            continue
        erased += 1
        if erased >= ERASURE_BATCH:
            break
    if erased:
        return Left.MORE
    return Left.BUSY if is_busy else Left.NOTHING


def _ended(app: App, account_id: str, job_id: str) -> Job | None:
    job = jobs_store.find_job(job_id)
    if job is None or job.is_final or job.status is JobStatus.DRAFT:
        return job
    with suppress(NotFound):
        cancel_job(app, account_id=account_id, job_id=job_id)
    return jobs_store.find_job(job_id)


def _erase(app: App, subject: Subject, job: Job) -> None:
    """One transaction deletes the job and hands its tombstone over to the pseudonym, so that none
    is left that names the account."""
    operation = app.ids.token()
    writes = [
        tombstone_store.delete_write(
            job, now=app.clock.now(), operation=operation, left_to=subject.pseudonym
        )
    ]
    if job.parent_job_id is not None:
        writes.append(jobs_store.disown_write(job.parent_job_id, child_id=job.job_id))
    commit(writes)
    disown_job(subject, job.job_id)
    erase_job(app, job.job_id)


def disown_job(subject: Subject, job_id: str) -> None:
    """Let the rest of a deleted job, and its costs, name the pseudonym; its events are erased."""
    with suppress(ConcurrentUpdate):
        commit_one(
            tombstone_store.leave_write(
                job_id, account_id=subject.account_id, left_to=subject.pseudonym
            )
        )
    costs_store.leave_costs(job_id, left_to=subject.pseudonym)
    events_store.erase_events(job_id)
