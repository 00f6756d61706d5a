"""The recipe ``images``: a text → the requested number of pictures, without source photos.

Owns the inputs and the parameters of each picture. Each picture has its own price, so that a
missing one is refunded separately. Outputs become assets of the account.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, get_args

from pydantic import Field

from darkroom.kernel.described import StoredAs, Words, described
from darkroom.kernel.limits import IMAGES_PER_JOB_LIMIT, PROMPT_LIMIT_CHARS
from darkroom.kernel.money import PricePart
from darkroom.recipes import rewrite as rewriting
from darkroom.recipes.base import (
    Blueprint,
    Material,
    Recipe,
    Regeneration,
    Target,
    TaskSpec,
    image_again,
    image_keys,
    image_targets,
)
from darkroom.recipes.fields import Faults, Inputs, Seed, check_faults, dump, parse
from darkroom.recipes.portraits import ModelId, Style, styles

PICTURE = "picture"
PROMPT_MEANING = "What the pictures show. It is checked and cleaned."
Ratio = Literal["1:1", "3:4", "4:3", "9:16", "16:9"]
ASPECT_RATIOS: tuple[Ratio, ...] = get_args(Ratio)
DEFAULT_ASPECT_RATIO: Ratio = "1:1"
AspectRatio = Annotated[
    Ratio, Words("AspectRatio"), described("Width to height of the pictures.", "3:4")
]


class ImageInputs(Inputs):
    prompt: Annotated[
        str,
        Field(min_length=1, max_length=PROMPT_LIMIT_CHARS),
        StoredAs(
            "prompt", "The prompt as it is used: without markup, and with contact data masked."
        ),
    ] = described(PROMPT_MEANING, "A lighthouse at dusk, seen from the sea")
    count: Annotated[int, Field(ge=1, le=IMAGES_PER_JOB_LIMIT)] = described(
        "Number of pictures, each for the price of one image.", 2
    )
    style: Style | None = Field(
        default=None, description="Style of the pictures.", examples=["CINEMATIC"]
    )
    aspect_ratio: AspectRatio = DEFAULT_ASPECT_RATIO
    model_id: ModelId | None = None
    seed: Seed | None = None
    test_faults: Faults | None = None


class Images(Recipe):
    """Pictures from a text."""

    name = "images"
    cost_names = ("image",)
    inputs_model = ImageInputs
    task_kinds = (PICTURE,)
    target_names = ("image",)
    changeable = frozenset({"modelId", "prompt", "seed", "style"})

    def validate(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        stored = dump(parse(ImageInputs, inputs))
        # As with a rewrite, only the cleaned text is stored; cleaning it again changes nothing.
        stored["prompt"] = rewriting.sanitize(stored["prompt"], path="prompt")
        check_faults(stored, image_keys(stored["count"]))
        return stored

    def material_ids(self, inputs: Mapping[str, Any]) -> tuple[str, ...]:
        return ()

    def check(self, inputs: Mapping[str, Any], materials: Sequence[Material]) -> None:
        return None

    def price(
        self, inputs: Mapping[str, Any], costs: Mapping[str, int], materials: Sequence[Material]
    ) -> tuple[PricePart, ...]:
        return tuple(
            PricePart(name=key, credits=costs["image"], promised=(key,))
            for key in image_keys(inputs["count"])
        )

    def plan(self, blueprint: Blueprint) -> Sequence[TaskSpec]:
        params, wanted = _params(blueprint.inputs), blueprint.only_keys
        return [
            TaskSpec(key=key, kind=PICTURE, params=params)
            for key in image_keys(blueprint.inputs["count"])
            if not wanted or key in wanted
        ]

    def targets(self, inputs: Mapping[str, Any]) -> tuple[Target, ...]:
        return image_targets(inputs["count"])

    def regenerate(
        self, inputs: Mapping[str, Any], made: frozenset[str], target: Target
    ) -> Regeneration:
        return image_again(target, self.targets(inputs))


def _params(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a task: the user prompt (stored as ``wish``), and a ``prompt`` that also
    describes the style, for providers without styles. ``becomes`` makes the output an asset."""
    user_prompt = inputs["prompt"]
    params = {
        "wish": user_prompt,
        "prompt": user_prompt,
        "aspectRatio": inputs["aspectRatio"],
    }
    params["becomes"] = "asset"
    if "style" in inputs:
        style = inputs["style"]
        params |= {"style": style, "prompt": f"{user_prompt} {styles()[style]['look']}"}
    if "modelId" in inputs:
        params["modelId"] = inputs["modelId"]
    return params


IMAGES = Images()
