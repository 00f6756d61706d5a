"""Lists of jobs: reads of the indexes, and the list entries of jobs.

The indexes are eventually consistent. Entries are stored outside of a job's collection, and are in
the index ``byAccount`` under the key of their list (``jobs.lists.facets``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from darkroom.jobs.items import (
    ENTRY_PREFIX,
    INPUTS_KEY,
    JOB_KEY,
    SIDE_SUFFIX,
    TASK_PREFIX,
    WORDS_KEY,
    CollectionItem,
    InputsItem,
    JobItem,
    ListEntryItem,
    TaskItem,
    is_deleted,
    side_key,
)
from darkroom.jobs.lists.facets import Entry
from darkroom.jobs.model import Job, Task
from darkroom.jobs.reading import job_from_items, task_from_item

FIRST, LAST = "0", "~"
"""Sorts before and after every order: they all begin with a digit."""


@dataclass(frozen=True, kw_only=True)
class Partition:
    """One partition of one index, in one direction."""

    index: Literal["account", "status", "kind", "status_kind", "facet"]
    key: str


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A place in a list, and the job itself if the index contains it."""

    order: str
    job_id: str
    job: Job | None = None


_INDEXES: Mapping[str, Any] = {
    "account": JobItem.by_account,
    "status": JobItem.by_status,
    "kind": JobItem.by_kind,
    "status_kind": JobItem.by_status_kind,
    "facet": ListEntryItem.by_facet,
}


def read_partition(
    partition: Partition, *, low: str, high: str, ascending: bool, limit: int
) -> list[Candidate]:
    """Read up to ``limit`` places with ``low`` ≤ order ≤ ``high``, in one query."""
    order = ListEntryItem.order if partition.index == "facet" else JobItem.list_key
    found = list(
        _INDEXES[partition.index].query(
            partition.key,
            range_key_condition=order.between(low, high),
            scan_index_forward=ascending,
            limit=limit,
            page_size=limit,
        )
    )
    if partition.index == "account":
        return _with_jobs(found)
    if partition.index == "facet":
        return [
            Candidate(order=item.order, job_id=item.pk.removesuffix(SIDE_SUFFIX)) for item in found
        ]
    return [Candidate(order=item.list_key, job_id=item.pk) for item in found]


def _with_jobs(items: Sequence[JobItem]) -> list[Candidate]:
    jobs = _to_jobs(items)
    return [
        Candidate(order=item.list_key, job_id=item.pk, job=job)
        for item, job in zip(items, jobs, strict=True)
    ]


def find_jobs(job_ids: Iterable[str]) -> dict[str, Job]:
    """Those of the jobs that exist, a hundred per call; eventually consistent."""
    keys = [(job_id, JOB_KEY) for job_id in dict.fromkeys(job_ids)]
    items = [item for item in JobItem.batch_get(keys) if not is_deleted(item)] if keys else []
    return {job.job_id: job for job in _to_jobs(items)}


def _to_jobs(items: Sequence[JobItem]) -> list[Job]:
    """The jobs with their inputs; large inputs are read in one batch."""
    large = [(item.pk, INPUTS_KEY) for item in items if item.inputs is None]
    beside = {item.pk: item for item in InputsItem.batch_get(large)} if large else {}
    return [job_from_items(item, beside.get(item.pk)) for item in items]


def find_words(job_ids: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The search words of the jobs that are listed."""
    keys = [(side_key(job_id), WORDS_KEY) for job_id in dict.fromkeys(job_ids)]
    items = ListEntryItem.batch_get(keys) if keys else ()
    return {item.pk.removesuffix(SIDE_SUFFIX): tuple((item.words or "").split()) for item in items}


def list_tasks(job_id: str) -> list[Task]:
    """A job's tasks in the order of the plan; eventually consistent."""
    items = TaskItem.query(job_id, TaskItem.sk.startswith(TASK_PREFIX))
    return sorted((task_from_item(item) for item in items), key=lambda task: task.number)


def replace_entries(job_id: str, entries: Iterable[Entry], words: Sequence[str]) -> int:
    """Make these the job's entries; returns how many had to change.

    This is not a transaction: entries derive from the job, and their readers also read the job.
    It is safe to repeat, and to stop in between and start again.
    """
    wanted: dict[str, tuple[str | None, str | None, str | None]] = {
        ENTRY_PREFIX + entry.name: (entry.facet, entry.order, None) for entry in entries
    }
    wanted[WORDS_KEY] = (None, None, " ".join(words) or None)
    known = {item.sk: (item.facet, item.order, item.words) for item in _entries(job_id)}
    changed = [key for key, held in wanted.items() if known.get(key) != held]
    gone = [key for key in known if key not in wanted]
    if not changed and not gone:
        return 0
    pk = side_key(job_id)
    with ListEntryItem.batch_write() as batch:
        for key in changed:
            facet, order, text = wanted[key]
            batch.save(ListEntryItem(pk, key, facet=facet, order=order, words=text))
        for key in gone:
            batch.delete(ListEntryItem(pk, key))
    return len(changed) + len(gone)


def erase_side(job_id: str) -> None:
    """Remove all items of a deleted job outside of its collection; safe to repeat."""
    found = list(CollectionItem.query(side_key(job_id), consistent_read=True))
    if found:
        with CollectionItem.batch_write() as batch:
            for item in found:
                batch.delete(item)


def _entries(job_id: str) -> list[ListEntryItem]:
    return list(
        ListEntryItem.query(
            side_key(job_id), ListEntryItem.sk.startswith(ENTRY_PREFIX), consistent_read=True
        )
    )
