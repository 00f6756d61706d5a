"""Plan the tasks of a queued job, once. The relay calls this; the sweeper repairs lost calls."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from aws_lambda_powertools import Logger

from darkroom.bootstrap.composition import App
from darkroom.db.damage import DAMAGE
from darkroom.generation.ports import capability_of
from darkroom.generation.routing.routes import depends_on_plan, order_of
from darkroom.jobs import engine
from darkroom.jobs import store as jobs_store
from darkroom.jobs.model import Failure, Job, JobFamily, Output, Source, Task
from darkroom.jobs.states import JobStatus, TaskStatus
from darkroom.kernel.clock import to_iso
from darkroom.kernel.errors import Conflict, InvalidInput, NotFound
from darkroom.kernel.limits import PRIORITY_LIMIT
from darkroom.plans.model import FREE
from darkroom.plans.store import find_plan
from darkroom.recipes import get_recipe
from darkroom.recipes.base import Material, TaskSpec, source_keys
from darkroom.usecases.jobs.advance_job import advance
from darkroom.usecases.jobs.read_blueprint import blueprint_of

logger = Logger()
UNPLANNABLE = Failure(code="ITEM_UNREADABLE")
SOURCE_MISSING = Failure(code="SOURCE_MISSING", refused=True)


def plan_job(app: App, job_id: str) -> JobFamily | None:
    """Write the job's tasks, the first of them ready; does nothing if they are planned already."""
    now = app.clock.now()

    def step(family: JobFamily) -> JobFamily | None:
        job = family.job
        if job.planned or job.status is not JobStatus.QUEUED:
            return None
        inherited = _inherited(job)
        try:
            tasks = _tasks(app, job)
        except InvalidInput as error:
            # The catalog no longer contains the job's template: end the job and refund it.
            return engine.abandon(family, Failure(code=error.error_code), now)
        except (Conflict, NotFound):
            return engine.abandon(family, SOURCE_MISSING, now)
        except DAMAGE:
            # No recipe accepts these inputs: the stored item is damaged, and a retry would fail
            # in the same way.
            logger.exception("unplannable_job", job_id=job_id)
            return engine.abandon(family, UNPLANNABLE, now)
        return engine.plan(job, tasks, inherited, now)

    return advance(app, job_id, step)


def _tasks(app: App, job: Job) -> list[Task]:
    blueprint = blueprint_of(job)
    specs = get_recipe(job.recipe).plan(blueprint)
    sources = _sources(blueprint.materials)
    order = _order_of(app, job)
    return [
        _task(job, number=number, spec=spec, sources=sources, order=order(spec.kind))
        for number, spec in enumerate(specs, start=1)
    ]


def _order_of(app: App, job: Job) -> Callable[[str], tuple[str, ...]]:
    """Kind of a task → the providers that may run it, in order of preference."""
    routes = app.settings.provider_routes
    plan = find_plan(job.account_id) if depends_on_plan(routes) else FREE

    def order(kind: str) -> tuple[str, ...]:
        return order_of(routes, capability=capability_of(kind), recipe=job.recipe, plan=plan)

    return order


def _task(
    job: Job, *, number: int, spec: TaskSpec, sources: Mapping[str, Source], order: tuple[str, ...]
) -> Task:
    return Task(
        job_id=job.job_id,
        account_id=job.account_id,
        owner_tag=job.owner_tag,
        key=spec.key,
        kind=spec.kind,
        number=number,
        status=TaskStatus.BLOCKED,
        needs=spec.needs,
        sources=tuple(sources[material_id] for material_id in spec.materials),
        params=spec.params,
        seed=task_seed(job, spec.key),
        language=job.language,
        provider=order[0],
        providers=order if len(order) > 1 else (),
        fault=job.inputs.get("testFaults", {}).get(spec.key),
        turn=f"{PRIORITY_LIMIT - job.priority}{to_iso(job.queued_at or job.created_at)}",
    )


def task_seed(job: Job, key: str) -> int:
    """The seed of a task: from job id and key, so that a regenerated clip differs, unless the
    inputs ask for a repeatable one."""
    base = str(job.inputs["seed"]) if "seed" in job.inputs else job.job_id
    return int.from_bytes(hashlib.sha256(f"{base}|{key}".encode()).digest()[:4], "big")


def _sources(materials: Sequence[Material]) -> dict[str, Source]:
    """Material id → the file as a source of tasks."""
    keys = source_keys(materials)
    return {
        material.id: Source(
            key=keys[material.id],
            storage_key=material.storage_key,
            mime_type=material.mime_type,
        )
        for material in materials
    }


def _inherited(job: Job) -> tuple[Output, ...]:
    if job.parent_job_id is None:
        return ()
    parent = jobs_store.find_family(job.parent_job_id)
    return () if parent is None else outputs_to_inherit(parent, job)


def outputs_to_inherit(parent: JobFamily, job: Job) -> tuple[Output, ...]:
    """The parent's outputs that the child does not make itself, including inherited ones.

    Outputs that changed options made void are left out: a later retry must not count them.
    """
    made = frozenset(output.key for output in parent.outputs)
    void: frozenset[str] = frozenset()
    if job.regen_target is None:
        void = get_recipe(job.recipe).void_keys(parent.job.inputs, job.inputs, made)
    return tuple(
        replace(output, inherited_from=output.inherited_from or parent.job.job_id)
        for output in parent.outputs
        if output.key not in job.only_keys and output.key not in void
    )
