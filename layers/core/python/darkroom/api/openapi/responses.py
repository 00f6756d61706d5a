"""The API's description: shared answer declarations, ``/openapi.json`` and ``/docs``."""

from __future__ import annotations

from typing import Any

from darkroom.api.schemas.base import ResponseBody
from darkroom.api.schemas.errors import ErrorResponse, PaymentRequiredResponse

_MEANINGS = {
    400: "Invalid input",
    401: "No usable token",
    402: "Not enough credits",
    403: "Not allowed",
    404: "Missing, or another account's",
    409: "Not possible in this state",
    412: "Changed meanwhile",
    413: "Too large",
    415: "Unsupported type",
    422: "The Idempotency-Key was used for another request",
    429: "Too many requests",
    503: "A dependency did not answer; repeating is safe",
}


def responses(
    model: type[ResponseBody] | None, success: int, *failures: int
) -> dict[int | str, dict[str, Any]]:
    """FastAPI's ``responses`` for a route: its answer, and its failures in the one shape."""
    declared: dict[int | str, dict[str, Any]] = {}
    if model is not None:
        declared[success] = {"model": model, "description": "Success"}
    for status in (*failures, 503):
        shape = PaymentRequiredResponse if status == 402 else ErrorResponse
        declared[status] = {"model": shape, "description": _MEANINGS[status]}
    return declared
