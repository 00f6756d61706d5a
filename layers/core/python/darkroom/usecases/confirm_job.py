"""Confirm: price, pin the template, hold the credits and queue, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from darkroom.assets import store as assets_store
from darkroom.assets.store import Asset, AssetStatus
from darkroom.bootstrap import App
from darkroom.credits import pricing
from darkroom.credits import store as credits_store
from darkroom.credits.model import Wallet
from darkroom.db import snapshot
from darkroom.jobs import items as jobs_items
from darkroom.jobs import store as jobs_store
from darkroom.jobs.model import Job
from darkroom.jobs.states import JobStatus
from darkroom.kernel.errors import Conflict, InvalidInput, NotFound, PaymentRequired
from darkroom.recipes import get_recipe
from darkroom.recipes.base import Recipe
from darkroom.templates import choice
from darkroom.templates import store as templates_store
from darkroom.usecases.open_account import open_account
from darkroom.usecases.racing import until_won
from darkroom.usecases.requests import Command
from darkroom.usecases.submit_job import Submission, record_shortfall, replay, submit


@dataclass(frozen=True, kw_only=True)
class _Facts:
    """What one read brings for one confirm."""

    wallet: Wallet | None
    exists: bool
    """Whether a job stands under the id we are about to use: a repeat meets its own work."""
    assets: tuple[Asset | None, ...]
    assigned: str | None


def confirm_new(
    app: App, call: Command, *, recipe_name: str, inputs: Mapping[str, Any], device_id: str
) -> Submission:
    """Create and queue a job at once.

    Raises:
        InvalidInput, NotFound (an asset), Conflict (ASSET_NOT_READY, ASSET_FAILED),
        PaymentRequired, Unprocessable (IDEMPOTENCY_MISMATCH).
    """
    recipe = get_recipe(recipe_name)
    blank = blank_job(app, call, recipe, inputs, device_id)

    def attempt() -> Submission:
        facts = _read(call.account_id, recipe, blank)
        if facts.exists:
            return replay(blank.job_id, call)
        return _submit(app, call, recipe, facts, draft=None, job=blank)

    return _charged(app, call, attempt)


def confirm_draft(
    app: App,
    call: Command,
    *,
    draft_job_id: str,
    overrides: Mapping[str, Any],
    device_id: str | None,
) -> Submission:
    """Queue a draft; fields sent override the draft's.

    Raises:
        what ``confirm_new`` raises; NotFound (the draft); Conflict (JOB_NOT_DRAFT).
    """

    def attempt() -> Submission:
        draft = jobs_store.find_job(draft_job_id)
        if draft is None or draft.account_id != call.account_id:
            raise NotFound("no such job")
        if draft.status is not JobStatus.DRAFT:
            if draft.operation == call.operation:
                return replay(draft_job_id, call)
            raise Conflict("the job is no longer a draft", code="JOB_NOT_DRAFT")
        recipe = get_recipe(overrides.get("mode", draft.recipe))
        changes = {name: value for name, value in overrides.items() if name != "mode"}
        check_hooks(app, changes)
        job = replace(
            draft,
            recipe=recipe.name,
            inputs=recipe.revise(draft.inputs, changes),
            language=call.language,
            device_id=draft.device_id if device_id is None else device_id,
        )
        facts = _read(call.account_id, recipe, job)
        return _submit(app, call, recipe, facts, draft=draft, job=job)

    return _charged(app, call, attempt)


def blank_job(
    app: App, call: Command, recipe: Recipe, inputs: Mapping[str, Any], device_id: str
) -> Job:
    """A job with checked inputs that holds nothing yet.

    Raises:
        InvalidInput.
    """
    now = app.clock.now()
    return Job(
        job_id=call.id_for(app.ids, "job"),
        account_id=call.account_id,
        recipe=recipe.name,
        status=JobStatus.DRAFT,
        inputs=validate_inputs(app, recipe, inputs),
        created_at=now,
        updated_at=now,
        language=call.language,
        device_id=device_id,
        created_by=call.operation,
    )


def validate_inputs(app: App, recipe: Recipe, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs in their stored form, or InvalidInput."""
    check_hooks(app, inputs)
    return recipe.validate(inputs)


def check_hooks(app: App, inputs: Mapping[str, Any]) -> None:
    """The test hook is an unknown field unless hooks are on."""
    if "testFaults" in inputs and not app.settings.test_hooks:
        raise InvalidInput(
            "unknown field", fields=[{"path": "testFaults", "message": "is not a known field"}]
        )


def _charged(app: App, call: Command, attempt: Any) -> Submission:
    try:
        return until_won(app, attempt)
    except PaymentRequired as error:
        record_shortfall(app, call.account_id, error)
        raise


def _read(account_id: str, recipe: Recipe, job: Job) -> _Facts:
    """Wallet, job, photos and remembered variant: one snapshot, one round trip."""
    asset_ids = recipe.asset_ids(job.inputs)
    combination = recipe.template_combination(job.inputs)
    keys: list[tuple[Any, str, str | None]] = [
        (credits_store.WalletItem, account_id, None),
        (jobs_items.JobItem, job.job_id, jobs_items.JOB_KEY),
    ]
    keys += [(assets_store.AssetItem, account_id, asset_id) for asset_id in asset_ids]
    if combination is not None:
        joined = "|".join(combination)
        subjects = [templates_store.account_subject(account_id)]
        if job.device_id:
            subjects.append(templates_store.device_subject(job.device_id))
        keys += [(templates_store.AssignmentItem, subject, joined) for subject in subjects]
    wallet, existing, *rest = snapshot(keys)
    assets, assignments = rest[: len(asset_ids)], rest[len(asset_ids) :]
    return _Facts(
        wallet=credits_store.to_wallet(wallet) if wallet else None,
        exists=existing is not None,
        assets=tuple(assets_store.to_asset(item) if item else None for item in assets),
        assigned=next((item.template_id for item in assignments if item), None),
    )


def _submit(
    app: App, call: Command, recipe: Recipe, facts: _Facts, *, draft: Job | None, job: Job
) -> Submission:
    _check_assets(facts.assets)
    wallet = facts.wallet or open_account(app, call.account_id)
    priced = replace(job, price=recipe.price(job.inputs, pricing.costs()))
    pinned = _pin_template(recipe, priced, facts.assigned)
    return submit(app, draft=draft, job=pinned, wallet=wallet, operation=call.operation)


def _check_assets(assets: tuple[Asset | None, ...]) -> None:
    for asset in assets:
        if asset is None:
            raise NotFound("no such asset")
        if asset.status is AssetStatus.FAILED:
            raise Conflict("the file was refused", code="ASSET_FAILED", assetId=asset.asset_id)
        if asset.status is not AssetStatus.UPLOADED:
            raise Conflict(
                "the file is not checked yet", code="ASSET_NOT_READY", assetId=asset.asset_id
            )


def _pin_template(recipe: Recipe, job: Job, assigned: str | None) -> Job:
    combination = recipe.template_combination(job.inputs)
    if combination is None:
        return job
    ids = [template["templateId"] for template in choice.templates_of(*combination)]
    template_id = assigned if assigned in ids else None
    if template_id is None:
        template_id = choice.choose(
            ids,
            account_id=job.account_id,
            device_id=job.device_id,
            combination=combination,
        )
    return replace(job, template_id=template_id, combination="|".join(combination))
