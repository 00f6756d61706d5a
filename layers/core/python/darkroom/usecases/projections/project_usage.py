"""Count a job that ended in the usage of its account: its record, the sum of its month, and what
its files take of the storage.

The record is compared with what is true now, and only the difference is added, in one transaction
with the record. So the projection may run twice, late or in any order: it counts a job once, adds
what became known later (a provider's cost), and frees the storage of a job that was deleted.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from darkroom.bootstrap.composition import App
from darkroom.db import commit
from darkroom.db.damage import DAMAGE, DAMAGED_INPUTS
from darkroom.db.retry import retry_on_conflict
from darkroom.generation.routing.store import list_costs
from darkroom.jobs import store as jobs_store
from darkroom.jobs import tombstone_store
from darkroom.jobs.model import Job, Task
from darkroom.jobs.states import JobStatus, TaskStatus
from darkroom.kernel.errors import Unreadable
from darkroom.plans.storage_store import count_write
from darkroom.recipes import REGISTRY
from darkroom.usage import store as usage_store
from darkroom.usage.model import Amounts, UsageRecord
from darkroom.usecases.accounts.announce_levels import announce_levels

_CURRENCY = "USD"
_TRANSLATION = "translate_"
"""The names of price parts that pay for a translation begin with it."""


def project_usage(app: App, job: Job, *, archive_bytes: int | None = None) -> bool:
    """Bring the usage up to what is true of the job now; returns whether anything changed.

    ``archive_bytes``: the size of the zip that was just made; without it, that of the record stays.

    Raises:
        CountersDamaged: a sum is damaged; the sweeper repeats this until it is repaired.
    """
    if not job.is_final or job.queued_at is None or job.finished_at is None:
        return False
    bare = UsageRecord(
        account_id=job.account_id,
        job_id=job.job_id,
        ended_at=job.finished_at,
        recipe=job.recipe,
        status=job.status.value,
        asset_id=_asset_of(job),
        amounts=Amounts(),
    )

    def attempt() -> bool:
        # The record is read first: if it is unchanged at the commit, nothing older than what is
        # read below was counted since.
        before = usage_store.find_record_of(
            bare.account_id, job_id=bare.job_id, ended_at=bare.ended_at
        )
        after = _counted(bare, job, before, archive_bytes)
        if before is not None and replace(after, version=before.version) == before:
            return False
        writes = usage_store.count_writes(before, after, operation=app.ids.token())
        more_bytes = after.stored_bytes - (before.stored_bytes if before else 0)
        if more_bytes:
            writes.append(count_write(job.account_id, used_bytes=more_bytes, uploads=0))
        commit(writes)
        return True

    is_changed = False
    # A damaged record says that the job is counted, but not with what; the auditor names it.
    with suppress(Unreadable):
        is_changed = retry_on_conflict(app.jitter, attempt)
    announce_levels(app, job.account_id)
    return is_changed


def _counted(
    bare: UsageRecord, job: Job, before: UsageRecord | None, archive_bytes: int | None
) -> UsageRecord:
    """The record as it is true now."""
    family = jobs_store.find_family(job.job_id)
    if family is None:
        # It was deleted: its files go, what it used stays.
        if before is not None:
            return replace(before, output_bytes=0, archive_bytes=0)
        tasks: Sequence[Task] = ()
        with suppress(*DAMAGE):
            tasks = tombstone_store.list_tasks_of_deleted(job.job_id)
        return replace(bare, amounts=_amounts(job, tasks))
    known_bytes = before.archive_bytes if before else 0
    known_nanos = before.amounts.cost_nanos if before else 0
    amounts = _amounts(job, family.tasks)
    return replace(
        bare,
        # Its inputs are gone from a job that is being erased, but not from its record.
        asset_id=bare.asset_id or (before.asset_id if before else None),
        # Records of costs expire; what they once said was paid.
        amounts=replace(amounts, cost_nanos=max(amounts.cost_nanos, known_nanos)),
        output_bytes=sum(output.size_bytes for task in family.tasks for output in task.outputs),
        archive_bytes=known_bytes if archive_bytes is None else archive_bytes,
    )


def _amounts(job: Job, tasks: Sequence[Task]) -> Amounts:
    made = {
        task.key: task.outputs
        for task in tasks
        if task.status is TaskStatus.SUCCEEDED and task.key in job.promised
    }
    made_ms = sum(output.duration_ms or 0 for outputs in made.values() for output in outputs)
    source_ms = _source_ms(job)
    translations = [
        part
        for part in job.price
        if part.name.startswith(_TRANSLATION) and any(key in made for key in part.promised)
    ]
    return Amounts(
        jobs=1,
        failed=int(job.status is JobStatus.FAILED),
        outputs=len(made),
        processing_ms=made_ms + (source_ms if made else 0),
        translation_ms=source_ms * len(translations),
        credits=job.receipt.used if job.receipt else 0,
        cost_nanos=sum(
            int(call.cost_nanos or 0)
            for call in list_costs(job.job_id)
            if call.currency in (None, _CURRENCY)
        ),
    )


def _source_ms(job: Job) -> int:
    """The duration of the file that the job read, if it is of a recipe that reads media."""
    recipe = REGISTRY.get(job.recipe)
    if recipe is None or not recipe.is_priced_by_length or job.files is None:
        return 0
    return sum(file.duration_ms or 0 for file in job.files.shown)


def _asset_of(job: Job) -> str | None:
    shown = job.files.shown if job.files else ()
    if shown and shown[0].asset_id is not None:
        return shown[0].asset_id
    recipe = REGISTRY.get(job.recipe)
    with suppress(*DAMAGED_INPUTS):
        ids = recipe.material_ids(job.inputs) if recipe else ()
        return ids[0] if ids else None
    return None
