"""An account's albums, as the API shows them."""

from __future__ import annotations

from typing import Any

from darkroom.albums import store
from darkroom.albums.model import Album, Entry
from darkroom.bootstrap.composition import App
from darkroom.kernel.clock import to_iso


def list_albums(
    app: App, account_id: str, *, limit: int, before: str | None
) -> tuple[list[dict[str, Any]], str | None]:
    """A page of the account's albums, newest first, and the id that the next page starts before."""
    albums, position = store.list_albums(account_id, limit=limit, before=before)
    return [album_summary(app, album) for album in albums], position


def album_summary(app: App, album: Album) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "albumId": album.album_id,
        "name": album.name,
        "outputCount": album.output_count,
        "createdAt": to_iso(album.created_at),
        "updatedAt": to_iso(album.updated_at),
    }
    if album.cover is not None:
        shape["coverOutputId"] = album.cover.output_id
        shape["coverUrl"] = app.storage.download_url(
            album.cover.storage_key,
            file_name=_file_name("cover", album.cover.mime_type),
            mime_type=album.cover.mime_type,
        )
    return shape


def get_album(
    app: App, account_id: str, album_id: str, *, limit: int, after: Any
) -> tuple[dict[str, Any], Any]:
    """An album with a page of its outputs by position, and the position of the next page.

    Raises:
        NotFound.
    """
    album = store.get_album(account_id, album_id)
    entries, position = store.list_entries(
        account_id, album_id, limit=limit, after=None if after is None else tuple(after)
    )
    outputs = [entry_detail(app, entry) for entry in entries]
    return {**album_summary(app, album), "outputs": outputs}, position


def entry_detail(app: App, entry: Entry) -> dict[str, Any]:
    """An output in the album; ``selected`` is that of the album."""
    picture = entry.picture
    shape: dict[str, Any] = {
        "outputId": picture.output_id,
        "jobId": picture.job_id,
        "key": picture.key,
        "type": picture.type,
        "mimeType": picture.mime_type,
        "sizeBytes": picture.size_bytes,
        "width": picture.width,
        "height": picture.height,
        "durationMs": picture.duration_ms,
        "style": picture.style,
        "role": picture.role,
        "language": picture.language,
        "group": entry.group,
        "tags": list(entry.tags),
        "selected": entry.is_selected,
        "position": entry.position,
        "addedAt": to_iso(entry.added_at),
        "downloadUrl": app.storage.download_url(
            picture.storage_key,
            file_name=_file_name(picture.key, picture.mime_type, picture.storage_key),
            mime_type=picture.mime_type,
        ),
    }
    return {name: value for name, value in shape.items() if value is not None}


def _file_name(stem: str, mime_type: str, storage_key: str = "") -> str:
    suffix = storage_key.rpartition("/")[2].rpartition(".")[2] if "." in storage_key else ""
    return f"{stem}.{suffix or mime_type.partition('/')[2]}"
