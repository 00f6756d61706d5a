"""An account's jobs, as the API shows them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import PurePosixPath
from typing import Annotated, Any, get_args

from pydantic import Field

from darkroom.adapters.storage import SignedLink, link_end
from darkroom.bootstrap.composition import App
from darkroom.jobs import store
from darkroom.jobs.failures import failure_sentence
from darkroom.jobs.model import Failure, FileKind, Job, JobFamily, Output, Progress, Task
from darkroom.jobs.naming import file_name_of, shown_key, shown_type
from darkroom.jobs.states import JobStatus
from darkroom.kernel.clock import to_iso
from darkroom.kernel.command import Command
from darkroom.kernel.errors import DarkroomError, NotFound
from darkroom.kernel.limits import FILES_SHOWN_LIMIT, POLL_AFTER_MS
from darkroom.recipes import REGISTRY
from darkroom.usecases.jobs.find_file_names import file_ids
from darkroom.usecases.jobs.list_actions import Action, ActionName, list_actions
from darkroom.usecases.jobs.price_drafts import price_of_draft
from darkroom.views.base import (
    AssetId,
    Count,
    Credits,
    DurationMs,
    JobId,
    Link,
    LinksEnd,
    MimeType,
    NextCursor,
    Omittable,
    OutputId,
    PictureLink,
    Pixels,
    ResponseBody,
    SizeBytes,
    Timestamp,
    Words,
    described,
)
from darkroom.views.links import expiry, picture_link
from darkroom.views.words import (
    TIMELINE,
    CancelOutcomeName,
    FailureCode,
    JobState,
    Mode,
    OutputType,
    ReceiptNote,
    RecipeName,
    ShortfallCode,
    StyleName,
    TargetName,
    TaskKind,
    TaskState,
    TimelineName,
)


class ReceiptPart(ResponseBody):
    """A part of the price; it pays for outputs of its own."""

    name: str = described(
        "What it pays for: `base`, `rewrite`, `translate_ko` …, or the key of a picture.",
        "base",
    )
    credits: Credits = described("Price of the part, in credits.")
    used: Credits = described("What of it was charged, in credits.")
    refunded: Credits = described("What of it was returned, in credits.", 0)


class JobReceipt(ResponseBody):
    """``used`` and ``refunded`` are 0 while the job runs; afterwards reserved = used + refunded."""

    reserved: Credits = described("Price of the job, held while it runs, in credits.")
    used: Credits = described("What was charged for outputs that exist, in credits.")
    refunded: Credits = described("What was returned, in credits.", 0)
    parts: list[ReceiptPart] = described("The parts of the price; they add up to it.")
    reason: Omittable[FailureCode] = Field(
        default=None,
        description="Why the job did not make everything; it never changes.",
        examples=["PROVIDER_TIMEOUT"],
    )
    message: Omittable[str] = Field(
        default=None,
        description="A sentence for users about `reason`, in the language of `Accept-Language`.",
        examples=["This took too long and was stopped. Please try again."],
    )
    note: Omittable[ReceiptNote] = Field(
        default=None,
        description="`NO_SPEECH`: the job succeeded, but there is no speech, so its captions are "
        "empty.",
    )


class JobProgress(ResponseBody):
    """How far the job is, by its tasks."""

    completed: Count = described("Tasks that succeeded.", 4)
    failed: Count = described("Tasks that failed or were skipped.", 0)
    total: Count = described("All tasks; 0 until the job is planned.", 7)
    percent: Count = Field(
        description="Ended tasks of all tasks, in percent.",
        examples=[57],
        json_schema_extra={"minimum": 0, "maximum": 100},
    )


class FailureDetail(ResponseBody):
    """Why something could not be made."""

    message: str = described(
        "A sentence for users, in the language of `Accept-Language`.",
        "This took too long and was stopped. Please try again.",
    )
    code: FailureCode


class TaskDetail(ResponseBody):
    """One step of a job."""

    key: str = described(
        "Name of the task within its job; regenerations and outputs use it.", "clip_2"
    )
    kind: TaskKind
    status: TaskState
    attempts: Count = described("Attempts begun.", 1)
    provider: Omittable[str] = Field(
        default=None, description="The provider that makes it.", examples=["local"]
    )
    error: Omittable[FailureDetail] = Field(
        default=None, description="Why the last attempt failed; it may be tried again."
    )
    started_at: Omittable[Timestamp] = Field(
        default=None, description="When the first attempt began."
    )
    finished_at: Omittable[Timestamp] = Field(default=None, description="When the task ended.")


class OutputFacts(ResponseBody):
    """What an output is, wherever it is shown."""

    key: str = described("Name of the output within its job: that of its task.", "clip_2")
    type: OutputType
    mime_type: MimeType = described("Media type of the file.", "video/mp4")
    size_bytes: SizeBytes
    width: Omittable[Pixels] = Field(
        default=None, description="Width in pixels, of pictures and films."
    )
    height: Omittable[Pixels] = Field(
        default=None, description="Height in pixels, of pictures and films.", examples=[1920]
    )
    duration_ms: Omittable[DurationMs] = Field(
        default=None, description="Duration in milliseconds, of films and sound.", examples=[3000]
    )
    style: Omittable[StyleName] = None
    role: Omittable[str] = Field(
        default=None, description="Role of the person, of portraits.", examples=["bride"]
    )
    language: Omittable[str] = Field(
        default=None, description="Language of the text, of captions.", examples=["ko"]
    )


class OutputFile(OutputFacts):
    """The part of an output that its owner and the visitors of a public link both see."""

    selected: bool = described("Whether the owner picked this output of the job.")
    thumbnail_url: Omittable[PictureLink] = Field(
        default=None,
        description="Signed link to a small JPEG of a picture, at most 512 pixels wide and high "
        "and 60 KB. Outputs of earlier versions have none.",
    )
    poster_url: Omittable[PictureLink] = Field(
        default=None,
        description="Signed link to a small JPEG of one frame of a clip or film, of the size of "
        "`thumbnailUrl`.",
    )
    jpeg_url: Omittable[Link] = Field(
        default=None,
        description="Signed link to the same picture as a JPEG of the same size, for keyframes, "
        "which are PNG.",
    )
    download_url: Link
    expires_at: LinksEnd


class OutputDetail(OutputFile):
    """An output, as its owner sees it."""

    output_id: OutputId
    inherited_from: Omittable[JobId] = Field(
        default=None, description="The job that made it, if another one did."
    )


class TimelineEntry(ResponseBody):
    """A step in the life of a job."""

    name: TimelineName
    at: Timestamp = described("When it happened.")


class JobAsset(ResponseBody):
    """A file that the job is made from."""

    asset_id: AssetId
    filename: str = described(
        "Its name when the job was drafted or queued; in a name of more than 100 characters, `…` "
        "replaces the middle.",
        "us.jpg",
    )
    kind: Annotated[
        str,
        Words("FileKind", lambda: get_args(FileKind)),
        described("What the file is.", "image"),
    ]


class JobAction(ResponseBody):
    """Something that can be done with the job now, whatever the balance is."""

    action: Annotated[
        str,
        Words("JobActionName", lambda: get_args(ActionName)),
        described(
            "The request: `confirm` is `POST /api/jobs/confirm` with the draft, `delete` is "
            "`DELETE /api/jobs/{jobId}`, `download` is `GET /api/jobs/{jobId}/download`; the "
            "others are `POST /api/jobs/{jobId}/…` of this name. A job from which others were "
            "made is not listed with `delete`: it needs `cascade`.",
            "regenerate",
        ),
    ]
    target: Omittable[TargetName] = Field(
        default=None, description="`target` in the body of `regenerate`.", examples=["story_clip"]
    )
    clip_no: Omittable[Count] = Field(
        default=None, description="`clipNo` in the body of `regenerate`.", examples=[2]
    )
    key: Omittable[str] = Field(
        default=None, description="`key` in the body of `regenerate`.", examples=["img_01"]
    )
    credits: Credits = described("What it costs at today's prices, in credits.", 1)


class JobSummary(ResponseBody):
    """A job without its actions, tasks, outputs and timeline.

    Of a damaged job, what cannot be read is empty: its `recipe` or `inputs`, for example.
    """

    job_id: JobId
    recipe: RecipeName
    mode: Omittable[Mode] = Field(
        default=None, description="The same as `recipe`, of recipes that make films."
    )
    status: JobState
    inputs: dict[str, Any] = described("What the job is made from.")
    template_id: Omittable[str] = Field(
        default=None,
        description="Template of the film, as in `GET /api/templates`.",
        examples=["story-spark-romance-1"],
    )
    parent_job_id: Omittable[JobId] = Field(
        default=None,
        description="The job that this one retries, or of which it makes a part again.",
    )
    regen_target: Omittable[TargetName] = Field(
        default=None, description="What it makes again.", examples=["story_clip"]
    )
    regen_clip_no: Omittable[Count] = Field(
        default=None,
        description="Number of the clip or scene it makes again, from 1.",
        examples=[2],
    )
    priority: Omittable[int] = Field(
        default=None,
        description="Place in the account's queue, 0 to 9: the larger, the sooner. Left out if 0.",
        examples=[5],
    )
    assets: Omittable[list[JobAsset]] = Field(
        default=None,
        description="The first files that the job is made from, in the order of its inputs. Jobs "
        "of earlier versions have none.",
        json_schema_extra={"maxItems": FILES_SHOWN_LIMIT},
    )
    asset_count: Omittable[Count] = Field(
        default=None, description="Number of files that the job is made from.", examples=[1]
    )
    cover: Omittable[PictureLink] = Field(
        default=None,
        description="Signed link to a small picture of the job: of its best output, or else of its "
        "first file. If that file was deleted, the link leads nowhere. Responses that create jobs "
        "leave it out.",
    )
    cover_expires_at: Omittable[LinksEnd] = Field(default=None, description="When `cover` ends.")
    price: Omittable[Credits] = Field(
        default=None,
        description="Of a draft: what it would cost now, in credits. It is no promise; a quote is. "
        "Left out while the length of an unchecked file decides it.",
        examples=[2],
    )
    credits_reserved: Credits = described("Price of the job, in credits; 0 for a draft.")
    receipt: JobReceipt = described("What the job costs, part by part.")
    progress: JobProgress = described("How far the job is.")
    created_at: Timestamp = described("When the job, or its draft, was created.")
    started_at: Omittable[Timestamp] = Field(default=None, description="When its first task began.")
    finished_at: Omittable[Timestamp] = Field(default=None, description="When the job ended.")
    poll_after_ms: Omittable[DurationMs] = Field(
        default=None,
        description="When to read the job again, in milliseconds from now; left out if it will "
        "not change by itself.",
        examples=[POLL_AFTER_MS],
    )


class JobResponse(JobSummary):
    """A job with everything about it."""

    actions: list[JobAction] = described("What can be done with the job now.")
    tasks: list[TaskDetail] = described("Its tasks, in the order of the plan.")
    outputs: list[OutputDetail] = described("Its files: its own, then inherited ones.")
    timeline: list[TimelineEntry] = described("What has happened so far, in order.")


class CreatedJob(JobSummary):
    """A job that was just created."""

    code: Omittable[ShortfallCode] = Field(
        default=None, description="Why a job that should be queued stayed a draft."
    )


class JobsResponse(ResponseBody):
    """The created jobs."""

    jobs: list[CreatedJob] = described("One job, or one for each file of captions.")


class CancelResponse(ResponseBody):
    """What canceling did."""

    outcome: CancelOutcomeName
    receipt: JobReceipt = described(
        "What the job costs; final unless `outcome` is `requested`, when running tasks still end."
    )


class JobPage(ResponseBody):
    """A page of jobs."""

    items: list[JobSummary] = described("The jobs, in the requested order.")
    next_cursor: NextCursor


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
        target=target.name if target else None,
        clip_no=target.clip_no if target else None,
        key=target.key if target else None,
        credits=action.credits,
    )


def cover_link(app: App, job: Job) -> SignedLink | None:
    return picture_link(app, job.cover_key, stem="cover") if job.cover_key else None


def job_summary(
    job: Job, *, language: str, price: int | None = None, cover: SignedLink | None = None
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
    made: Sequence[tuple[Job, DarkroomError | None]], *, language: str
) -> JobsResponse:
    """The created jobs; one that could not be queued has a ``code``."""
    return JobsResponse(jobs=[_created(job, lacking, language) for job, lacking in made])


def _created(job: Job, lacking: DarkroomError | None, language: str) -> CreatedJob:
    summary = job_summary(job, language=language, price=price_of_draft(job))
    return CreatedJob(**dict(summary), code=lacking.error_code if lacking else None)


def _assets(job: Job) -> list[JobAsset] | None:
    if job.files is None:
        return None
    named = dict(enumerate(file_ids(job)))
    # Without inputs that could be read, some ids are not known any more.
    return [
        JobAsset(asset_id=asset_id, filename=file.filename, kind=file.kind)
        for place, file in enumerate(job.files.shown)
        if (asset_id := file.asset_id or named.get(place))
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
    moments = (job.created_at, job.queued_at, job.started_at, job.finished_at)
    return [
        TimelineEntry(name=name, at=to_iso(at))
        for name, at in zip(TIMELINE, moments, strict=True)
        if at is not None
    ]


def _iso(moment: datetime | None) -> str | None:
    return to_iso(moment) if moment else None
