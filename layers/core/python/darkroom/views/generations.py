"""The history of an account's tasks, including failed ones."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from darkroom.adapters.storage import SignedLink
from darkroom.bootstrap.composition import App
from darkroom.credits import model
from darkroom.jobs.items import list_key
from darkroom.jobs.lists import pages as listing
from darkroom.jobs.lists.pages import Filters
from darkroom.jobs.lists.store import list_tasks
from darkroom.jobs.model import Job, Task
from darkroom.kernel.clock import to_iso
from darkroom.kernel.errors import Conflict
from darkroom.kernel.ids import MAX_OUTPUTS_PER_JOB, output_id
from darkroom.kernel.limits import GENERATION_JOBS_LIMIT, MAX_OUTPUTS_PER_TASK
from darkroom.usecases.accounts.open_account import ensure_wallet
from darkroom.views.base import (
    Credits,
    JobId,
    Link,
    LinksEnd,
    NextCursor,
    Omittable,
    OutputId,
    PictureLink,
    ResponseBody,
    Timestamp,
    described,
)
from darkroom.views.jobs import FailureDetail, failure_detail, output_file
from darkroom.views.links import expiry
from darkroom.views.words import StyleName, TaskState

Position = tuple[str, str, int]
"""The key of the last job of which all tasks are listed; the id of the next job, of which only some
are, and the number of its last listed task."""
START: Position = ("", "", 0)
_CLEAN = "clean/"
_ANY_NUMBER = MAX_OUTPUTS_PER_JOB + 1


class Generation(ResponseBody):
    """A task, with its result."""

    generation_id: OutputId = described("Id of the output that the task made, or would have made.")
    job_id: JobId
    key: str = described("Name of the task within its job.", "img_01")
    status: TaskState
    style: Omittable[StyleName] = None
    original_url: Omittable[Link] = Field(
        default=None, description="Signed link to the first photo that it was made from."
    )
    url: Omittable[Link] = Field(default=None, description="Signed link to the file that it made.")
    thumbnail_url: Omittable[PictureLink] = Field(
        default=None,
        description="Signed link to a small JPEG of what it made: of a picture, or of one frame "
        "of a clip or film.",
    )
    expires_at: Omittable[LinksEnd] = None
    selected: bool = described("Whether the owner picked this output of the job.")
    credits_used: Credits = described(
        "What it cost, in credits: all tasks of a job add up to `used` of its receipt.", 1
    )
    error: Omittable[FailureDetail] = Field(default=None, description="Why it failed.")
    created_at: Timestamp = described("When its job was queued.")


class GenerationPage(ResponseBody):
    """A page of the history of tasks."""

    items: list[Generation] = described("The tasks: newest job first, last task of a job first.")
    next_cursor: NextCursor
    remaining_credits: Credits = described("What the account can spend now, in credits.", 42)


def list_generations(
    app: App, account_id: str, *, limit: int, after: Position | None, language: str
) -> tuple[list[Generation], Position | None]:
    """Tasks, by newest job and then by highest number, and where the next page starts.

    Reads at most ``GENERATION_JOBS_LIMIT`` jobs, so after many drafts a page may be short although
    more tasks follow.
    """
    items: list[Generation] = []
    whole, partial_id, number = after or START
    jobs_read = 0
    while jobs_read < GENERATION_JOBS_LIMIT:
        page = listing.read_page(account_id, Filters(), limit=limit, after=(0, whole))
        for job in page.jobs:
            tasks = _begun(job)
            below = number if job.job_id == partial_id else _ANY_NUMBER
            for task in reversed(tasks):
                if task.number >= below:
                    continue
                if len(items) == limit:
                    return items, (whole, partial_id, number)
                items.append(_generation(app, job, tasks=tasks, task=task, language=language))
                partial_id, number = job.job_id, task.number
            whole = list_key(job)
        jobs_read += len(page.jobs)
        if page.position is None:
            return items, None
    return items, (whole, partial_id, number)


def _begun(job: Job) -> Sequence[Task]:
    """The job's tasks; a draft has none, which needs no read."""
    return list_tasks(job.job_id) if job.planned else ()


def remaining_credits(app: App, account_id: str) -> int:
    """What the account can spend: nothing with a damaged wallet, whose history is shown anyway."""
    try:
        return model.spendable(ensure_wallet(app, account_id), app.clock.now()).balance
    except Conflict:
        return 0


def _generation(
    app: App, job: Job, *, tasks: Sequence[Task], task: Task, language: str
) -> Generation:
    made = task.outputs[0] if task.outputs else None
    shown = output_file(app, job, made) if made else None
    original = _original(app, tasks, task)
    return Generation(
        generation_id=made.output_id if made else first_output_id(task),
        job_id=job.job_id,
        key=task.key,
        status=task.status.value,
        style=(made.style if made else None) or _planned_style(task),
        original_url=original.url if original else None,
        url=shown.download_url if shown else None,
        thumbnail_url=(shown.thumbnail_url or shown.poster_url) if shown else None,
        expires_at=shown.expires_at if shown else expiry(original),
        selected=job.selected_output in {output.output_id for output in task.outputs},
        credits_used=credits_by_key(job, tasks).get(task.key, 0),
        error=failure_detail(task.failure, language) if task.failure else None,
        created_at=to_iso(job.queued_at or job.created_at),
    )


def _planned_style(task: Task) -> str | None:
    style = task.params.get("style")
    return style if isinstance(style, str) else None


def first_output_id(task: Task) -> str:
    """The id that the task's first output has, or would have."""
    return output_id(task.job_id, (task.number - 1) * MAX_OUTPUTS_PER_TASK + 1)


def credits_by_key(job: Job, tasks: Sequence[Task]) -> dict[str, int]:
    """Credits used by task key.

    The used credits of each part of the price are spread over its promised outputs that exist, so
    that all tasks add up to the receipt."""
    spent = {task.key: 0 for task in tasks}
    if job.receipt is None:
        return spent
    for part, used in zip(job.price, job.receipt.parts, strict=True):
        made = [task.key for task in tasks if task.outputs and task.key in part.promised]
        for place, key in enumerate(made):
            spent[key] += used * (place + 1) // len(made) - used * place // len(made)
    return spent


def _original(app: App, tasks: Sequence[Task], task: Task) -> SignedLink | None:
    """A short-lived link to the first source photo of the task, or else of its job."""
    sources = [*task.sources, *(source for other in tasks for source in other.sources)]
    photo = next((source for source in sources if source.storage_key.startswith(_CLEAN)), None)
    if photo is None:
        return None
    suffix = photo.storage_key.rpartition(".")[2]
    return app.storage.download_link(
        photo.storage_key, file_name=f"original.{suffix}", mime_type=photo.mime_type
    )
