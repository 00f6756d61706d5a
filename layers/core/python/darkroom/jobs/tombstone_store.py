"""Deleted jobs: the write that deletes a job, its tombstone, and the erasure of its items."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pynamodb.expressions.update import Action
from pynamodb.models import Model

from darkroom.db.raw import query_raw
from darkroom.db.writes import Write, delete, update
from darkroom.jobs.items import (
    JOB_KEY,
    TASK_PREFIX,
    CollectionItem,
    JobItem,
    TaskItem,
    due_shard,
    is_deleted,
)
from darkroom.jobs.model import Job, Task
from darkroom.jobs.reading import job_from_items, read_deleted_at, task_from_item
from darkroom.jobs.store import find_inputs
from darkroom.kernel.clock import to_epoch_seconds, to_iso
from darkroom.kernel.errors import ConcurrentUpdate


def delete_write(job: Job, *, now: datetime, operation: str, left_to: str | None = None) -> Write:
    """Delete a draft or a final job without children; its files are removed later.

    With ``left_to``, the tombstone belongs to that account from now on.

    The remaining attributes are enough to refuse late writes, and to find the files to erase.
    """
    return update(
        JobItem(job.job_id, JOB_KEY),
        [
            JobItem.deleted_at.set(to_iso(now)),
            JobItem.version.set(job.version + 1),
            JobItem.list_key.remove(),
            JobItem.changed_at.remove(),
            CollectionItem.due_shard.set(due_shard(job.job_id)),
            CollectionItem.next_check_at.set(to_epoch_seconds(now)),
            *([] if left_to is None else [JobItem.account_id.set(left_to)]),
        ],
        # The job is final or a draft; a child may have been added since it was read.
        condition=(JobItem.version == job.version)
        & JobItem.deleted_at.does_not_exist()
        & JobItem.children.does_not_exist(),
        refused=ConcurrentUpdate("the job has moved on"),
        operation=operation,
    )


@dataclass(frozen=True, kw_only=True)
class Tombstone:
    """The remaining facts of a deleted job."""

    job_id: str
    account_id: str
    deleted_at: datetime
    owner_tag: str | None = None

    @property
    def owner(self) -> str:
        """The second part of its files' object keys."""
        return self.owner_tag or self.account_id


def find_tombstone(job_id: str) -> Tombstone | None:
    """The tombstone; None unless the job was deleted."""
    item = _find_deleted_item(job_id)
    if item is None:
        return None
    return Tombstone(
        job_id=job_id,
        account_id=item.account_id,
        deleted_at=read_deleted_at(item),
        owner_tag=item.owner_tag,
    )


def find_deleted(job_id: str) -> Job | None:
    """The remaining part of a deleted job: its price, hold, receipt and state."""
    item = _find_deleted_item(job_id)
    if item is None:
        return None
    return job_from_items(item, find_inputs(job_id) if item.inputs is None else None)


def _find_deleted_item(job_id: str) -> JobItem | None:
    try:
        item = JobItem.get(job_id, JOB_KEY, consistent_read=True)
    except Model.DoesNotExist:
        return None
    return item if is_deleted(item) else None


def list_tasks_of_deleted(job_id: str) -> list[Task]:
    """The tasks of a deleted job that are not erased yet."""
    raw_items = (
        raw for raw in query_raw(JobItem, job_id) if raw["sk"]["S"].startswith(TASK_PREFIX)
    )
    return [task_from_item(TaskItem.from_raw_data(dict(raw))) for raw in raw_items]


def leave_write(job_id: str, *, account_id: str, left_to: str) -> Write:
    """Let the tombstone of this account belong to ``left_to``."""
    return update(
        JobItem(job_id, JOB_KEY),
        [JobItem.account_id.set(left_to)],
        condition=JobItem.deleted_at.exists() & (JobItem.account_id == account_id),
        refused=ConcurrentUpdate("no tombstone of this account"),
    )


def erase_writes(job_id: str) -> list[Write]:
    """Remove all items of the collection but the job's own item."""
    keys = [raw["sk"]["S"] for raw in query_raw(JobItem, job_id)]
    return [delete(CollectionItem(job_id, key)) for key in keys if key != JOB_KEY]


def tombstone_write(tombstone: Tombstone, *, check_at: datetime | None) -> Write:
    """Reduce a deleted job to the facts that stay forever: its id, and how its hold was settled.

    It is due at ``check_at``.
    """
    personal = (
        JobItem.inputs, JobItem.device_id, JobItem.template_id, JobItem.combination,
        JobItem.selected_output, JobItem.source_name, JobItem.files, JobItem.cover_key,
        JobItem.damaged,
    )  # fmt: skip
    if check_at is None:
        watch: list[Action] = [
            CollectionItem.due_shard.remove(),
            CollectionItem.next_check_at.remove(),
        ]
    else:
        watch = [CollectionItem.next_check_at.set(to_epoch_seconds(check_at))]
    return update(
        JobItem(tombstone.job_id, JOB_KEY),
        [*(attribute.remove() for attribute in personal), *watch],
        condition=JobItem.deleted_at.exists(),
        refused=ConcurrentUpdate("the job is not deleted"),
    )
