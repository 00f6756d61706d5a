"""Bodies about albums."""

from __future__ import annotations

from typing import Annotated

from pydantic import (
    Field,
    model_validator,
)

from darkroom.api.schemas.base import Composed, Identifier, Line, RequestBody, checked_change
from darkroom.kernel.limits import ALBUM_POSITION_LIMIT, PAGE_LIMIT, TAG_LIMIT_CHARS, TAGS_LIMIT
from darkroom.views.base import described

Name = Annotated[
    str,
    Line,
    Field(max_length=100),
    Composed,
    described("Name of the album, on one line.", "Our wedding"),
]
Label = Annotated[
    str,
    Line,
    Field(max_length=TAG_LIMIT_CHARS),
    Composed,
    described("A word or two, on one line.", "print"),
]
OutputId = Annotated[Identifier, described("Id of the output.", "out_01JGTQ4M9R8W3Z5K7N2P6X0A01")]


class CreateAlbumRequest(RequestBody):
    name: Name


class ChangeAlbumRequest(RequestBody):
    """Omitted fields keep their values; ``coverOutputId: null`` removes the cover."""

    nullable_fields = frozenset({"cover_output_id"})

    name: Annotated[Name | None, described("The new name, on one line.")] = None
    cover_output_id: Annotated[
        OutputId | None,
        described("Id of a picture in the album to be its cover; null removes the cover."),
    ] = None

    @model_validator(mode="after")
    def _names_something(self) -> ChangeAlbumRequest:
        return checked_change(self, never_null={"name"})


class AddOutputsRequest(RequestBody):
    output_ids: Annotated[
        list[OutputId],
        Field(min_length=1, max_length=PAGE_LIMIT),
        described("Ids of outputs of the account's jobs, in the order to add them."),
    ]
    group: Annotated[Label | None, described("A group to put them all into.", "Ceremony")] = None


class ChangeOutputRequest(RequestBody):
    """Omitted fields keep their values. Outputs are sorted by ``position``, the lowest first."""

    nullable_fields = frozenset({"group"})

    group: Annotated[
        Label | None, described("The group to move it to; null takes it out.", "Ceremony")
    ] = None
    tags: Annotated[
        Annotated[list[Label], Field(max_length=TAGS_LIMIT)] | None,
        described("All of its tags in this album.", ["print"]),
    ] = None
    selected: Annotated[bool | None, described("Whether the user selects it in this album.")] = None
    position: Annotated[
        Annotated[int, Field(ge=0, le=ALBUM_POSITION_LIMIT)] | None,
        described("Its place: the outputs are sorted by it, the lowest first.", 1536),
    ] = None

    @model_validator(mode="after")
    def _names_something(self) -> ChangeOutputRequest:
        return checked_change(self, never_null={"tags", "selected", "position"})
