"""Jobs and their families: reads, and the writes of changes.

Tasks alone are in ``jobs.task_store``, deleted jobs in ``jobs.tombstone_store``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from pynamodb.expressions.condition import size
from pynamodb.expressions.operand import Path
from pynamodb.models import Model

from darkroom.db.due import Due, list_due_items
from darkroom.db.raw import query_raw
from darkroom.db.writes import RawItem, Write, put, update
from darkroom.jobs.covers import cover_of
from darkroom.jobs.family_reading import family_from_raw
from darkroom.jobs.items import (
    INPUTS_KEY,
    JOB_KEY,
    JOB_PREFIX,
    TASK_PREFIX,
    CollectionItem,
    InputsItem,
    JobItem,
    TaskItem,
    is_deleted,
)
from darkroom.jobs.model import Job, JobFamily, Output, Task, Unreadable
from darkroom.jobs.reading import JobChange, job_from_items, read_change
from darkroom.jobs.states import JobStatus
from darkroom.jobs.writing import inherited_to_item, inputs_to_item, job_to_item, task_to_item
from darkroom.kernel.clock import to_epoch_seconds
from darkroom.kernel.errors import ConcurrentUpdate, Conflict, DarkroomError, KeyReused, NotFound
from darkroom.kernel.ids import is_id
from darkroom.kernel.limits import CHILDREN_LIMIT, FAMILY_WRITES_LIMIT

_MOVED_ON = ConcurrentUpdate("the job has moved on")


def find_family(job_id: str) -> JobFamily | None:
    """The whole collection, read consistently; None if the job does not exist."""
    return family_from_raw(list(query_raw(JobItem, job_id))) if is_id(job_id, JOB_PREFIX) else None


def find_job(job_id: str) -> Job | None:
    """The job without its tasks; None if it does not exist or was deleted."""
    if not is_id(job_id, JOB_PREFIX):
        return None
    try:
        item = JobItem.get(job_id, JOB_KEY, consistent_read=True)
    except Model.DoesNotExist:
        return None
    if is_deleted(item):
        return None
    return job_from_items(item, find_inputs(job_id) if item.inputs is None else None)


def find_inputs(job_id: str) -> InputsItem | None:
    try:
        return InputsItem.get(job_id, INPUTS_KEY, consistent_read=True)
    except Model.DoesNotExist:
        return None


def list_changes(account_id: str, after: int, *, limit: int) -> list[JobChange]:
    """The account's jobs that changed after this change key, in the order of their changes.

    The index is eventually consistent. A job is in it once, with its last change.
    """
    return _changes(account_id, after, limit=limit, scan_index_forward=True)


def list_last_changes(account_id: str, after: int, *, limit: int) -> list[JobChange]:
    """The last ``limit`` of the account's jobs that changed after this change key, in order."""
    return _changes(account_id, after, limit=limit, scan_index_forward=False)[::-1]


def _changes(account_id: str, after: int, *, limit: int, **order: Any) -> list[JobChange]:
    items = JobItem.by_change.query(
        account_id,
        range_key_condition=JobItem.changed_at > after,
        limit=limit,
        page_size=limit,
        **order,
    )
    changes = (read_change(item) for item in items)
    return [change for change in changes if change is not None]


def iter_owned(account_id: str) -> Iterator[str]:
    """Ids of the account's jobs, the newest first; deleted ones are not among them. The index is
    eventually consistent."""
    for item in JobItem.by_account.query(account_id, scan_index_forward=False, page_size=100):
        yield item.pk


def list_due(shard: str, until: datetime, *, limit: int) -> list[Due]:
    """Items (job id, sort key) that are due by ``until``, oldest first."""
    return list_due_items(CollectionItem.due, until, limit=limit, shard=shard)


# Writes


def create_writes(job: Job, *, operation: str) -> list[Write]:
    """Create a job that must not exist yet, with its large inputs in a separate item."""
    item = job_to_item(job, operation)
    writes = [
        put(
            item,
            condition=JobItem.pk.does_not_exist(),
            refused=KeyReused("the key was used for another request"),
        )
    ]
    return writes + _inputs_writes(job, item, operation)


def replace_draft_writes(draft: Job, changed: Job, *, operation: str) -> list[Write]:
    """Replace a draft by another draft or a queued job, if it did not change since it was read."""

    def refused(stored: RawItem | None) -> DarkroomError:
        if stored is None or "deletedAt" in stored:
            return NotFound("no such job")
        if stored["status"]["S"] == JobStatus.DRAFT:
            return ConcurrentUpdate("the draft has changed")
        return Conflict("the job is no longer a draft", code="JOB_NOT_DRAFT")

    item = job_to_item(replace(changed, version=draft.version + 1), operation)
    # The status makes a second confirm impossible. The version says that it is the draft that was
    # priced; a deletion raises it, too.
    condition = (JobItem.status == JobStatus.DRAFT.value) & (JobItem.version == draft.version)
    writes = [put(item, condition=condition, refused=refused)]
    return writes + _inputs_writes(changed, item, operation)


def family_writes(before: JobFamily, after: JobFamily, *, operation: str) -> list[Write]:
    """The difference between two states of one family; the job's version guards all writes."""
    damaged = {item.sort_key: item for item in before.unreadable}
    known = {task.key: task for task in before.tasks}
    writes = [_job_write(before.job, after.job, damaged.get(JOB_KEY), operation)]
    for task in after.tasks:
        old = known.get(task.key)
        if old != task:
            damage = damaged.get(TASK_PREFIX + task.key)
            writes.append(_task_write(old, task, damage, operation))
    if not before.inherited:
        items_limit = max(1, FAMILY_WRITES_LIMIT - len(writes))
        writes.extend(
            put(inherited_to_item(after.job.job_id, outputs, operation))
            for outputs in _grouped(after.inherited, items_limit)
        )
    return writes


