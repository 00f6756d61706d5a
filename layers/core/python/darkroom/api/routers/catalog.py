"""Public reads of the catalog, and health."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from darkroom.api.auth import CurrentApp
from darkroom.api.openapi.responses import responses
from darkroom.api.schemas.catalog import HealthResponse
from darkroom.kernel import catalog, limits
from darkroom.recipes import REGISTRY, captions, images, portraits, scenes
from darkroom.templates.choice import list_templates

router = APIRouter(tags=["catalog"])

_LIMITS = {
    "photosPerJob": limits.PHOTOS_PER_JOB_LIMIT,
    "referencePhotosPerJob": limits.REFERENCE_PHOTOS_PER_JOB_LIMIT,
    "totalImages": limits.PORTRAITS_PER_JOB_LIMIT,
    "imagesPerJob": limits.IMAGES_PER_JOB_LIMIT,
    "promptCharacters": limits.PROMPT_LIMIT_CHARS,
    "filesPerRequest": limits.CAPTION_FILES_LIMIT,
    "targetLanguages": limits.CAPTION_TARGETS_LIMIT,
    "rewriteCharacters": limits.REWRITE_LIMIT_CHARS,
    "slider": {"from": 0, "to": 100, "neutral": scenes.SLIDER_NEUTRAL},
}


@router.get("/api/templates", responses=responses(None, 200))
async def get_templates(
    mode: str | None = None, stage: str | None = None, genre: str | None = None
) -> dict[str, Any]:
    """Templates that match the filters."""
    return {"items": list_templates(mode, stage, genre), "nextCursor": None}


@router.get("/api/recipes", responses=responses(None, 200))
async def get_recipes() -> dict[str, Any]:
    """Recipes with their options, and labels in English and Korean."""
    return {
        "recipes": sorted(REGISTRY),
        **catalog.read("recipes.json"),
        "styles": {code: style["label"] for code, style in portraits.styles().items()},
        "aspectRatios": list(images.ASPECT_RATIOS),
        "languages": captions.source_languages(),
        "sourceLanguages": list(captions.source_languages()),
        "targetLanguages": list(captions.target_languages()),
        "limits": _LIMITS,
    }


@router.get("/api/health", responses=responses(HealthResponse, 200))
async def get_health(app: CurrentApp) -> dict[str, str]:
    """Report that the function runs."""
    return {"status": "ok", "stage": app.settings.stage}
