"""Delete an album: it is gone at once, its entries follow; the outputs stay with their jobs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from darkroom.albums import store
from darkroom.bootstrap import App
from darkroom.db import commit
from darkroom.kernel.limits import ALBUM_CHUNK_LIMIT, SWEEP_ITEMS_LIMIT, SWEEP_PAGE_LIMIT
from darkroom.usecases.racing import until_won


def delete_album(app: App, *, account_id: str, album_id: str) -> None:
    """Raises:
    NotFound.
    """
    operation = app.ids.token()

    def attempt() -> None:
        album = store.find_album(account_id, album_id)
        if album is None and store.has_grave(account_id, album_id):
            # Deleted before, perhaps by ourselves in an attempt whose answer was lost.
            return
        album = store.get_album(account_id, album_id)
        commit(store.bury_writes(album, app.clock.now(), operation))

    until_won(app, attempt)


def sweep_albums(app: App, on_error: Callable[[str, Exception], None]) -> Counter[str]:
    """Remove the entries of deleted albums; running it twice, or stopping it, is harmless."""
    done: Counter[str] = Counter()
    for account_id, album_id in store.list_due(app.clock.now(), limit=SWEEP_PAGE_LIMIT):
        try:
            done["emptied" if _empty(account_id, album_id) else "emptying"] += 1
        except Exception as error:
            on_error(album_id, error)
            done["error"] += 1
    return done


def _empty(account_id: str, album_id: str) -> bool:
    """True when nothing of the album is left; a very large one takes several sweeps."""
    for _ in range(SWEEP_ITEMS_LIMIT // ALBUM_CHUNK_LIMIT):
        entries = store.list_entries_beginning(account_id, album_id, "", limit=ALBUM_CHUNK_LIMIT)
        if not entries:
            commit([store.forget_grave_write(account_id, album_id)])
            return True
        commit([store.delete_entry_write(entry) for entry in entries])
    return False
