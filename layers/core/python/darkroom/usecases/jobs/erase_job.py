"""Erase the files and items of a deleted job; its tombstone refuses late writes."""

from __future__ import annotations

from datetime import timedelta

from darkroom.bootstrap.composition import App
from darkroom.db import commit_one
from darkroom.jobs import tombstone_store
from darkroom.jobs.lists import store as list_store
from darkroom.jobs.states import JobStatus
from darkroom.kernel.limits import ERASE_AGAIN_SECONDS
from darkroom.kernel.object_keys import outputs_prefix
from darkroom.usecases.albums.remove_from_album import forget_job_in_albums
from darkroom.usecases.projections.import_generated_images import import_generated_images
from darkroom.usecases.projections.project_job import project_job


def erase_job(app: App, job_id: str) -> bool:
    """Erase the files and items of a deleted job; False if it is not deleted. Safe to repeat.

    A worker that lost its lease may still write a file, so the sweeper erases once more when no
    such worker can be running any more.
    """
    tombstone = tombstone_store.find_tombstone(job_id)
    if tombstone is None:
        return False
    again_at = tombstone.deleted_at + timedelta(seconds=ERASE_AGAIN_SECONDS)
    is_last = app.clock.now() >= again_at
    job = tombstone_store.find_deleted(job_id)
    if job is not None and not is_last and job.status is not JobStatus.DRAFT:
        # Its events outlive the job, so they are recorded now if the stream lost them.
        project_job(app, job)
    # Outputs that become files of the account are imported now if the stream lost them.
    import_generated_images(app, tombstone_store.list_tasks_of_deleted(job_id))
    forget_job_in_albums(app, tombstone.account_id, job_id)
    app.storage.delete_all(outputs_prefix(tombstone.owner, job_id))
    for write in tombstone_store.erase_writes(job_id):
        commit_one(write)
    list_store.erase_side(job_id)
    commit_one(tombstone_store.tombstone_write(tombstone, check_at=None if is_last else again_at))
    return True
