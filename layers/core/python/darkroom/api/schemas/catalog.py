"""Bodies of public reads."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from darkroom.views.base import ResponseBody


class HealthResponse(ResponseBody):
    status: Literal["ok"]
    stage: str


class Label(ResponseBody):
    """A text for users in English and Korean."""

    en: str
    ko: str


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


class SceneLook(ResponseBody):
    grade: str
    framing: str
    effect: str
    motion: str


class TemplateScene(ResponseBody):
    prompt: str
    caption: Label
    look: SceneLook


class Template(ResponseBody):
    template_id: str
    mode: str
    stage: str
    genre: str
    variant: int
    title: Label
    hook: Label
    ending: Label
    scenes: list[TemplateScene]


class TemplatePage(ResponseBody):
    items: list[Template]
    next_cursor: str | None
