"""Finishes the properties and parameters that pydantic and FastAPI have described.

- A property that may be null is described where readers look: beside its options, not in one.
- A default stands in the description. As a keyword it makes generators of types, such as
  openapi-typescript, demand the property in requests.
- Lists of words (``kernel.described.Words``) become schemas with names, so that clients have them
  as types.
- A parameter is left out, never null: a URL has no null.
- Generated titles, which only repeat names, are removed, and limits are whole numbers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from darkroom.kernel.described import WORDS
from darkroom.views.base import ResponseBody

Schema = dict[str, Any]
_REFERENCE = "#/components/schemas/"
OWN_TEXTS = ("description", "examples")
"""Keywords of a property that do not belong to one of its options."""
NULL = {"type": "null"}
_LIMITS = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})


def finish_properties(document: Schema) -> None:
    schemas = document["components"]["schemas"]
    for schema in schemas.values():
        for shape in schema.get("properties", {}).values():
            _describe(shape)
            _write_default(shape)
    for parameter in parameters_of(document):
        _describe(parameter["schema"])
        parameter["schema"] = non_null(parameter["schema"])
    for part in (document["paths"], *list(schemas.values())):
        for shape in _objects(part):
            _name_words(shape, schemas)
            _write_limits(shape)


def add_schema(document: Schema, model: type[ResponseBody]) -> None:
    """Add a model that is not the body of a response: the data of an event, for example."""
    schema = model.model_json_schema(mode="serialization", ref_template=_REFERENCE + "{model}")
    parts: Schema = schema.pop("$defs", {})
    document["components"]["schemas"] |= {**parts, model.__name__: schema}


def parameters_of(document: Schema) -> Iterator[Schema]:
    for operations in document["paths"].values():
        for operation in operations.values():
            # Headers that many operations have are components, and complete.
            yield from (each for each in operation.get("parameters", ()) if "schema" in each)


def options_of(shape: Schema) -> list[Schema]:
    options: list[Schema] = shape.get("anyOf", [shape])
    return options


def non_null(shape: Schema) -> Schema:
    """A shape that may be null, without this option."""
    [only] = (option for option in options_of(shape) if option != NULL)
    return {**only, **without(shape, "anyOf", "default")} if "anyOf" in shape else shape


def without(shape: Schema, *names: str) -> Schema:
    return {name: value for name, value in shape.items() if name not in names}


def reference(name: str) -> Schema:
    return {"$ref": _REFERENCE + name}


def _describe(shape: Schema) -> None:
    """Move the description of the only option besides null to the property itself."""
    shape.pop("title", None)
    options = [option for option in shape.get("anyOf", ()) if option != NULL]
    if len(options) == 1:
        for keyword in OWN_TEXTS:
            text = options[0].pop(keyword, None)
            if text is not None:
                shape.setdefault(keyword, text)


def _write_default(shape: Schema) -> None:
    default = shape.pop("default", None)
    if default is not None:
        text = shape.get("description", "")
        shape["description"] = f"{text} Default: `{json.dumps(default)}`.".lstrip()


def _objects(part: Any) -> Iterator[Schema]:
    """All objects of a part of the document, the outer ones first."""
    if isinstance(part, dict):
        yield part
    if isinstance(part, dict | list):
        for each in part.values() if isinstance(part, dict) else part:
            yield from _objects(each)


def _name_words(shape: Schema, schemas: Schema) -> None:
    """Refer to the schema of its list of words instead of having one."""
    name = shape.pop(WORDS, None)
    if name is not None:
        kind, words = shape.pop("type"), shape.pop("enum")
        known = schemas.setdefault(name, {"type": kind, "enum": words})
        # The same list may also be known as the enum of a parameter.
        assert known["enum"] == words, f"two lists of words are called {name}"
        shape.update(reference(name))


def _write_limits(shape: Schema) -> None:
    """FastAPI writes the limits of integers as 9.0."""
    for keyword in _LIMITS & shape.keys():
        limit = shape[keyword]
        if isinstance(limit, float) and limit.is_integer():
            shape[keyword] = int(limit)
