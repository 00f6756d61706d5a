"""An account's albums, as the API shows them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from darkroom.adapters.storage import SignedLink
from darkroom.albums import store
from darkroom.albums.model import Album, Cover, Entry
from darkroom.bootstrap.composition import App
from darkroom.kernel.clock import to_iso
from darkroom.views.base import (
    AlbumId,
    Count,
    JobId,
    Link,
    LinksEnd,
    NextCursor,
    Omittable,
    OutputId,
    PictureLink,
    ResponseBody,
    Timestamp,
    described,
)
from darkroom.views.jobs import OutputFacts
from darkroom.views.links import expiry, picture_link

AlbumName = Annotated[str, described("Name of the album, on one line.", "Our wedding")]


class AlbumResponse(ResponseBody):
    album_id: AlbumId
    name: AlbumName
    output_count: Annotated[Count, described("Number of outputs in the album.", 12)]
    created_at: Annotated[Timestamp, described("When the album was created.")]
    updated_at: Annotated[Timestamp, described("When the album or the outputs in it last changed.")]
    cover_output_id: Annotated[
        Omittable[OutputId],
        described("Id of the output on the cover; absent while the album has no cover."),
    ] = None
    cover_url: Annotated[
        Omittable[Link], described("Signed link to the cover; absent while there is none.")
    ] = None
    cover_expires_at: Omittable[LinksEnd] = Field(default=None, description="When `coverUrl` ends.")


class AlbumOutput(OutputFacts):
    """``selected`` marks an output selected in this album, whatever is selected in its job."""

    output_id: OutputId
    job_id: Annotated[JobId, described("Id of the job that made it.")]
    group: Annotated[
        Omittable[str],
        described("The user's name for a group of outputs; absent if it is in none.", "Ceremony"),
    ] = None
    tags: Annotated[list[str], described("The user's tags within the album.", ["print"])]
    selected: Annotated[
        bool, described("Whether the user selected it in this album, whatever its job has.")
    ]
    position: Annotated[
        int,
        described("Its place: the outputs are sorted by it, the lowest first.", 1024, minimum=0),
    ]
    added_at: Annotated[Timestamp, described("When it was added to the album.")]
    thumbnail_url: Omittable[PictureLink] = Field(
        default=None, description="Signed link to a small JPEG of a picture."
    )
    poster_url: Omittable[PictureLink] = Field(
        default=None, description="Signed link to a small JPEG of one frame of a clip or film."
    )
    download_url: Annotated[Link, described("Signed link to the file, under its own name.")]
    expires_at: LinksEnd


class AlbumDetailResponse(AlbumResponse):
    outputs: Annotated[list[AlbumOutput], described("A page of outputs, sorted by position.")]
    next_cursor: NextCursor


class AlbumPage(ResponseBody):
    items: Annotated[list[AlbumResponse], described("Albums, newest first.")]
    next_cursor: NextCursor


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
