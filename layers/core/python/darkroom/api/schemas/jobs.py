"""Bodies about jobs, their tasks and outputs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
)
from pydantic.alias_generators import to_camel

from darkroom.api.schemas.base import DeviceId, Identifier, RequestBody
from darkroom.api.schemas.outputs import OutputFile
from darkroom.kernel.limits import IMAGES_PER_JOB_LIMIT, PRIORITY_LIMIT, PROMPT_LIMIT_CHARS
from darkroom.recipes.images import AspectRatio
from darkroom.views.base import Omittable, ResponseBody

Priority = Annotated[int, Field(ge=0, le=PRIORITY_LIMIT)]
QuoteId = Annotated[str, StringConstraints(min_length=1, max_length=20_000)]


class ConfirmRequest(RequestBody):
    """Without ``draftJobId`` the inputs of the recipe are required; with it, they override those of
    the draft. ``recipe`` is another name for ``mode``."""

    draft_job_id: Identifier | None = None
    mode: str | None = None
    recipe: str | None = None
    stage: str | None = None
    genre: str | None = None
    sliders: dict[str, Any] | None = None
    rewrite_enabled: bool | None = None
    rewrite: dict[str, Any] | None = None
    photo_asset_ids: list[str] | None = None
    seed: int | None = None
    device_id: DeviceId | None = None
    priority: Priority | None = None
    quote_id: QuoteId | None = None
    test_faults: dict[str, Any] | None = None


class ConfirmResponse(ResponseBody):
    job_id: str
    status: Literal["queued"]
    template_id: str | None
    credits_reserved: int
    balance: int


class QuoteRequest(RequestBody):
    """Either a draft, or a recipe with its inputs."""

    draft_job_id: Identifier | None = None
    recipe: Identifier | None = None
    inputs: dict[str, Any] | None = None
    device_id: DeviceId | None = None


class QuotePart(ResponseBody):
    name: str
    credits: int


class QuoteResponse(ResponseBody):
    quote_id: str
    expires_at: str
    credits: int
    breakdown: list[QuotePart]
    balance: int
    debt: int
    sufficient: bool


class RetryRequest(RequestBody):
    """``keepOptions: true`` makes the missing outputs with the same options; ``options`` changes
    them."""

    keep_options: bool = True
    options: dict[str, Any] | None = None


class RerunResponse(ConfirmResponse):
    pass


class RegenerateRequest(RequestBody):
    target: Identifier
    clip_no: int | None = None
    key: Identifier | None = None


class RegenerateResponse(ResponseBody):
    retry_job_id: str
    credits_reserved: int
    balance: int


class CreateJobsRequest(RequestBody):
    recipe: Identifier
    inputs: dict[str, Any]
    status: Literal["draft", "queued"]
    device_id: DeviceId | None = None
    priority: Priority = 0
    quote_id: QuoteId | None = None


class PatchJobRequest(BaseModel):
    """``inputs`` is a merge patch; its fields may also be sent at the top level."""

    model_config = ConfigDict(
        extra="allow", strict=True, alias_generator=to_camel, validate_by_name=False
    )

    inputs: dict[str, Any] | None = None
    device_id: DeviceId | None = None
    priority: Priority | None = None


class ReceiptPart(ResponseBody):
    name: str
    credits: int
    used: int
    refunded: int


class Receipt(ResponseBody):
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


class Progress(ResponseBody):
    completed: int
    failed: int
    total: int
    percent: int


class Failure(ResponseBody):
    message: str
    code: str


class Task(ResponseBody):
    key: str
    kind: str
    status: str
    attempts: int
    provider: Omittable[str] = None
    error: Omittable[Failure] = None
    started_at: Omittable[str] = None
    finished_at: Omittable[str] = None


class Output(OutputFile):
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
    receipt: Receipt
    progress: Progress
    created_at: str
    started_at: Omittable[str] = None
    finished_at: Omittable[str] = None
    poll_after_ms: Omittable[int] = None


class JobResponse(JobSummary):
    tasks: list[Task]
    outputs: list[Output]
    timeline: list[TimelineEntry]


class CreatedJob(JobSummary):
    """``code`` says why a job that should be queued stayed a draft."""

    code: Omittable[str] = None


class JobsResponse(ResponseBody):
    jobs: list[CreatedJob]


class CancelResponse(ResponseBody):
    outcome: Literal["canceled", "requested", "already_final"]
    receipt: Receipt


class StreamTicketResponse(ResponseBody):
    ticket: str
    expires_at: str


class DownloadResponse(ResponseBody):
    """``expiresAt`` applies to the link; the archive exists as long as the job."""

    download_url: str
    expires_at: str


class BuildingResponse(ResponseBody):
    """Repeat the request after ``Retry-After`` seconds."""

    status: Literal["building"]


class JobPage(ResponseBody):
    items: list[JobSummary]
    next_cursor: str | None


class Generation(ResponseBody):
    """``creditsUsed`` of all tasks of a job add up to ``used`` of its receipt."""

    generation_id: str
    job_id: str
    key: str
    status: str
    style: Omittable[str] = None
    original_url: Omittable[str] = None
    url: Omittable[str] = None
    selected: bool
    credits_used: int
    error: Omittable[Failure] = None
    created_at: str


class GenerationPage(ResponseBody):
    items: list[Generation]
    next_cursor: str | None
    remaining_credits: int


class SelectRequest(RequestBody):
    """``jobId`` names the job that inherited the output; without it, the one that made it."""

    job_id: Identifier | None = None


class GenerateImageRequest(RequestBody):
    """``style`` is one of the styles of ``GET /api/recipes``; ``aspectRatio`` defaults to 1:1. The
    same ``seed`` gives the same pictures."""

    prompt: Annotated[str, StringConstraints(min_length=1, max_length=PROMPT_LIMIT_CHARS)]
    count: Annotated[int, Field(ge=1, le=IMAGES_PER_JOB_LIMIT)]
    style: Identifier | None = None
    aspect_ratio: AspectRatio | None = None
    seed: Annotated[int, Field(ge=0, lt=2**32)] | None = None
