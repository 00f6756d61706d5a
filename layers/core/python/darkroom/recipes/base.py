"""What a recipe is to the engine. Pure: no clock, store, queue or network.

A recipe says what it accepts, what it works on, what it costs and which tasks it becomes.
Confirming, queueing, claiming, retrying, settling, regenerating and cancelling are the engine's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from darkroom.kernel.errors import Conflict, InvalidInput
from darkroom.kernel.faces import FaceBox, to_json
from darkroom.kernel.money import PricePart
from darkroom.kernel.problems import problem
from darkroom.recipes.fields import merge_patch


@dataclass(frozen=True, kw_only=True)
class Material:
    """A checked file that the inputs name: an asset, or an asset registered as a reference photo.

    What is said here of a file never changes once it is checked, so price and plan agree.
    """

    id: str
    """As the inputs name it: ``ast_…`` or ``ref_…``."""
    kind: str
    """``image``, ``video`` or ``audio``."""
    storage_key: str
    mime_type: str
    duration_ms: int | None = None
    size_bytes: int | None = None
    role: str | None = None
    """Of a reference photo."""
    is_active: bool = True
    """A reference photo that was withdrawn is not."""
    name: str = ""
    """The file's name, for people."""
    face: FaceBox | None = None
    """The largest face of a picture, where that is known."""


@dataclass(frozen=True, kw_only=True)
class TaskSpec:
    """One planned task: what makes it, what it needs, and what it is told."""

    key: str
    kind: str
    needs: tuple[str, ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict)
    materials: tuple[str, ...] = ()
    """Ids of the materials it works on, in the order in which it is to get them."""


@dataclass(frozen=True, kw_only=True)
class Blueprint:
    """Everything a plan depends on; the same blueprint always gives the same tasks."""

    inputs: Mapping[str, Any]
    template: Mapping[str, Any] | None
    language: str
    materials: tuple[Material, ...] = ()
    """What the inputs name, in their order."""
    only_keys: frozenset[str] = frozenset()
    """For a child: the keys to make. Empty: all."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """What is to be made again, as the client names it."""

    name: str
    clip_no: int | None = None
    key: str | None = None


@dataclass(frozen=True, kw_only=True)
class Regeneration:
    """What a child of a job makes again."""

    keys: tuple[str, ...]
    promised: tuple[str, ...]


class Recipe(ABC):
    """A kind of job. What most recipes have in common is here already."""

    name: str
    cost_names: tuple[str, ...]
    """The costs of the catalog that ``price`` may read, with any inputs; it is given no others.
    A job keeps them as they were, so that a retry with other options is priced alike."""
    changeable: ClassVar[frozenset[str]] = frozenset()
    """Inputs that a retry may change, because what was already made stays true."""
    material_field: ClassVar[str] = ""
    """The input that names its materials, and ``material_kinds`` of which kinds they may be: a
    draft that breaks this is refused. Empty: ``check`` alone decides, when the job is queued."""
    material_kinds: ClassVar[frozenset[str]] = frozenset({"image"})
    is_named_after_source: ClassVar[bool] = False
    """Whether its files are called after the one file that they are made from."""

    @abstractmethod
    def validate(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """The inputs in their stored form, with defaults.

        Raises:
            InvalidInput: with ``fields``; or code CONTENT_REJECTED.
        """

    def reopen(self, stored: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
        """Stored inputs as they would be sent again, without what ``changes`` makes void."""
        return dict(stored)

    def revise(self, stored: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
        """Stored inputs with whole fields replaced, validated anew."""
        return self.validate({**self.reopen(stored, changes), **changes})

    def patch(self, stored: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
        """Stored inputs with a JSON merge patch (RFC 7396) applied, validated anew."""
        return self.validate(merge_patch(self.reopen(stored, patch), patch))

    def patch_of(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """The merge patch of the inputs that a client means by changing its ``options``."""
        return dict(options)

    def void_keys(
        self, before: Mapping[str, Any], after: Mapping[str, Any], made: frozenset[str]
    ) -> frozenset[str]:
        """What was made with inputs ``before`` and is of no use with those ``after``."""
        return frozenset()

    def split(self, inputs: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The stored inputs of each job that one request makes."""
        return [dict(inputs)]

    @abstractmethod
    def material_ids(self, inputs: Mapping[str, Any]) -> tuple[str, ...]:
        """The assets and reference photos that must be usable before the job can be queued."""

    @abstractmethod
    def check(self, inputs: Mapping[str, Any], materials: Sequence[Material]) -> None:
        """Whether the job can be made of these materials.

        Raises:
            InvalidInput: a file is of the wrong kind, or one is missing.
        """

    def template_combination(self, inputs: Mapping[str, Any]) -> tuple[str, str, str] | None:
        """(mode, stage, genre) of the templates to choose from; None when there are none."""
        return None

    @abstractmethod
    def price(
        self, inputs: Mapping[str, Any], costs: Mapping[str, int], materials: Sequence[Material]
    ) -> tuple[PricePart, ...]:
        """What the job costs, part by part, and the outputs that each part promises."""

    @abstractmethod
    def plan(self, blueprint: Blueprint) -> Sequence[TaskSpec]:
        """All tasks, or those of ``only_keys``, each after those it needs."""

    def regenerate(
        self, inputs: Mapping[str, Any], made: frozenset[str], target: Target
    ) -> Regeneration:
        """The keys of a child that makes one thing again; ``made`` is what the parent has.

        Raises:
            InvalidInput: INVALID_TARGET for this recipe.
            Conflict: NOT_REGENERABLE.
        """
        raise Conflict(f"{self.name} cannot be regenerated", code="NOT_REGENERABLE")


