"""Reads of jobs, and the writes of changes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from pynamodb.expressions.condition import size
from pynamodb.expressions.operand import Path
from pynamodb.expressions.update import Action
from pynamodb.models import Model

from darkroom.db.damage import report_unreadable
from darkroom.db.due import Due, list_due_items
from darkroom.db.raw import query_raw
from darkroom.db.writes import RawItem, Write, delete, put, update
from darkroom.jobs.items import (
    IN_ACCOUNT_QUEUE,
    IN_FLIGHT,
    INHERITED_PREFIX,
    INPUTS_KEY,
    JOB_KEY,
    JOB_PREFIX,
    TASK_PREFIX,
    CollectionItem,
    InheritedItem,
    InputsItem,
    JobItem,
    TaskItem,
    due_shard,
    inherited_to_item,
    inputs_to_item,
    is_deleted,
    job_to_item,
    queue_key,
    task_to_item,
)
from darkroom.jobs.model import Job, JobFamily, Output, Task, Unreadable
from darkroom.jobs.reading import (
    JobChange,
    Read,
    job_from_items,
    read_change,
    read_deleted_at,
    read_inherited,
    read_job,
    read_task,
    task_from_item,
)
from darkroom.jobs.states import JobStatus, TaskStatus
from darkroom.kernel.clock import to_epoch_seconds, to_iso
from darkroom.kernel.errors import (
    AlreadyHappened,
    ConcurrentUpdate,
    Conflict,
    DarkroomError,
    KeyReused,
    NotFound,
)
from darkroom.kernel.ids import is_id
from darkroom.kernel.limits import CHILDREN_LIMIT, EVIDENCE_LIMIT_CHARS, FAMILY_WRITES_LIMIT

T = TypeVar("T")
_JOB_MOVED_ON = ConcurrentUpdate("the job has moved on")
_TASK_MOVED_ON = ConcurrentUpdate("the task has moved on")


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


def list_jobs(
    account_id: str, *, limit: int, before: str | None = None
) -> tuple[list[Job], str | None]:
    """Jobs newest first, and the list key before which the next page starts, None at the end."""
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


def list_due(shard: str, until: datetime, *, limit: int) -> list[Due]:
    """Items (job id, sort key) that are due by ``until``, oldest first."""
    return list_due_items(CollectionItem.due, until, limit=limit, shard=shard)


def family_from_raw(items: Sequence[RawItem]) -> JobFamily | None:
    """The readable part of the family of these items; unreadable attributes are reported."""
    job_item: JobItem | None = None
    inputs: InputsItem | None = None
    tasks: list[Task] = []
    inherited: list[Output] = []
    damage: dict[str, frozenset[str]] = {}
    for raw in items:
        sort_key = raw["sk"]["S"]
        if sort_key == JOB_KEY:
            job_item = JobItem.from_raw_data(dict(raw))
        elif sort_key == INPUTS_KEY:
            inputs = InputsItem.from_raw_data(dict(raw))
        elif sort_key.startswith(TASK_PREFIX):
            tasks.append(_noted(damage, sort_key, read_task(TaskItem.from_raw_data(dict(raw)))))
        elif sort_key.startswith(INHERITED_PREFIX):
            read = read_inherited(InheritedItem.from_raw_data(dict(raw)))
            inherited.extend(read.value)
            _noted(damage, sort_key, read)
    if job_item is None or is_deleted(job_item):
        return None
    job = _noted(damage, JOB_KEY, read_job(job_item, inputs))
    owner = next((task.account_id for task in tasks if task.account_id), job.account_id)
    contradicted = {
        name
        for name, is_wrong in {
            "planned": bool(tasks) and not job.planned,
            "accountId": owner != job.account_id,
        }.items()
        if is_wrong
    }
    if contradicted:
        damage[JOB_KEY] = damage.get(JOB_KEY, frozenset()) | contradicted
    tasks = [replace(task, account_id=owner) for task in tasks]
    return JobFamily(
        job=replace(job, account_id=owner),
        tasks=tuple(sorted(tasks, key=lambda task: task.number)),
        inherited=tuple(inherited),
        unreadable=_reported(job.job_id, damage, items),
    )


def _noted(damage: dict[str, frozenset[str]], sort_key: str, read: Read[T]) -> T:
    if read.unreadable:
        damage[sort_key] = read.unreadable
    return read.value


def _reported(
    job_id: str, damage: Mapping[str, frozenset[str]], items: Sequence[RawItem]
) -> tuple[Unreadable, ...]:
    raw_items = {raw["sk"]["S"]: raw for raw in items} if damage else {}
    found = []
    for sort_key, attributes in damage.items():
        report_unreadable(job_id, sort_key, attributes)
        raw = raw_items[sort_key]
        held = {name: raw[name] for name in sorted(attributes) if name in raw}
        evidence = json.dumps(held, ensure_ascii=False, default=repr)[:EVIDENCE_LIMIT_CHARS]
        found.append(Unreadable(sort_key=sort_key, attributes=attributes, evidence=evidence))
    return tuple(found)


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
    return put(item, condition=condition, refused=_JOB_MOVED_ON)


def _task_write(
    before: Task | None, after: Task, damage: Unreadable | None, operation: str
) -> Write:
    item = task_to_item(after, operation)
    item.damaged = damage.evidence if damage else None
    if before is None:
        return put(item, condition=TaskItem.pk.does_not_exist(), refused=_JOB_MOVED_ON)
    if damage is not None:
        # Its fencing number may be damaged, and a damaged task is only ever ended.
        return put(item, condition=TaskItem.pk.exists(), refused=_JOB_MOVED_ON)
    # Claims do not change the job's version, so every task is also guarded by its fencing number
    # and its lease holder: a poll of a waiting task is claimed too.
    held = TaskItem.claim == before.claim if before.claim else TaskItem.claim.does_not_exist()
    condition = (
        (TaskItem.status == before.status.value) & (TaskItem.attempts == before.attempts) & held
    )
    return put(item, condition=condition, refused=_JOB_MOVED_ON)


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
        refused=_JOB_MOVED_ON,
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
        refused=_TASK_MOVED_ON,
        operation=operation,
    )


def select_write(job: Job, *, output_id: str, operation: str) -> Write:
    """Record the owner's only pick among the job's outputs."""
    return update(
        JobItem(job.job_id, JOB_KEY),
        [JobItem.selected_output.set(output_id), JobItem.version.set(job.version + 1)],
        condition=(JobItem.version == job.version) & JobItem.deleted_at.does_not_exist(),
        refused=_JOB_MOVED_ON,
        operation=operation,
    )


def adopt_write(parent: Job, *, child_id: str) -> Write:
    """Record a child in its parent, so that the parent is not deleted before the child."""

    def refused(stored: RawItem | None) -> DarkroomError:
        if stored is not None and "deletedAt" not in stored:
            return Conflict("too many were made from it", code="TOO_MANY_CHILDREN")
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


def delete_write(job: Job, *, now: datetime, operation: str) -> Write:
    """Delete a draft or a final job without children; its files are removed later.

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
        ],
        # The job is final or a draft; a child may have been added since it was read.
        condition=(JobItem.version == job.version)
        & JobItem.deleted_at.does_not_exist()
        & JobItem.children.does_not_exist(),
        refused=_JOB_MOVED_ON,
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
    try:
        item = JobItem.get(job_id, JOB_KEY, consistent_read=True)
    except Model.DoesNotExist:
        return None
    if not is_deleted(item):
        return None
    return Tombstone(
        job_id=job_id,
        account_id=item.account_id,
        deleted_at=read_deleted_at(item),
        owner_tag=item.owner_tag,
    )


def find_deleted(job_id: str) -> Job | None:
    """The remaining part of a deleted job: its price, hold, receipt and state."""
    try:
        item = JobItem.get(job_id, JOB_KEY, consistent_read=True)
    except Model.DoesNotExist:
        return None
    if not is_deleted(item):
        return None
    return job_from_items(item, find_inputs(job_id) if item.inputs is None else None)


def list_tasks_of_deleted(job_id: str) -> list[Task]:
    """The tasks of a deleted job that are not erased yet."""
    raw_items = (
        raw for raw in query_raw(JobItem, job_id) if raw["sk"]["S"].startswith(TASK_PREFIX)
    )
    return [task_from_item(TaskItem.from_raw_data(dict(raw))) for raw in raw_items]


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
        JobItem.selected_output, JobItem.source_name, JobItem.damaged,
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


def _inputs_writes(job: Job, item: JobItem, operation: str) -> list[Write]:
    # To the type checker, pynamodb's attributes are never None, but this one is for large inputs.
    inline: str | None = item.inputs
    if inline is not None:
        return []

    return [put(inputs_to_item(job, operation))]
