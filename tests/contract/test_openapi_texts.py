"""Every property and parameter of the API's document has a description and an example."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator

from darkroom.api.openapi.document import full_openapi
from darkroom.api.openapi.properties import parameters_of
from tests.support.declared import resolved

Schema = dict[str, Any]
SHOWN_BY = ("examples", "enum", "const", "$ref", "default")
"""Keywords that show a value as an example would."""


def properties() -> Iterator[tuple[str, Schema]]:
    for name, schema in full_openapi()["components"]["schemas"].items():
        for field, shape in schema.get("properties", {}).items():
            yield f"{name}.{field}", shape


def parameters() -> Iterator[tuple[str, Schema]]:
    document = full_openapi()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for parameter in map(resolved, operation.get("parameters", ())):
                where = f"{method.upper()} {path} {parameter['name']}"
                shape = {**parameter["schema"], "description": parameter.get("description")}
                yield where, {**shape, "examples": examples_of(parameter)}


def examples_of(parameter: Mapping[str, Any]) -> Any:
    return parameter["schema"].get("examples") or parameter.get("example")


def is_shown(shape: Schema) -> bool:
    """Whether readers see a value: an example, a list of words, a constant, a yes or no, or the
    schema of an object."""
    if any(shape.get(keyword) for keyword in SHOWN_BY):
        return True
    if shape.get("type") in ("boolean", "null"):
        return True
    if shape.get("type") == "array":
        return is_shown(shape["items"])
    if shape.get("type") == "object":
        held = shape.get("additionalProperties")
        return "properties" in shape or (isinstance(held, dict) and is_shown(held))
    options = shape.get("anyOf") or shape.get("oneOf") or []
    return bool(options) and all(map(is_shown, options))


def test_every_property_has_a_description() -> None:
    missing = [where for where, shape in properties() if not shape.get("description")]

    assert missing == []


def test_every_property_shows_a_value() -> None:
    missing = [where for where, shape in properties() if not is_shown(shape)]

    assert missing == []


def test_every_parameter_has_a_description_and_shows_a_value() -> None:
    missing = [
        where
        for where, shape in parameters()
        if not shape.get("description") or not is_shown(shape)
    ]

    assert missing == []


def test_examples_fit_their_schemas() -> None:
    components = full_openapi()["components"]
    wrong = [
        f"{where}: {example}"
        for where, shape in [*properties(), *parameters()]
        for example in shape.get("examples") or ()
        if not Draft202012Validator({**shape, "components": components}).is_valid(example)
    ]

    assert wrong == []


def test_descriptions_are_sentences() -> None:
    """They begin with a capital letter or a code, and end with a full stop."""
    texts = [(where, shape.get("description", "")) for where, shape in properties()]
    texts += [(where, shape["description"] or "") for where, shape in parameters()]

    odd = [
        where
        for where, text in texts
        if text and (text[0].islower() or not text.endswith((".", ")")))
    ]

    assert odd == []


def test_no_parameter_is_null() -> None:
    for parameter in parameters_of(full_openapi()):
        assert {"type": "null"} not in parameter["schema"].get("anyOf", ()), parameter["name"]
