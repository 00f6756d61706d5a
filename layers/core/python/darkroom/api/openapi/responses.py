"""Declarations of the responses of a route, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from darkroom.api.schemas.base import ResponseBody
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
    503: "A dependency did not respond; repeating is safe",
}


def responses(
    model: type[ResponseBody] | None, success: int, *failures: int
) -> dict[int | str, dict[str, Any]]:
    """FastAPI's ``responses`` for a route: its success, and its errors in the common shape."""
    declared: dict[int | str, dict[str, Any]] = {}
    if model is not None:
        declared[success] = {"model": model, "description": "Success"}
    for status in (*failures, 503):
        shape = PaymentRequiredResponse if status == 402 else ErrorResponse
        declared[status] = {"model": shape, "description": _MEANINGS[status]}
    return declared
