"""Read what the plan of a job depends on."""

from __future__ import annotations

from collections.abc import Sequence

from darkroom.jobs.model import Job
from darkroom.recipes import get_recipe
from darkroom.recipes.base import Blueprint, Material
from darkroom.templates import choice
from darkroom.usecases.jobs.find_materials import find_materials


def blueprint_of(job: Job, materials: Sequence[Material] | None = None) -> Blueprint:
    """Everything that the job's plan depends on; its files no longer change, and are read again
    unless they are known.

    Raises:
        InvalidInput: the template does not exist any more; NotFound, Conflict: a file does not.
    """
    recipe = get_recipe(job.recipe)
    template = None
    if job.combination is not None and job.template_id is not None:
        mode, stage, genre = job.combination.split("|")
        template = choice.get_template(job.template_id, mode, stage, genre)
    return Blueprint(
        inputs=job.inputs,
        template=template,
        language=job.language,
        materials=tuple(
            find_materials(job.account_id, recipe.material_ids(job.inputs))
            if materials is None
            else materials
        ),
        only_keys=frozenset(job.only_keys),
    )
