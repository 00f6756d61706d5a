"""The stored items of a job's collection: keys, attributes and indexes.

``jobs.writing`` converts values to items, ``jobs.reading`` items to values.
"""

from __future__ import annotations

import hashlib
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

from darkroom.db.due import DueItem, due_index
from darkroom.db.items import BaseItem, SalvagedItem
from darkroom.jobs.model import Job, Task
from darkroom.jobs.states import TaskStatus
from darkroom.kernel.clock import to_iso
from darkroom.kernel.limits import CHANGES_PER_MILLISECOND, DUE_SHARDS
from darkroom.kernel.object_keys import clean_folder, outputs_prefix

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
THUMBNAIL, JPEG = "t", "j"
"""The letters of small pictures that may be stored beside an output."""
OF_OUTPUT, OF_FILE = ">", "<"
"""In the key of a cover, these stand for the prefix of the job's outputs, and for that of the clean
copies of its account."""
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
    files = UnicodeAttribute(null=True)
    """JSON: the number of files, then ``[name, first letter of kind, length in milliseconds, asset
    id]`` of the first ones, without nulls at their end. Jobs of the previous version do not have
    it."""
    cover_key = UnicodeAttribute(null=True, attr_name="cover")
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
    counted = UnicodeAttribute(null=True, attr_name="ct")
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
    previews = UnicodeAttribute(null=True)
    """JSON: for each output, the letters of the small pictures that are stored beside it. Apart
    from ``outputs``, in which the previous version accepts no other field."""
    failure = UnicodeAttribute(null=True)
    started_at = UnicodeAttribute(null=True, attr_name="startedAt")
    finished_at = UnicodeAttribute(null=True, attr_name="finishedAt")


class InheritedItem(CollectionItem):
    class Meta:
        table_name = "unbound"

    output = UnicodeAttribute()
    """JSON of an output, or of a list of outputs."""
    previews = UnicodeAttribute(null=True)
    """As in ``TaskItem``."""


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


def cover_prefixes(job_id: str, owner: str) -> tuple[tuple[str, str], ...]:
    """The signs in stored keys of covers, and what they stand for."""
    return ((OF_OUTPUT, outputs_prefix(owner, job_id)), (OF_FILE, clean_folder(owner)))


def list_key(job: Job) -> str:
    """The job's position in lists: by creation time."""
    return f"{to_iso(job.created_at)}#{job.job_id}"


def side_key(job_id: str) -> str:
    return job_id + SIDE_SUFFIX


def is_deleted(item: JobItem) -> bool:
    deleted_at: str | None = item.deleted_at
    return deleted_at is not None or "deletedAt" in item.unreadable


def queue_key(task: Task) -> str:
    """The task's position in its account queue; tasks in flight come first."""
    if task.is_sent or task.status is not TaskStatus.READY:
        return IN_FLIGHT
    return f"1#{task.turn}#{task.job_id}#{task.number:04}"
