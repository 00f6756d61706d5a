"""The stored items of a job's collection, and the conversion of values to items.

``jobs.reading`` converts items to values.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, fields
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

from darkroom.db.due import DueItem, due_fields, due_index
from darkroom.db.items import BaseItem, SalvagedItem
from darkroom.jobs.lists.facets import kind_key, kind_of, status_key, status_kind_key
from darkroom.jobs.model import Job, Output, Progress, Receipt, Task
from darkroom.jobs.states import JobStatus, TaskStatus
from darkroom.kernel.clock import to_iso
from darkroom.kernel.limits import CHANGES_PER_MILLISECOND, DUE_SHARDS, INLINE_INPUTS_LIMIT_BYTES
from darkroom.kernel.money import PricePart, RetryChain

JOB_PREFIX = "job"
"""Of ids."""
JOB_KEY = "job"
INPUTS_KEY = "inputs"
TASK_PREFIX = "task#"
INHERITED_PREFIX = "inherited#"
SIDE_SUFFIX = "#side"
"""The suffix of the partition key for items that belong to a job, but not to its collection."""
ENTRY_PREFIX = "list#"
WORDS_KEY = "list#words"
SHARE_PREFIX = "share#"
IN_FLIGHT = "0"
IN_ACCOUNT_QUEUE = frozenset({TaskStatus.READY, TaskStatus.RUNNING, TaskStatus.WAITING})


class ByAccount(GlobalSecondaryIndex[Any]):
    """An account's jobs by creation time. Sparse: only job items have the key."""

    class Meta:
        index_name = "byAccount"
        projection = AllProjection()

    account_id = UnicodeAttribute(hash_key=True, attr_name="accountId")
    list_key = UnicodeAttribute(range_key=True, attr_name="listKey")


class Changes(GlobalSecondaryIndex[Any]):
    """An account's jobs by their last change, with the attributes that live updates send.

    Sparse: drafts and deleted jobs have no key.
    """

    class Meta:
        index_name = "changes"
        projection = IncludeProjection(["status", "progress", "updatedAt"])

    account_id = UnicodeAttribute(hash_key=True, attr_name="accountId")
    changed_at = NumberAttribute(range_key=True, attr_name="changedAt")


def _list_index(name: str, attribute: str) -> Any:
    """A new index of jobs that share a facet, by creation time.

    Keys only: a page reads the jobs themselves. pynamodb binds each index object to one item class.
    """

    class Listed(GlobalSecondaryIndex[Any]):
        class Meta:
            index_name = name
            projection = KeysOnlyProjection()

        common = UnicodeAttribute(hash_key=True, attr_name=attribute)
        list_key = UnicodeAttribute(range_key=True, attr_name="listKey")

    return Listed()


class ByFacet(GlobalSecondaryIndex[Any]):
    """The index ``byAccount`` for list entries, under the key of their list."""

    class Meta:
        index_name = "byAccount"
        projection = AllProjection()

    facet = UnicodeAttribute(hash_key=True, attr_name="accountId")
    order = UnicodeAttribute(range_key=True, attr_name="listKey")


class AccountQueue(GlobalSecondaryIndex[Any]):
    """An account's running and ready tasks: those in flight first, then by their turn.

    Sparse: blocked and finished tasks have no key.
    """

    class Meta:
        index_name = "lane"
        projection = KeysOnlyProjection()

    queue_account = UnicodeAttribute(hash_key=True, attr_name="lane")
    queue_key = UnicodeAttribute(range_key=True, attr_name="laneKey")


