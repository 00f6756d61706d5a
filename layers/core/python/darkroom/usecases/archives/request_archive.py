"""Return a job's archive: at once if it exists or is small, else let the worker make it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from darkroom.adapters.storage import SignedLink
from darkroom.bootstrap.composition import App
from darkroom.jobs import store as jobs_store
from darkroom.kernel.errors import Conflict, NotFound
from darkroom.kernel.limits import (
    ARCHIVE_INLINE_LIMIT_BYTES,
    ARCHIVE_INLINE_SECONDS,
)
from darkroom.usecases.archives.archive_job import (
    MIME_TYPE,
    Archive,
    archive_of,
    make_archive,
    take_failure,
)
from darkroom.usecases.archives.count_archive import count_archive


@dataclass(kw_only=True)
class Allowance:
    """How many bytes one request may still archive itself; the rest is left to the worker."""

    size_bytes: int
    until: datetime

    def take(self, size_bytes: int, now: datetime) -> bool:
        if size_bytes > self.size_bytes or now >= self.until:
            return False
        self.size_bytes -= size_bytes
        return True


def allowance(app: App) -> Allowance:
    """The allowance of a request that starts now."""
    until = app.clock.now() + timedelta(seconds=ARCHIVE_INLINE_SECONDS)
    return Allowance(size_bytes=ARCHIVE_INLINE_LIMIT_BYTES, until=until)


def request_archive(
    app: App, *, account_id: str, job_id: str, allowed: Allowance
) -> SignedLink | None:
    """A link to the archive of a finished job; None while the worker makes it.

    Safe to repeat: each request also sends the worker its message again.

    Raises:
        NotFound: missing, or another account's; what ``archive_of`` raises.
        Conflict: ARCHIVE_FAILED; a file is missing or the worker gave up.
    """
    family = jobs_store.find_family(job_id)
    if family is None or family.job.account_id != account_id:
        raise NotFound("no such job")
    archive = archive_of(family)
    stored = app.storage.find(archive.key)
    if stored is not None:
        size_bytes = stored.size_bytes
    else:
        if take_failure(app.storage, archive):
            raise Conflict("the worker could not make it", code="ARCHIVE_FAILED")
        if not allowed.take(archive.size_bytes, app.clock.now()):
            app.archive_queue.send({"archiveOf": job_id})
            return None
        size_bytes = _make_now(app, archive)
    count_archive(app, family.job, size_bytes=size_bytes)
    return app.storage.download_link(archive.key, file_name=archive.file_name, mime_type=MIME_TYPE)


def _make_now(app: App, archive: Archive) -> int:
    try:
        return make_archive(app.storage, archive)
    except NotFound as error:
        raise Conflict("one of its files is missing", code="ARCHIVE_FAILED") from error
