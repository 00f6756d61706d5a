"""Every response of every test is what the OpenAPI document declares for its route and status.

The document names a model for each JSON response. The model must accept the body strictly, and
must make the same body again: an unknown field, a missing one, one of another type, and null where
a field is left out are all differences. So are a header that is not declared, and a declared one
that is missing though it is required. Words of lists and the inputs of jobs, which models do not
check, are compared with the schemas of the document.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Union

from pydantic import TypeAdapter, ValidationError
from starlette.routing import compile_path

from darkroom.api.app import VERSION_HEADER
from darkroom.api.openapi.document import full_openapi
from darkroom.api.openapi.errors import FROM_GATEWAY, STATUS_OF, GatewayError, model_of
from darkroom.api.openapi.headers import RETRY_AFTER
from darkroom.api.schemas.errors import ErrorBody
from darkroom.views.base import ResponseBody

JSON = "application/json"
TEXT_LIMIT = 300
"""How much of a body an error shows."""
TRANSPORT = ("access-control-", "apigw-", "connection", "content-length", "content-type", "date")
"""The beginnings of headers that no function sends of its own will."""
Declared = Mapping[str, Any]


class Undeclared(AssertionError):
    """A response that the document does not declare."""


def check_declared(
    method: str, path: str, status: int, headers: Mapping[str, str], body: str
) -> None:
    """Raises Undeclared if the response is not as declared; ``path`` is without the query."""
    where = f"{method} {path} → {status}"
    is_function = not _is_from_gateway(status, body)
    media_type = headers.get("content-type", "").partition(";")[0]
    declared = _declared_responses(method, path)
    if declared is None:
        # No such route, or a page for people: only errors have a declared shape.
        if media_type == JSON and status >= 400 and method != "HEAD":
            _compare(where, (_error_of(body),), body)
        return
    if str(status) not in declared:
        raise Undeclared(f"{where} is not declared: {body[:TEXT_LIMIT]}")
    response = resolved(declared[str(status)])
    if is_function:
        _check_headers(where, response.get("headers", {}), headers, status)
    content = response.get("content", {})
    if method == "HEAD" or not content:
        if body:
            raise Undeclared(f"{where} has a body: {body[:TEXT_LIMIT]}")
        return
    if media_type not in content:
        raise Undeclared(f"{where} is {media_type or 'empty'}, not {' or '.join(content)}")
    if media_type == JSON:
        names = names_of(content[JSON]["schema"])
        if is_function:
            names = tuple(name for name in names if name != GatewayError.__name__)
        _compare(where, names, body)


def _error_of(body: str) -> str:
    """The name of the model of an error with the code in this body."""
    code = json.loads(body).get("code")
    return model_of(code).__name__ if code in STATUS_OF else ErrorBody.__name__


def _is_from_gateway(status: int, body: str) -> bool:
    """Whether the gateway itself responded, and no function."""
    return status in FROM_GATEWAY and '"message"' in body and '"code"' not in body


def _check_headers(where: str, declared: Declared, headers: Mapping[str, str], status: int) -> None:
    sent, known = ({name.lower() for name in names} for names in (headers, declared))
    unknown = {name for name in sent - known if not name.startswith(TRANSPORT)}
    if headers.get("vary", "").lower() == "origin":
        # The gateway's, with its CORS headers.
        unknown.discard("vary")
    if unknown:
        raise Undeclared(f"{where} has headers that are not declared: {sorted(unknown)}")
    required = {name for name in declared if resolved(declared[name])["required"]}
    # The gateway's own responses lack these, so the document cannot require them.
    required |= {VERSION_HEADER, *((RETRY_AFTER,) if status in (429, 503) else ())}
    missing = {name for name in required if name.lower() not in sent}
    if missing:
        raise Undeclared(f"{where} lacks the headers {sorted(missing)}")


def _compare(where: str, names: tuple[str, ...], body: str) -> None:
    sent, shape = json.loads(body), _shape(names)
    try:
        parsed = shape.validate_python(
            sent, strict=True, extra="forbid", by_alias=True, by_name=False
        )
    except ValidationError as error:
        raise Undeclared(f"{where} is not {' or '.join(names)}: {error}") from error
    again = shape.dump_python(parsed, mode="json", by_alias=True, exclude_unset=True)
    if again != sent:
        raise Undeclared(f"{where} is not {' or '.join(names)}: {sent} should be {again}")
    has_words = len(names) == 1 and names[0] in _schemas()
    odd = list(_odd_parts(_reference(names[0]), sent, names[0])) if has_words else []
    if odd:
        raise Undeclared(f"{where} is not {names[0]}: {'; '.join(odd)}")


def _odd_parts(schema: Declared, sent: Any, path: str) -> Iterator[str]:
    """Where the body has words that are not in their lists, or inputs with other fields."""
    if "$ref" in schema:
        schema = _schemas()[schema["$ref"].rpartition("/")[2]]
    words = schema.get("enum")
    # What cannot be read of a damaged record is shown empty.
    if words is not None and sent not in words and sent != "":
        yield f"{path} is {sent!r}"
    options = [option for option in schema.get("anyOf", ()) if option != {"type": "null"}]
    if options and sent is not None:
        # The option that fits best, or there would be odd parts of all others.
        yield from min((list(_odd_parts(option, sent, path)) for option in options), key=len)
    if isinstance(sent, list) and "items" in schema:
        for place, each in enumerate(sent):
            yield from _odd_parts(schema["items"], each, f"{path}.{place}")
    if isinstance(sent, dict):
        yield from _odd_fields(schema, sent, path)


def _odd_fields(schema: Declared, sent: Mapping[str, Any], path: str) -> Iterator[str]:
    properties = dict(schema.get("properties", {}))
    required = schema.get("required", ())
    if "discriminator" in schema:
        branch = _branch(schema["discriminator"], sent)
        properties |= branch.get("properties", {})
        if not branch:
            properties.pop("mode")
    elif properties:
        yield from (f"{path}.{name} is missing" for name in required if name not in sent)
        yield from (f"{path}.{name} is unknown" for name in sent if name not in properties)
    for name, shape in properties.items():
        if name in sent:
            yield from _odd_parts(shape, sent[name], f"{path}.{name}")


def _branch(discriminator: Declared, sent: Mapping[str, Any]) -> Declared:
    """The part of a job that depends on its recipe; nothing is known of one that is damaged or that
    a test made up."""
    reference = discriminator["mapping"].get(sent[discriminator["propertyName"]])
    if reference is None or not sent.get("inputs"):
        return {}
    return _schemas()[reference.rpartition("/")[2]]


def _reference(name: str) -> Declared:
    return {"$ref": f"#/components/schemas/{name}"}


def _schemas() -> Declared:
    schemas: Declared = full_openapi()["components"]["schemas"]
    return schemas


def _declared_responses(method: str, path: str) -> Declared | None:
    """Status → response in the document; None if it has no such operation."""
    method = "get" if method == "HEAD" else method.lower()
    found = (operations for pattern, operations in _paths() if pattern.match(path))
    return next((each[method]["responses"] for each in found if method in each), None)


def names_of(schema: Declared) -> tuple[str, ...]:
    """The names of the models in the schema of a response: one, or several of which one fits."""
    options = schema.get("anyOf", schema.get("oneOf", [schema]))
    return tuple(option["$ref"].rpartition("/")[2] for option in options)


def resolved(declared: Declared) -> Declared:
    """The component that a reference names, or what stands here itself."""
    if "$ref" not in declared:
        return declared
    kind, name = declared["$ref"].split("/")[2:]
    component: Declared = full_openapi()["components"][kind][name]
    return component


@cache
def _paths() -> list[tuple[re.Pattern[str], Declared]]:
    """The document's paths in the order in which routes match: literal ones first."""
    paths = full_openapi()["paths"]
    ordered = sorted(paths, key=lambda path: path.count("{"))
    return [(compile_path(path)[0], paths[path]) for path in ordered]


@cache
def _shape(names: tuple[str, ...]) -> TypeAdapter[Any]:
    models = [model for model in response_models() if model.__name__ in names]
    assert len(models) == len(names), f"two models have the same name: {models}"
    return TypeAdapter(Union[tuple(models)])  # noqa: UP007 (of a tuple)


def response_models(base: type[ResponseBody] = ResponseBody) -> Iterator[type[ResponseBody]]:
    """The models of all response bodies; importing the routers has loaded them."""
    for model in base.__subclasses__():
        yield model
        yield from response_models(model)
