"""What is stored of a job: the items of its collection, and how they become values and back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from pynamodb.attributes import (
    BooleanAttribute,
    NumberAttribute,
    UnicodeAttribute,
    UnicodeSetAttribute,
)
from pynamodb.indexes import (
    AllProjection,
    GlobalSecondaryIndex,
    IncludeProjection,
    KeysOnlyProjection,
)

from darkroom.db.due import DueItem, due_fields, due_index, due_moment
from darkroom.db.items import BaseItem
from darkroom.jobs.facets import kind_key, kind_of, status_key, status_kind_key
from darkroom.jobs.model import (
    Failure,
    Job,
    Output,
    Progress,
    ProviderRun,
    Receipt,
    Source,
    Task,
)
from darkroom.jobs.states import JobStatus, TaskStatus
from darkroom.kernel.clock import from_iso, to_iso
from darkroom.kernel.limits import CHANGES_PER_MILLISECOND, DUE_SHARDS, INLINE_INPUTS_LIMIT_BYTES
from darkroom.kernel.money import PricePart

JOB_KEY = "job"
INPUTS_KEY = "inputs"
TASK_PREFIX = "task#"
INHERITED_PREFIX = "inherited#"
SIDE_SUFFIX = "#side"
"""Ends the key of what lies beside a job's collection."""
ENTRY_PREFIX = "list#"
WORDS_KEY = "list#words"
SHARE_PREFIX = "share#"
IN_FLIGHT = "0"
IN_LANE = frozenset({TaskStatus.READY, TaskStatus.RUNNING, TaskStatus.WAITING})


class ByAccount(GlobalSecondaryIndex):
    """An account's jobs by the time they were created. Sparse: only job items carry the key."""

    class Meta:
        index_name = "byAccount"
        projection = AllProjection()

    account_id = UnicodeAttribute(hash_key=True, attr_name="accountId")
    list_key = UnicodeAttribute(range_key=True, attr_name="listKey")


class Changes(GlobalSecondaryIndex):
    """An account's jobs by their last change; all that a live update tells.

    Sparse: drafts and deleted jobs carry no key.
    """

    class Meta:
        index_name = "changes"
        projection = IncludeProjection(["status", "progress", "updatedAt"])

    account_id = UnicodeAttribute(hash_key=True, attr_name="accountId")
    changed_at = NumberAttribute(range_key=True, attr_name="changedAt")


def _list_index(name: str, attribute: str) -> Any:
    """A new index of jobs that have something in common, by the time they were created.

    Keys only: a page reads the jobs themselves. pynamodb ties each to the one item class that it
    is put on.
    """

    class Listed(GlobalSecondaryIndex):
        class Meta:
            index_name = name
            projection = KeysOnlyProjection()

        common = UnicodeAttribute(hash_key=True, attr_name=attribute)
        list_key = UnicodeAttribute(range_key=True, attr_name="listKey")

    return Listed()


class ByFacet(GlobalSecondaryIndex):
    """The index ``byAccount`` as entries of lists use it: under the key of what they list."""

    class Meta:
        index_name = "byAccount"
        projection = AllProjection()

    facet = UnicodeAttribute(hash_key=True, attr_name="accountId")
    order = UnicodeAttribute(range_key=True, attr_name="listKey")


class Lane(GlobalSecondaryIndex):
    """An account's tasks that run or may run, those on their way first, then by their turn.

    Sparse: blocked and finished tasks carry no key.
    """

    class Meta:
        index_name = "lane"
        projection = KeysOnlyProjection()

    lane = UnicodeAttribute(hash_key=True)
    lane_key = UnicodeAttribute(range_key=True, attr_name="laneKey")


class CollectionItem(DueItem):
    """The key that all items of a job's collection share."""

    class Meta:
        table_name = "unbound"

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    due = due_index()


