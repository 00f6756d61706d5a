"""Bodies about albums."""

from __future__ import annotations

from typing import Annotated

from pydantic import (
    Field,
    model_validator,
)

from darkroom.api.schemas.base import Composed, Identifier, Line, RequestBody, checked_change
from darkroom.kernel.limits import ALBUM_POSITION_LIMIT, PAGE_LIMIT, TAG_LIMIT_CHARS, TAGS_LIMIT

Name = Annotated[str, Line, Field(max_length=100), Composed]
Label = Annotated[str, Line, Field(max_length=TAG_LIMIT_CHARS), Composed]


class CreateAlbumRequest(RequestBody):
    name: Name


class ChangeAlbumRequest(RequestBody):
    """Omitted fields keep their values; ``coverOutputId: null`` removes the cover."""

    name: Name | None = None
    cover_output_id: Identifier | None = None

    @model_validator(mode="after")
    def _names_something(self) -> ChangeAlbumRequest:
        return checked_change(self, never_null={"name"})


class AddOutputsRequest(RequestBody):
    output_ids: Annotated[list[Identifier], Field(min_length=1, max_length=PAGE_LIMIT)]
    group: Label | None = None


class ChangeOutputRequest(RequestBody):
    """Omitted fields keep their values. Outputs are sorted by ``position``, the lowest first."""

    group: Label | None = None
    tags: Annotated[list[Label], Field(max_length=TAGS_LIMIT)] | None = None
    selected: bool | None = None
    position: Annotated[int, Field(ge=0, le=ALBUM_POSITION_LIMIT)] | None = None

    @model_validator(mode="after")
    def _names_something(self) -> ChangeOutputRequest:
        return checked_change(self, never_null={"tags", "selected", "position"})
