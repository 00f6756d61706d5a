"""Write everything of an account into one zip, straight into the storage.

Nothing is kept on the disk, and in memory only one part of a multipart upload. The object appears
when it is complete, so an export that exists is whole. Files beyond what one run can carry are
named in ``left-out.json``; they can be downloaded one by one.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import IO, cast

from darkroom.bootstrap.composition import App
from darkroom.exports import store
from darkroom.kernel.errors import NotFound
from darkroom.kernel.limits import EXPORT_LIMIT_BYTES, EXPORT_RUN_SECONDS
from darkroom.usecases.accounts.check_account import is_erased
from darkroom.usecases.accounts.erasure.export_object import MIME_TYPE, key_of, mark_failed
from darkroom.usecases.accounts.erasure.export_parts import Entry, to_text
from darkroom.usecases.accounts.erasure.registry import LINES

MADE, THERE, GONE = "made", "there", "gone"
LEFT_OUT = "left-out.json"


def export_account(app: App, *, account_id: str, export_id: str) -> str:
    """Make the requested export unless it exists; returns the outcome. Safe to repeat."""
    export = store.find_export(account_id, now=app.clock.now())
    if export is None or export.export_id != export_id or is_erased(app, account_id):
        return GONE
    key = key_of(app, account_id, export_id)
    if app.storage.find(key) is not None:
        return THERE
    with (
        app.storage.writing(key, mime_type=MIME_TYPE) as target,
        zipfile.ZipFile(cast("IO[bytes]", target), "w") as file,
    ):
        _write(app, file, account_id, dated=export.requested_at)
    return MADE


def give_up_export(app: App, *, account_id: str, export_id: str) -> None:
    """Store a failure marker, so that the client that polls for the export gets it."""
    mark_failed(app, key_of(app, account_id, export_id))


def _write(app: App, file: zipfile.ZipFile, account_id: str, *, dated: datetime) -> None:
    until = app.clock.now() + timedelta(seconds=EXPORT_RUN_SECONDS)
    size_bytes, left_out = 0, []
    for entry in _entries(app, account_id):
        is_late = entry.size_bytes > 0 and app.clock.now() >= until
        if is_late or size_bytes + entry.size_bytes > EXPORT_LIMIT_BYTES:
            left_out.append(entry.name)
            continue
        try:
            _add(file, entry, dated=dated)
        except NotFound:
            # It was deleted meanwhile; nothing of it is written.
            left_out.append(entry.name)
        size_bytes += entry.size_bytes
    if left_out:
        chunks = [to_text(left_out)]
        _add(file, Entry(name=LEFT_OUT, chunks=lambda: chunks), dated=dated)


def _entries(app: App, account_id: str) -> Iterator[Entry]:
    """The records first, so that they are there whatever the files take."""
    for line in LINES:
        for export in line.export:
            yield from export(app, account_id, line.table)
    for line in LINES:
        if line.files is not None:
            yield from line.files(app, account_id, line.table)


def _add(file: zipfile.ZipFile, entry: Entry, *, dated: datetime) -> None:
    """Write one entry, in chunks. Files are stored as they are: media do not get smaller."""
    chunks = iter(entry.chunks())
    first = next(chunks, b"")
    info = zipfile.ZipInfo(entry.name, date_time=dated.astimezone(UTC).timetuple()[:6])
    info.compress_type = zipfile.ZIP_STORED if entry.size_bytes else zipfile.ZIP_DEFLATED
    info.create_system = 3  # Unix, wherever this runs
    info.external_attr = 0o644 << 16
    with file.open(info, "w", force_zip64=True) as target:
        target.write(first)
        for chunk in chunks:
            target.write(chunk)
