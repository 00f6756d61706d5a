"""What the API's document says about fields: texts, examples and lists of words.

It is for readers of the document alone; no value is checked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import Field

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema

WORDS = "x-words"
"""In a schema: the name of its list of words. ``api/openapi/properties.py`` takes it out again."""
STORED_AS = "x-stored-as"
"""In the schema of an input: the name and description of its stored form, which responses have;
null if there is none. ``api/openapi/inputs.py`` takes it out again."""


def described(description: str, *examples: Any, **schema: Any) -> Any:
    """A field's text in the API's document: its meaning with the unit, examples, and keywords of
    JSON Schema (``minimum=0``, ``format="uri"``).

    A field of a shared type may have a description of its own: the one that is nearer wins.
    """
    known: dict[str, Any] = {"description": description}
    if examples:
        known["examples"] = list(examples)
    if schema:
        known["json_schema_extra"] = schema
    return Field(**known)


@dataclass(frozen=True)
class StoredAs:
    """An input that is stored, and sent in responses, in another form: under this name, or, without
    one, as a part of other inputs."""

    name: str = ""
    description: str = ""

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        stored = {"name": self.name, "description": self.description} if self.name else None
        return {**handler(core_schema), STORED_AS: stored}


@dataclass(frozen=True)
class Words:
    """A list of words, under a name of its own in the API's document.

    ``listed`` is called when the document is made, so that a list may come from the catalog;
    without it, the type has the words. A stored word that has left its list is still shown.
    """

    name: str
    listed: Callable[[], Iterable[str]] | None = None

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = {**handler(core_schema), WORDS: self.name}
        if self.listed is not None:
            schema["enum"] = [str(word) for word in self.listed()]
        return schema
