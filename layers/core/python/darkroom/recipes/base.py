"""What a recipe is to the engine. Pure: no clock, store, queue or network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from darkroom.kernel.money import PricePart


@dataclass(frozen=True, kw_only=True)
class TaskSpec:
    """One planned task: what makes it, what it needs, and what it is told."""

    key: str
    kind: str
    needs: tuple[str, ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict)
    wants_photos: bool = False


@dataclass(frozen=True, kw_only=True)
class Blueprint:
    """Everything a plan depends on; the same blueprint always gives the same tasks."""

    inputs: Mapping[str, Any]
    template: Mapping[str, Any] | None
    language: str
    only_keys: frozenset[str] = frozenset()
    """For a child: the keys to make. Empty: all."""
    inherited: frozenset[str] = frozenset()
    """Keys whose outputs a child takes over from its parent."""


@dataclass(frozen=True, kw_only=True)
class Regeneration:
    """What a child of a job makes again."""

    keys: tuple[str, ...]
    promised: tuple[str, ...]


class Recipe(Protocol):
    """A kind of job."""

    name: str
    has_templates: bool

    def validate(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """The inputs in their stored form, with defaults.

        Raises:
            InvalidInput: with ``fields``; or code CONTENT_REJECTED.
        """

    def revise(self, stored: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
        """Stored inputs with fields replaced, validated anew; raises what ``validate`` raises."""

    def asset_ids(self, inputs: Mapping[str, Any]) -> tuple[str, ...]:
        """The assets that must be usable before the job can be queued."""

    def template_combination(self, inputs: Mapping[str, Any]) -> tuple[str, str, str] | None:
        """(mode, stage, genre) of the templates to choose from; None when there are none."""

    def price(self, inputs: Mapping[str, Any], costs: Mapping[str, int]) -> tuple[PricePart, ...]:
        """What the job costs, part by part."""

    def plan(self, blueprint: Blueprint) -> Sequence[TaskSpec]:
        """The tasks, each after those it needs."""

    def regenerate(
        self,
        inputs: Mapping[str, Any],
        made: frozenset[str],
        *,
        target: str,
        clip_no: int | None,
    ) -> Regeneration:
        """The keys of a child that makes one thing again; ``made`` is what the parent has.

        Raises:
            InvalidInput: INVALID_TARGET for this recipe.
            Conflict: NOT_REGENERABLE.
        """
