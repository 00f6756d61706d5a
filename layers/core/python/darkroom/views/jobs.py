"""An account's jobs, as the API shows them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from darkroom.bootstrap.composition import App
from darkroom.jobs import store
from darkroom.jobs.failures import failure_sentence
from darkroom.jobs.model import Failure, Job, JobFamily, Output, Progress, Task
from darkroom.jobs.naming import file_name_of, shown_key, shown_type
from darkroom.jobs.states import CancelOutcome, JobStatus
from darkroom.kernel.clock import to_epoch_seconds, to_iso
from darkroom.kernel.errors import NotFound, PaymentRequired
from darkroom.kernel.limits import DOWNLOAD_URL_SECONDS, POLL_AFTER_MS
from darkroom.recipes import REGISTRY
from darkroom.views.base import Omittable, ResponseBody


class ReceiptPart(ResponseBody):
    name: str
    credits: int
    used: int
    refunded: int


class JobReceipt(ResponseBody):
    """``used`` and ``refunded`` are 0 while the job runs; afterwards reserved = used + refunded.
    ``message`` explains the ``reason`` in the caller's language."""

    reserved: int
    used: int
    refunded: int
    parts: list[ReceiptPart]
    reason: Omittable[str] = None
    message: Omittable[str] = None
    note: Omittable[str] = None
    """``NO_SPEECH``: the job succeeded, but there is no speech, so its captions are empty."""


class JobProgress(ResponseBody):
    completed: int
    failed: int
    total: int
    percent: int


class FailureDetail(ResponseBody):
    message: str
    code: str


class TaskDetail(ResponseBody):
    key: str
    kind: str
    status: str
    attempts: int
    provider: Omittable[str] = None
    error: Omittable[FailureDetail] = None
    started_at: Omittable[str] = None
    finished_at: Omittable[str] = None


class OutputFacts(ResponseBody):
    """What an output is, wherever it is shown."""

    key: str
    type: str
    mime_type: str
    size_bytes: int
    width: Omittable[int] = None
    height: Omittable[int] = None
    duration_ms: Omittable[int] = None
    style: Omittable[str] = None
    role: Omittable[str] = None
    language: Omittable[str] = None


class OutputFile(OutputFacts):
    """The part of an output that its owner and the visitors of a public link both see."""

    selected: bool
    download_url: str


class OutputDetail(OutputFile):
    output_id: str
    inherited_from: Omittable[str] = None


class TimelineEntry(ResponseBody):
    name: str
    at: str


class JobSummary(ResponseBody):
    job_id: str
    recipe: str
    mode: Omittable[str] = None
    status: str
    inputs: dict[str, Any]
    template_id: Omittable[str] = None
    parent_job_id: Omittable[str] = None
    regen_target: Omittable[str] = None
    regen_clip_no: Omittable[int] = None
    priority: Omittable[int] = None
    credits_reserved: int
    receipt: JobReceipt
    progress: JobProgress
    created_at: str
    started_at: Omittable[str] = None
    finished_at: Omittable[str] = None
    poll_after_ms: Omittable[int] = None


class JobResponse(JobSummary):
    tasks: list[TaskDetail]
    outputs: list[OutputDetail]
    timeline: list[TimelineEntry]


class CreatedJob(JobSummary):
    """``code`` says why a job that should be queued stayed a draft."""

    code: Omittable[str] = None


class JobsResponse(ResponseBody):
    jobs: list[CreatedJob]


class CancelResponse(ResponseBody):
    outcome: CancelOutcome
    receipt: JobReceipt


class JobPage(ResponseBody):
    items: list[JobSummary]
    next_cursor: str | None


def get_family(account_id: str, job_id: str) -> JobFamily:
    """The account's job with its tasks and outputs.

    Raises:
        NotFound: missing, or another account's.
    """
    family = store.find_family(job_id)
    if family is None or family.job.account_id != account_id:
        raise NotFound("no such job")
    return family


