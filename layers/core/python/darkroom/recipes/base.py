"""The interface between recipes and the engine. Pure: no clock, store, queue or network.

A recipe defines its inputs, its materials, its price and its tasks. The engine confirms, queues,
claims, retries, settles, regenerates and cancels.
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
from darkroom.recipes.fields import Inputs, merge_patch


@dataclass(frozen=True, kw_only=True)
class Material:
    """A checked file that the inputs name: an asset, or an asset registered as a reference photo.

    These facts of a file never change after its check, so price and plan agree.
    """

    id: str
    """The id in the inputs: ``ast_…`` or ``ref_…``."""
    kind: str
    """``image``, ``video`` or ``audio``."""
    storage_key: str
    mime_type: str
    duration_ms: int | None = None
    size_bytes: int | None = None
    role: str | None = None
    """The role of a reference photo."""
    is_active: bool = True
    """False for a deactivated reference photo."""
    name: str = ""
    """The file's display name."""
    asset_id: str = ""
    """The asset behind it: ``id`` itself, or that of a reference photo."""
    thumbnail_key: str | None = None
    """The key of its small picture, if it has one."""
    face: FaceBox | None = None
    """The largest face of a picture, if known."""


@dataclass(frozen=True, kw_only=True)
class TaskSpec:
    """One planned task: its kind, its needs and its parameters."""

    key: str
    kind: str
    needs: tuple[str, ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict)
    materials: tuple[str, ...] = ()
    """Ids of its materials, in the order of its sources."""


