"""The base of all response bodies: camelCase names, one rule about null, and the shared types.

What a type says about its values (unit, example, words) is for readers of the API's document.
Responses are made by our own code, so it is not checked when they are made.
"""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from darkroom.kernel.described import Words as Words
from darkroom.kernel.described import described as described

JobId = Annotated[str, described("Id of the job.", "job_01JGTQ4M9R8W3Z5K7N2P6X0A00")]
AssetId = Annotated[str, described("Id of the file.", "ast_01JGTQ4M9R8W3Z5K7N2P6X0B00")]
OutputId = Annotated[str, described("Id of the output.", "out_01JGTQ4M9R8W3Z5K7N2P6X0A01")]
AlbumId = Annotated[str, described("Id of the album.", "alb_01JGTQ4M9R8W3Z5K7N2P6X0C00")]
ReferencePhotoId = Annotated[
    str, described("Id of the reference photo.", "ref_01JGTQ4M9R8W3Z5K7N2P6X0D00")
]
AccountId = Annotated[
    str, described("Id of the account: its token's `sub`.", "4f1c2a9e-7b0d-4c55-9a3e-2d8f6b1e7c90")
]
Timestamp = Annotated[
    str,
    described("Time in UTC, to the millisecond.", "2026-01-05T09:00:00.000Z", format="date-time"),
]
Link = Annotated[
    str,
    described(
        "Signed link to the file; it needs no token and expires.",
        "https://media.example.com/outputs/film.mp4?X-Amz-Signature=5d1c",
        format="uri",
    ),
]
PictureLink = Annotated[
    str,
    described(
        "Signed link that shows a small JPEG: at most 512 pixels wide and high, and 60 KB.",
        "https://media.example.com/outputs/film-1.thumbnail.jpg?X-Amz-Signature=5d1c",
        format="uri",
    ),
]
LinksEnd = Annotated[
    str,
    described(
        "When the links beside it end, at least 15 minutes from now. Until 15 minutes before, "
        "they are the same in every response.",
        "2026-01-05T09:15:00.000Z",
        format="date-time",
    ),
]
Credits = Annotated[int, described("In credits.", 6, minimum=0)]
Count = Annotated[int, described("A number of things.", 3, minimum=0)]
SizeBytes = Annotated[int, described("Size of the file in bytes.", 482113, minimum=0)]
Pixels = Annotated[int, described("In pixels.", 1080, minimum=1)]
DurationMs = Annotated[int, described("Duration in milliseconds.", 9000, minimum=0)]
MimeType = Annotated[str, described("Media type of the file.", "image/png")]
NextCursor = Annotated[
    str | None,
    described(
        "Where the next page starts, to be sent as `cursor`; null on the last page.",
        "eyJhIjoiMjAyNi0wMS0wNSJ9.5d1c",
    ),
]


def _is_none(value: object) -> bool:
    return value is None


T = TypeVar("T")
Omittable = Annotated[T | None, Field(exclude_if=_is_none)]
"""A field that a response leaves out when it is None. Other fields that may be None are sent as
null."""


class ResponseBody(BaseModel):
    """A response body: the fields that clients receive, in this order."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """The schema of what is sent: a field that is left out when it is None is never null."""
        schema = handler(core_schema)
        properties = handler.resolve_ref_schema(schema)["properties"]
        for name, field in cls.model_fields.items():
            if field.exclude_if is _is_none:
                shape = properties[field.alias or name]
                [only] = (option for option in shape.pop("anyOf") if option != {"type": "null"})
                del shape["default"]
                # The field's own description comes before that of its type.
                properties[field.alias or name] = {**only, **shape}
        return schema
