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
from darkroom.kernel.limits import IMAGES_PER_JOB_LIMIT, PRIORITY_LIMIT, PROMPT_LIMIT_CHARS
from darkroom.recipes.images import AspectRatio
from darkroom.views.base import ResponseBody

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


class RegenerateRequest(RequestBody):
    target: Identifier
    clip_no: int | None = None
    key: Identifier | None = None


class RegenerateResponse(ResponseBody):
    """The child job; ``retryJobId`` is an older name of ``jobId``."""

    job_id: Annotated[
        str,
        Field(
            description="The new job, which makes the outputs.",
            examples=["job_01KE6XQ0W0000000000000000"],
        ),
    ]
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
