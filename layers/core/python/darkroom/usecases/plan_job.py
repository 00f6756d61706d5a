"""Plan: a queued job becomes tasks, once. Called by the relay, repaired by the sweeper."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from darkroom.adapters.storage import clean_key
from darkroom.bootstrap import LOCAL_STUDIO, App
from darkroom.jobs import engine
from darkroom.jobs import store as jobs_store
from darkroom.jobs.model import Failure, Job, JobFamily, Output, Source, Task
from darkroom.jobs.states import JobStatus, TaskStatus
from darkroom.kernel.errors import InvalidInput
from darkroom.recipes import get_recipe
from darkroom.recipes.base import Blueprint, TaskSpec
from darkroom.templates import choice
from darkroom.usecases.advance_job import advance

CLEAN_IMAGE = "image.jpg"
CLEAN_IMAGE_TYPE = "image/jpeg"


def plan_job(app: App, job_id: str) -> JobFamily | None:
    """Write the job's tasks, the first of them ready; does nothing when it was planned before."""
    now = app.clock.now()

    def step(family: JobFamily) -> JobFamily | None:
        job = family.job
        if job.planned or job.status is not JobStatus.QUEUED:
            return None
        inherited = _inherited(job)
        try:
            tasks = _tasks(job, inherited)
        except InvalidInput as error:
            # The catalogue no longer has what the job was priced for: end it and refund.
            failure = Failure(code=error.error_code, message="The template is not available.")
            return engine.abandon(family, failure, now)
        return engine.plan(job, tasks, inherited, now)

    return advance(app, job_id, step)


def _tasks(job: Job, inherited: tuple[Output, ...]) -> list[Task]:
    recipe = get_recipe(job.recipe)
    template = None
    if job.combination is not None and job.template_id is not None:
        mode, stage, genre = job.combination.split("|")
        template = choice.get_template(job.template_id, mode, stage, genre)
    specs = recipe.plan(
        Blueprint(
            inputs=job.inputs,
            template=template,
            language=job.language,
            only_keys=frozenset(job.only_keys),
            inherited=frozenset(output.key for output in inherited),
        )
    )
    photos = _photos(job, recipe.asset_ids(job.inputs))
    return [_task(job, number, spec, photos) for number, spec in enumerate(specs, start=1)]


def _task(job: Job, number: int, spec: TaskSpec, photos: tuple[Source, ...]) -> Task:
    return Task(
        job_id=job.job_id,
        account_id=job.account_id,
        key=spec.key,
        kind=spec.kind,
        number=number,
        status=TaskStatus.BLOCKED,
        needs=spec.needs,
        sources=photos if spec.wants_photos else (),
        params=spec.params,
        seed=task_seed(job, spec.key),
        language=job.language,
        provider=LOCAL_STUDIO,
        fault=job.inputs.get("testFaults", {}).get(spec.key),
    )


def task_seed(job: Job, key: str) -> int:
    """By default from job id and key, so that a regenerated clip differs; else repeatable."""
    base = str(job.inputs["seed"]) if "seed" in job.inputs else job.job_id
    return int.from_bytes(hashlib.sha256(f"{base}|{key}".encode()).digest()[:4], "big")


def _photos(job: Job, asset_ids: tuple[str, ...]) -> tuple[Source, ...]:
    return tuple(
        Source(
            key=f"photo_{number}",
            storage_key=clean_key(job.account_id, asset_id, CLEAN_IMAGE),
            mime_type=CLEAN_IMAGE_TYPE,
        )
        for number, asset_id in enumerate(asset_ids, start=1)
    )


def _inherited(job: Job) -> tuple[Output, ...]:
    """The parent's outputs that the child does not make itself, whoever made them first."""
    if job.parent_job_id is None:
        return ()
    parent = jobs_store.find_family(job.parent_job_id)
    if parent is None:
        return ()
    return tuple(
        replace(output, inherited_from=output.inherited_from or parent.job.job_id)
        for output in parent.outputs
        if output.key not in job.only_keys
    )
