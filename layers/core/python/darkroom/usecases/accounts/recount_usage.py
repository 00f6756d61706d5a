"""Recount what an account stores and used, from its files and jobs.

It repairs counters that were damaged or restored from a backup, and counts the outputs of jobs that
are older than their counting. Running it twice, or while the account goes on, changes nothing that
is right.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from darkroom.assets.store import ASSET_PREFIX, AssetItem
from darkroom.bootstrap.composition import App
from darkroom.db import commit
from darkroom.db.damage import DAMAGE
from darkroom.db.raw import query_raw
from darkroom.db.retry import retry_on_conflict
from darkroom.db.writes import RawItem
from darkroom.jobs import store as jobs_store
from darkroom.jobs.items import JOB_KEY, JobItem
from darkroom.jobs.model import JobFamily
from darkroom.kernel.errors import (
    Conflict,
    CountersDamaged,
    NotFound,
    TooLarge,
    Unreadable,
)
from darkroom.plans.storage_store import Stored, find_stored, recounted_write
from darkroom.usage import store as usage_store
from darkroom.usage.model import month_of, sum_of
from darkroom.usecases.archives.archive_job import archive_of
from darkroom.usecases.projections.project_usage import project_usage


@dataclass(frozen=True, kw_only=True)
class Recount:
    before: Stored
    after: Stored
    jobs: int
    """Jobs whose usage or files were not counted as they are."""
    months: int
    """Months whose sums were not those of their records."""


def recount_usage(app: App, account_id: str) -> Recount:
    """Bring records, sums and counters up to what is true; reads all that the account has.

    Raises:
        Unavailable: the account changes all the time; repeating is safe.
    """
    before = find_stored(account_id)
    months = _recount_months(app, account_id)
    retry_on_conflict(app.jitter, lambda: _recount_storage(app, account_id))
    jobs = sum(_recount_job(app, job_id) for job_id in _job_ids(account_id))
    months += _recount_months(app, account_id)
    retry_on_conflict(app.jitter, lambda: _recount_storage(app, account_id))
    return Recount(before=before, after=find_stored(account_id), jobs=jobs, months=months)


def _job_ids(account_id: str) -> list[str]:
    listed = query_raw(JobItem, account_id, index_name="byAccount")
    return [raw["pk"]["S"] for raw in listed if raw["sk"]["S"] == JOB_KEY]


def _recount_job(app: App, job_id: str) -> bool:
    family = jobs_store.find_family(job_id)
    if family is None or not family.job.is_final:
        return False
    with suppress(Unreadable, CountersDamaged, *DAMAGE):
        return project_usage(app, family.job, archive_bytes=_archive_bytes(app, family))
    return False


def _archive_bytes(app: App, family: JobFamily) -> int:
    """The size of the job's zip; 0 if there is none."""
    with suppress(Conflict, NotFound, TooLarge):
        stored = app.storage.find(archive_of(family).key)
        return stored.size_bytes if stored is not None else 0
    return 0


def _recount_months(app: App, account_id: str) -> int:
    """Replace the sums that are not those of their month's records; returns how many."""
    months = {month_of(record.ended_at) for record in usage_store.list_records(account_id)}
    return sum(rebuild_month(app, account_id, month) for month in sorted(months))


def rebuild_month(app: App, account_id: str, month: str) -> bool:
    """Make the sum of a month that of its records; returns whether it was another."""

    def attempt() -> bool:
        try:
            stored, seen = usage_store.find_month_version(account_id, month)
        except Unreadable:
            stored, seen = None, None
        # The sum is read first: whatever is counted meanwhile changes its version.
        actual = sum_of(record.amounts for record in usage_store.list_records(account_id, month))
        if stored == actual:
            return False
        write = usage_store.replace_month_write(
            account_id, month, actual, seen=seen, operation=app.ids.token()
        )
        commit([write])
        return True

    return retry_on_conflict(app.jitter, attempt)


def _recount_storage(app: App, account_id: str) -> bool:
    """Replace the counters if they are not the sums over assets and records."""
    # The counters are read first: whatever is counted meanwhile changes their version.
    counted = find_stored(account_id)
    assets = [
        raw
        for raw in query_raw(AssetItem, account_id)
        if raw["assetId"]["S"].startswith(f"{ASSET_PREFIX}_")
    ]
    used_bytes = sum(_share(raw, "countedBytes") for raw in assets)
    used_bytes += sum(record.stored_bytes for record in usage_store.list_records(account_id))
    open_uploads = sum(_share(raw, "countedUploads") for raw in assets)
    actual = Stored(used_bytes=used_bytes, open_uploads=open_uploads, version=counted.version)
    if actual == counted:
        return False
    commit([recounted_write(account_id, actual=actual, operation=app.ids.token())])
    return True


def _share(raw: RawItem, name: str) -> int:
    """What an asset takes of a counter; nothing where that is damaged."""
    with suppress(*DAMAGE):
        return int(raw[name]["N"])
    return 0
