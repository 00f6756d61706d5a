"""Erase the files and items of a deleted job; its tombstone refuses late writes."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from darkroom.bootstrap.composition import App
from darkroom.credits import store as credits_store
from darkroom.db import commit_one
from darkroom.generation.routing.store import leave_costs
from darkroom.jobs import tombstone_store
from darkroom.jobs.lists import store as list_store
from darkroom.jobs.states import JobStatus
from darkroom.jobs.tombstone_store import Tombstone
from darkroom.kernel.errors import ConcurrentUpdate
from darkroom.kernel.limits import ERASE_AGAIN_SECONDS
from darkroom.kernel.object_keys import outputs_prefix
from darkroom.kernel.pseudonyms import ANONYMOUS, is_pseudonym
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
    if not is_pseudonym(tombstone.account_id):
        # Of an erased account nothing is projected any more.
        _project(app, tombstone, is_last=is_last)
    app.storage.delete_all(outputs_prefix(tombstone.owner, job_id))
    for write in tombstone_store.erase_writes(job_id):
        commit_one(write)
    list_store.erase_side(job_id)
    if is_last:
        _forget_uncharged(tombstone)
    commit_one(tombstone_store.tombstone_write(tombstone, check_at=None if is_last else again_at))
    return True


def _project(app: App, tombstone: Tombstone, *, is_last: bool) -> None:
    job = tombstone_store.find_deleted(tombstone.job_id)
    if job is not None and not is_last and job.status is not JobStatus.DRAFT:
        # Its events outlive the job, so they are recorded now if the stream lost them.
        project_job(app, job)
    # Outputs that become files of the account are imported now if the stream lost them.
    import_generated_images(app, tombstone_store.list_tasks_of_deleted(tombstone.job_id))
    forget_job_in_albums(app, tombstone.account_id, tombstone.job_id)


def _forget_uncharged(tombstone: Tombstone) -> None:
    """Let a job without an entry in the ledger name no account: only by its entries would the
    erasure of its account find it. The costs of any deleted job no longer name its account."""
    account_id, job_id = tombstone.account_id, tombstone.job_id
    if is_pseudonym(account_id):
        return
    leave_costs(job_id, left_to=ANONYMOUS)
    if not credits_store.find_happened(account_id, [f"deduct#{job_id}"]):
        write = tombstone_store.leave_write(job_id, account_id=account_id, left_to=ANONYMOUS)
        with suppress(ConcurrentUpdate):
            commit_one(write)
