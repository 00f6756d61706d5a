"""Declarations of the errors of routes, for the OpenAPI document.

A success is declared by the type that its route returns, or by ``response_model``.
"""

from __future__ import annotations

from typing import Any

from darkroom.api.schemas.errors import ErrorResponse, PaymentRequiredResponse

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


def failures(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """FastAPI's ``responses`` for a route: its errors in the common shape."""
    return {
        status: {
            "model": PaymentRequiredResponse if status == 402 else ErrorResponse,
            "description": _MEANINGS[status],
        }
        for status in statuses
    }


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