@dataclass(frozen=True, kw_only=True)
class Blueprint:
    """Everything that a plan depends on; the same blueprint always gives the same tasks."""

    inputs: Mapping[str, Any]
    template: Mapping[str, Any] | None
    language: str
    materials: tuple[Material, ...] = ()
    """The materials, in the order of the inputs."""
    only_keys: frozenset[str] = frozenset()
    """For a child: the keys to make. Empty: all."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """The target of a regeneration, as the client names it."""

    name: str
    clip_no: int | None = None
    key: str | None = None

    def as_facts(self) -> dict[str, Any]:
        """The target as a client sends it."""
        given = {"target": self.name, "clipNo": self.clip_no, "key": self.key}
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class Regeneration:
    """The outputs that a child of a job makes again."""

    keys: tuple[str, ...]
    promised: tuple[str, ...]


class Recipe(ABC):
    """A kind of job, with the defaults of most recipes."""

    name: str
    cost_names: tuple[str, ...]
    """All costs of the catalog that ``price`` may read; it gets no others. A job stores their
    values, so that a retry with other options is priced in the same way."""
    inputs_model: ClassVar[type[Inputs]]
    """The inputs that clients send. ``validate`` parses them with it, and the API's document is
    made from it."""
    task_kinds: ClassVar[tuple[str, ...]]
    """All kinds of its tasks."""
    target_names: tuple[str, ...] = ()
    """The names of the targets that ``regenerate`` knows."""
    changeable: ClassVar[frozenset[str]] = frozenset()
    """Inputs that a retry may change without making existing outputs void."""
    options_field: ClassVar[str] = ""
    """The input that clients call the job's ``options``. Empty: all inputs are options."""
    material_field: ClassVar[str] = ""
    """The input that names its materials; ``material_kinds`` are their allowed kinds, also for a
    draft. Empty: only ``check`` decides, when the job is queued."""
    material_kinds: ClassVar[frozenset[str]] = frozenset({"image"})
    is_mode: ClassVar[bool] = False
    """Whether clients know the recipe as a ``mode`` of stories."""
    is_named_after_source: ClassVar[bool] = False
    """Whether its outputs are named after their source file."""
    is_priced_by_length: ClassVar[bool] = False
    """Whether ``price`` reads its materials, and then only their duration."""

    @abstractmethod
    def validate(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """The inputs in their stored form, with defaults.

        Raises:
            InvalidInput: with ``fields``; or code CONTENT_REJECTED.
        """

    def narrowed(self, properties: dict[str, Any]) -> dict[str, Any]:
        """The JSON Schemas of its inputs, where it accepts less than ``inputs_model``."""
        return properties

    def reopen(self, stored: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
        """Stored inputs in the form of a request, without those that ``changes`` make void."""
        return dict(stored)

    def revise(self, stored: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
        """Stored inputs with whole fields replaced, validated again."""
        return self.validate({**self.reopen(stored, changes), **changes})

    def patch(self, stored: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
        """Stored inputs with a JSON merge patch (RFC 7396) applied, validated again."""
        return self.validate(merge_patch(self.reopen(stored, patch), patch))

    def patch_of(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """The merge patch of the inputs for a client's changed ``options``."""
        return {self.options_field: dict(options)} if self.options_field else dict(options)

    def void_keys(
        self, before: Mapping[str, Any], after: Mapping[str, Any], made: frozenset[str]
    ) -> frozenset[str]:
        """Keys of outputs that were made with inputs ``before`` and are void with ``after``."""
        return frozenset()

    def split(self, inputs: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The stored inputs of each job of one request."""
        return [dict(inputs)]

    @abstractmethod
    def material_ids(self, inputs: Mapping[str, Any]) -> tuple[str, ...]:
        """The assets and reference photos that must be usable before the job can be queued."""

    @abstractmethod
    def check(self, inputs: Mapping[str, Any], materials: Sequence[Material]) -> None:
        """Check that the job can be made from these materials.

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
        """The parts of the job's price, and the outputs that each part promises."""

    @abstractmethod
    def plan(self, blueprint: Blueprint) -> Sequence[TaskSpec]:
        """All tasks, or those of ``only_keys``, each after those it needs."""

    def targets(self, inputs: Mapping[str, Any]) -> tuple[Target, ...]:
        """Every target that a child of a job with these inputs may make again."""
        return ()

    def regenerate(
        self, inputs: Mapping[str, Any], made: frozenset[str], target: Target
    ) -> Regeneration:
        """The keys of a child that makes one output again; ``made`` are the parent's outputs.

        Raises:
            InvalidInput: INVALID_TARGET with the ``targets`` that exist.
            Conflict: NOT_REGENERABLE.
        """
        raise Conflict(f"{self.name} cannot be regenerated", code="NOT_REGENERABLE")


def source_keys(materials: Sequence[Material]) -> dict[str, str]:
    """Material id → its name for tasks, in order: ``photo_1`` …, ``media_1`` …."""
    keys: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for material in materials:
        name = "photo" if material.kind == "image" else "media"
        counts[name] += 1
        keys[material.id] = f"{name}_{counts[name]}"
    return keys


def faces_of(blueprint: Blueprint, material_ids: Sequence[str]) -> dict[str, Any]:
    """The parameter ``faces`` of a task that uses these pictures: the known face of each."""
    keys = source_keys(blueprint.materials)
    faces = {
        keys[material.id]: to_json(material.face)
        for material in blueprint.materials
        if material.id in material_ids and material.face is not None
    }
    return {"faces": faces} if faces else {}


def image_keys(count: int) -> list[str]:
    """The task keys of a job with this number of pictures."""
    return [f"img_{number:02}" for number in range(1, count + 1)]


def image_targets(count: int) -> tuple[Target, ...]:
    """The targets of a job with this number of pictures."""
    return tuple(Target(name="image", key=key) for key in image_keys(count))


def require_target(target: Target, targets: Sequence[Target]) -> None:
    """Check that the target is one of those that exist.

    Raises:
        InvalidInput: INVALID_TARGET with the ``targets``.
    """
    if target not in targets:
        raise InvalidInput(
            "no such target", code="INVALID_TARGET", targets=[each.as_facts() for each in targets]
        )


def image_again(target: Target, targets: Sequence[Target]) -> Regeneration:
    """The regeneration of a target ``image``.

    Raises:
        InvalidInput: INVALID_TARGET.
    """
    require_target(target, targets)
    assert target.key is not None
    return Regeneration(keys=(target.key,), promised=(target.key,))


def require_kind(materials: Sequence[Material], kinds: frozenset[str], path: str) -> None:
    """Check that every material is of one of these kinds.

    Raises:
        InvalidInput: with the place in the inputs.
    """
    wrong = [number for number, material in enumerate(materials) if material.kind not in kinds]
    if wrong:
        fields = [
            problem(f"{path}.{number}", "WRONG_KIND", kinds=sorted(kinds)) for number in wrong
        ]
        raise InvalidInput("a file of the wrong kind", fields=fields)
