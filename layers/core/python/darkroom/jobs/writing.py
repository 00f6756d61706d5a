"""Conversion of jobs, tasks and outputs to the stored items of a collection.

``jobs.reading`` converts items to values.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from datetime import datetime
from typing import Any

from darkroom.db.due import due_fields
from darkroom.jobs.items import (
    IN_ACCOUNT_QUEUE,
    INHERITED_PREFIX,
    INPUTS_KEY,
    JOB_KEY,
    JPEG,
    TASK_PREFIX,
    THUMBNAIL,
    InheritedItem,
    InputsItem,
    JobItem,
    TaskItem,
    change_key,
    cover_prefixes,
    due_shard,
    list_key,
    queue_key,
)
from darkroom.jobs.lists.facets import kind_key, kind_of, status_key, status_kind_key
from darkroom.jobs.model import InputFile, InputFiles, Job, Output, Progress, Receipt, Task
from darkroom.jobs.states import JobStatus
from darkroom.kernel.clock import to_iso
from darkroom.kernel.limits import INLINE_INPUTS_LIMIT_BYTES
from darkroom.kernel.money import PricePart, RetryChain


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
        files=_files_text(job.files),
        cover_key=_cover_text(job),
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
        counted=job.counted,
        priority=job.priority or None,
        selected_output=job.selected_output,
        children=set(job.children) or None,
        **due_fields(job.next_check_at, shard=due_shard(job.job_id)),
        operation=operation,
    )


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
        outputs=_dump([_output(output) for output in task.outputs]) if task.outputs else None,
        previews=_previews_text(task.outputs),
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
    shapes = [_output(output) for output in outputs]
    return InheritedItem(
        job_id,
        INHERITED_PREFIX + outputs[0].key + "#" + outputs[0].output_id,
        output=_dump(shapes[0] if len(shapes) == 1 else shapes),
        previews=_previews_text(outputs),
        operation=operation,
    )


def _price_shape(price: Sequence[PricePart]) -> list[Any]:
    return [[part.name, part.credits, list(part.promised)] for part in price]


def _chain_text(chain: RetryChain | None) -> str | None:
    if chain is None:
        return None
    spent = [[part.name, part.credits, list(part.keys)] for part in chain.spent]
    return _dump({"whole": _price_shape(chain.whole), "spent": spent})


def _files_text(files: InputFiles | None) -> str | None:
    if files is None:
        return None
    return _dump([files.count, *map(_file_row, files.shown)])


def _file_row(file: InputFile) -> list[Any]:
    row: list[Any] = [file.filename, file.kind[0], file.duration_ms, file.asset_id]
    while row[-1] is None:
        row.pop()
    return row


def _cover_text(job: Job) -> str | None:
    """The key of the cover, with a sign for its known beginning: items pay by the kilobyte."""
    if job.cover_key is None:
        return None
    for sign, prefix in cover_prefixes(job.job_id, job.owner):
        if job.cover_key.startswith(prefix):
            return sign + job.cover_key.removeprefix(prefix)
    return job.cover_key


def _output(output: Output) -> dict[str, Any]:
    return _slim(replace(output, has_thumbnail=False, has_jpeg=False))


def _previews_text(outputs: Sequence[Output]) -> str | None:
    shapes = [THUMBNAIL * each.has_thumbnail + JPEG * each.has_jpeg for each in outputs]
    return _dump(shapes) if any(shapes) else None


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
