"""Remove outputs from albums: one for its owner, or all outputs of a deleted job."""

from __future__ import annotations

from collections.abc import Sequence

from darkroom.albums import model, store
from darkroom.albums.model import Entry
from darkroom.bootstrap.composition import App
from darkroom.db import commit
from darkroom.db.retry import retry_on_conflict
from darkroom.kernel.errors import NotFound
from darkroom.kernel.ids import MAX_OUTPUTS_PER_JOB
from darkroom.kernel.limits import ALBUM_CHUNK_LIMIT, ALBUM_FORGET_PAGES_LIMIT, PAGE_LIMIT

_SHARED_CHARS = len("out_") + 24
"""The ids of a job's outputs differ only in their last ten bits, which are two characters."""


def remove_from_album(app: App, *, account_id: str, album_id: str, output_id: str) -> None:
    """Remove the output from the album; it stays with its job. Repeating changes nothing.

    Raises:
        NotFound: the album does not exist, or the output was never in it.
    """
    operation = app.ids.token()

    def attempt() -> None:
        album = store.get_album(account_id, album_id)
        entry = store.find_entry(account_id, album_id, output_id)
        if entry is None:
            raise NotFound("no such output in the album")
        if not entry.is_removed:
            _remove(app, account_id, album.album_id, entries=[entry], operation=operation)

    retry_on_conflict(app.jitter, attempt)


def forget_job_in_albums(app: App, account_id: str, job_id: str) -> int:
    """Remove a deleted job's outputs from all albums of its account; returns how many there were.

    This is part of the projection of the deletion: repeating it finds nothing.
    """
    beginning = f"out_{job_id.partition('_')[2]}"[:_SHARED_CHARS]
    removed, before = 0, None
    for _ in range(ALBUM_FORGET_PAGES_LIMIT):
        albums, before = store.list_albums(account_id, limit=PAGE_LIMIT, before=before)
        for album in albums:
            removed += _forget_in(app, account_id, album.album_id, beginning)
        if before is None:
            break
    return removed


def _forget_in(app: App, account_id: str, album_id: str, beginning: str) -> int:
    def attempt() -> int:
        found = store.list_entries_beginning(
            account_id, album_id, beginning, limit=MAX_OUTPUTS_PER_JOB
        )
        entries = [entry for entry in found if not entry.is_removed][:ALBUM_CHUNK_LIMIT]
        if entries:
            _remove(app, account_id, album_id, entries=entries, operation=app.ids.token())
        return len(entries)

    removed = 0
    for _ in range(MAX_OUTPUTS_PER_JOB // ALBUM_CHUNK_LIMIT + 1):
        count = retry_on_conflict(app.jitter, attempt)
        removed += count
        if count < ALBUM_CHUNK_LIMIT:
            break
    return removed


def _remove(
    app: App, account_id: str, album_id: str, *, entries: Sequence[Entry], operation: str
) -> None:
    album = store.get_album(account_id, album_id)
    after, marks = model.remove_entries(album, entries, app.clock.now())
    commit(
        [
            store.save_write(album, after, operation=operation),
            *(
                store.save_entry_write(entry, mark, operation=operation)
                for entry, mark in zip(entries, marks, strict=True)
            ),
        ]
    )
