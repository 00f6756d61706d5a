"""Cancel a job: tasks that have not started stop, running ones finish, the rest is refunded."""

from __future__ import annotations

from darkroom.bootstrap.composition import App
from darkroom.jobs import engine
from darkroom.jobs.model import Job, JobFamily
from darkroom.jobs.states import CancelOutcome, JobStatus
from darkroom.kernel.errors import NotFound
from darkroom.usecases.jobs.advance_job import advance

CANCELED: CancelOutcome = "canceled"
REQUESTED: CancelOutcome = "requested"
ALREADY_FINAL: CancelOutcome = "already_final"
_ENDED_OTHERWISE = frozenset({JobStatus.FAILED})
"""Canceling never makes a job fail, but a damaged job fails when it is loaded."""


def is_cancelable(job: Job) -> bool:
    """Whether canceling changes the job; canceling another one has no effect."""
    return not job.is_final and job.status is not JobStatus.CANCELING


def cancel_job(app: App, *, account_id: str, job_id: str) -> tuple[CancelOutcome, Job]:
    """Cancel the job; returns the outcome and the job.

    ``canceled``: the job has ended. ``requested``: it ends when its running tasks have finished.
    ``already_final``: it had ended already. Safe to repeat.

    Raises:
        NotFound: missing, or another account's; Unavailable.
    """
    now = app.clock.now()
    was_final = False

    def step(family: JobFamily) -> JobFamily | None:
        nonlocal was_final
        if family.job.account_id != account_id:
            raise NotFound("no such job")
        was_final = family.job.is_final
        if not is_cancelable(family.job):
            return None
        return engine.cancel(family, now)

    family = advance(app, job_id, step)
    if family is None or family.job.account_id != account_id:
        raise NotFound("no such job")
    if was_final or family.job.status in _ENDED_OTHERWISE:
        return ALREADY_FINAL, family.job
    return (CANCELED if family.job.is_final else REQUESTED), family.job
