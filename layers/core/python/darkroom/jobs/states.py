"""The state machines of jobs and tasks, as data. Every transition is checked here."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

CancelOutcome = Literal["canceled", "requested", "already_final"]
"""What canceling a job did: see ``usecases.jobs.cancel_job``."""


class JobStatus(StrEnum):
    DRAFT = "draft"
    QUEUED = "queued"
    RUNNING = "running"
    CANCELING = "canceling"
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELED = "canceled"


class TaskStatus(StrEnum):
    BLOCKED = "blocked"
    READY = "ready"
    RUNNING = "running"
    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELED = "canceled"


FINAL_JOB = frozenset(
    {JobStatus.SUCCEEDED, JobStatus.PARTIAL, JobStatus.FAILED, JobStatus.CANCELED}
)
FINAL_TASK = frozenset(
    {TaskStatus.SUCCEEDED, TaskStatus.FAILED, TaskStatus.SKIPPED, TaskStatus.CANCELED}
)

JOB_TRANSITIONS: dict[JobStatus, frozenset[JobStatus]] = {
    JobStatus.DRAFT: frozenset({JobStatus.QUEUED, JobStatus.CANCELED}),
    JobStatus.QUEUED: frozenset({JobStatus.RUNNING, JobStatus.CANCELING, *FINAL_JOB}),
    JobStatus.RUNNING: frozenset({JobStatus.CANCELING, *FINAL_JOB}),
    JobStatus.CANCELING: FINAL_JOB,
    **{status: frozenset() for status in FINAL_JOB},
}

TASK_TRANSITIONS: dict[TaskStatus, frozenset[TaskStatus]] = {
    TaskStatus.BLOCKED: frozenset({TaskStatus.READY, TaskStatus.SKIPPED, TaskStatus.CANCELED}),
    TaskStatus.READY: frozenset({TaskStatus.RUNNING, TaskStatus.FAILED, TaskStatus.CANCELED}),
    # A lost lease or a transient failure returns a running task to ready.
    TaskStatus.RUNNING: frozenset(
        {
            TaskStatus.WAITING,
            TaskStatus.READY,
            TaskStatus.SUCCEEDED,
            TaskStatus.FAILED,
            TaskStatus.CANCELED,
        }
    ),
    TaskStatus.WAITING: frozenset(
        {TaskStatus.READY, TaskStatus.SUCCEEDED, TaskStatus.FAILED, TaskStatus.CANCELED}
    ),
    **{status: frozenset() for status in FINAL_TASK},
}


class IllegalTransition(ValueError):
    """A bug: the code tried a transition that the table does not allow."""


def check_job(before: JobStatus, after: JobStatus) -> JobStatus:
    if after not in JOB_TRANSITIONS[before]:
        raise IllegalTransition(f"job: {before} → {after}")
    return after


def check_task(before: TaskStatus, after: TaskStatus) -> TaskStatus:
    if after not in TASK_TRANSITIONS[before]:
        raise IllegalTransition(f"task: {before} → {after}")
    return after
