"""Change an output's entry in an album: group, tags, pick and position."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from darkroom.albums import store
from darkroom.albums.model import Entry
from darkroom.bootstrap.composition import App
from darkroom.db import commit
from darkroom.db.retry import retry_on_conflict


def change_album_output(
    app: App, *, account_id: str, album_id: str, output_id: str, changes: Mapping[str, Any]
) -> Entry:
    """Change the fields of ``Entry`` that ``changes`` names, and return the entry.

    Raises:
        NotFound: the album does not exist, or the output is not in it.
    """
    operation = app.ids.token()

    def attempt() -> Entry:
        store.get_album(account_id, album_id)
        before = store.get_entry(account_id, album_id, output_id)
        after = replace(before, **changes)
        commit([store.save_entry_write(before, after, operation=operation)])
        return after

    return retry_on_conflict(app.jitter, attempt)
