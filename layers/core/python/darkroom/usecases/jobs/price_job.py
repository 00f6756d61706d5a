"""Price a job and choose its template, from one read. Changes nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from darkroom.albums import store as albums_store
from darkroom.credits import pricing
from darkroom.credits import store as credits_store
from darkroom.credits.model import Wallet
from darkroom.db import snapshot
from darkroom.jobs import items as jobs_items
from darkroom.jobs.model import Job
from darkroom.jobs.naming import source_name_of
from darkroom.plans.store import AccountItem, read_plan
from darkroom.recipes import get_recipe
from darkroom.recipes.base import Material
from darkroom.templates import choice
from darkroom.templates import store as templates_store
from darkroom.usecases.jobs.find_materials import material_keys, to_materials, with_files


@dataclass(frozen=True, kw_only=True)
class JobSnapshot:
    """The items that pricing a job needs, from one read."""

    wallet: Wallet | None
    plan: str
    """The account's plan."""
    exists: bool
    """Whether a job with this id exists already, which means that the request is a repeat."""
    files: tuple[Any, ...]
    assigned: str | None
    """The template variant that is assigned to the account or its device."""
    is_assigned: bool
    """Whether the account itself has a variant for this combination."""


def read_snapshot(job: Job) -> JobSnapshot:
    """Wallet, job, files and assigned variant: one snapshot in one round trip.

    Raises:
        NotFound: the album for the outputs is missing.
    """
    if "albumId" in job.inputs:
        albums_store.get_album(job.account_id, job.inputs["albumId"])
    recipe = get_recipe(job.recipe)
    ids = recipe.material_ids(job.inputs)
    combination = recipe.template_combination(job.inputs)
    keys: list[tuple[Any, str, str | None]] = [
        (credits_store.WalletItem, job.account_id, None),
        (jobs_items.JobItem, job.job_id, jobs_items.JOB_KEY),
        (AccountItem, job.account_id, None),
        *material_keys(job.account_id, ids),
    ]
    if combination is not None:
        joined = "|".join(combination)
        subjects = [templates_store.account_subject(job.account_id)]
        if job.device_id:
            subjects.append(templates_store.device_subject(job.device_id))
        keys += [(templates_store.AssignmentItem, subject, joined) for subject in subjects]
    wallet, existing, account, *rest = snapshot(keys)
    files, assignments = rest[: len(ids)], rest[len(ids) :]
    templates = [templates_store.template_of(item) for item in assignments if item]
    return JobSnapshot(
        wallet=credits_store.to_wallet(wallet) if wallet else None,
        plan=read_plan(account),
        exists=existing is not None,
        files=tuple(files),
        assigned=next(filter(None, templates), None),
        is_assigned=bool(assignments and assignments[0]),
    )


def price_job(job: Job, snapshot: JobSnapshot, *, template_id: str | None = None) -> Job:
    """The job with its price, its costs and its template.

    ``template_id`` is the one that a quote promised.

    Raises:
        NotFound, Conflict (ASSET_NOT_READY, ASSET_FAILED), InvalidInput (NO_TEMPLATES, a file
        that the recipe cannot use).
    """
    recipe = get_recipe(job.recipe)
    materials = materials_of(job, snapshot)
    recipe.check(job.inputs, materials)
    costs = pricing.costs_of(recipe.cost_names)
    priced = replace(
        with_files(job, materials),
        price=recipe.price(job.inputs, costs, materials),
        costs=costs,
        source_name=source_name_of(materials[0].name) if recipe.is_named_after_source else None,
    )
    return _pin_template(priced, snapshot.assigned or template_id)


def materials_of(job: Job, snapshot: JobSnapshot) -> tuple[Material, ...]:
    """The job's files.

    Raises:
        NotFound, Conflict (ASSET_NOT_READY, ASSET_FAILED).
    """
    return to_materials(get_recipe(job.recipe).material_ids(job.inputs), snapshot.files)


def _pin_template(job: Job, known: str | None) -> Job:
    combination = get_recipe(job.recipe).template_combination(job.inputs)
    if combination is None:
        return job
    ids = [template["templateId"] for template in choice.templates_of(*combination)]
    template_id = known if known in ids else None
    if template_id is None:
        template_id = choice.choose(
            ids,
            account_id=job.account_id,
            device_id=job.device_id,
            combination=combination,
        )
    return replace(job, template_id=template_id, combination="|".join(combination))
