"""Confirm a job: price it, pin its template, hold the credits and queue it, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any

from darkroom.bootstrap.composition import App
from darkroom.db import Write
from darkroom.db.retry import retry_on_conflict
from darkroom.jobs import store as jobs_store
from darkroom.jobs.model import Job
from darkroom.jobs.states import JobStatus
from darkroom.kernel.clock import to_iso
from darkroom.kernel.command import Command
from darkroom.kernel.errors import Conflict, NotFound, PaymentRequired
from darkroom.kernel.object_keys import owner_tag
from darkroom.plans.model import PlanLimit
from darkroom.plans.store import find_plan
from darkroom.recipes import get_recipe
from darkroom.recipes.base import Material, Recipe
from darkroom.templates.store import account_subject, assign_write
from darkroom.usecases.accounts.open_account import open_account
from darkroom.usecases.jobs.draft_job import (
    blank_job,
    blank_jobs,
    check_hooks,
    find_made,
    keep_draft,
)
from darkroom.usecases.jobs.find_materials import check_drafted, find_materials, with_files
from darkroom.usecases.jobs.price_job import JobSnapshot, materials_of, price_job, read_snapshot
from darkroom.usecases.jobs.quote_job import ClaimedQuote, at_quoted_price, redeem_quote
from darkroom.usecases.jobs.submit_job import (
    Submission,
    record_shortfall,
    replay,
    submit,
    with_shortfall_event,
)

Lacking = PaymentRequired | PlanLimit
"""Why a job of several was not queued."""


def confirm_new(
    app: App,
    command: Command,
    *,
    recipe_name: str,
    inputs: Mapping[str, Any],
    device_id: str,
    priority: int = 0,
    quote_id: str | None = None,
) -> Submission:
    """Create and queue a job at once.

    Raises:
        InvalidInput, NotFound (a file), Conflict (ASSET_NOT_READY, ASSET_FAILED,
        QUOTE_MISMATCH, QUOTE_EXPIRED), RateLimited, PlanLimit, PaymentRequired, KeyReused.
    """
    blank = blank_job(
        app, command, recipe=get_recipe(recipe_name), inputs=inputs, device_id=device_id
    )
    blank = replace(blank, priority=priority)
    claimed = None if quote_id is None else ClaimedQuote(quote_id=quote_id, inputs=blank.inputs)
    return confirm_blank(app, command, blank, claimed)


def confirm_blank(
    app: App, command: Command, blank: Job, claimed: ClaimedQuote | None = None
) -> Submission:
    """Create and queue a job that ``blank_job`` made; raises what ``confirm_new`` does."""
    return with_shortfall_event(
        app, command.account_id, lambda: _queue_new(app, command, blank, claimed)
    )


def confirm_draft(
    app: App,
    command: Command,
    *,
    draft_job_id: str,
    overrides: Mapping[str, Any],
    device_id: str | None = None,
    priority: int | None = None,
    quote_id: str | None = None,
) -> Submission:
    """Queue a draft; fields in the request override the draft's.

    Raises:
        what ``confirm_new`` raises; NotFound (the draft); Conflict (JOB_NOT_DRAFT).
    """

    def attempt() -> Submission:
        draft = jobs_store.find_job(draft_job_id)
        if draft is None or draft.account_id != command.account_id:
            raise NotFound("no such job")
        if draft.status is not JobStatus.DRAFT:
            if draft.operation == command.operation:
                return replay(draft_job_id, command)
            raise Conflict("the job is no longer a draft", code="JOB_NOT_DRAFT")
        job = replace(
            job_to_queue(app, command, draft, overrides),
            device_id=draft.device_id if device_id is None else device_id,
            priority=draft.priority if priority is None else priority,
        )
        claimed = None if quote_id is None else ClaimedQuote(quote_id=quote_id, inputs=job.inputs)
        return _queue(app, command, job, snapshot=read_snapshot(job), claimed=claimed, draft=draft)

    return with_shortfall_event(app, command.account_id, attempt)


def job_to_queue(
    app: App, command: Command, draft: Job, overrides: Mapping[str, Any] = MappingProxyType({})
) -> Job:
    """The draft as it is priced and queued, not stored.

    Raises:
        InvalidInput.
    """
    recipe = get_recipe(overrides.get("mode", draft.recipe))
    changes = {name: value for name, value in overrides.items() if name != "mode"}
    check_hooks(app, changes)
    return replace(
        draft,
        recipe=recipe.name,
        inputs=_revised(draft, recipe, changes),
        language=command.language,
        # A draft has no files yet, so a draft of the previous version gets new object keys.
        owner_tag=owner_tag(app.signing_secret.value, command.account_id),
    )


def _revised(draft: Job, recipe: Recipe, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The draft's inputs with the changes; the draft's recipe may differ from the request's."""
    own = get_recipe(draft.recipe)
    if recipe is own:
        return recipe.revise(draft.inputs, changes)
    return recipe.validate({**own.reopen(draft.inputs, changes), **changes})


