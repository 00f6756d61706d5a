"""The recipe ``postcard``: one photo → one card, in the look of a template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from darkroom.kernel.described import described
from darkroom.kernel.money import PricePart
from darkroom.recipes.base import (
    Blueprint,
    Material,
    Recipe,
    Regeneration,
    Target,
    TaskSpec,
    image_again,
    require_kind,
)
from darkroom.recipes.fields import AssetId, Faults, Inputs, Seed, check_faults, dump, parse
from darkroom.recipes.scenes import Genre, Stage

CARD = "card"


class PostcardInputs(Inputs):
    photo_asset_ids: Annotated[list[AssetId], Field(min_length=1, max_length=1)] = described(
        "The photo on the card."
    )
    stage: Stage
    genre: Genre
    seed: Seed | None = None
    test_faults: Faults | None = None


class Postcard(Recipe):
    name = "postcard"
    inputs_model = PostcardInputs
    task_kinds = ("keyframe",)
    target_names = ("image",)
    cost_names = ("postcard",)
    changeable = frozenset({"seed"})

    def validate(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        stored = dump(parse(PostcardInputs, inputs))
        check_faults(stored, [CARD])
        return stored

    def material_ids(self, inputs: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple(inputs["photoAssetIds"])

    def check(self, inputs: Mapping[str, Any], materials: Sequence[Material]) -> None:
        require_kind(materials, frozenset({"image"}), "photoAssetIds")

    def template_combination(self, inputs: Mapping[str, Any]) -> tuple[str, str, str]:
        return (self.name, inputs["stage"], inputs["genre"])

    def price(
        self, inputs: Mapping[str, Any], costs: Mapping[str, int], materials: Sequence[Material]
    ) -> tuple[PricePart, ...]:
        return (PricePart(name="base", credits=costs["postcard"], promised=(CARD,)),)

    def plan(self, blueprint: Blueprint) -> Sequence[TaskSpec]:
        assert blueprint.template is not None
        [scene] = blueprint.template["scenes"]
        params = {
            "stage": blueprint.inputs["stage"],
            "genre": blueprint.inputs["genre"],
            "prompt": scene["prompt"],
            "look": scene["look"],
        }
        photos = self.material_ids(blueprint.inputs)
        return [TaskSpec(key=CARD, kind="keyframe", params=params, materials=photos)]

    def targets(self, inputs: Mapping[str, Any]) -> tuple[Target, ...]:
        return (Target(name="image", key=CARD),)

    def regenerate(
        self, inputs: Mapping[str, Any], made: frozenset[str], target: Target
    ) -> Regeneration:
        return image_again(target, self.targets(inputs))


POSTCARD = Postcard()