class CollectionItem(DueItem, SalvagedItem):
    """The key that all items of a job's collection share."""

    class Meta:
        table_name = "unbound"

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    due = due_index()
    damaged = UnicodeAttribute(null=True)
    """JSON of the attributes that were unreadable when the item was written off: evidence."""


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
    """JSON; absent if the inputs are large and stored in a separate item."""
    language = UnicodeAttribute(attr_name="lang")
    owner_tag = UnicodeAttribute(null=True, attr_name="ownerTag")
    source_name = UnicodeAttribute(null=True, attr_name="sourceName")
    device_id = UnicodeAttribute(null=True, attr_name="deviceId")
    template_id = UnicodeAttribute(null=True, attr_name="templateId")
    combination = UnicodeAttribute(null=True, attr_name="combo")
    price = UnicodeAttribute(null=True)
    costs = UnicodeAttribute(null=True)
    """JSON object: cost name → credits. Jobs of the previous version do not have it."""
    chain = UnicodeAttribute(null=True)
    """JSON of the chain by which a retry was priced. Retries of the previous version lack it."""
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
    """``change_key``: the job's position among its account's changes."""
    by_change = Changes()
    created_by = UnicodeAttribute(null=True, attr_name="mk")
    queued_by = UnicodeAttribute(null=True, attr_name="by")
    balance_then = NumberAttribute(null=True, attr_name="bal")
    priority = NumberAttribute(null=True)
    selected_output = UnicodeAttribute(null=True, attr_name="pick")
    children = UnicodeSetAttribute(null=True)
    deleted_at = UnicodeAttribute(null=True, attr_name="deletedAt")
    """Set when the owner deleted the job: it is no longer shown, and its files are removed."""


class InputsItem(CollectionItem):
    class Meta:
        table_name = "unbound"

    inputs = UnicodeAttribute()


class TaskItem(CollectionItem):
    class Meta:
        table_name = "unbound"

    status = UnicodeAttribute()
    queue_account = UnicodeAttribute(null=True, attr_name="lane")
    queue_key = UnicodeAttribute(null=True, attr_name="laneKey")
    by_account_queue = AccountQueue()
    attempts = NumberAttribute()
    claim = UnicodeAttribute(null=True)
    worker = UnicodeAttribute(null=True)
    """The log stream of the process that made the claim, for operators."""
    lease_until = UnicodeAttribute(null=True, attr_name="leaseUntil")
    not_before = UnicodeAttribute(null=True, attr_name="notBefore")
    run = UnicodeAttribute(null=True)
    """JSON of the awaited run, without its ``poll``, which claims use in their conditions."""
    poll = NumberAttribute(null=True, attr_name="look")
    plan = UnicodeAttribute()
    """JSON of the immutable fields: account, kind, number, needs, params, seed, …"""
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
    """A job's entry in one list; or, under ``WORDS_KEY``, its search words.

    It is not part of the job's collection, so advancing the job does not read it.
    """

    class Meta:
        table_name = "unbound"

    facet = UnicodeAttribute(null=True, attr_name="accountId")
    order = UnicodeAttribute(null=True, attr_name="listKey")
    words = UnicodeAttribute(null=True)
    by_facet = ByFacet()


class ShareItem(CollectionItem):
    """A public link to a job's outputs, keyed by the digest of its secret. It is not part of the
    job's collection."""

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
    """The shard of a job's due items: they are spread over a few index partitions."""
    return f"s{hashlib.sha256(job_id.encode()).digest()[0] % DUE_SHARDS}"


def due_shards() -> list[str]:
    return [f"s{number}" for number in range(DUE_SHARDS)]


def change_key(job: Job) -> int:
    """Unix milliseconds of the change × 1000, plus a number that keeps changes of the same
    millisecond apart: always for one job, and usually for different jobs."""
    millis = round(job.updated_at.timestamp() * 1000)
    apart = int.from_bytes(hashlib.sha256(job.job_id.encode()).digest()[:4], "big") + job.version
    return millis * CHANGES_PER_MILLISECOND + apart % CHANGES_PER_MILLISECOND


def list_key(job: Job) -> str:
    """The job's position in lists: by creation time."""
    return f"{to_iso(job.created_at)}#{job.job_id}"


