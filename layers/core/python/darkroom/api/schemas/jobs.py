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
from darkroom.recipes.images import PROMPT_MEANING, AspectRatio
from darkroom.recipes.portraits import STYLES
from darkroom.views.base import Credits, JobId, Link, ResponseBody, Timestamp, described
from darkroom.views.words import RECIPES, TARGETS, RecipeName

Priority = Annotated[
    int,
    Field(ge=0, le=PRIORITY_LIMIT),
    described("Place in the account's queue, 0 to 9: the larger, the sooner.", 5),
]
QuoteId = Annotated[
    str,
    StringConstraints(min_length=1, max_length=20_000),
    described(
        "`quoteId` of `POST /api/jobs/quote`: the job then costs what was quoted.",
        "eyJvZiI6IjQyIn0.5d1c",
    ),
]
DraftId = Annotated[Identifier, described("Id of the draft.", "job_01JGTQ4M9R8W3Z5K7N2P6X0A00")]
Balance = Annotated[int, described("What the account can spend afterwards, in credits.", 12)]


class ConfirmRequest(RequestBody):
    """Without ``draftJobId`` the inputs of the recipe are required; with it, they override those of
    the draft."""

    draft_job_id: DraftId | None = Field(default=None, description="The draft to confirm.")
    mode: RecipeName | None = None
    recipe: RecipeName | None = Field(default=None, description="Another name for `mode`.")
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
    """The queued job."""

    job_id: JobId
    status: Literal["queued"] = described("The job is queued.")
    template_id: str | None = described(
        "Template of the film; null for jobs without templates.", "story-spark-romance-1"
    )
    credits_reserved: Credits = described("Price of the job, held from now on, in credits.")
    balance: Balance


class QuoteRequest(RequestBody):
    """Either a draft, or a recipe with its inputs."""

    draft_job_id: DraftId | None = Field(default=None, description="The draft to price.")
    recipe: Annotated[Identifier, RECIPES] | None = None
    inputs: dict[str, Any] | None = None
    device_id: DeviceId | None = None


class QuotePart(ResponseBody):
    """A part of the price."""

    name: str = described(
        "What it pays for: `base`, `rewrite`, `translate_ko` …, or the key of a picture.", "base"
    )
    credits: Credits = described("Its price, in credits.")


class QuoteResponse(ResponseBody):
    """A price that holds for 15 minutes."""

    quote_id: str = described(
        "Send it when confirming: the job then costs exactly `credits`.", "eyJvZiI6IjQyIn0.5d1c"
    )
    expires_at: Timestamp = described("Until when the quote can be used.")
    credits: Credits = described("The whole price, in credits.")
    breakdown: list[QuotePart] = described("The parts of the price of all jobs.")
    balance: Credits = described("What the account can spend now, in credits.", 12)
    debt: Credits = described(
        "What the account owes, in credits: nothing can be queued until it is paid.", 0
    )
    sufficient: bool = described("Whether the balance covers the price.")


class RetryRequest(RequestBody):
    """How the missing outputs are made."""

    keep_options: bool = Field(
        default=True, description="Make them with the same options. False requires `options`."
    )
    options: dict[str, Any] | None = Field(
        default=None,
        description="A merge patch of the options that a retry of this recipe may change.",
    )


class RegenerateRequest(RequestBody):
    """What is made again."""

    target: Annotated[Identifier, TARGETS] = described(
        "Kind of output: `story_clip` and `trailer_scene` need `clipNo`, `image` needs `key`.",
        "story_clip",
    )
    clip_no: int | None = Field(
        default=None, description="Number of the clip or scene, from 1.", examples=[2]
    )
    key: Identifier | None = Field(
        default=None, description="Key of the image.", examples=["img_01"]
    )


class RegenerateResponse(ResponseBody):
    """The queued child job."""

    job_id: JobId = described("Id of the new job, a child of the one in the path.")
    retry_job_id: JobId = described("The same as `jobId`, by its earlier name.")
    credits_reserved: Credits = described("Price of the new job, held from now on, in credits.")
    balance: Balance


class CreateJobsRequest(RequestBody):
    """A recipe with its inputs."""

    recipe: Annotated[Identifier, RECIPES]
    inputs: dict[str, Any]
    status: Literal["draft", "queued"] = described(
        "`draft` holds no credits; `queued` starts at once, and requires an Idempotency-Key."
    )
    device_id: DeviceId | None = None
    priority: Priority = 0
    quote_id: QuoteId | None = None


class PatchJobRequest(BaseModel):
    """``inputs`` is a merge patch; its fields may also be sent at the top level."""

    model_config = ConfigDict(
        extra="allow", strict=True, alias_generator=to_camel, validate_by_name=False
    )

    inputs: dict[str, Any] | None = Field(
        default=None, description="A merge patch (RFC 7396) of the inputs: null removes a field."
    )
    device_id: DeviceId | None = None
    priority: Priority | None = None


class StreamTicketResponse(ResponseBody):
    """Opens `GET /api/jobs/stream` and no other route."""

    ticket: str = described("Sent as `ticket` in the query.", "eyJhY2NvdW50IjoiNDIifQ.5d1c")
    expires_at: Timestamp = described("Until when a stream can be opened: ten minutes from now.")


class DownloadResponse(ResponseBody):
    """A link to a zip of the job's files, which exists as long as the job."""

    download_url: Link = described("Signed link to the zip.")
    expires_at: Timestamp = described("When the link ends; the zip itself does not.")


class BuildingResponse(ResponseBody):
    """Repeat the request after ``Retry-After`` seconds."""

    status: Literal["building"] = described("The zip is being built.")


class SelectRequest(RequestBody):
    """Which job's output is selected."""

    job_id: Identifier | None = Field(
        default=None,
        description="The job that inherited the output; without it, the one that made it.",
        examples=["job_01JGTQ4M9R8W3Z5K7N2P6X0A00"],
    )


class GenerateImageRequest(RequestBody):
    """What the pictures show, and how many are made."""

    prompt: Annotated[str, StringConstraints(min_length=1, max_length=PROMPT_LIMIT_CHARS)] = (
        described(PROMPT_MEANING, "A lighthouse at dusk, seen from the sea")
    )
    count: Annotated[int, Field(ge=1, le=IMAGES_PER_JOB_LIMIT)] = described(
        "Number of pictures, each for the price of one image.", 2
    )
    style: Annotated[Identifier, STYLES] | None = Field(
        default=None, description="Style of the pictures.", examples=["CINEMATIC"]
    )
    aspect_ratio: AspectRatio | None = Field(
        default=None,
        description="Width to height of the pictures; 1:1 without it.",
        examples=["3:4"],
    )
    seed: Annotated[int, Field(ge=0, lt=2**32)] | None = Field(
        default=None, description="The same seed gives the same pictures.", examples=[7]
    )
