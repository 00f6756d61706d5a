"""Write all files of a finished job into one zip, and store it next to them.

The archive's key is derived from the files in it, and the object is stored atomically. So an
archive that exists is complete and current. Writing it twice writes the same bytes.
"""

from __future__ import annotations

import hashlib
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from darkroom.adapters.storage import Storage
from darkroom.bootstrap.composition import App
from darkroom.jobs import store as jobs_store
from darkroom.jobs.model import Job, JobFamily, Output
from darkroom.jobs.naming import file_name_of
from darkroom.kernel.errors import Conflict, NotFound, TooLarge
from darkroom.kernel.limits import ARCHIVE_LIMIT_BYTES
from darkroom.kernel.object_keys import outputs_prefix
from darkroom.usecases.archives.count_archive import count_archive

MIME_TYPE = "application/zip"
FORMAT = "2"
"""Part of every archive's key: a change of the format changes all keys."""
MADE, THERE, GONE, FAILED = "made", "there", "gone", "failed"
_FAILED_SUFFIX = ".failed"


@dataclass(frozen=True, kw_only=True)
class Archive:
    """The contents of a job's archive, whether or not it is stored yet."""

    key: str
    file_name: str
    dated: datetime
    outputs: tuple[Output, ...]
    names: tuple[str, ...]
    """The names of its files, in order."""

    @property
    def size_bytes(self) -> int:
        """The size of its files; the zip format adds a few hundred bytes to each."""
        return sum(output.size_bytes for output in self.outputs)


def archive_of(family: JobFamily) -> Archive:
    """The archive of the job in its current state.

    Raises:
        Conflict: JOB_NOT_FINAL, NO_OUTPUTS; TooLarge: ARCHIVE_TOO_LARGE.
    """
    job = family.job
    if not job.is_final:
        raise Conflict("its files are still being made", code="JOB_NOT_FINAL")
    if not family.outputs:
        raise Conflict("nothing was made", code="NO_OUTPUTS")
    named = [f"{output.output_id}={output.storage_key}" for output in family.outputs]
    digest = hashlib.sha256("\x1f".join((FORMAT, *named)).encode()).hexdigest()[:32]
    archive = Archive(
        key=f"{outputs_prefix(job.owner, job.job_id)}archive-{digest}.zip",
        file_name=f"{job.source_name or job.recipe}-{job.job_id}.zip",
        dated=job.finished_at or job.updated_at,
        outputs=family.outputs,
        names=tuple(entry_names(job, family.outputs)),
    )
    if archive.size_bytes > ARCHIVE_LIMIT_BYTES:
        raise TooLarge("too much for one archive", code="ARCHIVE_TOO_LARGE")
    return archive


def archive_job(app: App, *, job_id: str) -> str:
    """Make the requested archive unless it exists; returns the outcome.

    Safe to repeat, also concurrently: the bytes are the same. A job that was deleted, or has
    nothing to archive, needs none. If a file is missing, a failure marker is stored for the client.
    """
    family = jobs_store.find_family(job_id)
    if family is None:
        return GONE
    try:
        archive = archive_of(family)
    except (Conflict, TooLarge):
        return GONE
    stored = app.storage.find(archive.key)
    if stored is not None:
        count_archive(app, family.job, size_bytes=stored.size_bytes)
        return THERE
    try:
        size_bytes = make_archive(app.storage, archive)
    except NotFound:
        mark_failed(app.storage, archive)
        return FAILED
    count_archive(app, family.job, size_bytes=size_bytes)
    return MADE


def give_up_archive(app: App, *, job_id: str) -> None:
    """Store a failure marker, so that the client that polls for the archive gets an error."""
    family = jobs_store.find_family(job_id)
    if family is None:
        return
    try:
        archive = archive_of(family)
    except (Conflict, TooLarge):
        return
    if app.storage.find(archive.key) is None:
        mark_failed(app.storage, archive)


def make_archive(storage: Storage, archive: Archive) -> int:
    """Write the zip and store it atomically; returns its size in bytes.

    Raises:
        NotFound: a file is missing; an archive without it would only look complete.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "archive.zip"
        # Stored, not compressed: images and videos do not get smaller.
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as file:
            for name, output in zip(archive.names, archive.outputs, strict=True):
                _add(file, name=name, dated=archive.dated, storage=storage, key=output.storage_key)
        size_bytes = path.stat().st_size
        storage.upload(archive.key, path, mime_type=MIME_TYPE)
    return size_bytes


def entry_names(job: Job, outputs: Sequence[Output]) -> list[str]:
    """``01-clip_1.mp4``, ``02-interview.en.srt`` …: unique names in the order of the job."""
    width = max(2, len(str(len(outputs))))
    return [
        f"{number:0{width}}-{file_name_of(job, output).removeprefix(f'{job.recipe}-')}"
        for number, output in enumerate(outputs, start=1)
    ]


def mark_failed(storage: Storage, archive: Archive) -> None:
    storage.write(archive.key + _FAILED_SUFFIX, b"", mime_type="text/plain")


def take_failure(storage: Storage, archive: Archive) -> bool:
    """Whether the archive failed. Removes the failure marker, so that the next request retries."""
    key = archive.key + _FAILED_SUFFIX
    if storage.find(key) is None:
        return False
    storage.delete(key)
    return True


def _add(file: zipfile.ZipFile, *, name: str, dated: datetime, storage: Storage, key: str) -> None:
    """Write one file, in chunks. Its entry depends only on the job, so the bytes are the same."""
    entry = zipfile.ZipInfo(name, date_time=dated.astimezone(UTC).timetuple()[:6])
    entry.create_system = 3  # Unix, wherever this runs
    entry.external_attr = 0o644 << 16
    with file.open(entry, "w", force_zip64=True) as target:
        for chunk in storage.chunks(key):
            target.write(chunk)
