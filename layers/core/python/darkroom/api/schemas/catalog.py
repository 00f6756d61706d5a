"""Bodies of public reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import Field

from darkroom.kernel import catalog
from darkroom.templates.choice import list_templates
from darkroom.views.base import (
    Count,
    NextCursor,
    ResponseBody,
    SizeBytes,
    Words,
    described,
)
from darkroom.views.credits import DECIMAL_PATTERN, CurrencyCode, PlanWord
from darkroom.views.labels import Label


class HealthResponse(ResponseBody):
    status: Annotated[Literal["ok"], described("The function runs.")]
    stage: Annotated[str, described("Name of the deployment.", "prod")]


Labels = dict[str, Label]
"""Code → its label."""


class SliderLimits(ResponseBody):
    lowest: int = Field(alias="from")
    highest: int = Field(alias="to")
    neutral: int


class RecipeLimits(ResponseBody):
    photos_per_job: int
    reference_photos_per_job: int
    total_images: int
    images_per_job: int
    prompt_characters: int
    files_per_request: int
    target_languages: int
    rewrite_characters: int
    slider: SliderLimits


class RecipesResponse(ResponseBody):
    """``languages`` has the labels of all codes in ``sourceLanguages`` and ``targetLanguages``."""

    recipes: list[str]
    modes: Labels
    stages: Labels
    genres: Labels
    sliders: Labels
    distance_modes: Labels
    endings: Labels
    portrait_modes: Labels
    roles: Labels
    formats: Labels
    styles: Labels
    aspect_ratios: list[str]
    languages: Labels
    source_languages: list[str]
    target_languages: list[str]
    limits: RecipeLimits


def _seen(field: str) -> Callable[[], list[str]]:
    """The words that the looks of the templates have in this field."""

    def listed() -> list[str]:
        looks = (scene["look"] for template in list_templates() for scene in template["scenes"])
        return sorted({look[field] for look in looks})

    return listed


def _labeled(group: str) -> Callable[[], list[str]]:
    """The codes of a group of labels."""
    return lambda: list(catalog.read("recipes.json")[group])


def _modes() -> list[str]:
    """The modes that have templates, as the recipes list them."""
    used = {template["mode"] for template in list_templates()}
    return [mode for mode in _labeled("modes")() if mode in used]


TemplateMode = Annotated[
    str, Words("TemplateMode", _modes), described("The recipe that uses the template.")
]
TemplateStage = Annotated[
    str, Words("Stage", _labeled("stages")), described("How far the relationship is.")
]
TemplateGenre = Annotated[str, Words("Genre", _labeled("genres")), described("Genre of the story.")]


class SceneLook(ResponseBody):
    """How a scene is drawn. Other providers than the built-in studio get it in words."""

    grade: Annotated[str, Words("Grade", _seen("grade")), described("Colors of the scene.")]
    framing: Annotated[
        str, Words("Framing", _seen("framing")), described("Where the person is in the picture.")
    ]
    effect: Annotated[
        str, Words("Effect", _seen("effect")), described("What falls or shines; or `none`.")
    ]
    motion: Annotated[str, Words("Motion", _seen("motion")), described("How the camera moves.")]


class TemplateScene(ResponseBody):
    prompt: Annotated[
        str,
        described(
            "What the picture shows, in English.",
            "Medium shot of the person in the reference photo in a bright shop aisle.",
        ),
    ]
    caption: Annotated[Label, described("The words on the scene.")]
    look: Annotated[SceneLook, described("How the scene is drawn.")]


class Template(ResponseBody):
    """One of the variants of a story for a mode, stage and genre."""

    template_id: Annotated[str, described("Id of the template.", "story-spark-romance-1")]
    mode: TemplateMode
    stage: TemplateStage
    genre: TemplateGenre
    variant: Annotated[
        int, described("Number of the variant within its combination, from 1.", 1, minimum=1)
    ]
    title: Annotated[Label, described("Title of the story.")]
    hook: Annotated[Label, described("The words that open the film.")]
    ending: Annotated[Label, described("The words that end the film.")]
    scenes: Annotated[list[TemplateScene], described("The scenes in their order.")]


class TemplatePage(ResponseBody):
    items: Annotated[list[Template], described("Templates, by id.")]
    next_cursor: Annotated[NextCursor, described("Null: all templates are on one page.", None)]


class PlanPrice(ResponseBody):
    currency: CurrencyCode
    amount: Annotated[
        str, described("In the currency's main unit.", "9.99", pattern=DECIMAL_PATTERN)
    ]
    interval: Annotated[Literal["month"], described("What the price is for.")]


class PlanLimitsResponse(ResponseBody):
    storage_bytes: Annotated[
        SizeBytes, described("Bytes of all files together, with those being uploaded.", 10**10)
    ]
    image_file_bytes: Annotated[SizeBytes, described("Bytes of one picture.", 10**7)]
    video_file_bytes: Annotated[SizeBytes, described("Bytes of one video.", 2 * 10**9)]
    audio_file_bytes: Annotated[SizeBytes, described("Bytes of one recording.", 2 * 10**9)]
    concurrent_uploads: Annotated[Count, described("Files in upload at the same time.", 50)]
    concurrent_tasks: Annotated[Count, described("Tasks in progress at the same time.", 5)]


class Plan(ResponseBody):
    plan: PlanWord
    name: Annotated[Label, described("Its name for users.")]
    prices: Annotated[
        list[PlanPrice],
        described("Its price in each currency; empty if it is not sold here."),
    ]
    limits: Annotated[PlanLimitsResponse, described("What an account on the plan may use.")]


class PlanList(ResponseBody):
    items: Annotated[list[Plan], described("Plans, from the smallest to the largest.")]
