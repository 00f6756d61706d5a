"""Create an album."""

from __future__ import annotations

from darkroom.albums import store
from darkroom.albums.items import ALBUM_PREFIX
from darkroom.albums.model import Album
from darkroom.bootstrap.composition import App
from darkroom.db import commit
from darkroom.kernel.command import Command


def create_album(app: App, command: Command, *, name: str) -> Album:
    """Create an empty album.

    Its id is made from the time, because albums are listed by id. For a repeat with the same
    Idempotency-Key, the stored response contains the id.
    """
    now = app.clock.now()
    album = Album(
        account_id=command.account_id,
        album_id=app.ids.new(ALBUM_PREFIX),
        name=name,
        created_at=now,
        updated_at=now,
    )
    commit([store.create_write(album, operation=command.operation)])
    return album
