"""Estimate what the providers of a job will charge, from the price table."""

from __future__ import annotations

from collections.abc import Sequence

from darkroom.bootstrap.composition import App
from darkroom.db.damage import DAMAGED_INPUTS
from darkroom.generation.ports import capability_of
from darkroom.generation.routing.estimates import dearest_nanos
from darkroom.generation.routing.routes import BUILT_IN, order_of
from darkroom.jobs.model import Job
from darkroom.kernel.errors import Conflict, InvalidInput, NotFound
from darkroom.recipes import get_recipe
from darkroom.recipes.base import Material, TaskSpec
from darkroom.usecases.jobs.read_blueprint import blueprint_of

MODEL_ID = "modelId"


def estimate_cost(
    app: App, job: Job, *, plan: str, materials: Sequence[Material] | None = None
) -> int:
    """The cost of every task of the job at the dearest of its providers, in nanos.

    Without cloud providers nothing is planned or read. ``materials`` are the job's, if known.
    """
    if not app.settings.provider_routes:
        return 0
    try:
        blueprint = blueprint_of(job, materials)
        specs = get_recipe(job.recipe).plan(blueprint)
    except (Conflict, InvalidInput, NotFound, *DAMAGED_INPUTS):
        # Planning fails in the same way, and then the job ends without an attempt.
        return 0
    seconds = sum(each.duration_ms or 0 for each in blueprint.materials) / 1000
    return sum(_task_nanos(app, job, spec, plan=plan, media_seconds=seconds) for spec in specs)


def _task_nanos(app: App, job: Job, spec: TaskSpec, *, plan: str, media_seconds: float) -> int:
    order = order_of(
        app.settings.provider_routes,
        capability=capability_of(spec.kind),
        recipe=job.recipe,
        plan=plan,
    )
    cloud = [provider for provider in order if provider not in BUILT_IN]
    models = {provider: _model_of(app, provider, spec) for provider in cloud}
    return dearest_nanos(cloud, models, spec.kind, spec.params, media_seconds=media_seconds)


def _model_of(app: App, provider: str, spec: TaskSpec) -> str:
    if MODEL_ID in spec.params:
        return str(spec.params[MODEL_ID])
    known = app.providers.get(provider)
    return known.model_of(spec.kind) if known is not None else ""
