"""An account's albums, as the API shows them."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from darkroom.adapters.storage import SignedLink
from darkroom.albums import store
from darkroom.albums.model import Album, Cover, Entry
from darkroom.bootstrap.composition import App
from darkroom.kernel.clock import to_iso
from darkroom.views.base import LinksEnd, Omittable, PictureLink, ResponseBody
from darkroom.views.jobs import OutputFacts
from darkroom.views.links import expiry, picture_link


class AlbumResponse(ResponseBody):
    album_id: str
    name: str
    output_count: int
    created_at: str
    updated_at: str
    cover_output_id: Omittable[str] = None
    cover_url: Omittable[str] = None
    cover_expires_at: Omittable[LinksEnd] = Field(None, description="When `coverUrl` ends.")


class AlbumOutput(OutputFacts):
    """``selected`` marks an output selected in this album, whatever is selected in its job."""

    output_id: str
    job_id: str
    group: Omittable[str] = None
    tags: list[str]
    selected: bool
    position: int
    added_at: str
    thumbnail_url: Omittable[PictureLink] = Field(
        None, description="Signed link to a small JPEG of a picture."
    )
    poster_url: Omittable[PictureLink] = Field(
        None, description="Signed link to a small JPEG of one frame of a clip or film."
    )
    download_url: str
    expires_at: LinksEnd


class AlbumDetailResponse(AlbumResponse):
    outputs: list[AlbumOutput]
    next_cursor: str | None


class AlbumPage(ResponseBody):
    items: list[AlbumResponse]
    next_cursor: str | None


def list_albums(
    app: App, account_id: str, *, limit: int, before: str | None
) -> tuple[list[AlbumResponse], str | None]:
    """A page of the account's albums, newest first, and the id that the next page starts before."""
    albums, position = store.list_albums(account_id, limit=limit, before=before)
    return [album_summary(app, album) for album in albums], position


def album_summary(app: App, album: Album) -> AlbumResponse:
    cover = album.cover
    link = _cover_link(app, cover) if cover else None
    return AlbumResponse(
        album_id=album.album_id,
        name=album.name,
        output_count=album.output_count,
        created_at=to_iso(album.created_at),
        updated_at=to_iso(album.updated_at),
        cover_output_id=cover.output_id if cover else None,
        cover_url=link.url if link else None,
        cover_expires_at=expiry(link),
    )


def get_album(
    app: App, account_id: str, album_id: str, *, limit: int, after: Any
) -> tuple[AlbumResponse, list[AlbumOutput], Any]:
    """An album, a page of its outputs by position, and the position of the next page.

    Raises:
        NotFound.
    """
    album = store.get_album(account_id, album_id)
    entries, position = store.list_entries(
        account_id, album_id, limit=limit, after=None if after is None else tuple(after)
    )
    return album_summary(app, album), [entry_detail(app, entry) for entry in entries], position


def entry_detail(app: App, entry: Entry) -> AlbumOutput:
    """An output in the album; ``selected`` is that of the album."""
    picture = entry.picture
    link = app.storage.download_link(
        picture.storage_key,
        file_name=_file_name(picture.key, picture.mime_type, picture.storage_key),
        mime_type=picture.mime_type,
    )
    small = picture.thumbnail_key and picture_link(app, picture.thumbnail_key, stem=picture.key).url
    is_video = picture.mime_type.startswith("video/")
    return AlbumOutput(
        output_id=picture.output_id,
        job_id=picture.job_id,
        key=picture.key,
        type=picture.type,
        mime_type=picture.mime_type,
        size_bytes=picture.size_bytes,
        width=picture.width,
        height=picture.height,
        duration_ms=picture.duration_ms,
        style=picture.style,
        role=picture.role,
        language=picture.language,
        group=entry.group,
        tags=list(entry.tags),
        selected=entry.is_selected,
        position=entry.position,
        added_at=to_iso(entry.added_at),
        thumbnail_url=None if is_video else small,
        poster_url=small if is_video else None,
        download_url=link.url,
        expires_at=to_iso(link.expires_at),
    )


def _cover_link(app: App, cover: Cover) -> SignedLink:
    file_name = _file_name("cover", cover.mime_type)
    return app.storage.download_link(
        cover.storage_key, file_name=file_name, mime_type=cover.mime_type, inline=True
    )


def _file_name(stem: str, mime_type: str, storage_key: str = "") -> str:
    suffix = storage_key.rpartition("/")[2].rpartition(".")[2] if "." in storage_key else ""
    return f"{stem}.{suffix or mime_type.partition('/')[2]}"
