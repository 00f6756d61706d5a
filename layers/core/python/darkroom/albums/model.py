"""An album and its entries. Pure.

An entry stores the shown fields of its output, which never change, so that a page of an album is
one query. A removed entry stays as a marker: a job's projection adds an output once, and never
again after its owner removed it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from darkroom.kernel.object_keys import thumbnail_key_of

POSITION_STEP = 1024
"""The distance of a new entry from the last one, which leaves space to move others between."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """The fields of an output that an album shows."""

    output_id: str
    job_id: str
    key: str
    type: str
    mime_type: str
    storage_key: str
    size_bytes: int
    width: int | None = None
    height: int | None = None
    duration_ms: int | None = None
    style: str | None = None
    role: str | None = None
    language: str | None = None
    has_thumbnail: bool = False

    @property
    def thumbnail_key(self) -> str | None:
        return thumbnail_key_of(self.storage_key) if self.has_thumbnail else None


@dataclass(frozen=True, kw_only=True)
class Cover:
    output_id: str
    storage_key: str
    mime_type: str


@dataclass(frozen=True, kw_only=True)
class Album:
    account_id: str
    album_id: str
    name: str
    created_at: datetime
    updated_at: datetime
    output_count: int = 0
    last_position: int = 0
    cover: Cover | None = None
    version: int = 1


@dataclass(frozen=True, kw_only=True)
class Entry:
    account_id: str
    album_id: str
    picture: Picture
    position: int
    added_at: datetime
    group: str | None = None
    tags: tuple[str, ...] = ()
    is_selected: bool = False
    is_removed: bool = False
    version: int = 1


def add_pictures(
    album: Album, pictures: Iterable[Picture], group: str | None, now: datetime
) -> tuple[Album, list[Entry]]:
    """The album with these appended; the first picture of an album becomes its cover."""
    entries = []
    for picture in pictures:
        position = album.last_position + POSITION_STEP
        entries.append(
            Entry(
                account_id=album.account_id,
                album_id=album.album_id,
                picture=picture,
                position=position,
                added_at=now,
                group=group,
            )
        )
        album = replace(
            album,
            output_count=album.output_count + 1,
            last_position=position,
            cover=album.cover or _as_cover(picture),
            updated_at=now,
        )
    return album, entries


def remove_entries(
    album: Album, entries: Iterable[Entry], now: datetime
) -> tuple[Album, list[Entry]]:
    """The album without these entries, and their markers."""
    marks = [replace(entry, is_removed=True) for entry in entries]
    gone = {mark.picture.output_id for mark in marks}
    keeps_cover = album.cover is not None and album.cover.output_id not in gone
    left = replace(
        album,
        output_count=album.output_count - len(marks),
        cover=album.cover if keeps_cover else None,
        updated_at=now,
    )
    return left, marks


def cover_of(entry: Entry) -> Cover | None:
    """The entry as a cover; None if it is not an image."""
    return _as_cover(entry.picture)


def _as_cover(picture: Picture) -> Cover | None:
    if not picture.mime_type.startswith("image/"):
        return None
    if picture.thumbnail_key is not None:
        return Cover(
            output_id=picture.output_id, storage_key=picture.thumbnail_key, mime_type="image/jpeg"
        )
    return Cover(
        output_id=picture.output_id, storage_key=picture.storage_key, mime_type=picture.mime_type
    )
