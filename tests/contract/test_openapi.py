"""The contract with clients: the OpenAPI document, the gateway's routes, codes and shapes."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute

from darkroom.api.app import VERSION
from darkroom.api.errors import STATUS_OF
from darkroom.api.messages import MESSAGES
from darkroom.api.mounts import PUBLIC_PATHS, SELF_CHECKED_PATHS
from darkroom.api.openapi.document import full_openapi, public_openapi
from darkroom.api.openapi.errors import ERRORS, GatewayError, model_of
from darkroom.api.schemas.catalog import RecipesResponse, Template
from darkroom.bootstrap.composition import App
from darkroom.kernel import catalog
from darkroom.kernel.errors import DarkroomError, Unauthorized
from darkroom.payments.store import PurchaseStatus
from darkroom.templates.choice import list_templates
from tests.support.builders import ask
from tests.support.declared import (
    JSON,
    Undeclared,
    check_declared,
    names_of,
    resolved,
    response_models,
)
from tests.support.mounts import BY_FUNCTION
from tests.support.tables import read_template

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ROOT / "layers" / "core" / "python" / "darkroom"
DOCUMENT = ROOT / "docs" / "openapi.json"
METHODS = {"get", "post", "patch", "delete", "put"}


# The document


def test_the_committed_document_matches_the_code() -> None:
    """After a change: ``make openapi``, and look at the difference."""
    assert json.loads(DOCUMENT.read_text(encoding="utf-8")) == public_openapi()


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in full_openapi()["paths"].items():
        for method, operation in methods.items():
            if method in METHODS:
                yield method.upper(), path, operation


def test_every_route_except_the_public_ones_requires_a_token() -> None:
    for method, path, operation in operations():
        is_open = path in PUBLIC_PATHS
        assert (operation["security"] == []) == is_open, f"{method} {path}"
        assert is_open or "401" in operation["responses"], f"{method} {path}"


def test_every_operation_declares_the_errors_of_the_edge() -> None:
    for method, path, operation in operations():
        expected = {"429", "500", "503"} | (set() if method == "GET" else {"400", "413"})
        assert expected <= set(operation["responses"]), f"{method} {path}"


def test_a_route_with_an_idempotency_key_declares_its_errors() -> None:
    """422: the key belongs to another request; 409: the same request is in progress; 404: what the
    first request made is damaged."""
    for method, path, operation in operations():
        if "422" in operation["responses"]:
            assert {"404", "409"} <= set(operation["responses"]), f"{method} {path}"


def test_every_error_response_is_of_codes_of_its_status() -> None:
    codes = {model_of(error.code).__name__: error.status for error in ERRORS}
    for method, path, operation in operations():
        for status, response in operation["responses"].items():
            if status >= "400":
                names = set(names_of(resolved(response)["content"][JSON]["schema"]))
                of_function = names - {GatewayError.__name__}
                assert names, f"{method} {path} {status}"
                assert {codes[name] for name in of_function} <= {int(status)}, f"{method} {path}"


def test_field_names_are_camel_case() -> None:
    for name, schema in full_openapi()["components"]["schemas"].items():
        for field in schema.get("properties", {}):
            assert "_" not in field, f"{name}.{field}"
            assert field[0].islower(), f"{name}.{field}"


def test_null_is_declared_only_where_it_is_sent() -> None:
    """A field that may be left out is left out instead of being null."""
    schemas = full_openapi()["components"]["schemas"]
    names = {model.__name__ for model in response_models()}
    nullable = {
        (name, field)
        for name in names & set(schemas)
        for field, shape in schemas[name]["properties"].items()
        if {"type": "null"} in shape.get("anyOf", ()) and field not in schemas[name]["required"]
    }

    assert nullable == set()


def test_request_bodies_refuse_unknown_fields() -> None:
    document = full_openapi()
    for method, path, operation in operations():
        body = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if body is None:
            continue
        forms = list(_forms_of(body["schema"], document))
        assert forms, f"{method} {path}"
        for form in forms:
            # Beside alternatives, the fields of the chosen one are known too.
            closed = "unevaluatedProperties" if "oneOf" in form else "additionalProperties"
            assert form[closed] is False, f"{method} {path}"


def _forms_of(schema: dict[str, Any], document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The objects that a body may be. A body that may be left out is its schema or null."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        for option in schema["anyOf"]:
            yield from _forms_of(option, document)
    elif schema.get("type") != "null":
        yield schema


# The gateway's routes


def _methods(route: APIRoute) -> set[str]:
    """Routes with GET also accept HEAD."""
    methods = route.methods or set()
    return methods | {"HEAD"} if "GET" in methods else methods


def routes_of(routers: tuple[APIRouter, ...]) -> set[str]:
    return {
        f"{method} {route.path}"
        for router in routers
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in _methods(route)
    }


def gateway_routes() -> dict[str, dict[str, bool]]:
    """Function's folder → its routes in the template → whether they are open to all."""
    found: dict[str, dict[str, bool]] = {}
    for resource in read_template()["Resources"].values():
        if resource["Type"] != "AWS::Serverless::Function":
            continue
        folder = resource["Properties"]["CodeUri"].rstrip("/").rpartition("/")[2]
        for event in resource["Properties"].get("Events", {}).values():
            if event["Type"] == "HttpApi":
                shape = event["Properties"]
                is_open = shape.get("Auth", {}).get("Authorizer") == "NONE"
                route = f"{shape['Method'].upper()} {shape['Path']}"
                found.setdefault(folder, {})[route] = is_open
    return found


