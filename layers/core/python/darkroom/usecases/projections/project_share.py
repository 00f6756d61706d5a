"""Project a share: write the event that a job was shared, once for each link."""

from __future__ import annotations

from datetime import datetime

from darkroom.bootstrap.composition import App
from darkroom.db import commit, commit_one
from darkroom.events.store import Event, record_write
from darkroom.jobs import share_store
from darkroom.jobs import store as jobs_store
from darkroom.jobs.model import Job
from darkroom.jobs.share_store import Share
from darkroom.kernel.clock import to_iso
from darkroom.kernel.errors import ConcurrentUpdate, Conflict

_DIGEST_CHARS = 8


def project_share(app: App, share: Share) -> bool:
    """Record that the job was shared; False if that is recorded already, or the job was deleted."""
    job = jobs_store.find_job(share.job_id)
    if job is None:
        return False
    mark = share.digest[:_DIGEST_CHARS]
    event = share_event(job, "share_created", at=share.created_at, mark=mark)
    try:
        commit([record_write(event, retention_days=app.settings.event_retention_days)])
    except Conflict:
        return False
    return True


def settle_share(app: App, side_key: str, sort_key: str) -> None:
    """Record the event in case the stream lost it, and end the sweeper's checks of the share."""
    read = share_store.find_stored(side_key, sort_key)
    if read is None:
        return
    if not read.unreadable:
        project_share(app, read.value)
    try:
        commit_one(share_store.settled_write(read.value))
    except ConcurrentUpdate:
        return


def share_event(
    job: Job, name: str, *, at: datetime, mark: str, key_at: datetime | None = None
) -> Event:
    """``mark`` keeps events of one time apart; that time is ``key_at`` if it is not ``at``."""
    return Event(
        event_id=f"{to_iso(key_at or at)}#{name}#{mark}",
        name=name,
        entity_type="job",
        entity_id=job.job_id,
        account_id=job.account_id,
        job_id=job.job_id,
        created_at=at,
        props={"mode": job.recipe, "templateId": job.template_id},
    )
