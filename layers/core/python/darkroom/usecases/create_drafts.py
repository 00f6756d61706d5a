"""Drafts: validated inputs without a price, to be confirmed later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from darkroom.bootstrap import App
from darkroom.db import commit
from darkroom.jobs import store as jobs_store
from darkroom.jobs.model import Job
from darkroom.jobs.states import JobStatus
from darkroom.recipes import get_recipe
from darkroom.usecases.confirm_job import validate_inputs
from darkroom.usecases.requests import Command


def create_draft(
    app: App, call: Command, *, recipe_name: str, inputs: Mapping[str, Any], device_id: str
) -> Job:
    """Store a draft. It holds no credits.

    Raises:
        InvalidInput; Unprocessable (IDEMPOTENCY_MISMATCH).
    """
    recipe = get_recipe(recipe_name)
    inputs = validate_inputs(app, recipe, inputs)
    job_id = call.id_for(app.ids, "job")
    if call.key is not None:
        made = jobs_store.find_job(job_id)
        if made is not None and made.created_by == call.operation:
            return made
    now = app.clock.now()
    job = Job(
        job_id=job_id,
        account_id=call.account_id,
        recipe=recipe.name,
        status=JobStatus.DRAFT,
        inputs=inputs,
        created_at=now,
        updated_at=now,
        language=call.language,
        device_id=device_id,
        created_by=call.operation,
    )
    commit(jobs_store.create_writes(job, call.operation))
    return job
