"""What each plan allows. Pure, over the catalogue."""

from __future__ import annotations

from dataclasses import dataclass

from darkroom.kernel import catalogue

FREE = "free"


@dataclass(frozen=True, kw_only=True)
class PlanLimits:
    concurrent_tasks: int
    """Tasks of the account that may be on their way or running at the same time."""


def plan_names() -> tuple[str, ...]:
    return tuple(catalogue.read("plans.json"))


def limits_of(plan: str) -> PlanLimits:
    """The plan's limits; a plan that is no longer sold counts as free."""
    plans = catalogue.read("plans.json")
    return PlanLimits(concurrent_tasks=plans.get(plan, plans[FREE])["concurrentTasks"])
