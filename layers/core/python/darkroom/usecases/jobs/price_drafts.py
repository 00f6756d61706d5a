"""The prices of drafts for lists, at today's costs and without reading their files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from darkroom.assets import store as assets_store
from darkroom.credits import pricing
from darkroom.db.damage import DAMAGE
from darkroom.jobs.model import Job
from darkroom.jobs.states import JobStatus
from darkroom.kernel.money import total_credits
from darkroom.recipes import REGISTRY
from darkroom.recipes.base import Material, Recipe
from darkroom.usecases.jobs.find_file_names import file_ids

Lengths = Mapping[str, int | None]
"""Asset id → duration in milliseconds."""


def find_lengths(account_id: str, jobs: Sequence[Job]) -> Lengths:
    """The lengths of files that were unknown when drafts were written, in one batch.

    Nothing is read if there are none, as for every draft of checked files.
    """
    unknown = [job for job in jobs if job.status is JobStatus.DRAFT and _lacks_length(job)]
    ids = dict.fromkeys(file_id for job in unknown for file_id in file_ids(job))
    found = assets_store.find_assets(account_id, ids)
    return {asset_id: asset.duration_ms for asset_id, asset in found.items()}


def price_of_draft(job: Job, lengths: Lengths = MappingProxyType({})) -> int | None:
    """The price of a draft; None for another job, and while an unknown length decides it."""
    recipe = REGISTRY.get(job.recipe)
    if job.status is not JobStatus.DRAFT or recipe is None:
        return None
    try:
        materials = _materials(job, recipe, lengths)
        if materials is None:
            return None
        return total_credits(
            recipe.price(job.inputs, pricing.costs_of(recipe.cost_names), materials)
        )
    except DAMAGE:
        # The inputs are damaged.
        return None


def _lacks_length(job: Job) -> bool:
    recipe = REGISTRY.get(job.recipe)
    if recipe is None or not recipe.is_priced_by_length:
        return False
    return job.files is None or any(file.duration_ms is None for file in job.files.shown)


def _materials(job: Job, recipe: Recipe, lengths: Lengths) -> list[Material] | None:
    """The files as far as a price depends on them; None if a length is unknown."""
    if not recipe.is_priced_by_length:
        return []
    shown = job.files.shown if job.files is not None else ()
    known = {place: file.duration_ms for place, file in enumerate(shown)}
    found = []
    for place, file_id in enumerate(recipe.material_ids(job.inputs)):
        length = known.get(place)
        length = lengths.get(file_id) if length is None else length
        if length is None:
            return None
        found.append(
            Material(id=file_id, kind="", storage_key="", mime_type="", duration_ms=length)
        )
    return found
