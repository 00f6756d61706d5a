"""Regenerate one output: a child job makes it again, inherits the rest, and re-cuts the film."""

from __future__ import annotations

from dataclasses import replace

from darkroom.bootstrap.composition import App
from darkroom.credits import pricing
from darkroom.jobs.model import Job, JobFamily
from darkroom.jobs.states import JobStatus
from darkroom.kernel.command import Command
from darkroom.kernel.errors import Conflict
from darkroom.kernel.money import PricePart
from darkroom.recipes import get_recipe
from darkroom.recipes.base import Target
from darkroom.usecases.jobs.submit_child import BuildChild, blank_child, submit_child
from darkroom.usecases.jobs.submit_job import Submission

_REGENERABLE = frozenset({JobStatus.SUCCEEDED, JobStatus.PARTIAL})
# A repeatable seed and injected faults apply only to the run that they were sent with.
_OWN_OF_A_RUN = frozenset({"seed", "testFaults"})


def regenerate(app: App, command: Command, *, parent_job_id: str, target: Target) -> Submission:
    """Queue a child of a finished job for one credit.

    Raises:
        NotFound; Conflict NOT_REGENERABLE; InvalidInput INVALID_TARGET; PaymentRequired;
        KeyReused.
    """

    build = regeneration_of(app, target)
    return submit_child(app, command, parent_job_id=parent_job_id, build=build)


def regeneration_of(app: App, target: Target) -> BuildChild:
    """Builds the child that makes this target again; raises what ``regenerate`` does."""

    def build(parent: JobFamily, child_id: str) -> Job:
        made = frozenset(output.key for output in parent.outputs)
        job = parent.job
        again = get_recipe(job.recipe).regenerate(job.inputs, made, target)
        if job.status not in _REGENERABLE:
            raise Conflict("the job has not finished with a result", code="NOT_REGENERABLE")
        costs = pricing.costs_of([pricing.REGENERATE])
        part = PricePart(
            name=pricing.REGENERATE, credits=costs[pricing.REGENERATE], promised=again.promised
        )
        child = blank_child(
            app, job, child_id=child_id, only_keys=again.keys, price=(part,), without=_OWN_OF_A_RUN
        )
        return replace(child, costs=costs, regen_target=target.name, regen_clip_no=target.clip_no)

    return build
