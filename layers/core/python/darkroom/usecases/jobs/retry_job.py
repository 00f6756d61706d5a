"""Retry or rerun a finished job.

A retry is a child job that makes the missing outputs for the unused part of the price; see
``credits.pricing`` for its rules. A rerun is a new job with the same inputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from darkroom.bootstrap.composition import App
from darkroom.credits import pricing
from darkroom.jobs import store as jobs_store
from darkroom.jobs.model import Job, JobFamily
from darkroom.jobs.states import JobStatus, TaskStatus
from darkroom.kernel.command import Command
from darkroom.kernel.errors import Conflict, InvalidInput, NotFound
from darkroom.kernel.money import PricePart, RetryChain, SpentPart
from darkroom.kernel.problems import problem
from darkroom.recipes import get_recipe
from darkroom.recipes.base import Blueprint, Material, TaskSpec
from darkroom.usecases.jobs.confirm_job import confirm_blank
from darkroom.usecases.jobs.draft_job import blank_job
from darkroom.usecases.jobs.read_blueprint import blueprint_of
from darkroom.usecases.jobs.submit_child import BuildChild, blank_child, submit_child
from darkroom.usecases.jobs.submit_job import Submission

_RETRYABLE = frozenset({JobStatus.FAILED, JobStatus.PARTIAL, JobStatus.CANCELED})
# Injected faults apply only to the run that they were sent with.
_OWN_OF_A_RUN = frozenset({"testFaults"})


def retry_job(
    app: App, command: Command, *, parent_job_id: str, options: Mapping[str, Any]
) -> Submission:
    """Queue a child that makes the missing outputs, for the unused part of the whole price.

    Outputs that were refused for their content or input are made only if ``options`` change
    something.

    Raises:
        NotFound; Conflict NOT_RETRYABLE; InvalidInput; PaymentRequired;
        KeyReused.
    """
    build = retry_of(app, options)
    return submit_child(app, command, parent_job_id=parent_job_id, build=build)


def retry_of(app: App, options: Mapping[str, Any]) -> BuildChild:
    """Builds the child that retries its parent; raises what ``retry_job`` does."""

    def build(parent: JobFamily, child_id: str) -> Job:
        # A canceled draft was never queued: no outputs were planned or paid for.
        if parent.job.status not in _RETRYABLE or parent.job.queued_at is None:
            raise Conflict("only what failed or was canceled can be retried", code="NOT_RETRYABLE")
        return _child(app, parent, with_options(parent.job, options), child_id)

    return build


def rerun_job(app: App, command: Command, *, job_id: str) -> Submission:
    """Queue the same inputs once more, as a new job at full price.

    Raises:
        NotFound; Conflict JOB_NOT_FINAL; what ``confirm_new`` raises.
    """
    job = jobs_store.find_job(job_id)
    if job is None or job.account_id != command.account_id:
        raise NotFound("no such job")
    return confirm_blank(app, command, rerun_of(app, command, job))


def rerun_of(app: App, command: Command, job: Job) -> Job:
    """A new job with the inputs of this one, not stored.

    Raises:
        Conflict JOB_NOT_FINAL; InvalidInput.
    """
    if not job.is_final:
        raise Conflict("the job has not ended", code="JOB_NOT_FINAL")
    recipe = get_recipe(job.recipe)
    inputs = _of_any_run(recipe.reopen(job.inputs, {}))
    blank = blank_job(app, command, recipe=recipe, inputs=inputs, device_id=job.device_id)
    return replace(blank, priority=job.priority)


def with_options(job: Job, options: Mapping[str, Any]) -> Job:
    """The job with the options that the client changes for the retry."""
    if not options:
        return job
    recipe = get_recipe(job.recipe)
    job = replace(job, inputs=_of_any_run(job.inputs))
    patch = recipe.patch_of(options)
    fixed = sorted(set(patch) - recipe.changeable)
    if fixed:
        fields = [problem(f"options.{name}", "FIXED") for name in fixed]
        raise InvalidInput("a retry keeps the rest", fields=fields)
    return replace(job, inputs=recipe.patch(job.inputs, patch))


def _child(app: App, parent: JobFamily, job: Job, child_id: str) -> Job:
    """The child of ``parent`` with the inputs of ``job``."""
    blueprint = replace(blueprint_of(job), only_keys=frozenset())
    attempt = next_attempt(parent, job, blueprint)
    if not attempt.keys:
        raise Conflict("nothing is missing that could be made", code="NOT_RETRYABLE")
    child = blank_child(
        app,
        job,
        child_id=child_id,
        only_keys=attempt.keys,
        price=attempt.price,
        without=_OWN_OF_A_RUN,
    )
    return replace(child, costs=job.costs, chain=attempt.chain)


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """The tasks of a retry, its price, and the chain by which its own retries are priced."""

    keys: tuple[str, ...]
    price: tuple[PricePart, ...]
    chain: RetryChain


def next_attempt(parent: JobFamily, job: Job, blueprint: Blueprint) -> Attempt:
    """The retry of ``parent`` with the inputs of ``job``; ``blueprint`` covers the whole plan.

    Pure but for the catalog. ``credits.pricing`` explains the price.
    """
    recipe = get_recipe(job.recipe)
    is_changed = _of_any_run(job.inputs) != _of_any_run(parent.job.inputs)
    before = _chain_so_far(parent, blueprint.materials)
    whole = before.whole
    if is_changed and not _is_regeneration(whole):
        whole = _whole_price(job, before.whole, blueprint.materials)
    made = frozenset(output.key for output in parent.outputs)
    void = recipe.void_keys(parent.job.inputs, job.inputs, made)
    spent = pricing.without_void(before.spent, void)
    refused = frozenset(
        task.key for task in parent.tasks if task.failure is not None and task.failure.refused
    )
    keys = keys_to_make(
        recipe.plan(blueprint),
        promised=_promised(whole),
        made=made - void,
        refused=frozenset() if is_changed else refused,
    )
    return Attempt(
        keys=keys,
        price=pricing.price_of_missing(whole, spent, made - void, frozenset(keys)),
        chain=RetryChain(whole=whole, spent=spent),
    )


def _of_any_run(inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in inputs.items() if name not in _OWN_OF_A_RUN}


def _is_regeneration(price: Sequence[PricePart]) -> bool:
    """A regeneration has a fixed price: options change its output, not its price."""
    return [part.name for part in price] == [pricing.REGENERATE]


def _whole_price(
    job: Job, known: Sequence[PricePart], materials: Sequence[Material]
) -> tuple[PricePart, ...]:
    """The price of the whole job with these options, at the pinned costs."""
    recipe = get_recipe(job.recipe)
    unknown = [name for name in recipe.cost_names if name not in job.costs]
    costs = {**job.costs, **pricing.costs_of(unknown)}
    whole = recipe.price(job.inputs, costs, materials)
    if job.costs:
        return whole
    # Jobs of the previous version contain the cost of their own parts; the others have today's.
    credits = {part.name: part.credits for part in known}
    return tuple(replace(part, credits=credits.get(part.name, part.credits)) for part in whole)


def _chain_so_far(parent: JobFamily, materials: Sequence[Material]) -> RetryChain:
    """The parent's chain, with the credits that the parent itself used."""
    job = parent.job
    if job.chain is not None:
        chain = job.chain
    elif job.parent_job_id is None or job.regen_target is not None:
        chain = RetryChain(whole=job.price, spent=())
    else:
        chain = _chain_of_before(parent, materials)
    assert job.receipt is not None
    made = {task.key for task in parent.tasks if task.status is TaskStatus.SUCCEEDED}
    spent = pricing.add_receipt(chain.spent, job.price, job.receipt.parts, made)
    return replace(chain, spent=spent)


