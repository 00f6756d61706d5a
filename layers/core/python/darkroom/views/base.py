"""The base of all response bodies: camelCase names, and one rule about null."""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


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
                shape.update(only)
        return schema
