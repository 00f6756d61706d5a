"""Index a job: write its entries in the lists by word, file and duration.

This is a projection of the job and the current names of its files. The relay runs it when a job
appears, changes its inputs or ends, and when a file is renamed; the sweeper runs it once more
after the end.
"""

from __future__ import annotations

from darkroom.assets.model import Asset
from darkroom.jobs import store as jobs_store
from darkroom.jobs.items import list_key
from darkroom.jobs.lists import store as list_store
from darkroom.jobs.lists.facets import entries_of, words_of
from darkroom.jobs.lists.pages import list_jobs_of_file
from darkroom.jobs.model import Job
from darkroom.kernel.limits import INDEXED_JOBS_PER_ASSET_LIMIT
from darkroom.usecases.jobs.find_file_names import find_files


def index_job(job_id: str) -> int:
    """Make the job's entries correct; returns how many changed.

    The job is read again, so that an old stream record never restores old entries.
    """
    job = jobs_store.find_job(job_id)
    if job is None:
        return 0
    files = find_files(job.account_id, [job])[job_id]
    # Names before tags: if there are more words than the limit, tags are left out.
    names, tags = [file.name for file in files], [tag for file in files for tag in file.tags]
    words = words_of(*names, *tags)
    ids = [name for file in files for name in (file.file_id, file.asset_id)]
    entries = entries_of(job, file_ids=ids, words=words, at=list_key(job))
    return list_store.replace_entries(job_id, entries, words)


def index_again(job: Job, *, before: Job | None) -> None:
    """Index the job if this change may affect its entries."""
    is_new = before is None or before.inputs != job.inputs
    if is_new or (job.is_final and not (before and before.is_final)):
        index_job(job.job_id)


def is_called_otherwise(asset: Asset, *, before: Asset) -> bool:
    """Whether the file's name or tags have changed."""
    return (asset.filename, asset.tags) != (before.filename, before.tags)


def index_file(account_id: str, asset_id: str) -> int:
    """Index the newest jobs that use a file whose name or tags changed."""
    job_ids = list_jobs_of_file(account_id, asset_id, limit=INDEXED_JOBS_PER_ASSET_LIMIT)
    return sum(index_job(job_id) for job_id in job_ids)
