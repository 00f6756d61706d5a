"""The OpenAPI document of all functions together (OpenAPI 3.1).

FastAPI writes paths, parameters and schemas from the types of the routes. What routes declare
beside their types (``openapi.declare``) is expanded here: headers, errors, and what follows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from darkroom.api import mounts
from darkroom.api.app import create_app
from darkroom.api.idempotency import REPLAYED_HEADER
from darkroom.api.openapi import errors, headers, texts
from darkroom.api.openapi.declare import EXTENSION, KEY_OPTIONAL, KEY_REQUIRED
from darkroom.api.openapi.properties import add_schema, finish_properties
from darkroom.api.openapi.recipes import type_inputs
from darkroom.views.job_changes import JobEvent

Operation = dict[str, Any]
TEST_HOOK_FIELDS = frozenset({"testFaults"})
ADMIN_PREFIXES = ("/api/admin/", "/api/analytics/")
_SUCCESS = "Successful Response"


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """What ``openapi.declare`` was given, in FastAPI's JSON form."""

    failures: list[int | str]
    takes: list[str]
    sends: dict[str, list[int]]
    is_test_hook: bool
    key: str | None = None


def public_openapi() -> dict[str, Any]:
    """The document of a deployed API, which is also that of ``docs/openapi.json``."""
    return _openapi(with_test_hooks=False)


def full_openapi() -> dict[str, Any]:
    """The same with the routes and fields that only local stacks with test hooks have."""
    return _openapi(with_test_hooks=True)


@cache
def _openapi(*, with_test_hooks: bool) -> dict[str, Any]:
    made = create_app(*mounts.ROUTERS).openapi()
    paths: dict[str, dict[str, Operation]] = {}
    codes: set[str] = set()
    for path, operations in made["paths"].items():
        for method, operation in operations.items():
            declared = Declaration(**operation.pop(EXTENSION))
            if declared.is_test_hook and not with_test_hooks:
                continue
            codes |= _complete(path, method, operation, declared)
            paths.setdefault(path, {})[method] = operation
    schemas = made["components"]["schemas"] | errors.schemas(sorted(codes))
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": made["info"]["title"],
            "version": made["info"]["version"],
            "summary": texts.SUMMARY,
            "description": texts.DESCRIPTION,
            "contact": {"name": "The operator of this API"},
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": texts.SERVERS,
        "tags": texts.TAGS,
        "paths": paths,
        "components": {
            "securitySchemes": texts.SECURITY_SCHEMES,
            **headers.components(),
            "responses": errors.common_responses(),
            "schemas": schemas,
        },
    }
    add_schema(document, JobEvent)
    type_inputs(document)
    finish_properties(document)
    if not with_test_hooks:
        _remove_fields(document["components"]["schemas"], TEST_HOOK_FIELDS)
    _remove_unused(document)
    _remove_titles(document["components"]["schemas"].values())
    return document


def _complete(path: str, method: str, operation: Operation, declared: Declaration) -> set[str]:
    """Add to the operation what its route declares, and what follows from it; the codes of its
    errors."""
    is_public = path in mounts.PUBLIC_PATHS
    is_self_checked = path in mounts.SELF_CHECKED_PATHS
    operation["security"] = [] if is_public else [{"bearer": []}]
    if is_self_checked:
        operation["security"].append({"ticket": []})
    _add_parameters(operation, declared)
    responses = operation["responses"]
    # Invalid input is 400 in the documented shape here, never FastAPI's own 422.
    if "HTTPValidationError" in str(responses.get("422")):
        del responses["422"]
    for status, response in responses.items():
        if response["description"] == _SUCCESS:
            response["description"] = texts.SUCCESSES[int(status)]
    implied = _implied_failures(path, method, operation, declared)
    found = errors.codes_of((*declared.failures, *implied))
    gateway = {429, 500, 503} | (set() if is_public or is_self_checked else {401})
    gateway |= {413} & found.keys()
    for status in sorted(found.keys() | gateway):
        responses[str(status)] = errors.response_of(
            status, tuple(found.get(status, ())), from_gateway=status in gateway
        )
    has_limits = method != "get" and not is_public
    _add_headers(operation, declared, headers.LIMIT_HEADERS if has_limits else ())
    return {code for codes in found.values() for code in codes}