def etag(app: App, family: JobFamily, *, language: str = "") -> str:
    """Changes whenever the response does, and early enough that links are renewed before they end.

    ``language`` matters if the response has sentences; that of a draft has none.
    """
    state = [str(family.job.version), language]
    state += [f"{task.key}:{task.status}:{task.attempts}" for task in family.tasks]
    if family.outputs:
        state.append(str(to_epoch_seconds(app.clock.now()) // (DOWNLOAD_URL_SECONDS // 2)))
    return f'"{hashlib.sha256("|".join(state).encode()).hexdigest()[:32]}"'


def job_detail(app: App, family: JobFamily, *, language: str) -> JobResponse:
    job = family.job
    return JobResponse(
        **dict(job_summary(job, language=language)),
        tasks=[_task(task, language) for task in family.tasks],
        outputs=[output_detail(app, job, output) for output in family.outputs],
        timeline=_timeline(job),
    )


def job_summary(job: Job, *, language: str) -> JobSummary:
    recipe = REGISTRY.get(job.recipe)
    is_mode = job.combination is not None or (recipe is not None and recipe.is_mode)
    return JobSummary(
        job_id=job.job_id,
        recipe=job.recipe,
        mode=job.recipe if is_mode else None,
        status=job.status.value,
        inputs=dict(job.inputs),
        template_id=job.template_id,
        parent_job_id=job.parent_job_id,
        regen_target=job.regen_target,
        regen_clip_no=job.regen_clip_no,
        priority=job.priority or None,
        credits_reserved=job.reserved,
        receipt=job_receipt(job, language=language),
        progress=job_progress(job.progress),
        created_at=to_iso(job.created_at),
        started_at=_iso(job.started_at),
        finished_at=_iso(job.finished_at),
        poll_after_ms=None if job.is_final or job.status is JobStatus.DRAFT else POLL_AFTER_MS,
    )


def created_jobs(
    made: Sequence[tuple[Job, PaymentRequired | None]], *, language: str
) -> JobsResponse:
    """The created jobs; one that could not be queued has a ``code``."""
    return JobsResponse(jobs=[_created(job, lacking, language) for job, lacking in made])


def _created(job: Job, lacking: PaymentRequired | None, language: str) -> CreatedJob:
    summary = job_summary(job, language=language)
    return CreatedJob(**dict(summary), code=lacking.error_code if lacking else None)


def job_progress(progress: Progress) -> JobProgress:
    return JobProgress(
        completed=progress.completed,
        failed=progress.failed,
        total=progress.total,
        percent=progress.percent,
    )


def job_receipt(job: Job, *, language: str) -> JobReceipt:
    """The receipt in total and by part; the parts add up to the total."""
    receipt = job.receipt
    used = receipt.parts if receipt else (0,) * len(job.price)
    parts = [
        ReceiptPart(
            name=part.name,
            credits=part.credits,
            used=spent,
            refunded=part.credits - spent if receipt else 0,
        )
        for part, spent in zip(job.price, used, strict=True)
    ]
    reason = receipt.reason if receipt else None
    return JobReceipt(
        reserved=job.reserved,
        used=receipt.used if receipt else 0,
        refunded=receipt.refunded if receipt else 0,
        parts=parts,
        reason=reason,
        message=None if reason is None else failure_sentence(reason, language),
        note=receipt.note if receipt else None,
    )


def _task(task: Task, language: str) -> TaskDetail:
    return TaskDetail(
        key=task.key,
        kind=task.kind,
        status=task.status.value,
        attempts=task.attempts,
        provider=task.provider or None,
        error=failure_detail(task.failure, language) if task.failure else None,
        started_at=_iso(task.started_at),
        finished_at=_iso(task.finished_at),
    )


def failure_detail(failure: Failure, language: str) -> FailureDetail:
    return FailureDetail(message=failure_sentence(failure.code, language), code=failure.code)


def output_detail(app: App, job: Job, output: Output) -> OutputDetail:
    return OutputDetail(
        **dict(output_file(app, job, output)),
        output_id=output.output_id,
        inherited_from=output.inherited_from,
    )


def output_file(app: App, job: Job, output: Output) -> OutputFile:
    """An output without ids, from which the job could be found."""
    return OutputFile(
        key=shown_key(output),
        type=shown_type(output),
        mime_type=output.mime_type,
        size_bytes=output.size_bytes,
        width=output.width,
        height=output.height,
        duration_ms=output.duration_ms,
        style=output.style,
        role=output.role,
        language=output.language,
        selected=output.output_id == job.selected_output,
        download_url=app.storage.download_url(
            output.storage_key,
            file_name=file_name_of(job, output),
            mime_type=output.mime_type,
        ),
    )


def _timeline(job: Job) -> list[TimelineEntry]:
    moments = (
        ("created", job.created_at),
        ("queued", job.queued_at),
        ("running", job.started_at),
        ("done", job.finished_at),
    )
    return [TimelineEntry(name=name, at=to_iso(at)) for name, at in moments if at is not None]


def _iso(moment: datetime | None) -> str | None:
    return to_iso(moment) if moment else None
