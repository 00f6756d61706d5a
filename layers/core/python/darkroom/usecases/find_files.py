"""What the files of jobs are called, for lists and for search."""

from __future__ import annotations

from collections.abc import Sequence

from darkroom.assets.names_store import FileName, find_names
from darkroom.jobs.model import Job
from darkroom.recipes import REGISTRY


def file_ids(job: Job) -> tuple[str, ...]:
    """The assets and reference photos that the job's inputs name."""
    recipe = REGISTRY.get(job.recipe)
    return recipe.material_ids(job.inputs) if recipe else ()


def find_files(account_id: str, jobs: Sequence[Job]) -> dict[str, tuple[FileName, ...]]:
    """Each job's files that still exist, in the order of its inputs."""
    ids = {job.job_id: file_ids(job) for job in jobs}
    names = find_names(account_id, [file_id for each in ids.values() for file_id in each])
    return {
        job_id: tuple(names[file_id] for file_id in each if file_id in names)
        for job_id, each in ids.items()
    }
