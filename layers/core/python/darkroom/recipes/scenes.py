"""The recipes ``quick``, ``story`` and ``trailer``: photos → keyframes → clips → a film.

They differ only in the number of scenes and in whether there is a film, so they are three instances
of one class.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from darkroom.kernel.described import StoredAs, Words, described
from darkroom.kernel.errors import Conflict, InvalidInput
from darkroom.kernel.limits import PHOTOS_PER_JOB_LIMIT, REWRITE_LIMIT_CHARS
from darkroom.kernel.money import PricePart
from darkroom.kernel.problems import problem
from darkroom.recipes import rewrite as rewriting
from darkroom.recipes.base import (
    Blueprint,
    Material,
    Recipe,
    Regeneration,
    Target,
    TaskSpec,
    faces_of,
    require_kind,
    require_target,
)
from darkroom.recipes.choices import DISTINCT
from darkroom.recipes.fields import AssetId, Faults, Inputs, Seed, broken, check_faults, dump, parse

CLIP_SECONDS = 3
SLIDER_NEUTRAL = 50
ENDING = Target(name="rewrite_only")

Stage = Annotated[
    Literal["spark", "together", "apart"],
    Words("Stage"),
    described("Where the couple's story stands.", "spark"),
]
Genre = Annotated[
    Literal["romance", "comedy", "noir"], Words("Genre"), described("Genre of the film.", "romance")
]
Slider = Annotated[int, Field(ge=0, le=100)]


class Sliders(Inputs):
    """The look, in five numbers from 0 to 100; one that is left out is neutral, 50."""

    intensity: Slider | None = Field(
        default=None, description="How strong effects are, from 0 to 100.", examples=[70]
    )
    humor: Slider | None = Field(
        default=None, description="How light the tone is, from 0 to 100.", examples=[20]
    )
    drama: Slider | None = Field(
        default=None, description="How strong contrasts are, from 0 to 100.", examples=[60]
    )
    warmth: Slider | None = Field(
        default=None, description="How warm colors are, from 0 to 100.", examples=[80]
    )
    pace: Slider | None = Field(
        default=None, description="How fast the film moves, from 0 to 100.", examples=[50]
    )


class Rewrite(Inputs):
    """The user's own ending."""

    raw_text: Annotated[
        str,
        Field(min_length=1, max_length=REWRITE_LIMIT_CHARS),
        StoredAs(
            "sanitizedText",
            "The ending as it is used: without markup, and with contact data masked by `***`.",
        ),
    ] = described(
        "The ending in the user's words. It is checked and cleaned, and only the cleaned text is "
        "kept.",
        "He runs back across the bridge, and this time she waits.",
    )
    distance_mode: Annotated[Literal["close", "medium", "far"], Words("DistanceMode")] = described(
        "Framing of the last scene.", "close"
    )
    desired_ending: Annotated[Literal["happy", "bittersweet", "open"], Words("Ending")] = described(
        "Mood of the last scene.", "happy"
    )


class SceneInputs(Inputs):
    photo_asset_ids: Annotated[
        list[AssetId], Field(min_length=1, max_length=PHOTOS_PER_JOB_LIMIT), DISTINCT
    ] = described("Photos of the people in the film, as ids of uploaded pictures.")
    stage: Stage
    genre: Genre
    sliders: Sliders = Field(default_factory=Sliders, description="The look.")
    rewrite_enabled: bool = Field(
        default=False, description="Use the ending in `rewrite`, for a price."
    )
    rewrite: Rewrite | None = Field(
        default=None, description="The user's own ending; required with `rewriteEnabled: true`."
    )
    seed: Seed | None = None
    test_faults: Faults | None = None

    @model_validator(mode="after")
    def _rewrite_goes_with_its_switch(self) -> SceneInputs:
        if self.rewrite_enabled and self.rewrite is None:
            raise broken("REQUIRED_WITH", "rewrite", field="rewriteEnabled")
        if self.rewrite is not None and not self.rewrite_enabled:
            raise broken("NEEDS", "rewrite", field="rewriteEnabled: true")
        return self


