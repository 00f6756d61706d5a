"""A breaking change of the API needs a new major version."""

from __future__ import annotations

import json
import tomllib
from copy import deepcopy
from typing import Any

import pytest

from darkroom.api.app import VERSION
from darkroom.api.openapi.document import public_openapi
from tests.support.breaking_changes import ROOT, breaking_changes, last_release, version

Document = dict[str, Any]

OLD: Document = {
    "info": {"version": "1.0.0"},
    "paths": {
        "/a": {
            "get": {"operationId": "getA", "security": [], "responses": {"200": {}}},
            "post": {
                "operationId": "postA",
                "security": [{"bearer": []}],
                "parameters": [{"$ref": "#/components/parameters/page"}],
                "requestBody": {
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/In"}}}
                },
                "responses": {
                    "200": {
                        "headers": {"ETag": {}},
                        "content": {
                            "application/json": {"schema": {"$ref": "#/components/schemas/Out"}}
                        },
                    },
                    "409": {
                        "content": {
                            "application/json": {
                                "schema": {"oneOf": [{"$ref": "#/components/schemas/Taken"}]}
                            }
                        }
                    },
                },
            },
        }
    },
    "components": {
        "parameters": {"page": {"name": "page", "in": "query", "schema": {"type": "integer"}}},
        "schemas": {
            "In": {
                "type": "object",
                "properties": {
                    "word": {"type": "string", "enum": ["a", "b"]},
                    "text": {"type": "string", "maxLength": 9},
                    "many": {"type": "array", "items": {"type": "number"}},
                    "either": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                },
                "required": ["word"],
            },
            "Out": {
                "type": "object",
                "properties": {
                    "id": {"type": "string"},
                    "word": {"type": "string", "enum": ["a", "b"]},
                    "inner": {"$ref": "#/components/schemas/Inner"},
                },
                "required": ["id", "word"],
            },
            "Inner": {"type": "object", "properties": {"count": {"type": "integer"}}},
            "Taken": {"type": "object", "properties": {"code": {"const": "TAKEN"}}},
            "Gone": {"type": "object", "properties": {"code": {"const": "GONE"}}},
        },
    },
}
PAGE = OLD["components"]["parameters"]["page"]


def changed(**paths: Any) -> Document:
    """The document with other values at these places, whose names are joined by ``__``; None
    removes what is there."""
    document = deepcopy(OLD)
    for path, value in paths.items():
        *parents, last = path.split("__")
        node = document
        for name in parents:
            node = node[SHORT.get(name, name)]
        if value is None:
            del node[SHORT.get(last, last)]
        else:
            node[SHORT.get(last, last)] = value
    return document


SHORT = {"a": "/a", "ok": "200", "json": "application/json"}
IN, OUT = "components__schemas__In", "components__schemas__Out"
AT_POST = "paths__a__post"


def at(place: str, value: Any) -> Document:
    return changed(**{place: value})


@pytest.mark.parametrize(
    ("new", "names"),
    [
        (at("paths__a", None), "GET /a"),
        (at("paths__a__get", None), "GET /a"),
        (at("paths__a__get__operationId", "readA"), "operationId"),
        (at("paths__a__get__security", [{"bearer": []}]), "token"),
        (at(f"{AT_POST}__parameters", []), "page"),
        (
            at(
                "components__parameters__page",
                PAGE | {"required": True},
            ),
            "page is required",
        ),
        (at(f"{AT_POST}__requestBody__required", True), "body is required"),
        (at(f"{AT_POST}__requestBody__content", {"text/csv": {}}), "application/json"),
        (at(f"{IN}__required", ["word", "text"]), "body.text is required"),
        (at(f"{IN}__properties__many", None), "body.many is gone"),
        (at(f"{IN}__properties__word__enum", ["a"]), "'b'"),
        (at(f"{IN}__properties__text__type", "integer"), "body.text"),
        (at(f"{IN}__properties__text__maxLength", 8), "maxLength"),
        (at(f"{IN}__properties__text__minLength", 1), "minLength"),
        (at(f"{IN}__properties__text__pattern", "^x"), "pattern"),
        (at(f"{IN}__properties__text__enum", ["a"]), "only some words"),
        (at(f"{IN}__properties__many__items__type", "integer"), "many[]"),
        (at(f"{IN}__properties__either__anyOf", [{"type": "string"}]), "null"),
        (at(f"{IN}__additionalProperties", False), "unknown fields"),
        (at(f"{AT_POST}__responses__ok", None), "200 is gone"),
        (at(f"{AT_POST}__responses__ok__headers", {}), "ETag"),
        (at(f"{AT_POST}__responses__ok__content", {"text/csv": {}}), "application/json"),
        (at(f"{AT_POST}__responses__204", {}), "204 is new"),
        (at(f"{OUT}__properties__id", None), "id is gone"),
        (at(f"{OUT}__required", ["id"]), "word may be missing"),
        (at(f"{OUT}__properties__id__type", "integer"), "200.id"),
        (at(f"{OUT}__properties__id__type", ["string", "null"]), "200.id"),
        (at(f"{OUT}__properties__id", {"anyOf": [{"type": "string"}, {"type": "null"}]}), "200.id"),
        (at(f"{OUT}__properties__word__enum", None), "any text"),
        (at("components__schemas__Inner__properties__count", None), "inner.count is gone"),
        (at("components__schemas__Taken__properties__code", None), "409.code is gone"),
    ],
)
def test_a_change_that_breaks_clients_is_found(new: Document, names: str) -> None:
    found = breaking_changes(OLD, new)

    assert len(found) >= 1
    assert names in "\n".join(found)


CONFLICTS = f"{AT_POST}__responses__409__content__json__schema__oneOf"


@pytest.mark.parametrize(
    "new",
    [
        deepcopy(OLD),
        at("paths__/b", {"get": {"operationId": "getB", "responses": {"200": {}}}}),
        at(f"{IN}__properties__more", {"type": "string"}),
        at(f"{IN}__properties__word__enum", ["a", "b", "c"]),
        at(f"{IN}__properties__text__maxLength", 10),
        at(f"{IN}__required", []),
        at(f"{IN}__properties__many__items__type", ["number", "string"]),
        at(f"{OUT}__properties__more", {"type": "string"}),
        at(f"{OUT}__properties__word__enum", ["a", "b", "c"]),
        at(f"{OUT}__required", ["id", "word", "inner"]),
        at(f"{AT_POST}__responses__429", {}),
        at(f"{AT_POST}__responses__409", None),
        at(
            CONFLICTS,
            [{"$ref": "#/components/schemas/Taken"}, {"$ref": "#/components/schemas/Gone"}],
        ),
    ],
)
def test_an_addition_breaks_no_client(new: Document) -> None:
    assert breaking_changes(OLD, new) == []


def test_the_api_breaks_no_client_of_the_last_release() -> None:
    """``make breaking`` lists what does. If it must be, the version in ``api/app.py`` is a new
    major one."""
    released, current = last_release(), public_openapi()

    assert released is not None
    if version(current)[0] == version(released)[0]:
        assert breaking_changes(released, current) == []


def test_a_new_version_is_not_older_than_the_last_release() -> None:
    released = last_release()

    assert released is not None
    assert version(public_openapi()) >= version(released)


def test_the_product_its_api_and_its_client_have_one_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    client = json.loads((ROOT / "clients" / "typescript" / "package.json").read_text("utf-8"))

    assert {project["version"], client["version"], VERSION} == {VERSION}
    assert f"\n## {VERSION} - " in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
