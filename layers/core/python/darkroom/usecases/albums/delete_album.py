"""Delete an album: it is gone at once, its entries follow; the outputs stay with their jobs."""

from __future__ import annotations

from collections import Counter

from darkroom.albums import store
from darkroom.albums.items import TOMBSTONE
from darkroom.bootstrap.composition import App
from darkroom.db import commit
from darkroom.db.retry import retry_on_conflict
from darkroom.kernel.limits import ALBUM_CHUNK_LIMIT, SWEEP_ITEMS_LIMIT
from darkroom.usecases.sweeps.sweep_items import OnError, sweep_items


def delete_album(app: App, *, account_id: str, album_id: str) -> None:
    """Raises:
    NotFound.
    """
    operation = app.ids.token()

    def attempt() -> None:
        album = store.find_album(account_id, album_id)
        if album is None and store.has_tombstone(account_id, album_id):
            # Deleted before, perhaps by ourselves in an attempt whose answer was lost.
            return
        album = store.get_album(account_id, album_id)
        commit(store.bury_writes(album, app.clock.now(), operation))

    retry_on_conflict(app.jitter, attempt)


def sweep_albums(app: App, on_error: OnError) -> Counter[str]:
    """Remove the entries of deleted albums; running it twice, or stopping it, is harmless."""
    found = store.list_due(app.clock.now(), limit=SWEEP_ITEMS_LIMIT)
    return sweep_items(app, found, _empty, on_error)


def _empty(account_id: str, tombstone_key: str) -> str:
    """Remove what is left of an album; a very large one takes several sweeps."""
    album_id = tombstone_key.removeprefix(TOMBSTONE)
    for _ in range(SWEEP_ITEMS_LIMIT // ALBUM_CHUNK_LIMIT):
        entries = store.list_entries_beginning(account_id, album_id, "", limit=ALBUM_CHUNK_LIMIT)
        if not entries:
            commit([store.forget_tombstone_write(account_id, album_id)])
            return "emptied"
        commit([store.delete_entry_write(entry) for entry in entries])
    return "emptying"