def create_jobs(
    app: App,
    command: Command,
    *,
    recipe_name: str,
    inputs: Mapping[str, Any],
    device_id: str,
    priority: int,
    queued: bool,
    quote_id: str | None = None,
) -> list[tuple[Job, Lacking | None]]:
    """Create drafts, or queue the jobs that the balance covers, in their order.

    A job that the balance does not cover, or the plan does not allow, stays a draft and is returned
    with that error.

    Raises:
        what ``confirm_new`` raises; PaymentRequired, PlanLimit: none fits; nothing is created.
    """
    blanks = blank_jobs(
        app,
        command,
        recipe_name=recipe_name,
        inputs=inputs,
        device_id=device_id,
        priority=priority,
    )
    if not queued:
        if find_made(blanks[0], command) is None:
            recipe = get_recipe(recipe_name)
            files = check_drafted(command.account_id, recipe=recipe, inputs=recipe.validate(inputs))
            blanks = [_with_own_files(blank, recipe, files) for blank in blanks]
        plan = find_plan(command.account_id)
        return [
            (keep_draft(app, blank, command, plan=plan, needed=len(blanks) - number), None)
            for number, blank in enumerate(blanks)
        ]
    quotes: list[ClaimedQuote | None] = [None] * len(blanks)
    if quote_id is not None:
        whole = get_recipe(recipe_name).validate(inputs)
        quotes = [
            ClaimedQuote(quote_id=quote_id, inputs=whole, number=number)
            for number in range(len(blanks))
        ]
    return _queue_those_that_fit(app, command, blanks, quotes)


def _with_own_files(job: Job, recipe: Recipe, files: Sequence[Material]) -> Job:
    """A job of a request, with those of the request's files that it uses."""
    known = {file.id: file for file in files}
    return with_files(job, [known[file_id] for file_id in recipe.material_ids(job.inputs)])


def _queue_those_that_fit(
    app: App, command: Command, blanks: Sequence[Job], quotes: Sequence[ClaimedQuote | None]
) -> list[tuple[Job, Lacking | None]]:
    recipe = get_recipe(blanks[0].recipe)
    if len(blanks) > 1:
        # Do not charge for some of them if the others can never run.
        blanks = [
            with_files(blank, find_materials(command.account_id, recipe.material_ids(blank.inputs)))
            for blank in blanks
        ]
    made: list[tuple[Job, Lacking | None]] = []
    for blank, quote in zip(blanks, quotes, strict=True):
        try:
            queue = partial(_queue_new, app, command, blank, quote)
            done = retry_on_conflict(app.jitter, queue)
            made.append((done.job, None))
        except (PaymentRequired, PlanLimit) as error:
            made.append((blank, error))
    refusals = [error for _, error in made if error is not None]
    shortfall = next((each for each in refusals if isinstance(each, PaymentRequired)), None)
    if shortfall is not None:
        record_shortfall(app, command.account_id, shortfall)
    if len(refusals) == len(made):
        raise refusals[0]
    # Some were queued, so the response has to come; drafts beyond the limit count all the same.
    return [
        (job if error is None else keep_draft(app, job, command, plan=None), error)
        for job, error in made
    ]


def _queue_new(app: App, command: Command, blank: Job, claimed: ClaimedQuote | None) -> Submission:
    snapshot = read_snapshot(blank)
    if not snapshot.exists:
        return _queue(app, command, blank, snapshot=snapshot, claimed=claimed, draft=None)
    kept = jobs_store.find_job(blank.job_id)
    if kept is not None and _is_own_draft(kept, command):
        # A repeat of a request that the balance did not cover in full, and now may.
        return _queue(app, command, kept, snapshot=snapshot, claimed=claimed, draft=kept)
    return replay(blank.job_id, command)


def _is_own_draft(job: Job, command: Command) -> bool:
    return job.status is JobStatus.DRAFT and job.created_by == command.operation


def _queue(
    app: App,
    command: Command,
    job: Job,
    *,
    snapshot: JobSnapshot,
    claimed: ClaimedQuote | None,
    draft: Job | None,
) -> Submission:
    quote = None if claimed is None else redeem_quote(app, claimed, job)
    priced = price_job(job, snapshot, template_id=quote.template_id if quote else None)
    if quote is not None:
        priced = at_quoted_price(priced, quote)
    wallet = snapshot.wallet or open_account(app, command.account_id)
    assignment = _assignment(app, command, priced, snapshot)
    return submit(
        app,
        command,
        draft=draft,
        job=priced,
        wallet=wallet,
        plan=snapshot.plan,
        materials=materials_of(priced, snapshot),
        extra_writes=assignment,
    )


def _assignment(app: App, command: Command, job: Job, snapshot: JobSnapshot) -> list[Write]:
    """Assign the account the first template variant that it gets for a combination.

    It is written with the job, so that two concurrent requests agree: the second finds the
    combination taken, reads again and uses the variant of the first.
    """
    if snapshot.is_assigned or job.template_id is None or job.combination is None:
        return []
    subject, now = account_subject(job.account_id), to_iso(app.clock.now())
    return [
        assign_write(
            subject,
            job.combination,
            template_id=job.template_id,
            assigned_at=now,
            operation=command.operation,
        )
    ]
