"""Pictures from a prompt alone: a route of its own for jobs of the recipe ``images``."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from darkroom.api.auth import CurrentApp, CurrentCaller
from darkroom.api.idempotency import read_command, respond_once
from darkroom.api.openapi.declare import CHARGED, KEY_REQUIRED, declare
from darkroom.api.schemas.jobs import GenerateImageRequest
from darkroom.recipes.images import IMAGES
from darkroom.usecases.jobs.confirm_job import create_jobs
from darkroom.views.jobs import JobsResponse, created_jobs

router = APIRouter(tags=["Assets"])


@router.post(
    "/api/assets/generate-image",
    operation_id="generateImages",
    summary="Make pictures from a prompt",
    status_code=201,
    response_model=JobsResponse,
    openapi_extra=declare(*CHARGED, "CONTENT_REJECTED", key=KEY_REQUIRED),
)
async def generate_image(
    body: GenerateImageRequest, request: Request, app: CurrentApp, caller: CurrentCaller
) -> Response:
    """Queue a job that makes pictures from the prompt; each becomes an asset as soon as it is made.

    The response is that of ``POST /api/jobs`` with ``status: "queued"``.
    """
    command, raw = await read_command(request, app, caller, key_required=True)

    def action() -> JobsResponse:
        made = create_jobs(
            app,
            command,
            recipe_name=IMAGES.name,
            inputs=body.model_dump(by_alias=True, exclude_none=True),
            device_id="",
            priority=0,
            queued=True,
        )
        return created_jobs(made, language=command.language)

    return respond_once(app, command, raw, status=201, action=action)
