"""Delete an album at once and its entries later; the outputs stay with their jobs."""

from __future__ import annotations

from collections import Counter

from darkroom.albums import store
from darkroom.albums.items import TOMBSTONE
from darkroom.bootstrap.composition import App
from darkroom.db import commit
from darkroom.db.retry import retry_on_conflict
from darkroom.kernel.errors import NotFound
from darkroom.kernel.limits import ALBUM_CHUNK_LIMIT, SWEEP_ITEMS_LIMIT
from darkroom.usecases.sweeps.sweep_items import OnError, sweep_items


def delete_album(app: App, *, account_id: str, album_id: str) -> None:
    """Delete the album, even a damaged one.

    Raises:
        NotFound.
    """
    operation = app.ids.token()

    def attempt() -> None:
        if not store.is_stored(account_id, album_id):
            if store.has_tombstone(account_id, album_id):
                # It was deleted already, perhaps by our own attempt whose response was lost.
                return
            raise NotFound("no such album")
        commit(
            store.tombstone_writes(account_id, album_id, now=app.clock.now(), operation=operation)
        )

    retry_on_conflict(app.jitter, attempt)


def sweep_albums(app: App, on_error: OnError) -> Counter[str]:
    """Remove the entries of deleted albums. Safe to repeat and to stop at any point."""
    found = store.list_due(app.clock.now(), limit=SWEEP_ITEMS_LIMIT)
    return sweep_items(app, found, handle=_empty, on_error=on_error)


def _empty(account_id: str, tombstone_key: str) -> str:
    """Remove the album's remaining entries; a very large album takes several sweeps."""
    album_id = tombstone_key.removeprefix(TOMBSTONE)
    for _ in range(SWEEP_ITEMS_LIMIT // ALBUM_CHUNK_LIMIT):
        outputs = store.list_output_ids(account_id, album_id, limit=ALBUM_CHUNK_LIMIT)
        if not outputs:
            commit([store.forget_tombstone_write(account_id, album_id)])
            return "emptied"
        commit([store.delete_entry_write(account_id, album_id, output) for output in outputs])
    return "emptying"
