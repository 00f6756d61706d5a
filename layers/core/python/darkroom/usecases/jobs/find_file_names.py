"""Find the names of jobs' files, for lists and for search."""

from __future__ import annotations

from collections.abc import Sequence

from darkroom.assets.names_store import FileName, find_names
from darkroom.assets.reference_store import REFERENCE_PREFIX
from darkroom.assets.store import ASSET_PREFIX
from darkroom.db.damage import DAMAGE
from darkroom.jobs.model import Job
from darkroom.kernel.ids import is_id
from darkroom.recipes import REGISTRY

_PREFIXES = (ASSET_PREFIX, REFERENCE_PREFIX)


def file_ids(job: Job) -> tuple[str, ...]:
    """The assets and reference photos that the job's readable inputs name."""
    recipe = REGISTRY.get(job.recipe)
    try:
        named = recipe.material_ids(job.inputs) if recipe else ()
    except DAMAGE:
        # The inputs are damaged, or incomplete in a draft.
        return ()
    return tuple(name for name in named if any(is_id(name, prefix) for prefix in _PREFIXES))


def find_files(account_id: str, jobs: Sequence[Job]) -> dict[str, tuple[FileName, ...]]:
    """Each job's existing files, in the order of its inputs."""
    ids = {job.job_id: file_ids(job) for job in jobs}
    names = find_names(account_id, [file_id for each in ids.values() for file_id in each])
    return {
        job_id: tuple(names[file_id] for file_id in each if file_id in names)
        for job_id, each in ids.items()
    }
