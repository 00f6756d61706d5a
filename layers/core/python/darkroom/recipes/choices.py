"""Types of inputs: a code from the catalog, and a list without duplicates."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, TypeVar

from pydantic import AfterValidator

from darkroom.recipes.fields import broken

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema

ValueT = TypeVar("ValueT")


def one_of(offered: Callable[[], Collection[str]]) -> AfterValidator:
    """A code that the catalog contains. The catalog is read at validation, not at import."""

    def check(value: str) -> str:
        if value not in offered():
            raise broken("NOT_ALLOWED", allowed=tuple(offered()))
        return value

    return AfterValidator(check)


class _Distinct(AfterValidator):
    """A rule that JSON Schema can say too."""

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {**handler(core_schema), "uniqueItems": True}


def _check_distinct(values: list[ValueT]) -> list[ValueT]:
    twice = [value for place, value in enumerate(values) if value in values[:place]]
    if twice:
        raise broken("DUPLICATE", value=str(twice[0]))
    return values


DISTINCT = _Distinct(_check_distinct)
