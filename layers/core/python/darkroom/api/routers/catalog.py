"""Public reads of the catalog, and health."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from darkroom.api.auth import CurrentApp
from darkroom.api.caching import (
    CACHE_HEADERS,
    UNCHANGED,
    Content,
    catalog_response,
    content_of,
)
from darkroom.api.openapi.declare import declare
from darkroom.api.schemas.catalog import (
    HealthResponse,
    Plan,
    PlanLimitsResponse,
    PlanList,
    PlanPrice,
    RecipeLimits,
    RecipesResponse,
    SliderLimits,
    TemplateGenre,
    TemplateMode,
    TemplatePage,
    TemplateStage,
)
from darkroom.kernel import catalog, limits
from darkroom.kernel.media_types import AUDIO, IMAGE, VIDEO
from darkroom.plans.model import label_of, limits_of, plan_names, prices_of
from darkroom.recipes import REGISTRY, captions, images, portraits, scenes
from darkroom.templates.choice import list_templates
from darkroom.views.labels import Label

router = APIRouter(tags=["Catalog"])
TEMPLATE_FILTERS = 64
"""At most: none or one of three modes, stages and genres."""

_LIMITS = RecipeLimits(
    photos_per_job=limits.PHOTOS_PER_JOB_LIMIT,
    reference_photos_per_job=limits.REFERENCE_PHOTOS_PER_JOB_LIMIT,
    total_images=limits.PORTRAITS_PER_JOB_LIMIT,
    images_per_job=limits.IMAGES_PER_JOB_LIMIT,
    prompt_characters=limits.PROMPT_LIMIT_CHARS,
    files_per_request=limits.CAPTION_FILES_LIMIT,
    target_languages=limits.CAPTION_TARGETS_LIMIT,
    rewrite_characters=limits.REWRITE_LIMIT_CHARS,
    slider=SliderLimits.model_validate({"from": 0, "to": 100, "neutral": scenes.SLIDER_NEUTRAL}),
)


@router.get(
    "/api/plans",
    operation_id="listPlans",
    summary="List plans",
    response_model=PlanList,
    responses=UNCHANGED,
    openapi_extra=declare(takes=["If-None-Match"], sends=CACHE_HEADERS),
)
async def get_plans(request: Request) -> Response:
    """Plans and their limits. Public."""
    plans = PlanList(items=[_plan(name) for name in plan_names()])
    return catalog_response(request, content_of(plans))


@router.get(
    "/api/templates",
    operation_id="listTemplates",
    summary="List templates",
    response_model=TemplatePage,
    responses=UNCHANGED,
    openapi_extra=declare(takes=["If-None-Match"], sends=CACHE_HEADERS),
)
async def get_templates(
    request: Request,
    mode: Annotated[
        TemplateMode | None, Query(description="Only templates of this recipe.")
    ] = None,
    stage: Annotated[
        TemplateStage | None, Query(description="Only templates of this stage.")
    ] = None,
    genre: Annotated[
        TemplateGenre | None, Query(description="Only templates of this genre.")
    ] = None,
) -> Response:
    """Templates that match the filters."""
    return catalog_response(request, _templates(mode, stage, genre))


@router.get(
    "/api/recipes",
    operation_id="listRecipes",
    summary="List recipes",
    response_model=RecipesResponse,
    responses=UNCHANGED,
    openapi_extra=declare(takes=["If-None-Match"], sends=CACHE_HEADERS),
)
async def get_recipes(request: Request) -> Response:
    """Recipes with their options, and labels in English and Korean."""
    return catalog_response(request, _recipes())


@router.get(
    "/api/health",
    operation_id="getHealth",
    summary="Check health",
    openapi_extra=declare(),
)
async def get_health(app: CurrentApp) -> HealthResponse:
    """Report that the function runs."""
    return HealthResponse(status="ok", stage=app.settings.stage)


@lru_cache(maxsize=TEMPLATE_FILTERS)
def _templates(mode: str | None, stage: str | None, genre: str | None) -> Content:
    items = list_templates(mode, stage, genre)
    return content_of(TemplatePage.model_validate({"items": items, "nextCursor": None}))


@lru_cache(maxsize=1)
def _recipes() -> Content:
    recipes = RecipesResponse(
        recipes=sorted(REGISTRY),
        **catalog.read("recipes.json"),
        styles={code: style["label"] for code, style in portraits.styles().items()},
        aspect_ratios=list(images.ASPECT_RATIOS),
        languages={code: Label(**label) for code, label in captions.source_languages().items()},
        source_languages=list(captions.source_languages()),
        target_languages=list(captions.target_languages()),
        limits=_LIMITS,
    )
    return content_of(recipes)


def _plan(name: str) -> Plan:
    allowed = limits_of(name)
    return Plan(
        plan=name,
        name=Label(**label_of(name)),
        prices=[
            PlanPrice(currency=currency, amount=str(amount), interval="month")
            for currency, amount in prices_of(name).items()
        ],
        limits=PlanLimitsResponse.model_validate(
            {
                **allowed.by_name,
                "imageFileBytes": allowed.file_bytes[IMAGE],
                "videoFileBytes": allowed.file_bytes[VIDEO],
                "audioFileBytes": allowed.file_bytes[AUDIO],
            }
        ),
    )
