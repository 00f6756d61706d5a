"""What routes declare for the OpenAPI document beside their types: headers and errors.

A declaration is plain data. ``openapi.document`` expands it when the document is made, so a
function that never makes the document pays nothing at its start. A success is declared by the type
that the route returns, or by ``response_model``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

EXTENSION = "x-declaration"
"""The key of a declaration in an operation, until the document is complete."""
KEY_OPTIONAL = "Optional."
KEY_REQUIRED = "Required."
KEY_UNLESS_DRAFT = "Required without `draftJobId`."
KEY_IF_QUEUED = 'Required with `status: "queued"`.'
CHARGED = (402, "ACCOUNT_FROZEN", "PLAN_LIMIT")
"""The errors of every route that queues jobs and reserves credits."""
DRAFTED = (
    "ASSET_FAILED",
    "ASSET_NOT_READY",
    "CONTENT_REJECTED",
    "JOB_NOT_DRAFT",
    "NO_TEMPLATES",
    "REFERENCE_PHOTO_MISSING",
)
"""The errors of every route that checks the inputs of a job."""
QUOTED = ("QUOTE_EXPIRED", "QUOTE_MISMATCH")
CHILD = ("JOB_UNREADABLE", "TOO_MANY_CHILDREN")
"""The errors of every route that makes a job from another."""


def declare(
    *failures: int | str,
    key: str | None = None,
    takes: Sequence[str] = (),
    sends: Mapping[str, Sequence[int]] | None = None,
    is_test_hook: bool = False,
) -> dict[str, Any]:
    """FastAPI's ``openapi_extra`` of a route.

    ``failures``: codes of errors, or statuses for all general codes of the status. Errors that
    follow from the rest of the route are implied: no token, a bad cursor or Idempotency-Key, not
    an operator, a bad body, a fault on our side. ``key``: whether the Idempotency-Key is required,
    in a sentence; None if the route ignores it. ``takes``: other request headers. ``sends``:
    response headers with the statuses of the responses that have them.
    """
    declared = {
        "failures": failures,
        "key": key,
        "takes": takes,
        "sends": sends or {},
        "is_test_hook": is_test_hook,
    }
    return {EXTENSION: declared}
