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
from darkroom.views.base import Count, ResponseBody, described
from darkroom.views.words import RecipeName

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema


class HealthResponse(ResponseBody):
    status: Literal["ok"]
    stage: str


class Label(ResponseBody):
    """A text for users in English and Korean."""

    en: str = described("In English.", "Romance")
    ko: str = described("In Korean.", "로맨스")


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

    lowest: int = Field(alias="from", description="The lowest.", examples=[0])
    highest: int = Field(alias="to", description="The highest.", examples=[100])
    neutral: int = described("What a slider that is left out counts as.", 50)


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
