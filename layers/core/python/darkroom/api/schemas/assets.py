"""Bodies about uploaded files."""

from __future__ import annotations

from typing import Annotated

from pydantic import (
    Field,
    StringConstraints,
    model_validator,
)

from darkroom.api.schemas.base import Composed, Line, RequestBody, checked_change
from darkroom.kernel.limits import FOLDER_LIMIT_CHARS, TAG_LIMIT_CHARS, TAGS_LIMIT
from darkroom.kernel.media_types import MediaKind
from darkroom.views.asset_lists import Sort
from darkroom.views.base import Words, described

Tag = Annotated[
    str,
    Line,
    Field(max_length=TAG_LIMIT_CHARS),
    Composed,
    described("A word or two, on one line.", "summer"),
]
Folder = Annotated[
    str,
    Line,
    Field(max_length=FOLDER_LIMIT_CHARS),
    Composed,
    described("Name of the folder, on one line.", "Holidays"),
]

KnownKind = Annotated[MediaKind, Words("AssetKind")]
KnownSort = Annotated[Sort, Words("AssetSort")]


class DescribeRequest(RequestBody):
    """Omitted fields keep their values; ``folder: null`` takes the file out of its folder."""

    nullable_fields = frozenset({"folder"})

    filename: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=1024)] | None,
        described(
            "The new name. Of a path, the last part is kept, at most 255 characters.", "beach.jpg"
        ),
    ] = None
    tags: Annotated[
        Annotated[list[Tag], Field(max_length=TAGS_LIMIT)] | None,
        described("All of its tags.", ["summer", "beach"]),
    ] = None
    folder: Annotated[Folder | None, described("The folder to move it to; null takes it out.")] = (
        None
    )

    @model_validator(mode="after")
    def _names_something(self) -> DescribeRequest:
        return checked_change(self, never_null={"filename", "tags"})