def side_key(job_id: str) -> str:
    return job_id + SIDE_SUFFIX


def job_to_item(job: Job, operation: str) -> JobItem:
    inputs = _dump(job.inputs)
    regen = None
    if job.regen_target is not None or job.regen_clip_no is not None or job.only_keys:
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
        owner_tag=job.owner_tag,
        source_name=job.source_name,
        device_id=job.device_id or None,
        template_id=job.template_id,
        combination=job.combination,
        price=_dump(_price_shape(job.price)),
        costs=_dump(job.costs) if job.costs else None,
        chain=_chain_text(job.chain),
        hold=job.hold,
        parent_job_id=job.parent_job_id,
        regen=regen,
        planned=job.planned or None,
        progress=_dump([job.progress.completed, job.progress.failed, job.progress.total])
        if job.progress != Progress()
        else None,
        receipt=_dump(_receipt(job.receipt)) if job.receipt is not None else None,
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


def is_deleted(item: JobItem) -> bool:
    deleted_at: str | None = item.deleted_at
    return deleted_at is not None or "deletedAt" in item.unreadable


def queue_key(task: Task) -> str:
    """The task's position in its account queue; tasks in flight come first."""
    if task.is_sent or task.status is not TaskStatus.READY:
        return IN_FLIGHT
    return f"1#{task.turn}#{task.job_id}#{task.number:04}"


def task_to_item(task: Task, operation: str) -> TaskItem:
    return TaskItem(
        task.job_id,
        TASK_PREFIX + task.key,
        status=task.status.value,
        queue_account=task.account_id if task.status in IN_ACCOUNT_QUEUE else None,
        queue_key=queue_key(task) if task.status in IN_ACCOUNT_QUEUE else None,
        attempts=task.attempts,
        claim=task.claim,
        lease_until=_iso(task.lease_until),
        not_before=_iso(task.not_before),
        run=_dump([task.run.ref, to_iso(task.run.until), task.run.has_called_back])
        if task.run
        else None,
        poll=task.run.poll if task.run else None,
        plan=_dump(
            {
                "accountId": task.account_id,
                **({"ownerTag": task.owner_tag} if task.owner_tag is not None else {}),
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


def inputs_to_item(job: Job, operation: str) -> InputsItem:
    return InputsItem(job.job_id, INPUTS_KEY, inputs=_dump(job.inputs), operation=operation)


def inherited_to_item(job_id: str, outputs: Sequence[Output], operation: str) -> InheritedItem:
    """The item of one or several inherited outputs, under the key of the first."""
    shapes = [_slim(output) for output in outputs]
    return InheritedItem(
        job_id,
        INHERITED_PREFIX + outputs[0].key + "#" + outputs[0].output_id,
        output=_dump(shapes[0] if len(shapes) == 1 else shapes),
        operation=operation,
    )


def _price_shape(price: Sequence[PricePart]) -> list[Any]:
    return [[part.name, part.credits, list(part.promised)] for part in price]


def _chain_text(chain: RetryChain | None) -> str | None:
    if chain is None:
        return None
    spent = [[part.name, part.credits, list(part.keys)] for part in chain.spent]
    return _dump({"whole": _price_shape(chain.whole), "spent": spent})


def _receipt(receipt: Receipt) -> dict[str, Any]:
    shape = asdict(receipt)
    if receipt.note is None:
        # The previous version does not know notes.
        del shape["note"]
    return shape


def _slim(value: Any) -> dict[str, Any]:
    """A flat value without the fields that equal their defaults; items pay by the kilobyte.

    Only the exact default is left out: 0 and "" are kept, although 0 equals False and both are
    falsy.
    """
    return {
        field.name: held
        for field in fields(value)
        if (held := getattr(value, field.name)) is not field.default
    }


def _dump(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _iso(moment: datetime | None) -> str | None:
    return to_iso(moment) if moment else None
