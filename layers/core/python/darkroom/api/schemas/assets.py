"""Bodies about uploaded files."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    Field,
    StringConstraints,
    model_validator,
)

from darkroom.api.schemas.base import Composed, Line, RequestBody, checked_change
from darkroom.kernel.limits import FOLDER_LIMIT_CHARS, TAG_LIMIT_CHARS, TAGS_LIMIT

Tag = Annotated[str, Line, Field(max_length=TAG_LIMIT_CHARS), Composed]
Folder = Annotated[str, Line, Field(max_length=FOLDER_LIMIT_CHARS), Composed]
Status = Literal["uploading", "checking", "uploaded", "failed"]
Kind = Literal["image", "video", "audio"]
Sort = Literal["newest", "oldest", "name", "duration"]


class DescribeRequest(RequestBody):
    """Omitted fields keep their values; ``folder: null`` takes the file out of its folder."""

    filename: Annotated[str, StringConstraints(min_length=1, max_length=1024)] | None = None
    tags: Annotated[list[Tag], Field(max_length=TAGS_LIMIT)] | None = None
    folder: Folder | None = None

    @model_validator(mode="after")
    def _names_something(self) -> DescribeRequest:
        return checked_change(self, never_null={"filename", "tags"})
