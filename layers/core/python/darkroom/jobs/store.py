"""Reads of jobs, and the writes that a change of a job takes."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from pynamodb.models import Model

from darkroom.db.due import query_due
from darkroom.db.writes import RawItem, Write, put, update
from darkroom.jobs.items import (
    INHERITED_PREFIX,
    INPUTS_KEY,
    JOB_KEY,
    TASK_PREFIX,
    CollectionItem,
    InheritedItem,
    InputsItem,
    JobItem,
    TaskItem,
    inherited_to_item,
    inputs_to_item,
    job_from_items,
    job_to_item,
    output_from_item,
    task_from_item,
    task_to_item,
)
from darkroom.jobs.model import Job, JobFamily, Output, Task
from darkroom.jobs.states import JobStatus, TaskStatus
from darkroom.kernel.clock import to_epoch_seconds, to_iso
from darkroom.kernel.errors import ConcurrentUpdate, Conflict, DarkroomError, Unprocessable


def find_family(job_id: str) -> JobFamily | None:
    """The whole collection, consistently; None when there is no such job."""
    items = _query_collection(job_id)
    return family_from_raw(items)


def find_job(job_id: str) -> Job | None:
    try:
        item = JobItem.get(job_id, JOB_KEY, consistent_read=True)
    except Model.DoesNotExist:
        return None
    return job_from_items(item, find_inputs(job_id) if item.inputs is None else None)


def find_inputs(job_id: str) -> InputsItem | None:
    try:
        return InputsItem.get(job_id, INPUTS_KEY, consistent_read=True)
    except Model.DoesNotExist:
        return None


def list_jobs(
    account_id: str, *, limit: int, before: str | None = None
) -> tuple[list[Job], str | None]:
    """Jobs newest first; the second value is the list key to go on before, None at the end."""
    condition = None if before is None else JobItem.list_key < before
    items = list(
        JobItem.by_account.query(
            account_id,
            range_key_condition=condition,
            scan_index_forward=False,
            limit=limit + 1,
            page_size=limit + 1,
        )
    )
    page = items[:limit]
    jobs = [
        job_from_items(item, find_inputs(item.pk) if item.inputs is None else None) for item in page
    ]
    return jobs, (page[-1].list_key if len(items) > limit else None)


def list_due(shard: str, until: datetime, *, limit: int) -> list[tuple[str, str]]:
    """Keys (job id, sort key) of what should have been looked at by ``until``, oldest first."""
    return [
        (item.pk, item.sk)
        for item in query_due(CollectionItem.due, until, limit=limit, shard=shard)
    ]


def _query_collection(job_id: str) -> list[dict[str, Any]]:
    connection = JobItem._get_connection()
    items: list[dict[str, Any]] = []
    start: Any = None
    while True:
        page = connection.query(job_id, consistent_read=True, exclusive_start_key=start)
        items.extend(page["Items"])
        start = page.get("LastEvaluatedKey")
        if start is None:
            return items


def family_from_raw(items: list[dict[str, Any]]) -> JobFamily | None:
    job_item: JobItem | None = None
    inputs: InputsItem | None = None
    tasks: list[Task] = []
    inherited: list[Output] = []
    for raw in items:
        sort_key = raw["sk"]["S"]
        if sort_key == JOB_KEY:
            job_item = JobItem.from_raw_data(raw)
        elif sort_key == INPUTS_KEY:
            inputs = InputsItem.from_raw_data(raw)
        elif sort_key.startswith(TASK_PREFIX):
            tasks.append(task_from_item(TaskItem.from_raw_data(raw)))
        elif sort_key.startswith(INHERITED_PREFIX):
            inherited.append(output_from_item(InheritedItem.from_raw_data(raw)))
    if job_item is None:
        return None
    tasks.sort(key=lambda task: task.number)
    job = job_from_items(job_item, inputs)
    return JobFamily(job=job, tasks=tuple(tasks), inherited=tuple(inherited))


# Writes


def create_writes(job: Job, operation: str) -> list[Write]:
    """A job that must not exist yet, with its large inputs beside it."""

    def refused(stored: RawItem | None) -> DarkroomError:
        return Unprocessable("the key was used for another request", code="IDEMPOTENCY_MISMATCH")

    item = job_to_item(job, operation)
    writes = [put(item, condition=JobItem.pk.does_not_exist(), refused=refused)]
    return writes + _inputs_writes(job, item, operation)


def queue_draft_writes(draft: Job, queued: Job, operation: str) -> list[Write]:
    """A draft becomes queued, exactly as it was read."""

    def refused(stored: RawItem | None) -> DarkroomError:
        status = (stored or {}).get("status", {}).get("S")
        if status == JobStatus.DRAFT:
            return ConcurrentUpdate("the draft has changed")
        return Conflict("the job is no longer a draft", code="JOB_NOT_DRAFT")

    item = job_to_item(replace(queued, version=draft.version + 1), operation)
    # The status makes a second confirm impossible; the version says it is the draft we priced.
    condition = (JobItem.status == JobStatus.DRAFT.value) & (JobItem.version == draft.version)
    writes = [put(item, condition=condition, refused=refused)]
    return writes + _inputs_writes(queued, item, operation)


def family_writes(before: JobFamily, after: JobFamily, operation: str) -> list[Write]:
    """The difference between two states of one family; the job's version guards them all."""

    def moved_on(stored: RawItem | None) -> DarkroomError:
        return ConcurrentUpdate("the job has moved on")

    job = replace(after.job, version=before.job.version + 1)
    writes = [
        put(
            job_to_item(job, operation),
            condition=JobItem.version == before.job.version,
            refused=moved_on,
        )
    ]
    known = {task.key: task for task in before.tasks}
    for task in after.tasks:
        old = known.get(task.key)
        if old == task:
            continue
        if old is None:
            condition = TaskItem.pk.does_not_exist()
        else:
            # Claims do not touch the job's version, so every task is also guarded by its fence.
            condition = (TaskItem.status == old.status.value) & (TaskItem.attempts == old.attempts)
        writes.append(put(task_to_item(task, operation), condition=condition, refused=moved_on))
    if not before.inherited:
        writes.extend(
            put(inherited_to_item(after.job.job_id, output, operation), refused=moved_on)
            for output in after.inherited
        )
    return writes


