"""Conversion of the stored items of one collection to a job family.

What cannot be read of it is reported, and kept as evidence.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from darkroom.db.damage import report_unreadable
from darkroom.db.writes import RawItem
from darkroom.jobs.items import (
    INHERITED_PREFIX,
    INPUTS_KEY,
    JOB_KEY,
    TASK_PREFIX,
    InheritedItem,
    InputsItem,
    JobItem,
    TaskItem,
    is_deleted,
)
from darkroom.jobs.model import JobFamily, Output, Task, Unreadable
from darkroom.jobs.reading import Read, read_inherited, read_job, read_task
from darkroom.kernel.limits import EVIDENCE_LIMIT_CHARS

T = TypeVar("T")


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
