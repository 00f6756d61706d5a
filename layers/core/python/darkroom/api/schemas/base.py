"""The base of all request bodies: strict, with camelCase names."""

from __future__ import annotations

import json
import unicodedata
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetJsonSchemaHandler,
    SkipValidation,
    StringConstraints,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema
from pydantic_core.core_schema import union_schema

from darkroom.kernel.words import is_unicode
from darkroom.recipes.fields import broken
from darkroom.views.base import described


class RequestBody(BaseModel):
    """A request body. It refuses unknown fields, values of another JSON type and text that is not
    Unicode."""

    bulk_fields: ClassVar[frozenset[str]] = frozenset()
    """Fields with many ids. Each id has its own result, so an odd one does not fail the request."""
    nullable_fields: ClassVar[frozenset[str]] = frozenset()
    """Optional fields in which null has a meaning of its own."""
    forms: ClassVar[tuple[type[RequestBody], ...]] = ()
    """Bodies of which clients send one. One model reads them all, so that its errors name what is
    missing; the document has each, so that clients can be checked for them."""

    model_config = ConfigDict(
        extra="forbid", strict=True, alias_generator=to_camel, validate_by_name=False
    )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """The schema of what clients should send: a field without a value is left out."""
        if cls.forms:
            shapes: list[CoreSchema | tuple[CoreSchema, str]] = [
                form.__pydantic_core_schema__ for form in cls.forms
            ]
            return {**handler(union_schema(shapes)), "description": cls.__doc__}
        schema = handler(core_schema)
        properties = handler.resolve_ref_schema(schema).get("properties", {})
        for name, field in cls.model_fields.items():
            if field.is_required() or field.default is not None or name in cls.nullable_fields:
                continue
            shape = properties[field.alias or name]
            [only] = (option for option in shape.pop("anyOf") if option != {"type": "null"})
            del shape["default"]
            properties[field.alias or name] = {**only, **shape}
        return schema

    @model_validator(mode="before")
    @classmethod
    def _refuse_lone_surrogates(cls, body: Any) -> Any:
        if isinstance(body, dict):
            checked = {name: body[name] for name in body if name not in cls.bulk_fields}
            if not is_unicode(json.dumps(checked, ensure_ascii=False, default=str)):
                raise ValueError("must be Unicode text without lone surrogates")
        return body


def _composed(text: Any) -> Any:
    return unicodedata.normalize("NFC", text) if isinstance(text, str) else text


Composed = BeforeValidator(_composed)
"""Names and labels are stored in this form. It stands last in an annotation and so runs first:
limits of length apply to the stored form."""
DeviceId = Annotated[
    str,
    StringConstraints(max_length=200),
    described(
        "The device's own id, chosen by the client. Until the account has a template variant for a "
        "combination of mode, stage and genre, it gets that of its device.",
        "ios-7d1f0c52",
    ),
]
SentId = SkipValidation[str]
"""An id as the client sent it, which may be any text, also with lone surrogates."""
Identifier = Annotated[str, StringConstraints(min_length=1, max_length=64)]
# No control characters: names and labels are shown on one line, and lists are sorted by them.
Line = StringConstraints(strip_whitespace=True, min_length=1, pattern=r"^[^\x00-\x1f\x7f]*$")


Body = TypeVar("Body", bound=RequestBody)


def checked_change(body: Body, *, never_null: set[str]) -> Body:
    """The body of a PATCH, if it changes something and sets none of these fields to null."""
    if not body.model_fields_set:
        raise broken("NOTHING_TO_CHANGE", *map(to_camel, type(body).model_fields))
    nulls = {name for name in body.model_fields_set if getattr(body, name) is None}
    if nulls & never_null:
        raise broken("NOT_NULL", *map(to_camel, sorted(nulls & never_null)))
    return body