def settled_check_write(job: Job, operation: str) -> Write:
    """A final job leaves the sweeper's index: all its projections have been derived again."""

    def moved_on(stored: RawItem | None) -> DarkroomError:
        return ConcurrentUpdate("the job has moved on")

    return update(
        JobItem(job.job_id, JOB_KEY),
        [JobItem.next_check_at.remove(), JobItem.due_shard.remove()],
        condition=JobItem.version == job.version,
        refused=moved_on,
        operation=operation,
    )


def recheck_write(job_id: str, sort_key: str, seen: int, later: int, operation: str) -> Write:
    """Look at an item again at ``later`` (Unix seconds), unless it changed meanwhile."""

    def moved_on(stored: RawItem | None) -> DarkroomError:
        return ConcurrentUpdate("the item has moved on")

    return update(
        CollectionItem(job_id, sort_key),
        [CollectionItem.next_check_at.set(later)],
        condition=CollectionItem.next_check_at == seen,
        refused=moved_on,
        operation=operation,
    )


def claim_write(
    job_id: str, key: str, attempt: int, *, claim: str, lease_until: datetime, now: datetime
) -> Write:
    """Attempt ``attempt`` of a ready task starts: one conditional write, the lease's fence."""

    def refused(stored: RawItem | None) -> DarkroomError:
        return Conflict("the task is not to be claimed", code="ALREADY_HAPPENED")

    return update(
        TaskItem(job_id, TASK_PREFIX + key),
        [
            TaskItem.status.set(TaskStatus.RUNNING.value),
            TaskItem.attempts.set(attempt),
            TaskItem.claim.set(claim),
            TaskItem.lease_until.set(to_iso(lease_until)),
            CollectionItem.next_check_at.set(to_epoch_seconds(lease_until)),
            TaskItem.started_at.set(TaskItem.started_at | to_iso(now)),
        ],
        # Ready says that nobody works on it; the attempt makes an old message harmless.
        condition=(TaskItem.status == TaskStatus.READY.value) & (TaskItem.attempts == attempt - 1),
        refused=refused,
        operation=claim,
    )


def _inputs_writes(job: Job, item: JobItem, operation: str) -> list[Write]:
    # pynamodb's attributes are never None to the type checker, yet this one is when it is large.
    inline: str | None = item.inputs
    if inline is not None:
        return []

    def refused(stored: RawItem | None) -> DarkroomError:
        return ConcurrentUpdate("the inputs have changed")

    return [put(inputs_to_item(job, operation), refused=refused)]
