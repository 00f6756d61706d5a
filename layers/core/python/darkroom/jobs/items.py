"""What is stored of a job: the items of its collection, and how they become values and back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from pynamodb.attributes import BooleanAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex

from darkroom.db.due import DueItem, due_fields, due_index, due_moment
from darkroom.db.items import BaseItem
from darkroom.jobs.model import (
    Failure,
    Job,
    Output,
    Progress,
    Receipt,
    Source,
    Task,
)
from darkroom.jobs.states import JobStatus, TaskStatus
from darkroom.kernel.clock import from_iso, to_iso
from darkroom.kernel.limits import DUE_SHARDS, INLINE_INPUTS_LIMIT_BYTES
from darkroom.kernel.money import PricePart

JOB_KEY = "job"
INPUTS_KEY = "inputs"
TASK_PREFIX = "task#"
INHERITED_PREFIX = "inherited#"


class ByAccount(GlobalSecondaryIndex):
    """An account's jobs by the time they were created. Sparse: only job items carry the key."""

    class Meta:
        index_name = "byAccount"
        projection = AllProjection()

    account_id = UnicodeAttribute(hash_key=True, attr_name="accountId")
    list_key = UnicodeAttribute(range_key=True, attr_name="listKey")


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
    created_by = UnicodeAttribute(null=True, attr_name="mk")
    queued_by = UnicodeAttribute(null=True, attr_name="by")
    balance_then = NumberAttribute(null=True, attr_name="bal")


class InputsItem(CollectionItem):
    class Meta:
        table_name = "unbound"

    inputs = UnicodeAttribute()


class TaskItem(CollectionItem):
    class Meta:
        table_name = "unbound"

    status = UnicodeAttribute()
    attempts = NumberAttribute(default=0)
    claim = UnicodeAttribute(null=True)
    lease_until = UnicodeAttribute(null=True, attr_name="leaseUntil")
    not_before = UnicodeAttribute(null=True, attr_name="notBefore")
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


ITEM_CLASSES: tuple[type[BaseItem], ...] = (
    CollectionItem,
    JobItem,
    InputsItem,
    TaskItem,
    InheritedItem,
)


def due_shard(job_id: str) -> str:
    """Unfinished things spread over a few index partitions, by their job."""
    return f"s{hashlib.sha256(job_id.encode()).digest()[0] % DUE_SHARDS}"


def due_shards() -> list[str]:
    return [f"s{number}" for number in range(DUE_SHARDS)]


def job_to_item(job: Job, operation: str) -> JobItem:
    inputs = _dump(job.inputs)
    regen = None
    if job.regen_target is not None or job.only_keys:
        regen = _dump([job.regen_target, job.regen_clip_no, list(job.only_keys)])
    return JobItem(
        job.job_id,
        JOB_KEY,
        account_id=job.account_id,
        list_key=f"{to_iso(job.created_at)}#{job.job_id}",
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
        created_by=job.created_by,
        queued_by=job.operation,
        balance_then=job.balance_then,
        **due_fields(job.next_check_at, shard=due_shard(job.job_id)),
        operation=operation,
    )


def job_from_items(item: JobItem, inputs: InputsItem | None) -> Job:
    text = item.inputs if item.inputs is not None else (inputs.inputs if inputs else "{}")
    target, clip_no, only_keys = json.loads(item.regen) if item.regen else (None, None, [])
    completed, failed, total = json.loads(item.progress) if item.progress else (0, 0, 0)
    return Job(
        job_id=item.pk,
        account_id=item.account_id,
        recipe=item.recipe,
        status=JobStatus(item.status),
        inputs=json.loads(text),
        created_at=from_iso(item.list_key.partition("#")[0]),
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
        progress=Progress(completed=completed, failed=failed, total=total),
        receipt=_receipt(item.receipt),
        created_by=item.created_by,
        operation=item.queued_by,
        balance_then=None if item.balance_then is None else int(item.balance_then),
        queued_at=_moment(item.queued_at),
        started_at=_moment(item.started_at),
        finished_at=_moment(item.finished_at),
        next_check_at=due_moment(item),
    )


def task_to_item(task: Task, operation: str) -> TaskItem:
    return TaskItem(
        task.job_id,
        TASK_PREFIX + task.key,
        status=task.status.value,
        attempts=task.attempts,
        claim=task.claim,
        lease_until=_iso(task.lease_until),
        not_before=_iso(task.not_before),
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
                "fault": task.fault,
            }
        ),
        sources=_dump([asdict(source) for source in task.sources]),
        outputs=_dump([asdict(output) for output in task.outputs]) if task.outputs else None,
        failure=_dump(asdict(task.failure)) if task.failure else None,
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
        fault=plan.get("fault"),
        attempts=int(item.attempts),
        claim=item.claim,
        lease_until=_moment(item.lease_until),
        not_before=_moment(item.not_before),
        failure=Failure(**json.loads(item.failure)) if item.failure else None,
        outputs=tuple(Output(**output) for output in json.loads(item.outputs or "[]")),
        started_at=_moment(item.started_at),
        finished_at=_moment(item.finished_at),
        next_check_at=due_moment(item),
    )


def inputs_to_item(job: Job, operation: str) -> InputsItem:
    return InputsItem(job.job_id, INPUTS_KEY, inputs=_dump(job.inputs), operation=operation)


def output_from_item(item: InheritedItem) -> Output:
    return Output(**json.loads(item.output))


def inherited_to_item(job_id: str, output: Output, operation: str) -> InheritedItem:
    return InheritedItem(
        job_id,
        INHERITED_PREFIX + output.key + "#" + output.output_id,
        output=_dump(asdict(output)),
        operation=operation,
    )


def _receipt(text: str | None) -> Receipt | None:
    if text is None:
        return None
    shape = json.loads(text)
    return Receipt(**{**shape, "parts": tuple(shape["parts"])})


def _dump(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _iso(moment: datetime | None) -> str | None:
    return to_iso(moment) if moment else None


def _moment(text: str | None) -> datetime | None:
    return from_iso(text) if text else None