class JobItem(CollectionItem):
    class Meta:
        table_name = "unbound"

    account_id = UnicodeAttribute(attr_name="accountId")
    list_key = UnicodeAttribute(attr_name="listKey")
    by_account = ByAccount()
    status_key = UnicodeAttribute(null=True, attr_name="fs")
    kind_key = UnicodeAttribute(null=True, attr_name="fk")
    status_kind_key = UnicodeAttribute(null=True, attr_name="fsk")
    by_status = _list_index("byStatus", "fs")
    by_kind = _list_index("byKind", "fk")
    by_status_kind = _list_index("byStatusKind", "fsk")
    recipe = UnicodeAttribute()
    status = UnicodeAttribute()
    version = NumberAttribute()
    inputs = UnicodeAttribute(null=True)
    """JSON; absent when the inputs are large and live in an item of their own."""
    language = UnicodeAttribute(attr_name="lang")
    device_id = UnicodeAttribute(null=True, attr_name="deviceId")
    template_id = UnicodeAttribute(null=True, attr_name="templateId")
    combination = UnicodeAttribute(null=True, attr_name="combo")
    price = UnicodeAttribute(null=True)
    hold = UnicodeAttribute(null=True)
    parent_job_id = UnicodeAttribute(null=True, attr_name="parentJobId")
    regen = UnicodeAttribute(null=True)
    planned = BooleanAttribute(null=True)
    progress = UnicodeAttribute(null=True)
    receipt = UnicodeAttribute(null=True)
    queued_at = UnicodeAttribute(null=True, attr_name="queuedAt")
    started_at = UnicodeAttribute(null=True, attr_name="startedAt")
    finished_at = UnicodeAttribute(null=True, attr_name="finishedAt")
    updated_at = UnicodeAttribute(attr_name="updatedAt")
    changed_at = NumberAttribute(null=True, attr_name="changedAt")
    """``change_key``: where the job stands among its account's changes."""
    by_change = Changes()
    created_by = UnicodeAttribute(null=True, attr_name="mk")
    queued_by = UnicodeAttribute(null=True, attr_name="by")
    balance_then = NumberAttribute(null=True, attr_name="bal")
    priority = NumberAttribute(null=True)
    selected_output = UnicodeAttribute(null=True, attr_name="pick")
    children = UnicodeSetAttribute(null=True)
    deleted_at = UnicodeAttribute(null=True, attr_name="deletedAt")
    """Set when its owner deleted it: nobody sees it any more, and its files are going."""


class InputsItem(CollectionItem):
    class Meta:
        table_name = "unbound"

    inputs = UnicodeAttribute()


class TaskItem(CollectionItem):
    class Meta:
        table_name = "unbound"

    status = UnicodeAttribute()
    lane = UnicodeAttribute(null=True)
    lane_key = UnicodeAttribute(null=True, attr_name="laneKey")
    by_lane = Lane()
    attempts = NumberAttribute(default=0)
    claim = UnicodeAttribute(null=True)
    lease_until = UnicodeAttribute(null=True, attr_name="leaseUntil")
    not_before = UnicodeAttribute(null=True, attr_name="notBefore")
    run = UnicodeAttribute(null=True)
    """JSON of what is waited for, but for its ``look``, which claims are conditioned on."""
    look = NumberAttribute(null=True)
    plan = UnicodeAttribute()
    """JSON of what never changes: account, kind, number, needs, params, seed, …"""
    sources = UnicodeAttribute(null=True)
    outputs = UnicodeAttribute(null=True)
    failure = UnicodeAttribute(null=True)
    started_at = UnicodeAttribute(null=True, attr_name="startedAt")
    finished_at = UnicodeAttribute(null=True, attr_name="finishedAt")


class InheritedItem(CollectionItem):
    class Meta:
        table_name = "unbound"

    output = UnicodeAttribute()
    """JSON of an output, or of a list of outputs."""


class ListEntryItem(CollectionItem):
    """A job's place in one more list; or, under ``WORDS_KEY``, the words it is found by.

    Beside the job's collection, not in it: whoever advances the job does not read these.
    """

    class Meta:
        table_name = "unbound"

    facet = UnicodeAttribute(null=True, attr_name="accountId")
    order = UnicodeAttribute(null=True, attr_name="listKey")
    words = UnicodeAttribute(null=True)
    by_facet = ByFacet()


class ShareItem(CollectionItem):
    """A public link to a job's outputs, known by the digest of its secret; beside the job."""

    class Meta:
        table_name = "unbound"

    created_at = UnicodeAttribute(attr_name="createdAt")
    expires_at = UnicodeAttribute(null=True, attr_name="expiresAt")
    revoked_at = UnicodeAttribute(null=True, attr_name="revokedAt")


ITEM_CLASSES: tuple[type[BaseItem], ...] = (
    CollectionItem,
    JobItem,
    InputsItem,
    TaskItem,
    InheritedItem,
    ListEntryItem,
    ShareItem,
)


def due_shard(job_id: str) -> str:
    """Unfinished things spread over a few index partitions, by their job."""
    return f"s{hashlib.sha256(job_id.encode()).digest()[0] % DUE_SHARDS}"


def due_shards() -> list[str]:
    return [f"s{number}" for number in range(DUE_SHARDS)]