def test_the_gateway_sends_each_route_to_the_function_that_mounts_it() -> None:
    mounted = {name: routes_of(routers) for name, routers in BY_FUNCTION.items()}

    assert {name: set(routes) for name, routes in gateway_routes().items()} == mounted


def test_the_gateway_asks_for_a_token_unless_the_path_is_public() -> None:
    for routes in gateway_routes().values():
        for route, is_open in routes.items():
            path = route.partition(" ")[2]
            open_paths = PUBLIC_PATHS | SELF_CHECKED_PATHS
            assert is_open == (path in open_paths), route


def test_no_route_is_mounted_twice() -> None:
    routes = [route for routers in BY_FUNCTION.values() for route in routes_of(routers)]

    assert len(routes) == len(set(routes))


# Codes


def error_kinds() -> dict[str, type[DarkroomError]]:
    """All kinds of errors by the name of their class; importing the routers has loaded them."""
    found, waiting = {}, [DarkroomError]
    while waiting:
        kind = waiting.pop()
        found[kind.__name__] = kind
        waiting.extend(kind.__subclasses__())
    return found


def has_status(kind: type[DarkroomError]) -> bool:
    return any(base in STATUS_OF for base in kind.__mro__)


def codes_in_the_code() -> dict[str, str]:
    """Every literal code of an error that becomes a response → where it stands."""
    kinds = error_kinds()
    found = {kind.code: name for name, kind in kinds.items() if has_status(kind)}
    for path in sorted(PRODUCT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name not in kinds or not has_status(kinds[name]):
                continue
            for keyword in node.keywords:
                if keyword.arg == "code" and isinstance(keyword.value, ast.Constant):
                    found[str(keyword.value.value)] = f"{path.relative_to(PRODUCT)}:{node.lineno}"
    return found


def test_every_error_code_has_its_messages() -> None:
    known = codes_in_the_code()
    # Codes of the edge, which no kind of error has.
    known |= dict.fromkeys(("BODY_TOO_LARGE", "METHOD_NOT_ALLOWED", "INTERNAL"), "api")

    missing = {code: where for code, where in known.items() if code not in MESSAGES}

    assert missing == {}


def test_codes_are_upper_snake_and_have_both_languages() -> None:
    for code, sentences in MESSAGES.items():
        assert code == code.upper().replace("-", "_").strip("_")
        assert len(sentences) == 2
        assert all(sentences)


def test_responses_show_all_that_the_catalog_has_about_templates_and_recipes() -> None:
    """A response leaves out what its model does not declare."""
    shown = {field.alias for field in RecipesResponse.model_fields.values()}

    for template in list_templates():
        Template.model_validate(template, extra="forbid", by_alias=True, by_name=False)
    assert set(catalog.read("recipes.json")) <= shown


# Real responses: every test world compares all of its responses with the document.

HEALTH = {"status": "ok", "stage": "test"}
NOT_FOUND = {"error": "We could not find this.", "code": "NOT_FOUND", "requestId": "r"}
ALBUM = {
    "albumId": "alb_1",
    "name": "Us",
    "outputCount": 0,
    "createdAt": "2026-01-05T09:00:00.000Z",
    "updatedAt": "2026-01-05T09:00:00.000Z",
}


def check(
    method: str, path: str, status: int, body: Any, media_type: str = JSON, **headers: Any
) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    sent = {"content_type": media_type, "darkroom_version": VERSION, **headers}
    kept = {name.replace("_", "-"): value for name, value in sent.items() if value is not None}
    check_declared(method, path, status, kept, text)


def test_a_response_as_declared_passes() -> None:
    check("GET", "/api/health", 200, HEALTH)
    check("HEAD", "/api/health", 200, "")
    check("HEAD", "/api/no-such-route", 404, "")
    check("GET", "/api/albums/alb_1", 404, NOT_FOUND)
    check("GET", "/api/albums", 200, {"items": [ALBUM], "nextCursor": None})
    check("DELETE", "/api/albums/alb_1", 204, "", "")
    csv = ("GET", "/api/jobs.csv", 200, "jobId", "text/csv; charset=utf-8")
    check(*csv, content_disposition="attachment", link="<next>")
    check(*csv, content_disposition="attachment", Date="now")


@pytest.mark.parametrize(
    "wrong",
    [
        {**ALBUM, "extra": 1},
        {name: value for name, value in ALBUM.items() if name != "name"},
        {**ALBUM, "outputCount": "0"},
        {**ALBUM, "outputCount": None},
        {**ALBUM, "coverUrl": None},
    ],
    ids=["unknown field", "missing field", "other type", "null", "null for a field left out"],
)
def test_a_body_that_is_not_as_declared_fails(wrong: Any) -> None:
    with pytest.raises(Undeclared):
        check("PATCH", "/api/albums/alb_1", 200, wrong)
    with pytest.raises(Undeclared):
        check("GET", "/api/albums", 200, {"items": [ALBUM, wrong], "nextCursor": None})


@pytest.mark.parametrize(
    ("path", "status", "body", "media_type"),
    [
        ("/api/health", 418, NOT_FOUND, JSON),
        ("/api/health", 404, NOT_FOUND, JSON),
        ("/api/health", 200, "ok", "text/plain"),
        ("/api/health", 500, {**NOT_FOUND, "detail": "a stack trace"}, JSON),
        ("/api/no-such-route", 404, {"detail": "Not Found"}, JSON),
    ],
    ids=["no status", "status of others", "media type", "error", "error without a route"],
)
def test_an_undeclared_response_fails(path: str, status: int, body: Any, media_type: str) -> None:
    with pytest.raises(Undeclared):
        check("GET", path, status, body, media_type)


def test_an_error_of_the_gateway_passes_only_where_the_gateway_responds() -> None:
    from_gateway = {"message": "Unauthorized"}

    check("GET", "/api/albums", 401, from_gateway, darkroom_version=None)
    for method, path, status in [("GET", "/api/albums/alb_1", 404), ("GET", "/api/health", 401)]:
        with pytest.raises(Undeclared):
            check(method, path, status, from_gateway, darkroom_version=None)


@pytest.mark.parametrize(
    "wrong",
    [{"etag": "x"}, {"x_debug": "1"}, {"darkroom_version": None}, {"retry_after": "1"}],
    ids=["header of others", "unknown header", "no version", "nothing to repeat"],
)
def test_a_response_with_other_headers_than_declared_fails(wrong: dict[str, Any]) -> None:
    with pytest.raises(Undeclared):
        check("GET", "/api/health", 200, HEALTH, **wrong)


def test_a_response_without_a_required_header_fails() -> None:
    busy = {**NOT_FOUND, "code": "UNAVAILABLE"}
    check("GET", "/api/health", 503, busy, retry_after="1")

    with pytest.raises(Undeclared):
        check("GET", "/api/health", 503, busy)
    with pytest.raises(Undeclared):
        check("GET", "/api/jobs.csv", 200, "jobId", "text/csv")


def test_an_error_with_a_code_of_another_operation_fails() -> None:
    check("POST", "/api/albums/alb_1/outputs", 409, {**NOT_FOUND, "code": "ALBUM_FULL"})

    with pytest.raises(Undeclared):
        check("DELETE", "/api/assets/ast_1", 409, {**NOT_FOUND, "code": "ALBUM_FULL"})


def test_a_body_where_none_is_declared_fails() -> None:
    with pytest.raises(Undeclared):
        check("DELETE", "/api/albums/alb_1", 204, "{}")


def test_the_test_world_checks_its_responses(monkeypatch: pytest.MonkeyPatch) -> None:
    no_app = cast(App, object())
    monkeypatch.setitem(STATUS_OF, Unauthorized, 418)

    with pytest.raises(Undeclared):
        ask(no_app, "GET", "/api/albums", claims=None)


def test_every_state_of_a_purchase_is_declared() -> None:
    schemas = full_openapi()["components"]["schemas"]

    assert schemas["PurchaseStatus"]["enum"] == list(PurchaseStatus)
    for name in ("PurchaseRecord", "AdminPurchase", "PurchaseResponse"):
        assert schemas[name]["properties"]["status"]["$ref"].endswith("/PurchaseStatus")
