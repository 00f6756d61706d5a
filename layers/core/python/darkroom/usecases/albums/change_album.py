"""Change an album's name and cover."""

from __future__ import annotations

from dataclasses import dataclass, replace

from darkroom.albums import store
from darkroom.albums.model import Album, Cover, cover_of
from darkroom.bootstrap.composition import App
from darkroom.db import commit
from darkroom.db.retry import retry_on_conflict
from darkroom.kernel.errors import InvalidInput, NotFound
from darkroom.kernel.problems import problem


@dataclass(frozen=True, kw_only=True)
class AlbumChange:
    name: str | None = None
    sets_cover: bool = False
    cover_output_id: str | None = None
    """With ``sets_cover``: the new cover, or None for no cover."""


def change_album(app: App, *, account_id: str, album_id: str, change: AlbumChange) -> Album:
    """Change the named fields and return the album.

    Raises:
        NotFound; InvalidInput: the cover is not a picture in this album.
    """
    operation = app.ids.token()

    def attempt() -> Album:
        before = store.get_album(account_id, album_id)
        cover = _cover(before, change.cover_output_id) if change.sets_cover else before.cover
        after = replace(
            before, name=change.name or before.name, cover=cover, updated_at=app.clock.now()
        )
        commit([store.save_write(before, after, operation=operation)])
        return after

    return retry_on_conflict(app.jitter, attempt)


def _cover(album: Album, output_id: str | None) -> Cover | None:
    if output_id is None:
        return None
    try:
        cover = cover_of(store.get_entry(album.account_id, album.album_id, output_id))
    except NotFound:
        cover = None
    if cover is None:
        found = problem("coverOutputId", "NOT_IN_ALBUM")
        raise InvalidInput("not a picture of the album", fields=[found])
    return cover