def _job_write(before: Job, after: Job, damage: Unreadable | None, operation: str) -> Write:
    item = job_to_item(replace(after, version=before.version + 1), operation)
    item.damaged = damage.evidence if damage else None
    condition = JobItem.version == before.version
    if damage and "version" in damage.attributes:
        # There is no version to compare; the cause of their ledger entry guards the credits.
        condition = JobItem.pk.exists() & JobItem.deleted_at.does_not_exist()
    return put(item, condition=condition, refused=_MOVED_ON)


def _task_write(
    before: Task | None, after: Task, damage: Unreadable | None, operation: str
) -> Write:
    item = task_to_item(after, operation)
    item.damaged = damage.evidence if damage else None
    if before is None:
        return put(item, condition=TaskItem.pk.does_not_exist(), refused=_MOVED_ON)
    if damage is not None:
        # Its fencing number may be damaged, and a damaged task is only ever ended.
        return put(item, condition=TaskItem.pk.exists(), refused=_MOVED_ON)
    # Claims do not change the job's version, so every task is also guarded by its fencing number
    # and its lease holder: a poll of a waiting task is claimed too.
    held = TaskItem.claim == before.claim if before.claim else TaskItem.claim.does_not_exist()
    condition = (
        (TaskItem.status == before.status.value) & (TaskItem.attempts == before.attempts) & held
    )
    return put(item, condition=condition, refused=_MOVED_ON)


def _grouped(outputs: Sequence[Output], groups_limit: int) -> Iterator[Sequence[Output]]:
    """One output per item, or several if there would be too many items."""
    size_of_group = max(1, -(-len(outputs) // groups_limit))
    for start in range(0, len(outputs), size_of_group):
        yield outputs[start : start + size_of_group]


def settled_check_write(job: Job, *, operation: str) -> Write:
    """Remove a final job from the ``due`` index, after all its projections were derived again."""
    assert job.next_check_at is not None, "it is not in the index"
    return update(
        JobItem(job.job_id, JOB_KEY),
        [JobItem.next_check_at.remove(), JobItem.due_shard.remove()],
        # The check that was made must be the one that is due. A deletion schedules another one,
        # which may be due in the same second.
        condition=(CollectionItem.next_check_at == to_epoch_seconds(job.next_check_at))
        & JobItem.deleted_at.does_not_exist(),
        refused=_MOVED_ON,
        operation=operation,
    )


def recheck_write(job_id: str, sort_key: str, *, seen: int, later: int, operation: str) -> Write:
    """Make an item due at ``later`` (Unix seconds), unless it changed meanwhile."""
    return update(
        CollectionItem(job_id, sort_key),
        [CollectionItem.next_check_at.set(later), CollectionItem.check_failures.remove()],
        condition=CollectionItem.next_check_at == seen,
        refused=ConcurrentUpdate("the item has moved on"),
        operation=operation,
    )


def select_write(family: JobFamily, *, output_id: str, operation: str) -> Write:
    """Record the owner's only pick among the job's outputs; it becomes the job's cover."""
    job = replace(family.job, selected_output=output_id)
    changes = [JobItem.selected_output.set(output_id), JobItem.version.set(job.version + 1)]
    picked = replace(job, cover_key=cover_of(replace(family, job=job)))
    cover = job_to_item(picked, operation).cover_key
    if cover is not None:
        changes.append(JobItem.cover_key.set(cover))
    return update(
        JobItem(job.job_id, JOB_KEY),
        changes,
        condition=(JobItem.version == job.version) & JobItem.deleted_at.does_not_exist(),
        refused=_MOVED_ON,
        operation=operation,
    )


def too_many_children() -> Conflict:
    return Conflict("too many were made from it", code="TOO_MANY_CHILDREN")


def check_adoptable(parent: Job) -> None:
    """Raises: Conflict TOO_MANY_CHILDREN. ``adopt_write`` has the same condition."""
    if len(parent.children) >= CHILDREN_LIMIT:
        raise too_many_children()


def adopt_write(parent: Job, *, child_id: str) -> Write:
    """Record a child in its parent, so that the parent is not deleted before the child."""

    def refused(stored: RawItem | None) -> DarkroomError:
        if stored is not None and "deletedAt" not in stored:
            return too_many_children()
        return NotFound("no such job")

    # The children are stored in the parent's item, which has to stay small.
    has_space = JobItem.children.does_not_exist() | (size(Path("children")) < CHILDREN_LIMIT)
    return update(
        JobItem(parent.job_id, JOB_KEY),
        [JobItem.children.add({child_id})],
        condition=JobItem.pk.exists() & JobItem.deleted_at.does_not_exist() & has_space,
        refused=refused,
    )


def disown_write(parent_job_id: str, *, child_id: str) -> Write:
    """Remove a deleted child from its parent."""
    return update(
        JobItem(parent_job_id, JOB_KEY),
        [JobItem.children.delete({child_id})],
        condition=JobItem.pk.exists(),
        refused=ConcurrentUpdate("the parent is gone"),
    )


def _inputs_writes(job: Job, item: JobItem, operation: str) -> list[Write]:
    # To the type checker, pynamodb's attributes are never None, but this one is for large inputs.
    inline: str | None = item.inputs
    if inline is not None:
        return []

    return [put(inputs_to_item(job, operation))]