class SceneRecipe(Recipe):
    """A film in scenes: each has a keyframe and a clip; several scenes are cut to a film."""

    inputs_model = SceneInputs
    task_kinds = ("keyframe", "clip", "film")
    changeable = frozenset({"rewrite", "seed", "sliders"})
    material_field = "photoAssetIds"

    is_mode = True

    def __init__(self, name: str, *, scenes: int, target: str | None, allows_rewrite: bool) -> None:
        self.name = name
        self.cost_names = (name, "rewrite") if allows_rewrite else (name,)
        self.scenes = scenes
        self._target = target
        self.target_names = (target, "rewrite_only") if target else ()
        self._allows_rewrite = allows_rewrite

    @property
    def has_film(self) -> bool:
        return self.scenes > 1

    def validate(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        parsed = parse(SceneInputs, inputs)
        if parsed.rewrite_enabled and not self._allows_rewrite:
            raise InvalidInput(
                "no rewrite here",
                fields=[problem("rewriteEnabled", "NOT_SUPPORTED", recipe=self.name)],
            )
        stored = dump(parsed)
        # The original text is never stored: a reader of the job sees only the cleaned text.
        if parsed.rewrite is not None:
            raw = stored["rewrite"].pop("rawText")
            stored["rewrite"]["sanitizedText"] = rewriting.sanitize(raw)
        check_faults(stored, self._keys())
        return stored

    def narrowed(self, properties: dict[str, Any]) -> dict[str, Any]:
        if self._allows_rewrite:
            return properties
        without = {"description": f"A rewritten ending, which `{self.name}` does not have."}
        return {
            **properties,
            "rewriteEnabled": {"type": "boolean", "const": False, **without},
            "rewrite": {"type": "null", **without},
        }

    def reopen(self, stored: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
        reopened = dict(stored)
        if "rewrite" in reopened:
            # Cleaning a clean text changes nothing, so it can replace the original.
            rewrite = dict(reopened["rewrite"])
            rewrite["rawText"] = rewrite.pop("sanitizedText")
            reopened["rewrite"] = rewrite
        if changes.get("rewriteEnabled") is False:
            reopened.pop("rewrite", None)
        return reopened

    def material_ids(self, inputs: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple(inputs["photoAssetIds"])

    def check(self, inputs: Mapping[str, Any], materials: Sequence[Material]) -> None:
        require_kind(materials, self.material_kinds, self.material_field)

    def template_combination(self, inputs: Mapping[str, Any]) -> tuple[str, str, str]:
        return (self.name, inputs["stage"], inputs["genre"])

    def price(
        self, inputs: Mapping[str, Any], costs: Mapping[str, int], materials: Sequence[Material]
    ) -> tuple[PricePart, ...]:
        parts = [PricePart(name="base", credits=costs[self.name], promised=self._promised())]
        if inputs.get("rewriteEnabled"):
            last = (f"clip_{self.scenes}",)
            parts.append(PricePart(name="rewrite", credits=costs["rewrite"], promised=last))
        return tuple(parts)

    def plan(self, blueprint: Blueprint) -> Sequence[TaskSpec]:
        specs = [self._keyframe(blueprint, number) for number in self._numbers()]
        specs += [self._clip(blueprint, number) for number in self._numbers()]
        if self.has_film:
            specs.append(self._film(blueprint))
        wanted = blueprint.only_keys
        return [spec for spec in specs if not wanted or spec.key in wanted]

    def targets(self, inputs: Mapping[str, Any]) -> tuple[Target, ...]:
        if self._target is None:
            return ()
        scenes = tuple(Target(name=self._target, clip_no=number) for number in self._numbers())
        return (*scenes, ENDING) if inputs.get("rewriteEnabled") else scenes

    def regenerate(
        self, inputs: Mapping[str, Any], made: frozenset[str], target: Target
    ) -> Regeneration:
        number = self._regenerated_scene(inputs, target)
        keys = [f"kf_{number}", f"clip_{number}"]
        clips = {f"clip_{n}" for n in self._numbers()}
        if self.has_film and clips <= made | set(keys):
            keys.append("film")
        promised = tuple(key for key in keys if not key.startswith("kf_"))
        return Regeneration(keys=tuple(keys), promised=promised)

    def _regenerated_scene(self, inputs: Mapping[str, Any], target: Target) -> int:
        if self._target is None:
            raise Conflict(f"{self.name} cannot be regenerated", code="NOT_REGENERABLE")
        if target == ENDING and not inputs.get("rewriteEnabled"):
            raise Conflict("the job has no rewritten ending", code="NOT_REGENERABLE")
        require_target(target, self.targets(inputs))
        return self.scenes if target.clip_no is None else target.clip_no

    def _numbers(self) -> range:
        return range(1, self.scenes + 1)

    def _promised(self) -> tuple[str, ...]:
        clips = tuple(f"clip_{number}" for number in self._numbers())
        return (*clips, "film") if self.has_film else clips

    def _keys(self) -> list[str]:
        keyframes = [f"kf_{number}" for number in self._numbers()]
        return [*keyframes, *self._promised()]

    def _scene(self, blueprint: Blueprint, number: int) -> Mapping[str, Any]:
        assert blueprint.template is not None
        scene: Mapping[str, Any] = blueprint.template["scenes"][number - 1]
        return scene

    def _common(self, blueprint: Blueprint, number: int) -> dict[str, Any]:
        inputs = blueprint.inputs
        sliders = {"intensity", "humor", "drama", "warmth", "pace"}
        given = inputs.get("sliders", {})
        return {
            "mode": self.name,
            "stage": inputs["stage"],
            "genre": inputs["genre"],
            "sceneNo": number,
            "sceneCount": self.scenes,
            "look": self._look(blueprint, number),
            "sliders": {name: given.get(name, SLIDER_NEUTRAL) for name in sorted(sliders)},
        }

    def _rewrite_of(self, blueprint: Blueprint, number: int) -> Mapping[str, Any] | None:
        if number != self.scenes or not blueprint.inputs.get("rewriteEnabled"):
            return None
        rewrite: Mapping[str, Any] | None = blueprint.inputs["rewrite"]
        return rewrite

    def _look(self, blueprint: Blueprint, number: int) -> dict[str, str]:
        look = dict(self._scene(blueprint, number)["look"])
        rewrite = self._rewrite_of(blueprint, number)
        if rewrite is not None:
            look |= rewriting.look_of(rewrite)
        return look

    def _keyframe(self, blueprint: Blueprint, number: int) -> TaskSpec:
        prompt = self._scene(blueprint, number)["prompt"]
        rewrite = self._rewrite_of(blueprint, number)
        if rewrite is not None:
            prompt = f"{prompt} {rewriting.prompt_of(rewrite)}"
        photos = self.material_ids(blueprint.inputs)
        params = self._common(blueprint, number) | {"prompt": prompt}
        params |= faces_of(blueprint, photos)
        return TaskSpec(key=f"kf_{number}", kind="keyframe", params=params, materials=photos)

    def _clip(self, blueprint: Blueprint, number: int) -> TaskSpec:
        params = self._common(blueprint, number) | {"durationSec": CLIP_SECONDS}
        return TaskSpec(key=f"clip_{number}", kind="clip", needs=(f"kf_{number}",), params=params)

    def _film(self, blueprint: Blueprint) -> TaskSpec:
        assert blueprint.template is not None
        language = blueprint.language
        captions = [self._caption(blueprint, number) for number in self._numbers()]
        ending = blueprint.template["ending"][language]
        if blueprint.inputs.get("rewriteEnabled"):
            ending = rewriting.ending_of(blueprint.inputs["rewrite"], language)
        params = {
            "genre": blueprint.inputs["genre"],
            "stage": blueprint.inputs["stage"],
            "captions": captions,
            "hook": blueprint.template["hook"][language],
            "ending": ending,
        }
        clips = tuple(f"clip_{number}" for number in self._numbers())
        return TaskSpec(key="film", kind="film", needs=clips, params=params)

    def _caption(self, blueprint: Blueprint, number: int) -> str:
        rewrite = self._rewrite_of(blueprint, number)
        if rewrite is not None:
            return rewriting.caption_of(rewrite)
        return str(self._scene(blueprint, number)["caption"][blueprint.language])


QUICK = SceneRecipe("quick", scenes=1, target=None, allows_rewrite=False)
STORY = SceneRecipe("story", scenes=3, target="story_clip", allows_rewrite=True)
TRAILER = SceneRecipe("trailer", scenes=5, target="trailer_scene", allows_rewrite=True)