def _implied_failures(
    path: str, method: str, operation: Operation, declared: Declaration
) -> Iterator[int | str]:
    """The errors that follow from the rest of an operation."""
    yield from (500, 503)
    if path not in mounts.PUBLIC_PATHS:
        yield from ("UNAUTHORIZED", "ACCOUNT_ERASED")
    if path.startswith(ADMIN_PREFIXES):
        yield "FORBIDDEN"
    names = {parameter.get("name") for parameter in operation["parameters"]}
    if "cursor" in names:
        yield from (400, "BAD_CURSOR")
    if method != "get":
        # The middlewares refuse bodies; writes are counted for each account.
        yield from (400, "BODY_TOO_LARGE", 429)
    if declared.key is not None:
        # 404: what the first request with the key made is damaged.
        yield from ("IN_PROGRESS", 409, "IDEMPOTENCY_MISMATCH", 422, 404)
        if declared.key != KEY_OPTIONAL:
            yield "IDEMPOTENCY_KEY_REQUIRED"


def _add_parameters(operation: Operation, declared: Declaration) -> None:
    parameters = operation.setdefault("parameters", [])
    for parameter in parameters:
        description, example = texts.PARAMETERS.get(parameter["name"], (None, None))
        if description is not None:
            parameter.setdefault("description", description)
        if example is not None and "examples" not in parameter["schema"]:
            parameter.setdefault("example", example)
        parameter["schema"].pop("title", None)
        # The same text stands at the parameter itself.
        parameter["schema"].pop("description", None)
    if declared.key is not None:
        is_required = declared.key == KEY_REQUIRED
        parameters.append(headers.key_parameter(declared.key, is_required=is_required))
    parameters += [headers.parameter_ref(name) for name in (*declared.takes, "Accept-Language")]


def _add_headers(operation: Operation, declared: Declaration, common: Iterable[str]) -> None:
    """Declare the headers of every response of the operation; ``common`` are those of all."""
    for status, response in operation["responses"].items():
        if "$ref" in response:
            continue
        sent = [name for name, statuses in declared.sends.items() if int(status) in statuses]
        names = [*sent, *common]
        if declared.key is not None and int(status) < 300:
            names.append(REPLAYED_HEADER)
        response["headers"] = headers.of_response(int(status), names)


def _remove_fields(schemas: dict[str, Any], fields: Iterable[str]) -> None:
    for schema in schemas.values():
        for field in fields:
            schema.get("properties", {}).pop(field, None)


def _remove_unused(document: dict[str, Any]) -> None:
    """Remove the components that nothing refers to."""
    components = document["components"]
    used: set[str] = set()
    waiting: list[Any] = [document["paths"]]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting.extend(node)
        elif isinstance(node, dict):
            waiting.extend(node.values())
        elif isinstance(node, str) and node.startswith("#/components/") and node not in used:
            used.add(node)
            kind, name = node.split("/")[2:]
            waiting.append(components[kind][name])
    for kind in ("headers", "parameters", "responses", "schemas"):
        components[kind] = {
            name: component
            for name, component in components[kind].items()
            if f"#/components/{kind}/{name}" in used
        }


def _remove_titles(schemas: Iterable[Any]) -> None:
    """Remove the titles that pydantic makes from names: they repeat them."""
    for schema in schemas:
        if not isinstance(schema, dict):
            continue
        schema.pop("title", None)
        _remove_titles(schema.get("properties", {}).values())
        for part in ("items", "additionalProperties", "prefixItems", "anyOf", "oneOf", "allOf"):
            found = schema.get(part)
            _remove_titles(found if isinstance(found, list) else [found])
