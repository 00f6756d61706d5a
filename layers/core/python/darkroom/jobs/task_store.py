"""Tasks: reads of single tasks and of account queues, and the writes that move a task alone.

Writes that change a task together with its job are in ``jobs.store``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pynamodb.models import Model

from darkroom.db.damage import report_unreadable
from darkroom.db.writes import Write, update
from darkroom.jobs.items import (
    IN_ACCOUNT_QUEUE,
    IN_FLIGHT,
    TASK_PREFIX,
    CollectionItem,
    TaskItem,
    queue_key,
)
from darkroom.jobs.model import Task
from darkroom.jobs.reading import read_task
from darkroom.jobs.states import TaskStatus
from darkroom.kernel.clock import to_epoch_seconds, to_iso
from darkroom.kernel.errors import AlreadyHappened, ConcurrentUpdate


def find_task(job_id: str, key: str) -> Task | None:
    """A task in its current state; None if it does not exist or cannot be read."""
    try:
        read = read_task(TaskItem.get(job_id, TASK_PREFIX + key, consistent_read=True))
    except Model.DoesNotExist:
        return None
    report_unreadable(job_id, TASK_PREFIX + key, read.unreadable)
    return None if read.unreadable else read.value


@dataclass(frozen=True, kw_only=True)
class Place:
    """One place in an account queue."""

    job_id: str
    key: str
    order: str

    @property
    def is_in_flight(self) -> bool:
        return self.order == IN_FLIGHT


def list_account_queue(account_id: str, *, limit: int) -> list[Place]:
    """The first of the account's running and ready tasks: in flight first, then by their turn.

    The index is eventually consistent.
    """
    return [
        Place(
            job_id=item.pk,
            key=item.sk.removeprefix(TASK_PREFIX),
            order=item.queue_key,
        )
        for item in TaskItem.by_account_queue.query(account_id, limit=limit, page_size=limit)
    ]


def place_of(task: Task) -> Place | None:
    """The place of the task in this state; None if it is not in the queue."""
    if task.status not in IN_ACCOUNT_QUEUE:
        return None
    return Place(job_id=task.job_id, key=task.key, order=queue_key(task))


def sent_write(task: Task, *, check_at: datetime, operation: str) -> Write:
    """Record that the message of a ready task's next attempt was sent."""
    return update(
        TaskItem(task.job_id, TASK_PREFIX + task.key),
        [
            TaskItem.queue_key.set(IN_FLIGHT),
            CollectionItem.next_check_at.set(to_epoch_seconds(check_at)),
        ],
        condition=(TaskItem.status == TaskStatus.READY.value)
        & (TaskItem.attempts == task.attempts),
        refused=ConcurrentUpdate("the task has moved on"),
        operation=operation,
    )


def claim_write(
    job_id: str,
    key: str,
    *,
    attempt: int,
    claim: str,
    worker: str,
    lease_until: datetime,
    now: datetime,
) -> Write:
    """Claim attempt ``attempt`` of a ready task: one conditional write, which fences the lease."""
    return update(
        TaskItem(job_id, TASK_PREFIX + key),
        [
            TaskItem.status.set(TaskStatus.RUNNING.value),
            TaskItem.attempts.set(attempt),
            TaskItem.claim.set(claim),
            TaskItem.worker.set(worker) if worker else TaskItem.worker.remove(),
            TaskItem.lease_until.set(to_iso(lease_until)),
            TaskItem.queue_key.set(IN_FLIGHT),
            CollectionItem.next_check_at.set(to_epoch_seconds(lease_until)),
            TaskItem.started_at.set(TaskItem.started_at | to_iso(now)),
        ],
        # A ready task has no lease holder; the attempt makes an old message harmless.
        condition=(TaskItem.status == TaskStatus.READY.value) & (TaskItem.attempts == attempt - 1),
        refused=AlreadyHappened("the task is not to be claimed"),
        operation=claim,
    )


def poll_write(
    job_id: str,
    key: str,
    *,
    attempt: int,
    poll: int,
    claim: str,
    worker: str,
    lease_until: datetime,
    now: datetime,
) -> Write:
    """Claim poll ``poll`` of a waiting task for one worker, under a lease like an attempt's."""
    is_free = TaskItem.lease_until.does_not_exist() | (TaskItem.lease_until <= to_iso(now))
    return update(
        TaskItem(job_id, TASK_PREFIX + key),
        [
            TaskItem.claim.set(claim),
            TaskItem.worker.set(worker) if worker else TaskItem.worker.remove(),
            TaskItem.lease_until.set(to_iso(lease_until)),
            CollectionItem.next_check_at.set(to_epoch_seconds(lease_until)),
        ],
        # The numbers of attempt and poll make old messages harmless; the due time makes early ones
        # harmless. The lease of a worker that died during the last poll has expired.
        condition=(TaskItem.status == TaskStatus.WAITING.value)
        & (TaskItem.attempts == attempt)
        & (TaskItem.poll == poll)
        & (TaskItem.not_before <= to_iso(now))
        & is_free,
        refused=AlreadyHappened("the task is not to be looked at"),
        operation=claim,
    )


def renew_write(task: Task, *, lease_until: datetime) -> Write:
    """Extend the lease of the worker that holds the task."""
    return update(
        TaskItem(task.job_id, TASK_PREFIX + task.key),
        [
            TaskItem.lease_until.set(to_iso(lease_until)),
            CollectionItem.next_check_at.set(to_epoch_seconds(lease_until)),
        ],
        condition=(TaskItem.status == task.status.value) & (TaskItem.claim == task.claim),
        refused=AlreadyHappened("the lease was lost"),
    )
