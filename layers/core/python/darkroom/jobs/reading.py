"""Reads stored items into values, even damaged ones.

Reading never fails. An attribute that cannot be read (wrong type, malformed JSON, missing) gets a
fallback and is named, so that one damaged item hides nothing else of its job or account. Every
damaged item is reported; ``usecases/jobs/end_unreadable.py`` ends the jobs that cannot continue.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from darkroom.db.damage import DAMAGE, report_unreadable
from darkroom.db.due import due_moment
from darkroom.jobs.items import (
    IN_FLIGHT,
    JPEG,
    TASK_PREFIX,
    THUMBNAIL,
    CollectionItem,
    InheritedItem,
    InputsItem,
    JobItem,
    TaskItem,
    cover_prefixes,
    is_deleted,
)
from darkroom.jobs.model import (
    Failure,
    FileKind,
    InputFile,
    InputFiles,
    Job,
    Output,
    Progress,
    ProviderRun,
    Receipt,
    Source,
    Task,
)
from darkroom.jobs.states import FINAL_JOB, JobStatus, TaskStatus
from darkroom.kernel.clock import from_iso
from darkroom.kernel.ids import MAX_OUTPUTS_PER_JOB
from darkroom.kernel.limits import MAX_OUTPUTS_PER_TASK, STORED_DEPTH_LIMIT
from darkroom.kernel.money import PricePart, RetryChain, SpentPart
from darkroom.kernel.shapes import checked, fits, whole, whole_or_none

T = TypeVar("T")
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_TASK_NUMBERS = range(1, MAX_OUTPUTS_PER_JOB // MAX_OUTPUTS_PER_TASK + 1)


@dataclass(frozen=True)
class Read(Generic[T]):
    """A value, and the stored names of the attributes that could not be read."""

    value: T
    unreadable: frozenset[str] = frozenset()


class Attributes:
    """Reads an item attribute by attribute, and collects those that could not be read."""

    def __init__(self, item: CollectionItem) -> None:
        self.unreadable = set(item.unreadable)

    def get(self, name: str, read: Callable[[], T], fallback: T) -> T:
        try:
            return read()
        except DAMAGE:
            self.unreadable.add(name)
            return fallback


def job_from_items(item: JobItem, inputs: InputsItem | None) -> Job:
    """The readable part of a job; unreadable attributes are reported."""
    read = read_job(item, inputs)
    # Large inputs are read separately; a job that was erased in between is not damaged.
    inline: str | None = item.inputs
    is_apart = inline is None and inputs is None
    report_unreadable(item.pk, item.sk, read.unreadable - ({"inputs"} if is_apart else set()))
    return read.value


def task_from_item(item: TaskItem) -> Task:
    """The readable part of a task; unreadable attributes are reported."""
    read = read_task(item)
    report_unreadable(item.pk, item.sk, read.unreadable)
    return read.value


def read_job(item: JobItem, inputs: InputsItem | None) -> Read[Job]:
    found = Attributes(item)
    updated_at = found.get("updatedAt", lambda: from_iso(item.updated_at), LONG_AGO)
    target, clip_no, only_keys = found.get("regen", lambda: _regen(item.regen), _regen(None))
    price = found.get("price", lambda: _price(item.price), lump_price(0))
    receipt = found.get("receipt", lambda: _receipt(item.receipt), None)
    if receipt is not None and len(receipt.parts) != len(price):
        found.unreadable.add("price")
        price, receipt = _one_part(receipt)
    # A job whose state is unknown counts as final, so that no step continues it.
    status = found.get("status", lambda: JobStatus(item.status), JobStatus.FAILED)
    created_at = found.get("listKey", lambda: _created_at(item), updated_at)
    # Only a job that was queued can run: if the moment is lost, it is not much later than this one.
    is_running = status not in FINAL_JOB and status is not JobStatus.DRAFT
    lost = created_at if is_running else None
    job = Job(
        job_id=item.pk,
        account_id=found.get("accountId", lambda: _text(item.account_id), ""),
        recipe=found.get("recipe", lambda: _text(item.recipe), ""),
        status=status,
        inputs=found.get("inputs", lambda: _inputs(item, inputs), {}),
        created_at=created_at,
        updated_at=updated_at,
        version=found.get("version", lambda: whole(item.version), 0),
        language=found.get("lang", lambda: _text(item.language), "en"),
        owner_tag=item.owner_tag,
        source_name=item.source_name,
        files=found.get("files", lambda: _files(item.files), None),
        cover_key=found.get("cover", lambda: _cover_key(item), None),
        device_id=item.device_id or "",
        template_id=item.template_id,
        combination=item.combination,
        price=price,
        costs=found.get("costs", lambda: _costs(item.costs), {}),
        chain=found.get("chain", lambda: _chain(item.chain), None),
        hold=item.hold,
        parent_job_id=item.parent_job_id,
        regen_target=target,
        regen_clip_no=clip_no,
        only_keys=only_keys,
        planned=bool(item.planned),
        progress=found.get("progress", lambda: progress_of(item), Progress()),
        receipt=receipt,
        created_by=item.created_by,
        operation=item.queued_by,
        balance_then=found.get("bal", lambda: whole_or_none(item.balance_then), None),
        counted=item.counted,
        queued_at=found.get("queuedAt", lambda: _moment(item.queued_at), None) or lost,
        started_at=found.get("startedAt", lambda: _moment(item.started_at), None),
        finished_at=found.get("finishedAt", lambda: _moment(item.finished_at), None),
        next_check_at=found.get("nextCheckAt", lambda: due_moment(item), None),
        priority=found.get("priority", lambda: whole_or_none(item.priority) or 0, 0),
        selected_output=item.selected_output,
        children=frozenset(item.children or ()),
    )
    return Read(job, frozenset(found.unreadable))


def read_task(item: TaskItem) -> Read[Task]:
    found = Attributes(item)
    outputs = found.get("outputs", lambda: _outputs(item.outputs), _outputs(None))
    if None in outputs:
        found.unreadable.add("outputs")
    outputs = found.get("previews", lambda: _with_previews(outputs, item.previews), outputs)
    task = Task(
        job_id=item.pk,
        key=item.sk.removeprefix(TASK_PREFIX),
        # A task whose state is unknown counts as final, like such a job.
        status=found.get("status", lambda: TaskStatus(item.status), TaskStatus.FAILED),
        sources=found.get("sources", lambda: _sources(item.sources), ()),
        is_sent=item.queue_key == IN_FLIGHT,
        attempts=found.get("attempts", lambda: whole(item.attempts), 0),
        claim=item.claim,
        lease_until=found.get("leaseUntil", lambda: _moment(item.lease_until), None),
        not_before=found.get("notBefore", lambda: _moment(item.not_before), None),
        run=found.get("run", lambda: _run(item), None),
        failure=found.get("failure", lambda: _failure(item.failure), None),
        outputs=tuple(output for output in outputs if output is not None),
        started_at=found.get("startedAt", lambda: _moment(item.started_at), None),
        finished_at=found.get("finishedAt", lambda: _moment(item.finished_at), None),
        next_check_at=found.get("nextCheckAt", lambda: due_moment(item), None),
        **found.get("plan", lambda: _plan(item.plan), _NO_PLAN),
    )
    return Read(task, frozenset(found.unreadable))


def read_inherited(item: InheritedItem) -> Read[list[Output]]:
    """The outputs of an item, which holds one or several."""
    found = Attributes(item)
    outputs = found.get("output", lambda: _inherited(item.output), _outputs(None))
    if None in outputs:
        found.unreadable.add("output")
    outputs = found.get("previews", lambda: _with_previews(outputs, item.previews), outputs)
    return Read([output for output in outputs if output is not None], frozenset(found.unreadable))


def _inherited(text: str | None) -> list[Output | None]:
    stored = json.loads(_text(text))
    return [_output(shape) for shape in (stored if isinstance(stored, list) else [stored])]


@dataclass(frozen=True, kw_only=True)
class JobChange:
    """The last change of one job, from the index of changes."""

    job_id: str
    changed_at: int
    status: JobStatus
    progress: Progress
    updated_at: datetime


def read_change(item: JobItem) -> JobChange | None:
    """The change; None for a job whose item is too damaged to be shown."""
    try:
        return JobChange(
            job_id=item.pk,
            changed_at=int(item.changed_at),
            status=JobStatus(item.status),
            progress=progress_of(item),
            updated_at=from_iso(item.updated_at),
        )
    except DAMAGE:
        report_unreadable(item.pk, item.sk, ("status", "progress", "updatedAt"))
        return None


def read_deleted_at(item: JobItem) -> datetime:
    """When the job was deleted; a time long ago if that cannot be read."""
    try:
        return from_iso(item.deleted_at)
    except DAMAGE:
        report_unreadable(item.pk, item.sk, ("deletedAt",))
        return LONG_AGO


def progress_of(item: JobItem) -> Progress:
    completed, failed, total = json.loads(item.progress) if item.progress else (0, 0, 0)
    return checked(Progress(completed=completed, failed=failed, total=total))


def _created_at(item: JobItem) -> datetime:
    # A deleted job is in no list, so it has no list key.
    if is_deleted(item):
        return from_iso(item.updated_at)
    return from_iso(item.list_key.partition("#")[0])


def _inputs(item: JobItem, beside: InputsItem | None) -> Mapping[str, Any]:
    inline: str | None = item.inputs
    if inline is not None:
        return _object(inline)
    if is_deleted(item):
        return {}
    return _object(beside.inputs if beside is not None else None)


_KIND_OF_LETTER: Mapping[str, FileKind] = {"i": "image", "v": "video", "a": "audio"}


def _files(text: str | None) -> InputFiles | None:
    if text is None:
        return None
    count, *rows = json.loads(text)
    return checked(InputFiles(shown=tuple(map(_file, rows)), count=count))


def _file(row: list[Any]) -> InputFile:
    filename, letter, duration_ms, asset_id = [*row, None, None][:4]
    kind = _KIND_OF_LETTER[letter]
    return checked(
        InputFile(filename=filename, kind=kind, duration_ms=duration_ms, asset_id=asset_id)
    )


def _cover_key(item: JobItem) -> str | None:
    text: str | None = item.cover_key
    if text == "":
        raise ValueError("no link can be signed for an empty key")
    owner = item.owner_tag or item.account_id
    for sign, prefix in cover_prefixes(item.pk, owner):
        if text is not None and text.startswith(sign):
            return prefix + text.removeprefix(sign)
    return text


def _regen(text: str | None) -> tuple[str | None, int | None, tuple[str, ...]]:
    if text is None:
        return None, None, ()
    target, clip_no, only_keys = json.loads(text)
    shape = (target, clip_no, tuple(only_keys))
    if not fits(shape, tuple[str | None, int | None, tuple[str, ...]]):
        raise TypeError("no regeneration")
    return shape


def _price(text: str | None) -> tuple[PricePart, ...]:
    return _parts(_list(text))


def _parts(shapes: Sequence[Any]) -> tuple[PricePart, ...]:
    parts = tuple(
        checked(PricePart(name=name, credits=credits, promised=tuple(promised)))
        for name, credits, promised in shapes
    )
    if any(part.credits < 0 for part in parts):
        raise ValueError("a price below zero")
    return parts


def _costs(text: str | None) -> dict[str, int]:
    costs = {} if text is None else _object(text)
    if not fits(costs, Mapping[str, int]):
        raise TypeError("no costs")
    return costs


def _chain(text: str | None) -> RetryChain | None:
    if text is None:
        return None
    shape = _object(text)
    spent = tuple(
        checked(SpentPart(name=name, credits=credits, keys=tuple(keys)))
        for name, credits, keys in shape["spent"]
    )
    return RetryChain(whole=_parts(shape["whole"]), spent=spent)


def _receipt(text: str | None) -> Receipt | None:
    if text is None:
        return None
    shape = _object(text)
    receipt = checked(Receipt(**{**shape, "parts": tuple(shape["parts"])}))
    if receipt.used != sum(receipt.parts):
        raise ValueError("a receipt that does not add up")
    return receipt


def _one_part(receipt: Receipt) -> tuple[tuple[PricePart, ...], Receipt]:
    """A price that is derived from the receipt, if the stored one does not match it."""
    total = receipt.used + receipt.refunded
    return lump_price(total), replace(receipt, parts=(receipt.used,) if total else ())


def lump_price(credits: int) -> tuple[PricePart, ...]:
    """A price of which only the total is known."""
    return (PricePart(name="base", credits=credits, promised=()),) if credits else ()


_NO_PLAN: dict[str, Any] = {"account_id": "", "kind": "", "number": 1}


def _plan(text: str | None) -> dict[str, Any]:
    """The fields of a task that never change."""
    plan = _object(text)
    fields = {
        "account_id": plan["accountId"],
        "owner_tag": plan.get("ownerTag"),
        "kind": plan["kind"],
        "number": plan["number"],
        "needs": tuple(plan["needs"]),
        "params": plan["params"],
        "seed": plan["seed"],
        "language": plan["language"],
        "provider": plan["provider"],
        "providers": tuple(plan.get("providers", ())),
        "fault": plan.get("fault"),
        "turn": plan.get("turn", ""),
    }
    checked(Task(job_id="", key="", status=TaskStatus.BLOCKED, **fields))
    if fields["number"] not in _TASK_NUMBERS:
        raise ValueError("no number of a task")
    return fields


def _sources(text: str | None) -> tuple[Source, ...]:
    return tuple(checked(Source(**source)) for source in _list(text))


def _run(item: TaskItem) -> ProviderRun | None:
    stored: str | None = item.run
    if stored is None:
        return None
    ref, until, has_called_back = json.loads(stored)
    run = ProviderRun(
        ref=ref, until=from_iso(until), poll=whole(item.poll), has_called_back=has_called_back
    )
    return checked(run)


def _failure(text: str | None) -> Failure | None:
    return None if text is None else checked(Failure(**_object(text)))


def _outputs(text: str | None) -> list[Output | None]:
    return [_output(shape) for shape in _list(text)]


def _output(shape: Any) -> Output | None:
    """One output; None for a malformed one, which is left out without the others."""
    try:
        # The previous version stored a pick with each output, which was always false, and omitted
        # the size of an empty file.
        fields = {"size_bytes": 0, **shape}
        fields.pop("selected", None)
        return checked(Output(**fields))
    except DAMAGE:
        return None


def _with_previews(outputs: Sequence[Output | None], text: str | None) -> list[Output | None]:
    if text is None:
        return list(outputs)
    return [
        output and replace(output, has_thumbnail=THUMBNAIL in names, has_jpeg=JPEG in names)
        for output, names in zip(outputs, _list(text), strict=True)
    ]


def _object(text: str | None) -> dict[str, Any]:
    value = json.loads(_text(text))
    if not isinstance(value, dict):
        raise TypeError("no JSON object")
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > STORED_DEPTH_LIMIT:
            raise TypeError("nested too deeply")
        level = [child for parent in level for child in _children(parent)]
    return value


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _list(text: str | None) -> list[Any]:
    value = json.loads(text or "[]")
    if not isinstance(value, list):
        raise TypeError("no JSON array")
    return value


def _text(value: str | None) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _moment(text: str | None) -> datetime | None:
    return from_iso(text) if text else None
