"""The recipe ``portraits``: reference photos → one picture per task, in several styles and roles.

Owns the style, the role and the prompt of each picture. Each picture has its own price, so that a
missing one is refunded separately.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import lcm
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from darkroom.kernel import catalog
from darkroom.kernel.described import Words, described
from darkroom.kernel.errors import InvalidInput
from darkroom.kernel.ids import id_pattern, is_id
from darkroom.kernel.limits import PORTRAITS_PER_JOB_LIMIT, REFERENCE_PHOTOS_PER_JOB_LIMIT
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
    image_again,
    image_keys,
    image_targets,
)
from darkroom.recipes.choices import DISTINCT, one_of
from darkroom.recipes.fields import (
    Faults,
    Inputs,
    ReferencePhotoId,
    Seed,
    broken,
    check_faults,
    dump,
    parse,
)

ASPECT_RATIO = "3:4"
_STYLES = "styles.json"


def styles() -> Mapping[str, Mapping[str, Any]]:
    """The styles: ``label`` by language, and ``prompt`` with a placeholder for the role."""
    offered: Mapping[str, Mapping[str, Any]] = catalog.read(_STYLES)["styles"]
    return offered


def _is_album_id(value: str) -> str:
    if not is_id(value, "alb"):
        raise broken("BAD_ID")
    return value


STYLES = Words("Style", styles)
Style = Annotated[str, one_of(styles), STYLES]
Role = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
ModelId = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$"),
    described("The provider's model to use, instead of the one in our settings.", "flux-1.1-pro"),
]
AlbumId = Annotated[
    str,
    AfterValidator(_is_album_id),
    described(
        "The album that gets each picture as soon as it is made.",
        "alb_01JGTQ4M9R8W3Z5K7N2P6X0C00",
        pattern=id_pattern("alb"),
    ),
]
FewPhotos = Field(min_length=1, max_length=REFERENCE_PHOTOS_PER_JOB_LIMIT)


class PortraitInputs(Inputs):
    mode: Annotated[Literal["single", "batch"], Words("PortraitMode")] = described(
        "`single`: one picture in one style. `batch`: several.", "batch"
    )
    reference_photo_ids: Annotated[list[ReferencePhotoId], FewPhotos, DISTINCT] = described(
        "Active reference photos of the people."
    )
    styles: Annotated[list[Style], Field(min_length=1), DISTINCT] = described(
        "Styles, used in turn.", ["CLASSIC"]
    )
    roles: Annotated[list[Role], FewPhotos, DISTINCT] | None = Field(
        default=None,
        description="Roles of reference photos, used in turn: `self`, `partner`, `bride`, `groom` "
        "or one of your own. Without it, the roles of all the photos.",
        examples=[["bride", "groom"]],
    )
    total_images: Annotated[int, Field(ge=1, le=PORTRAITS_PER_JOB_LIMIT)] = described(
        "Number of pictures, each for the price of one portrait.", 4
    )
    album_id: AlbumId | None = None
    model_id: ModelId | None = None
    seed: Seed | None = None
    test_faults: Faults | None = None


class Portraits(Recipe):
    """The requested number of portraits."""

    name = "portraits"
    cost_names = ("portrait",)
    inputs_model = PortraitInputs
    task_kinds = ("portrait",)
    target_names = ("image",)
    changeable = frozenset({"modelId", "seed"})
    material_field = "referencePhotoIds"

    def validate(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        parsed = parse(PortraitInputs, inputs)
        if parsed.mode == "single":
            _require_one_of_each(parsed)
        stored = dump(parsed)
        check_faults(stored, _keys(stored))
        return stored

    def material_ids(self, inputs: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple(inputs["referencePhotoIds"])

    def check(self, inputs: Mapping[str, Any], materials: Sequence[Material]) -> None:
        """Check that every photo is active, and every requested role has one.

        Raises:
            InvalidInput: REFERENCE_PHOTO_MISSING with the ``roles`` that have none;
                CONTENT_REJECTED, as a role becomes part of the prompt.
        """
        problems = [
            problem(f"referencePhotoIds.{place}", "INACTIVE")
            for place, photo in enumerate(materials)
            if not photo.is_active
        ]
        given = _photo_by_role([photo for photo in materials if photo.is_active])
        lacking = [role for role in inputs.get("roles", ()) if role not in given]
        problems += [
            problem(f"roles.{inputs['roles'].index(role)}", "PHOTO_NEEDED", role=role)
            for role in lacking
        ]
        if problems:
            raise InvalidInput(
                "a reference photo is missing",
                code="REFERENCE_PHOTO_MISSING",
                fields=problems,
                roles=lacking,
            )
        for role in _roles(inputs, given):
            rewriting.sanitize(_words(role))

    def price(
        self, inputs: Mapping[str, Any], costs: Mapping[str, int], materials: Sequence[Material]
    ) -> tuple[PricePart, ...]:
        return tuple(
            PricePart(name=key, credits=costs["portrait"], promised=(key,)) for key in _keys(inputs)
        )

    def plan(self, blueprint: Blueprint) -> Sequence[TaskSpec]:
        inputs = blueprint.inputs
        photos = _photo_by_role(blueprint.materials)
        pairs = walk(inputs["styles"], _roles(inputs, photos), inputs["totalImages"])
        wanted = blueprint.only_keys
        return [
            _picture(blueprint, key, style=style, role=role, photo_id=photos[role])
            for key, (style, role) in zip(_keys(inputs), pairs, strict=True)
            if not wanted or key in wanted
        ]

    def targets(self, inputs: Mapping[str, Any]) -> tuple[Target, ...]:
        return image_targets(inputs["totalImages"])

    def regenerate(
        self, inputs: Mapping[str, Any], made: frozenset[str], target: Target
    ) -> Regeneration:
        return image_again(target, self.targets(inputs))


def walk(styles: Sequence[str], roles: Sequence[str], count: int) -> list[tuple[str, str]]:
    """The (style, role) of each picture: both lists in turn, side by side.

    A round has every pair once: picture i of it, from 0, has style i mod S and role
    (i + i div lcm(S, R)) mod R. Side by side alone would come back to the first pair after
    lcm(S, R) pictures; the shift by one role then opens the next diagonal. So a few pictures
    show as many styles and roles as they can, and styles, roles and pairs each occur equally
    often, give or take one.
    """
    turn = lcm(len(styles), len(roles))
    every = [
        (styles[number % len(styles)], roles[(number + number // turn) % len(roles)])
        for number in range(len(styles) * len(roles))
    ]
    return [every[number % len(every)] for number in range(count)]


def _require_one_of_each(parsed: PortraitInputs) -> None:
    counts = {"styles": len(parsed.styles), "totalImages": parsed.total_images}
    problems = [problem(path, "ONLY_ONE") for path, count in counts.items() if count != 1]
    if problems:
        raise InvalidInput("not a single portrait", fields=problems)


def _keys(inputs: Mapping[str, Any]) -> list[str]:
    return image_keys(inputs["totalImages"])


def _photo_by_role(photos: Sequence[Material]) -> dict[str, str]:
    """The photo of each role, in the photos' order: the first if there are several."""
    found: dict[str, str] = {}
    for photo in photos:
        if photo.role is not None:
            found.setdefault(photo.role, photo.id)
    return found


def _roles(inputs: Mapping[str, Any], photos: Mapping[str, str]) -> list[str]:
    """The requested roles; without any, those of the photos."""
    return inputs.get("roles") or list(photos)


def _picture(blueprint: Blueprint, key: str, *, style: str, role: str, photo_id: str) -> TaskSpec:
    inputs = blueprint.inputs
    params = {
        "style": style,
        "role": role,
        "prompt": _prompt(style, role),
        "aspectRatio": ASPECT_RATIO,
        **faces_of(blueprint, (photo_id,)),
    }
    if "modelId" in inputs:
        params["modelId"] = inputs["modelId"]
    if "albumId" in inputs:
        params["albumId"] = inputs["albumId"]
    return TaskSpec(key=key, kind="portrait", params=params, materials=(photo_id,))


def _prompt(style: str, role: str) -> str:
    subjects = catalog.read(_STYLES)["subjects"]
    subject = subjects.get(role, f"the {_words(role)}")
    return str(styles()[style]["prompt"]).replace("{role}", subject)


def _words(role: str) -> str:
    """A role as words: ``best_man`` → ``best man``."""
    return role.replace("_", " ").replace("-", " ").strip()


PORTRAITS = Portraits()
