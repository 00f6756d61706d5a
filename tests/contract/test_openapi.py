"""The contract with clients: the OpenAPI document, the gateway's routes, codes and shapes."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute

from darkroom.api.errors import STATUS_OF
from darkroom.api.messages import MESSAGES
from darkroom.api.mounts import PUBLIC_PATHS, SELF_CHECKED_PATHS
from darkroom.api.openapi.document import full_openapi
from darkroom.api.schemas.base import ResponseBody
from darkroom.api.schemas.bulk import BulkResponse
from darkroom.api.schemas.catalog import HealthResponse
from darkroom.api.schemas.credits import PricingResponse, TransactionPage, WalletResponse
from darkroom.api.schemas.errors import ErrorResponse, PaymentRequiredResponse
from darkroom.api.schemas.jobs import (
    ConfirmResponse,
    DownloadResponse,
    JobPage,
    JobResponse,
    JobsResponse,
    RegenerateResponse,
    StreamTicketResponse,
)
from darkroom.api.schemas.purchases import PurchasePage, PurchaseResponse
from darkroom.kernel.errors import DarkroomError
from tests.support.builders import (
    a_photo,
    a_story,
    buy,
    confirm,
    finish,
    owner_of,
    regenerate,
    scene_inputs,
)
from tests.support.moto_world import moto_world
from tests.support.mounts import BY_FUNCTION
from tests.support.tables import read_template
from tests.support.world import Response, World

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ROOT / "layers" / "core" / "python" / "darkroom"
DOCUMENT = ROOT / "docs" / "openapi.json"
METHODS = {"get", "post", "patch", "delete", "put"}


# The document


def test_the_committed_document_matches_the_code() -> None:
    """After a change: ``make openapi``, and look at the difference."""
    assert json.loads(DOCUMENT.read_text(encoding="utf-8")) == full_openapi()


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in full_openapi()["paths"].items():
        for method, operation in methods.items():
            if method in METHODS:
                yield method.upper(), path, operation


def test_every_route_except_the_public_ones_requires_a_token() -> None:
    for method, path, operation in operations():
        is_open = path in PUBLIC_PATHS
        assert ("security" in operation) != is_open, f"{method} {path}"
        assert is_open or "401" in operation["responses"], f"{method} {path}"


def test_all_errors_have_the_same_shape() -> None:
    shapes = {"#/components/schemas/ErrorResponse", "#/components/schemas/PaymentRequiredResponse"}
    for method, path, operation in operations():
        for status, response in operation["responses"].items():
            if status >= "400":
                schema = response["content"]["application/json"]["schema"]
                assert schema["$ref"] in shapes, f"{method} {path} {status}"


def test_field_names_are_camel_case() -> None:
    for name, schema in full_openapi()["components"]["schemas"].items():
        for field in schema.get("properties", {}):
            assert "_" not in field, f"{name}.{field}"
            assert field[0].islower(), f"{name}.{field}"


# Fields beside ``inputs`` are taken as inputs, and the recipe refuses those it does not know.
CHECKED_BY_THE_RECIPE = {("PATCH", "/api/jobs/{jobId}")}


def test_request_bodies_refuse_unknown_fields() -> None:
    document = full_openapi()
    for method, path, operation in operations():
        body = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if body is None:
            continue
        if (method.upper(), path) in CHECKED_BY_THE_RECIPE:
            continue
        # A body that may be left out is its schema or null.
        shapes = body["schema"].get("anyOf", [body["schema"]])
        names = [shape["$ref"].rpartition("/")[2] for shape in shapes if "$ref" in shape]
        assert names, f"{method} {path}"
        for name in names:
            schema = document["components"]["schemas"][name]
            assert schema["additionalProperties"] is False, f"{method} {path}"


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


# Real responses


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with moto_world() as world:
        yield world


def fits(response: Response, model: type[ResponseBody], status: int) -> None:
    """The response has every field that is declared, of its type, and no other."""
    assert response.status == status
    parsed = model.model_validate(response.body, extra="forbid", by_alias=True, by_name=False)
    assert parsed.model_dump(by_alias=True, exclude_unset=True, mode="json") == response.body


def test_responses_about_credits_are_as_declared(world: World) -> None:
    fits(buy(world, 10), PurchaseResponse, 201)
    fits(world.call("GET", "/api/credits"), WalletResponse, 200)
    fits(world.call("GET", "/api/credits/transactions"), TransactionPage, 200)
    fits(world.call("GET", "/api/purchases"), PurchasePage, 200)
    fits(world.call("GET", "/api/pricing", user=None), PricingResponse, 200)
    fits(world.call("GET", "/api/health", user=None), HealthResponse, 200)


def test_responses_about_jobs_are_as_declared(world: World) -> None:
    user = "bob"
    inputs = scene_inputs(a_photo(world, user))
    draft = {"recipe": "story", "inputs": inputs, "status": "draft"}
    partial = a_story(world, user, failing=["clip_2"])
    child = regenerate(world, partial, user)
    finish(world, child.body["retryJobId"])

    fits(child, RegenerateResponse, 202)
    fits(confirm(world, user, mode="quick", key="q"), ConfirmResponse, 202)
    fits(world.call("POST", "/api/jobs", draft, user=user), JobsResponse, 201)
    fits(world.call("GET", "/api/jobs?limit=1", user=user), JobPage, 200)
    for job_id in (partial, child.body["retryJobId"]):
        fits(world.call("GET", f"/api/jobs/{job_id}", user=user), JobResponse, 200)


def test_responses_about_downloads_and_live_updates_are_as_declared(world: World) -> None:
    user = "dave"
    job_id = a_story(world, user, key="zip")
    for output in world.call("GET", f"/api/jobs/{job_id}", user=user).body["outputs"]:
        suffix = "png" if output["type"] == "image" else "mp4"
        key = f"outputs/{owner_of(world, user)}/{job_id}/{output['key']}-1.{suffix}"
        world.app.storage.write(key, b"made", mime_type=output["mimeType"])
    many = {"jobIds": [job_id, "none"]}

    fits(world.call("POST", "/api/jobs/stream-ticket", user=user), StreamTicketResponse, 200)
    fits(world.call("GET", f"/api/jobs/{job_id}/download", user=user), DownloadResponse, 200)
    fits(world.call("POST", "/api/jobs/bulk/download", many, user=user), BulkResponse, 200)


def test_failures_are_as_declared(world: World) -> None:
    user = "carol"
    confirm(world, user, mode="trailer")

    fits(confirm(world, user, key="short"), PaymentRequiredResponse, 402)
    fits(world.call("GET", "/api/jobs/none", user=user), ErrorResponse, 404)
    fits(world.call("GET", "/api/jobs", user=None), ErrorResponse, 401)
    fits(world.call("GET", "/api/jobs?limit=0", user=user), ErrorResponse, 400)
    fits(world.call("POST", "/api/admin/sweep", {}, user=user), ErrorResponse, 403)
