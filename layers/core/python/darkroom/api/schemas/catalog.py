"""Bodies of public reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from darkroom.kernel import catalog
from darkroom.recipes.captions import SourceLanguage, TargetLanguage, source_languages
from darkroom.recipes.images import AspectRatio
from darkroom.recipes.portraits import styles
from darkroom.templates.choice import list_templates
from darkroom.views.base import Count, NextCursor, ResponseBody, SizeBytes, Words, described
from darkroom.views.credits import DECIMAL_PATTERN, CurrencyCode, PlanWord
from darkroom.views.labels import Label
from darkroom.views.levels import Amount
from darkroom.views.words import Mode, RecipeName

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema


class HealthResponse(ResponseBody):
    status: Annotated[Literal["ok"], described("The function runs.")]
    stage: Annotated[str, described("Name of the deployment.", "prod")]


Labels = dict[str, Label]
"""Code → its label."""


@dataclass(frozen=True)
class Keys:
    """The keys of an object, in the API's document; they are read when the document is made."""

    listed: Callable[[], Iterable[str]]

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema, keys = handler(core_schema), list(self.listed())
        value = schema.pop("additionalProperties")
        return {**schema, "properties": dict.fromkeys(keys, value), "required": keys}


def _choices(name: str) -> Keys:
    return Keys(lambda: catalog.read("recipes.json")[name])


StyleLabels = Annotated[Labels, Keys(styles)]
LanguageLabels = Annotated[Labels, Keys(source_languages)]


class SliderLimits(ResponseBody):
    """The numbers of a slider."""

    lowest: int = Field(alias="from", description="The lowest.", examples=[0], ge=0)
    highest: int = Field(alias="to", description="The highest.", examples=[100], ge=0)
    neutral: int = described("What a slider that is left out counts as.", 50, minimum=0)


class RecipeLimits(ResponseBody):
    """How much a job may have."""

    photos_per_job: Count = described("Most photos of a film.", 5)
    reference_photos_per_job: Count = described("Most reference photos of portraits.", 4)
    total_images: Count = described("Most pictures of portraits.", 20)
    images_per_job: Count = described("Most pictures from one prompt.", 20)
    prompt_characters: Count = described("Longest prompt, in characters.", 2000)
    files_per_request: Count = described("Most files of one request for captions.", 100)
    target_languages: Count = described("Most languages to translate captions into.", 10)
    rewrite_characters: Count = described("Longest ending of the user's own, in characters.", 2000)
    slider: SliderLimits = described("The numbers of every slider.")


class RecipesResponse(ResponseBody):
    """Everything that can be chosen for a job. Labels are by code, in the order to show them."""

    recipes: list[RecipeName] = described("The recipes, sorted by name.")
    modes: Annotated[Labels, _choices("modes")] = described("Recipes.")
    stages: Annotated[Labels, _choices("stages")] = described(
        "Stages of the couple's story, of films."
    )
    genres: Annotated[Labels, _choices("genres")] = described("Genres of films.")
    sliders: Annotated[Labels, _choices("sliders")] = described("Sliders of films.")
    distance_modes: Annotated[Labels, _choices("distanceModes")] = described(
        "Framings of the user's own ending."
    )
    endings: Annotated[Labels, _choices("endings")] = described("Moods of the user's own ending.")
    portrait_modes: Annotated[Labels, _choices("portraitModes")] = described("Modes of portraits.")
    roles: Labels = Field(
        description="Suggested roles of reference photos; others are possible.",
        examples=[{"bride": {"en": "Bride", "ko": "신부"}}],
    )
    formats: Annotated[Labels, _choices("formats")] = described("Formats of captions.")
    styles: StyleLabels = described("Styles of portraits and pictures.")
    aspect_ratios: list[AspectRatio] = described("Aspect ratios of pictures.", ["1:1", "3:4"])
    languages: LanguageLabels = described(
        "Languages of captions: all codes of `sourceLanguages` and `targetLanguages`."
    )
    source_languages: list[SourceLanguage] = described(
        "Codes of the languages that are understood; `auto` detects the language.", ["auto", "en"]
    )
    target_languages: list[TargetLanguage] = described(
        "Codes of the languages that captions can be translated into.", ["en", "ko"]
    )
    limits: RecipeLimits = described("How much one job or request may have.")


def _seen(field: str) -> Callable[[], list[str]]:
    """The words that the looks of the templates have in this field."""

    def listed() -> list[str]:
        looks = (scene["look"] for template in list_templates() for scene in template["scenes"])
        return sorted({look[field] for look in looks})

    return listed


def _labeled(group: str) -> Callable[[], list[str]]:
    """The codes of a group of labels."""
    return lambda: list(catalog.read("recipes.json")[group])


TemplateMode = Annotated[Mode, described("The kind of film that uses the template.")]
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
    """Null where the plan sets no limit."""

    storage_bytes: Annotated[
        SizeBytes, described("Bytes of all files together, with those being uploaded.", 10**10)
    ]
    image_file_bytes: Annotated[SizeBytes, described("Bytes of one picture.", 10**7)]
    video_file_bytes: Annotated[SizeBytes, described("Bytes of one video.", 2 * 10**9)]
    audio_file_bytes: Annotated[SizeBytes, described("Bytes of one recording.", 2 * 10**9)]
    concurrent_uploads: Annotated[Count, described("Files in upload at the same time.", 50)]
    concurrent_tasks: Annotated[Count, described("Tasks in progress at the same time.", 5)]
    jobs_per_month: Annotated[Count | None, described("Jobs queued in a month.", 1000)]
    free_jobs_per_day: Annotated[Count | None, described("Jobs without a price in a day.", 100)]
    drafts_open: Annotated[Count | None, described("Drafts at the same time.", 1000)]
    queued_jobs: Annotated[Count | None, described("Jobs that have not ended.", 500)]
    upload_sessions_per_hour: Annotated[
        Count | None, described("Upload sessions opened in an hour.", 300)
    ]
    ingest_minutes_per_day: Annotated[
        Count | None, described("Minutes of uploaded media checked in a day.", 600)
    ]
    provider_cost_usd: Annotated[
        Amount | None, described("Cost of providers in a month, in US dollars.", 20)
    ]
    short_forms: Annotated[Count | None, described("Short forms in a month.", 30)]
    channels: Annotated[Count | None, described("Connected channels.", 3)]
    live_hours: Annotated[Count | None, described("Hours of live recordings in a month.", 10)]
    teams: Annotated[Count | None, described("Teams that the account owns.", 1)]
    team_members: Annotated[Count | None, described("Members of each team.", 5)]


class Plan(ResponseBody):
    plan: PlanWord
    name: Annotated[Label, described("Its name for users.")]
    prices: Annotated[
        list[PlanPrice],
        described("Its price in each currency; empty if it costs nothing."),
    ]
    limits: Annotated[PlanLimitsResponse, described("What an account on the plan may use.")]


class PlanList(ResponseBody):
    items: Annotated[list[Plan], described("Plans, from the smallest to the largest.")]