def change_key(job: Job) -> int:
    """Unix milliseconds of the change × 1000, and a number that keeps changes of one millisecond
    apart: those of different jobs as a rule, those of one job always."""
    millis = round(job.updated_at.timestamp() * 1000)
    apart = int.from_bytes(hashlib.sha256(job.job_id.encode()).digest()[:4], "big") + job.version
    return millis * CHANGES_PER_MILLISECOND + apart % CHANGES_PER_MILLISECOND


def list_key(job: Job) -> str:
    """Where the job stands in lists: by the time it was created."""
    return f"{to_iso(job.created_at)}#{job.job_id}"


def side_key(job_id: str) -> str:
    return job_id + SIDE_SUFFIX


def job_to_item(job: Job, operation: str) -> JobItem:
    inputs = _dump(job.inputs)
    regen = None
    if job.regen_target is not None or job.only_keys:
        regen = _dump([job.regen_target, job.regen_clip_no, list(job.only_keys)])
    kind, status = kind_of(job.recipe, job.inputs), job.status.value
    return JobItem(
        job.job_id,
        JOB_KEY,
        account_id=job.account_id,
        list_key=list_key(job),
        status_key=status_key(job.account_id, status),
        kind_key=kind_key(job.account_id, kind),
        status_kind_key=status_kind_key(job.account_id, status, kind),
        recipe=job.recipe,
        status=job.status.value,
        version=job.version,
        inputs=inputs if len(inputs.encode()) <= INLINE_INPUTS_LIMIT_BYTES else None,
        language=job.language,
        device_id=job.device_id or None,
        template_id=job.template_id,
        combination=job.combination,
        price=_dump([[p.name, p.credits, list(p.promised)] for p in job.price]),
        hold=job.hold,
        parent_job_id=job.parent_job_id,
        regen=regen,
        planned=job.planned or None,
        progress=_dump([job.progress.completed, job.progress.failed, job.progress.total])
        if job.progress.total
        else None,
        receipt=_dump(asdict(job.receipt)) if job.receipt else None,
        queued_at=_iso(job.queued_at),
        started_at=_iso(job.started_at),
        finished_at=_iso(job.finished_at),
        updated_at=to_iso(job.updated_at),
        changed_at=None if job.status is JobStatus.DRAFT else change_key(job),
        created_by=job.created_by,
        queued_by=job.operation,
        balance_then=job.balance_then,
        priority=job.priority or None,
        selected_output=job.selected_output,
        children=set(job.children) or None,
        **due_fields(job.next_check_at, shard=due_shard(job.job_id)),
        operation=operation,
    )


def job_from_items(item: JobItem, inputs: InputsItem | None) -> Job:
    text = item.inputs if item.inputs is not None else (inputs.inputs if inputs else "{}")
    target, clip_no, only_keys = json.loads(item.regen) if item.regen else (None, None, [])
    return Job(
        job_id=item.pk,
        account_id=item.account_id,
        recipe=item.recipe,
        status=JobStatus(item.status),
        inputs=json.loads(text),
        created_at=_created_at(item),
        updated_at=from_iso(item.updated_at),
        version=int(item.version),
        language=item.language,
        device_id=item.device_id or "",
        template_id=item.template_id,
        combination=item.combination,
        price=tuple(
            PricePart(name=name, credits=credits, promised=tuple(promised))
            for name, credits, promised in json.loads(item.price or "[]")
        ),
        hold=item.hold,
        parent_job_id=item.parent_job_id,
        regen_target=target,
        regen_clip_no=clip_no,
        only_keys=tuple(only_keys),
        planned=bool(item.planned),
        progress=progress_of(item),
        receipt=_receipt(item.receipt),
        created_by=item.created_by,
        operation=item.queued_by,
        balance_then=None if item.balance_then is None else int(item.balance_then),
        queued_at=_moment(item.queued_at),
        started_at=_moment(item.started_at),
        finished_at=_moment(item.finished_at),
        next_check_at=due_moment(item),
        priority=int(item.priority or 0),
        selected_output=item.selected_output,
        children=frozenset(item.children or ()),
    )


def progress_of(item: JobItem) -> Progress:
    completed, failed, total = json.loads(item.progress) if item.progress else (0, 0, 0)
    return Progress(completed=completed, failed=failed, total=total)


def _created_at(item: JobItem) -> datetime:
    # A deleted job has left every list, and with them its list key.
    list_key: str | None = item.list_key
    return from_iso(list_key.partition("#")[0] if list_key else item.updated_at)


def lane_key(task: Task) -> str:
    """Where the task stands in its account's lane; those in flight come first."""
    if task.is_sent or task.status is not TaskStatus.READY:
        return IN_FLIGHT
    return f"1#{task.turn}#{task.job_id}#{task.number:04}"


