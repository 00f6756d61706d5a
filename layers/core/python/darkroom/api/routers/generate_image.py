"""Pictures from words alone: a job of the recipe ``images`` under a name of its own."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from fastapi import Request as HttpRequest
from fastapi.responses import JSONResponse
from pydantic import Field, StringConstraints

from darkroom.api.auth import CurrentApp, CurrentCaller
from darkroom.api.idempotency import answer_once, read_command
from darkroom.api.openapi.responses import responses
from darkroom.api.routers.jobs import created_jobs
from darkroom.api.schemas import Identifier, JobsAnswer, Request
from darkroom.kernel.limits import IMAGES_PER_JOB_LIMIT, PROMPT_LIMIT_CHARS
from darkroom.recipes.images import IMAGES, AspectRatio
from darkroom.usecases.jobs.confirm_job import create_jobs

router = APIRouter(tags=["assets"])


class GenerateImageRequest(Request):
    """``style`` is one of those that ``GET /api/recipes`` lists; ``aspectRatio`` is 1:1 unless it
    is sent. The same ``seed`` gives the same pictures."""

    prompt: Annotated[str, StringConstraints(min_length=1, max_length=PROMPT_LIMIT_CHARS)]
    count: Annotated[int, Field(ge=1, le=IMAGES_PER_JOB_LIMIT)]
    style: Identifier | None = None
    aspect_ratio: AspectRatio | None = None
    seed: Annotated[int, Field(ge=0, lt=2**32)] | None = None


@router.post(
    "/api/assets/generate-image",
    status_code=201,
    responses=responses(JobsAnswer, 201, 400, 401, 402, 409, 422),
)
async def generate_image(
    body: GenerateImageRequest, request: HttpRequest, app: CurrentApp, caller: CurrentCaller
) -> JSONResponse:
    """Queue a job that makes pictures of the text; each becomes an asset as soon as it is made.

    The answer is that of ``POST /api/jobs`` with ``status: "queued"``.
    """
    call, raw = await read_command(request, app, caller, key_required=True)

    def action() -> dict[str, Any]:
        made = create_jobs(
            app,
            call,
            recipe_name=IMAGES.name,
            inputs=body.model_dump(by_alias=True, exclude_none=True),
            device_id="",
            priority=0,
            queued=True,
        )
        return created_jobs(made, language=call.language)

    return answer_once(app, call, raw, status=201, action=action)