def source_keys(materials: Sequence[Material]) -> dict[str, str]:
    """Material id → the name under which tasks get it: ``photo_1`` …, ``media_1`` …, in their
    order."""
    keys: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for material in materials:
        name = "photo" if material.kind == "image" else "media"
        counts[name] += 1
        keys[material.id] = f"{name}_{counts[name]}"
    return keys


def faces_of(blueprint: Blueprint, material_ids: Sequence[str]) -> dict[str, Any]:
    """The parameter ``faces`` of a task that works on these pictures: where the face is in each,
    as far as that is known; empty where it is not."""
    keys = source_keys(blueprint.materials)
    faces = {
        keys[material.id]: to_json(material.face)
        for material in blueprint.materials
        if material.id in material_ids and material.face is not None
    }
    return {"faces": faces} if faces else {}


def image_keys(count: int) -> list[str]:
    """The keys of the tasks of a job that makes so many pictures."""
    return [f"img_{number:02}" for number in range(1, count + 1)]


def image_again(recipe: str, keys: Sequence[str], target: Target) -> Regeneration:
    """The target ``image`` of a job whose pictures have these keys.

    Raises:
        InvalidInput: INVALID_TARGET.
    """
    if target.name != "image":
        raise InvalidInput(f"{recipe} has no target {target.name}", code="INVALID_TARGET")
    if target.clip_no is not None:
        raise InvalidInput("clipNo goes with a clip or scene", code="INVALID_TARGET")
    if target.key is None or target.key not in keys:
        raise InvalidInput("key must name an image of the job", code="INVALID_TARGET")
    return Regeneration(keys=(target.key,), promised=(target.key,))


def require_kind(materials: Sequence[Material], kinds: frozenset[str], path: str) -> None:
    """Every material is of one of these kinds.

    Raises:
        InvalidInput: naming the place in the inputs.
    """
    wrong = [number for number, material in enumerate(materials) if material.kind not in kinds]
    if wrong:
        fields = [
            problem(f"{path}.{number}", "WRONG_KIND", kinds=sorted(kinds)) for number in wrong
        ]
        raise InvalidInput("a file of the wrong kind", fields=fields)