def task_to_item(task: Task, operation: str) -> TaskItem:
    return TaskItem(
        task.job_id,
        TASK_PREFIX + task.key,
        status=task.status.value,
        lane=task.account_id if task.status in IN_LANE else None,
        lane_key=lane_key(task) if task.status in IN_LANE else None,
        attempts=task.attempts,
        claim=task.claim,
        lease_until=_iso(task.lease_until),
        not_before=_iso(task.not_before),
        run=_dump([task.run.ref, to_iso(task.run.until), task.run.is_told]) if task.run else None,
        look=task.run.look if task.run else None,
        plan=_dump(
            {
                "accountId": task.account_id,
                "kind": task.kind,
                "number": task.number,
                "needs": list(task.needs),
                "params": dict(task.params),
                "seed": task.seed,
                "language": task.language,
                "provider": task.provider,
                **({"providers": list(task.providers)} if task.providers else {}),
                "fault": task.fault,
                "turn": task.turn,
            }
        ),
        sources=_dump([_slim(source) for source in task.sources]),
        outputs=_dump([_slim(output) for output in task.outputs]) if task.outputs else None,
        failure=_dump(_slim(task.failure)) if task.failure else None,
        started_at=_iso(task.started_at),
        finished_at=_iso(task.finished_at),
        **due_fields(task.next_check_at, shard=due_shard(task.job_id)),
        operation=operation,
    )


def task_from_item(item: TaskItem) -> Task:
    plan: Mapping[str, Any] = json.loads(item.plan)
    return Task(
        job_id=item.pk,
        account_id=plan["accountId"],
        key=item.sk.removeprefix(TASK_PREFIX),
        kind=plan["kind"],
        number=plan["number"],
        status=TaskStatus(item.status),
        needs=tuple(plan["needs"]),
        sources=tuple(Source(**source) for source in json.loads(item.sources or "[]")),
        params=plan["params"],
        seed=plan["seed"],
        language=plan["language"],
        provider=plan["provider"],
        providers=tuple(plan.get("providers", ())),
        fault=plan.get("fault"),
        turn=plan.get("turn", ""),
        is_sent=item.lane_key == IN_FLIGHT,
        attempts=int(item.attempts),
        claim=item.claim,
        lease_until=_moment(item.lease_until),
        not_before=_moment(item.not_before),
        run=_run(item),
        failure=Failure(**json.loads(item.failure)) if item.failure else None,
        outputs=tuple(_output(output) for output in json.loads(item.outputs or "[]")),
        started_at=_moment(item.started_at),
        finished_at=_moment(item.finished_at),
        next_check_at=due_moment(item),
    )


def _run(item: TaskItem) -> ProviderRun | None:
    stored: str | None = item.run
    if stored is None:
        return None
    ref, until, is_told = json.loads(stored)
    return ProviderRun(ref=ref, until=from_iso(until), look=int(item.look), is_told=is_told)


def inputs_to_item(job: Job, operation: str) -> InputsItem:
    return InputsItem(job.job_id, INPUTS_KEY, inputs=_dump(job.inputs), operation=operation)


def outputs_from_item(item: InheritedItem) -> list[Output]:
    stored = json.loads(item.output)
    return [_output(shape) for shape in (stored if isinstance(stored, list) else [stored])]


def _output(shape: dict[str, Any]) -> Output:
    # The version before kept a pick with each output; it was always false.
    shape.pop("selected", None)
    return Output(**shape)


def inherited_to_item(job_id: str, outputs: Sequence[Output], operation: str) -> InheritedItem:
    """The item of one inherited output, or of several, under the key of the first."""
    shapes = [_slim(output) for output in outputs]
    return InheritedItem(
        job_id,
        INHERITED_PREFIX + outputs[0].key + "#" + outputs[0].output_id,
        output=_dump(shapes[0] if len(shapes) == 1 else shapes),
        operation=operation,
    )


def _receipt(text: str | None) -> Receipt | None:
    if text is None:
        return None
    shape = json.loads(text)
    return Receipt(**{**shape, "parts": tuple(shape["parts"])})


def _slim(value: Any) -> dict[str, Any]:
    """A value without what its defaults say; items pay by the kilobyte."""
    return {name: held for name, held in asdict(value).items() if held not in (None, False)}


def _dump(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _iso(moment: datetime | None) -> str | None:
    return to_iso(moment) if moment else None


def _moment(text: str | None) -> datetime | None:
    return from_iso(text) if text else None