def _chain_of_before(parent: JobFamily, materials: Sequence[Material]) -> RetryChain:
    """The chain of a retry of the previous version, which stored only the price of its own parts.

    That price was the share of the whole that exists afterwards, less the share that existed.
    """
    job = parent.job
    if _is_regeneration(job.price):
        return RetryChain(whole=job.price, spent=())
    inherited = {output.key for output in parent.inherited}
    own = {part.name: part for part in job.price}
    whole = _whole_price(job, (), materials)
    spent = []
    for part in whole:
        used = part.used(inherited)
        if part.name in own:
            used = part.used(inherited.union(own[part.name].promised)) - own[part.name].credits
        keys = tuple(sorted(inherited.intersection(part.promised)))
        spent.append(SpentPart(name=part.name, credits=max(0, used), keys=keys))
    return RetryChain(whole=whole, spent=tuple(spent))


def keys_to_make(
    specs: Sequence[TaskSpec],
    *,
    promised: frozenset[str],
    made: frozenset[str],
    refused: frozenset[str],
) -> tuple[str, ...]:
    """Every task that the missing promised outputs need, in the order of the plan.

    Existing outputs are not made again, and tasks that need a refused output are not tried. A
    promised output that the recipe no longer plans is left out.
    """
    needs = {spec.key: spec.needs for spec in specs}

    def closure(key: str) -> set[str]:
        missing = [need for need in needs[key] if need not in made]
        return {key}.union(*(closure(need) for need in missing))

    wanted: set[str] = set()
    for key in (promised - made) & needs.keys():
        needed = closure(key)
        if not needed & refused:
            wanted |= needed
    return tuple(spec.key for spec in specs if spec.key in wanted)


def _promised(price: Sequence[PricePart]) -> frozenset[str]:
    return frozenset(key for part in price for key in part.promised)
