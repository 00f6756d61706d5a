"""An account's jobs, as the API shows them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, cast

from pydantic import Field

from darkroom.adapters.storage import Link, link_end
from darkroom.bootstrap.composition import App
from darkroom.jobs import store
from darkroom.jobs.failures import failure_sentence
from darkroom.jobs.model import Failure, FileKind, Job, JobFamily, Output, Progress, Task
from darkroom.jobs.naming import file_name_of, shown_key, shown_type
from darkroom.jobs.states import CancelOutcome, JobStatus
from darkroom.kernel.clock import to_iso
from darkroom.kernel.command import Command
from darkroom.kernel.errors import NotFound, PaymentRequired
from darkroom.kernel.limits import FILES_SHOWN_LIMIT, POLL_AFTER_MS
from darkroom.recipes import REGISTRY
from darkroom.usecases.jobs.list_actions import Action, ActionName, list_actions
from darkroom.usecases.jobs.price_drafts import price_of_draft
from darkroom.views.base import Omittable, ResponseBody
from darkroom.views.links import expiry, picture_link

TargetName = Literal["story_clip", "trailer_scene", "rewrite_only", "image"]


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
    thumbnail_url: Omittable[
        Annotated[
            str,
            Field(
                description="A small JPEG of a picture: at most 512 pixels wide and high, and "
                "60 KB. Outputs of earlier versions have none.",
                examples=[
                    "https://media.example/outputs/0f3a/job_01/img_01-1.thumbnail.jpg?X-Amz-…"
                ],
            ),
        ]
    ] = None
    poster_url: Omittable[
        Annotated[
            str,
            Field(
                description="A small JPEG of one frame of a clip or film, like `thumbnailUrl`.",
                examples=["https://media.example/outputs/0f3a/job_01/film-1.thumbnail.jpg?X-Amz-…"],
            ),
        ]
    ] = None
    jpeg_url: Omittable[
        Annotated[
            str,
            Field(
                description="The same picture as a JPEG of the same size, for keyframes, which are "
                "PNG.",
                examples=["https://media.example/outputs/0f3a/job_01/kf_1-1.copy.jpg?X-Amz-…"],
            ),
        ]
    ] = None
    download_url: str
    expires_at: Annotated[
        str,
        Field(
            description="When the links of this output end, at least 15 minutes from now. Until "
            "15 minutes before, they are the same in every response.",
            examples=["2026-01-05T09:15:00.000Z"],
        ),
    ]


class OutputDetail(OutputFile):
    output_id: str
    inherited_from: Omittable[str] = None


class TimelineEntry(ResponseBody):
    name: str
    at: str


class JobAsset(ResponseBody):
    """A file that the job is made from. Its name is that of the time when the job was drafted or
    queued; in a name of more than 100 characters, `…` replaces the middle."""

    asset_id: Annotated[
        str, Field(description="The file.", examples=["ast_01KE6XQ0W00000000000000000"])
    ]
    filename: Annotated[str, Field(description="Its name.", examples=["us.jpg"])]
    kind: Annotated[FileKind, Field(description="What it is.", examples=["image"])]


class JobAction(ResponseBody):
    """Something that can be done with the job now, whatever the balance is.

    `target`, `clipNo` and `key` are the body of `regenerate`.
    """

    action: Annotated[
        ActionName,
        Field(
            description="`confirm`: POST /api/jobs/confirm with the draft. `delete`: DELETE "
            "/api/jobs/{jobId}. `share`, `cancel`, `retry`, `regenerate`, `rerun`: POST "
            "/api/jobs/{jobId}/… of this name. `download`: GET /api/jobs/{jobId}/download.",
            examples=["regenerate"],
        ),
    ]
    target: Omittable[
        Annotated[
            TargetName,
            Field(description="What is made again.", examples=["story_clip"]),
        ]
    ] = None
    clip_no: Omittable[
        Annotated[int, Field(description="The clip or scene, from 1.", examples=[2])]
    ] = None
    key: Omittable[Annotated[str, Field(description="The image.", examples=["img_01"])]] = None
    credits: Annotated[
        int, Field(description="What it costs at today's prices, in credits.", examples=[1])
    ]


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
    assets: Omittable[
        Annotated[
            list[JobAsset],
            Field(
                description="The first files that the job is made from, in the order of its "
                "inputs. Jobs of earlier versions have none.",
                max_length=FILES_SHOWN_LIMIT,
            ),
        ]
    ] = None
    asset_count: Omittable[
        Annotated[int, Field(description="How many files it is made from.", examples=[1])]
    ] = None
    cover: Omittable[
        Annotated[
            str,
            Field(
                description="A link to a small picture of the job: of its best output, or else of "
                "its first file. If that file was deleted, the link leads nowhere. Responses that "
                "create jobs leave it out.",
                examples=["https://media.example/outputs/0f3a/job_01/film-1.thumbnail.jpg?X-Amz-…"],
            ),
        ]
    ] = None
    cover_expires_at: Omittable[
        Annotated[
            str,
            Field(description="When `cover` ends.", examples=["2026-01-05T09:15:00.000Z"]),
        ]
    ] = None
    price: Omittable[
        Annotated[
            int,
            Field(
                description="Of a draft: what it would cost now, in credits. It is no promise: a "
                "quote is. Missing while the length of an unchecked file decides it.",
                examples=[2],
            ),
        ]
    ] = None
    credits_reserved: int
    receipt: JobReceipt
    progress: JobProgress
    created_at: str
    started_at: Omittable[str] = None
    finished_at: Omittable[str] = None
    poll_after_ms: Omittable[int] = None


class JobResponse(JobSummary):
    actions: Annotated[
        list[JobAction],
        Field(description="What can be done with the job now. Lists of jobs leave it out."),
    ]
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


def actions_of(app: App, family: JobFamily, *, language: str) -> tuple[Action, ...]:
    """What the owner can do with the job now."""
    command = Command(
        account_id=family.job.account_id, route="", language=language, key=None, operation=""
    )
    return list_actions(app, command, family)


def etag(app: App, family: JobFamily, actions: Sequence[Action], *, language: str) -> str:
    """Changes whenever the response does; two hashes, the first of which is ``state_of``.

    It changes with the time window of the links, and not with their texts, which depend on the
    execution environment: the links that a client has live on after a 304 from another one.
    """
    shown = [language, *map(repr, actions)]
    if family.outputs or family.job.cover_key:
        shown.append(to_iso(link_end(app.clock.now())))
    return f'"{state_of(family)}.{_hash(shown)}"'


def state_of(family: JobFamily) -> str:
    """Changes whenever the job does: the part of its ETag that ``If-Match`` compares."""
    tasks = (f"{task.key}:{task.status}:{task.attempts}" for task in family.tasks)
    return _hash([str(family.job.version), *tasks])


def _hash(parts: Sequence[str]) -> str:
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:24]


def job_detail(
    app: App, family: JobFamily, actions: Sequence[Action], *, language: str, inline: bool = False
) -> JobResponse:
    """The job with everything that is shown of it; ``inline`` links show an output."""
    job = family.job
    return JobResponse(
        **dict(changed_job(app, job, actions, language=language)),
        actions=[_action(each) for each in actions],
        tasks=[_task(task, language) for task in family.tasks],
        outputs=[output_detail(app, job, output, inline=inline) for output in family.outputs],
        timeline=_timeline(job),
    )


def changed_job(app: App, job: Job, actions: Sequence[Action], *, language: str) -> JobSummary:
    """The job as a response that is not stored shows it, with its cover."""
    confirm = next((each.credits for each in actions if each.name == "confirm"), None)
    price = price_of_draft(job) if confirm is None else confirm
    return job_summary(job, language=language, price=price, cover=cover_link(app, job))


def _action(action: Action) -> JobAction:
    target = action.target
    return JobAction(
        action=action.name,
        target=cast(TargetName, target.name) if target else None,
        clip_no=target.clip_no if target else None,
        key=target.key if target else None,
        credits=action.credits,
    )


def cover_link(app: App, job: Job) -> Link | None:
    return picture_link(app, job.cover_key, stem="cover") if job.cover_key else None


def job_summary(
    job: Job, *, language: str, price: int | None = None, cover: Link | None = None
) -> JobSummary:
    """The job as lists show it, without ``cover`` where the response is stored for repeats: links
    end earlier than that."""
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
        assets=_assets(job),
        asset_count=job.files.count if job.files else None,
        cover=cover.url if cover else None,
        cover_expires_at=expiry(cover),
        price=price,
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
    summary = job_summary(job, language=language, price=price_of_draft(job))
    return CreatedJob(**dict(summary), code=lacking.error_code if lacking else None)


def _assets(job: Job) -> list[JobAsset] | None:
    if job.files is None:
        return None
    return [
        JobAsset(asset_id=file.asset_id, filename=file.filename, kind=file.kind)
        for file in job.files.shown
    ]


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


def output_detail(app: App, job: Job, output: Output, *, inline: bool = False) -> OutputDetail:
    return OutputDetail(
        **dict(output_file(app, job, output, inline=inline)),
        output_id=output.output_id,
        inherited_from=output.inherited_from,
    )


def output_file(app: App, job: Job, output: Output, *, inline: bool = False) -> OutputFile:
    """An output without ids, from which the job could be found."""
    name = file_name_of(job, output)
    link = app.storage.download_link(
        output.storage_key, file_name=name, mime_type=output.mime_type, inline=inline
    )
    stem = PurePosixPath(name).stem
    small = output.thumbnail_key and picture_link(app, output.thumbnail_key, stem=stem).url
    is_video = output.mime_type.startswith("video/")
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
        thumbnail_url=None if is_video else small,
        poster_url=small if is_video else None,
        jpeg_url=output.jpeg_key and _jpeg_link(app, output.jpeg_key, stem=stem, inline=inline),
        download_url=link.url,
        expires_at=to_iso(link.expires_at),
    )


def _jpeg_link(app: App, key: str, *, stem: str, inline: bool) -> str:
    return app.storage.download_link(
        key, file_name=f"{stem}.jpg", mime_type="image/jpeg", inline=inline
    ).url


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
