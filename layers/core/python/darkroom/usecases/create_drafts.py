"""Drafts: validated inputs without a price, to be confirmed later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from darkroom.bootstrap import App
from darkroom.db import commit
from darkroom.jobs import store as jobs_store
from darkroom.jobs.model import Job
from darkroom.recipes import get_recipe
from darkroom.usecases.confirm_job import blank_job
from darkroom.usecases.requests import Command


def create_draft(
    app: App, call: Command, *, recipe_name: str, inputs: Mapping[str, Any], device_id: str
) -> Job:
    """Store a draft. It holds no credits.

    Raises:
        InvalidInput; Unprocessable (IDEMPOTENCY_MISMATCH).
    """
    job = blank_job(app, call, get_recipe(recipe_name), inputs, device_id)
    if call.key is not None:
        made = jobs_store.find_job(job.job_id)
        if made is not None and made.created_by == call.operation:
            return made
    commit(jobs_store.create_writes(job, call.operation))
    return job
