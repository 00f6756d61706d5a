"""Retry: a child job makes what is missing of a finished one, priced for it. And run again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from darkroom.bootstrap import App
from darkroom.credits import pricing
from darkroom.jobs import store as jobs_store
from darkroom.jobs.model import Job, JobFamily
from darkroom.jobs.states import JobStatus
from darkroom.kernel.errors import Conflict, InvalidInput, NotFound
from darkroom.kernel.money import PricePart
from darkroom.kernel.problems import problem
from darkroom.recipes import get_recipe
from darkroom.recipes.base import TaskSpec
from darkroom.usecases.confirm_job import confirm_new
from darkroom.usecases.plan_job import blueprint_of
from darkroom.usecases.requests import Command
from darkroom.usecases.submit_child import blank_child, submit_child
from darkroom.usecases.submit_job import Submission

_RETRYABLE = frozenset({JobStatus.FAILED, JobStatus.PARTIAL, JobStatus.CANCELED})
# Planted faults belong to the run they were sent with.
_OWN_OF_A_RUN = frozenset({"testFaults"})


def retry_job(
    app: App, call: Command, *, parent_job_id: str, options: Mapping[str, Any]
) -> Submission:
    """Queue a child that makes what is missing, for what of the price was not used.

    What was refused for its content or input is made only if ``options`` change something.

    Raises:
        NotFound; Conflict NOT_RETRYABLE; InvalidInput; PaymentRequired;
        Unprocessable IDEMPOTENCY_MISMATCH.
    """

    def build(parent: JobFamily, child_id: str) -> Job:
        if parent.job.status not in _RETRYABLE:
            raise Conflict("only what failed or was canceled can be retried", code="NOT_RETRYABLE")
        return _child(app, parent, _revised(parent.job, options), child_id)

    return submit_child(app, call, parent_job_id, build)


def rerun_job(app: App, call: Command, *, job_id: str) -> Submission:
    """Queue the same inputs once more, as a new job at full price.

    Raises:
        NotFound; Conflict JOB_NOT_FINAL; what ``confirm_new`` raises.
    """
    job = jobs_store.find_job(job_id)
    if job is None or job.account_id != call.account_id:
        raise NotFound("no such job")
    if not job.is_final:
        raise Conflict("the job has not ended", code="JOB_NOT_FINAL")
    inputs = get_recipe(job.recipe).reopen(job.inputs, {})
    return confirm_new(
        app,
        call,
        recipe_name=job.recipe,
        inputs={name: value for name, value in inputs.items() if name not in _OWN_OF_A_RUN},
        device_id=job.device_id,
        priority=job.priority,
    )


def _revised(job: Job, options: Mapping[str, Any]) -> Job:
    """The job with what the client changes for the retry."""
    if not options:
        return job
    recipe = get_recipe(job.recipe)
    job = replace(job, inputs={k: v for k, v in job.inputs.items() if k not in _OWN_OF_A_RUN})
    patch = recipe.patch_of(options)
    fixed = sorted(set(patch) - recipe.changeable)
    if fixed:
        fields = [problem(f"options.{name}", "FIXED") for name in fixed]
        raise InvalidInput("a retry keeps the rest", fields=fields)
    return replace(job, inputs=recipe.patch(job.inputs, patch))


def _child(app: App, parent: JobFamily, job: Job, child_id: str) -> Job:
    """The child of ``parent``, whose job is now asked for as ``job`` says."""
    recipe = get_recipe(job.recipe)
    is_changed = job is not parent.job
    blueprint = replace(blueprint_of(job), only_keys=frozenset())
    price = job.price
    if is_changed and not job.only_keys:
        price = recipe.price(job.inputs, pricing.costs(), blueprint.materials)
    made = frozenset(output.key for output in parent.outputs)
    made -= recipe.void_keys(parent.job.inputs, job.inputs, made)
    refused = frozenset(
        task.key for task in parent.tasks if task.failure is not None and task.failure.refused
    )
    keys = keys_to_make(
        recipe.plan(blueprint), _promised(price), made, frozenset() if is_changed else refused
    )
    if not keys:
        raise Conflict("nothing is missing that could be made", code="NOT_RETRYABLE")
    return blank_child(
        app,
        job,
        child_id,
        only_keys=keys,
        price=price_of_missing(price, made, frozenset(keys)),
        without=_OWN_OF_A_RUN,
    )


def keys_to_make(
    specs: Sequence[TaskSpec],
    promised: frozenset[str],
    made: frozenset[str],
    refused: frozenset[str],
) -> tuple[str, ...]:
    """Every task that the missing promised outputs need, in the order of the plan.

    What exists is not made again, and what needs something refused is not tried.
    """
    needs = {spec.key: spec.needs for spec in specs}

    def closure(key: str) -> set[str]:
        missing = [need for need in needs[key] if need not in made]
        return {key}.union(*(closure(need) for need in missing))

    wanted: set[str] = set()
    for key in promised - made:
        needed = closure(key)
        if not needed & refused:
            wanted |= needed
    return tuple(spec.key for spec in specs if spec.key in wanted)


def price_of_missing(
    price: Sequence[PricePart], made: frozenset[str], keys: frozenset[str]
) -> tuple[PricePart, ...]:
    """For each part what it will have earned with ``keys``, less what it has earned already."""
    parts = []
    for part in price:
        planned = tuple(key for key in part.promised if key in keys and key not in made)
        if planned:
            credits = part.used(made | keys) - part.used(made)
            parts.append(PricePart(name=part.name, credits=credits, promised=planned))
    return tuple(parts)


def _promised(price: Sequence[PricePart]) -> frozenset[str]:
    return frozenset(key for part in price for key in part.promised)
