"""Create and change drafts: jobs with validated inputs that hold no credits yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from darkroom.bootstrap.composition import App
from darkroom.db import commit
from darkroom.db.retry import retry_on_conflict
from darkroom.jobs import store as jobs_store
from darkroom.jobs.model import Job
from darkroom.jobs.states import JobStatus
from darkroom.kernel.command import Command
from darkroom.kernel.errors import Conflict, InvalidInput, NotFound, PreconditionFailed
from darkroom.kernel.limits import PROJECTION_CHECK_SECONDS
from darkroom.kernel.object_keys import owner_tag
from darkroom.kernel.problems import problem
from darkroom.limits.model import DRAFT
from darkroom.recipes import get_recipe
from darkroom.recipes.base import Recipe
from darkroom.usecases.jobs.find_materials import check_drafted, with_files
from darkroom.usecases.limits.limit_jobs import draft_write, uncounted_draft_write


def blank_job(
    app: App, command: Command, *, recipe: Recipe, inputs: Mapping[str, Any], device_id: str
) -> Job:
    """A job with validated inputs, not stored.

    Raises:
        InvalidInput.
    """
    check_hooks(app, inputs)
    now = app.clock.now()
    return Job(
        job_id=command.id_for(app.ids, "job"),
        account_id=command.account_id,
        recipe=recipe.name,
        status=JobStatus.DRAFT,
        inputs=recipe.validate(inputs),
        created_at=now,
        updated_at=now,
        language=command.language,
        owner_tag=owner_tag(app.signing_secret.value, command.account_id),
        device_id=device_id,
        created_by=command.operation,
    )


def check_hooks(app: App, inputs: Mapping[str, Any]) -> None:
    """Refuse the test hook as an unknown field unless test hooks are enabled."""
    if "testFaults" in inputs and not app.settings.test_hooks:
        raise InvalidInput("unknown field", fields=[problem("testFaults", "UNKNOWN_FIELD")])


def blank_jobs(
    app: App,
    command: Command,
    *,
    recipe_name: str,
    inputs: Mapping[str, Any],
    device_id: str,
    priority: int,
) -> list[Job]:
    """The jobs of one request: one job, or one for each file if the recipe says so.

    Raises:
        InvalidInput.
    """
    recipe = get_recipe(recipe_name)
    first = replace(
        blank_job(app, command, recipe=recipe, inputs=inputs, device_id=device_id),
        priority=priority,
    )
    jobs = []
    for number, part in enumerate(recipe.split(first.inputs)):
        job_id = command.id_for(app.ids, "job", str(number)) if number else first.job_id
        jobs.append(replace(first, job_id=job_id, inputs=part))
    return jobs


def find_made(draft: Job, command: Command) -> Job | None:
    """The job, if this request has created it already."""
    made = None if command.key is None else jobs_store.find_job(draft.job_id)
    return made if made is not None and made.created_by == command.operation else None


def keep_draft(app: App, draft: Job, command: Command, *, plan: str | None, needed: int = 1) -> Job:
    """Store and count a draft, or find the draft that this request stored; it holds no credits.

    ``needed`` is how many drafts must fit into the plan, with those that follow. Without a plan
    the draft is counted beyond any limit.

    Raises:
        KeyReused; PlanLimit.
    """
    made = find_made(draft, command)
    if made is not None:
        return made
    draft = replace(draft, next_check_at=_check_at(app), counted=DRAFT)
    # A separate operation: that the draft exists does not mean that the request has queued it.
    writes = jobs_store.create_writes(draft, operation=command.of("draft").operation)
    if plan is None:
        count = uncounted_draft_write(draft.account_id)
    else:
        count = draft_write(draft.account_id, plan=plan, needed=needed)
    commit([*writes, count])
    return draft


def _check_at(app: App) -> datetime:
    """The stream adds a draft to its lists at once; if that fails, the sweeper does it."""
    return app.clock.now() + timedelta(seconds=PROJECTION_CHECK_SECONDS)


def _names_other_files(recipe: Recipe, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether the files changed. A deleted file must not block changes of other fields."""
    same_files = recipe.material_ids(before) == recipe.material_ids(after)
    return not same_files or before.get("albumId") != after.get("albumId")


def find_draft(account_id: str, job_id: str) -> Job:
    """The account's draft.

    Raises:
        NotFound; Conflict JOB_NOT_DRAFT.
    """
    job = jobs_store.find_job(job_id)
    if job is None or job.account_id != account_id:
        raise NotFound("no such job")
    if job.status is not JobStatus.DRAFT:
        raise Conflict("the job is no longer a draft", code="JOB_NOT_DRAFT")
    return job


def patch_draft(
    app: App,
    command: Command,
    *,
    job_id: str,
    patch: Callable[[Recipe], Mapping[str, Any]],
    device_id: str | None = None,
    priority: int | None = None,
    is_current: Callable[[Job], bool] = lambda job: True,
) -> Job:
    """Change a draft's inputs by a merge patch (RFC 7396); ``is_current`` is the If-Match.

    Raises:
        NotFound (also a file); Conflict JOB_NOT_DRAFT; PreconditionFailed; InvalidInput;
        Unavailable.
    """

    def attempt() -> Job:
        draft = find_draft(command.account_id, job_id)
        if not is_current(draft):
            raise PreconditionFailed("the draft has changed")
        recipe = get_recipe(draft.recipe)
        changes = patch(recipe)
        check_hooks(app, changes)
        inputs = recipe.patch(draft.inputs, changes)
        described = draft
        if _names_other_files(recipe, draft.inputs, inputs):
            files = check_drafted(command.account_id, recipe=recipe, inputs=inputs)
            described = with_files(draft, files)
        changed = replace(
            described,
            inputs=inputs,
            device_id=draft.device_id if device_id is None else device_id,
            priority=draft.priority if priority is None else priority,
            updated_at=app.clock.now(),
            version=draft.version + 1,
            next_check_at=_check_at(app),
        )
        commit(jobs_store.replace_draft_writes(draft, changed, operation=command.operation))
        return changed

    return retry_on_conflict(app.jitter, attempt)
