"""Declarations of the responses of a route, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from darkroom.api.schemas.errors import ErrorResponse, PaymentRequiredResponse
from darkroom.views.base import ResponseBody

_MEANINGS = {
    400: "Invalid input",
    401: "No valid token",
    402: "Not enough credits",
    403: "Not allowed",
    404: "Missing, or another account's",
    409: "Not possible in this state",
    412: "Changed in the meantime",
    413: "Too large",
    415: "Unsupported type",
    422: "The Idempotency-Key was used for another request",
    429: "Too many requests",
    500: "A fault on our side",
    503: "A dependency did not respond; repeating is safe",
}


def responses(
    model: type[ResponseBody] | None, success: int, *failures: int
) -> dict[int | str, dict[str, Any]]:
    """FastAPI's ``responses`` for a route: its success, and its errors in the common shape."""
    declared: dict[int | str, dict[str, Any]] = {}
    if model is not None:
        declared[success] = {"model": model, "description": "Success"}
    for status in failures:
        shape = PaymentRequiredResponse if status == 402 else ErrorResponse
        declared[status] = {"model": shape, "description": _MEANINGS[status]}
    return declared


def common_failures(method: str) -> dict[str, dict[str, Any]]:
    """The errors of every operation with this method, as they stand in the document: the
    middlewares refuse bodies, and anything may fail."""
    schema = {"$ref": f"#/components/schemas/{ErrorResponse.__name__}"}
    statuses = (500, 503) if method == "get" else (400, 413, 500, 503)
    return {
        str(status): {
            "description": _MEANINGS[status],
            "content": {"application/json": {"schema": schema}},
        }
        for status in statuses
    }
