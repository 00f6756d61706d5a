"""The OpenAPI document of all functions together (OpenAPI 3.1)."""

from __future__ import annotations

from functools import cache
from typing import Any

from darkroom.api import mounts
from darkroom.api.app import create_app
from darkroom.api.openapi.properties import add_schema, finish_properties
from darkroom.api.openapi.recipes import type_inputs
from darkroom.api.openapi.responses import common_failures
from darkroom.views.job_changes import JobEvent


@cache
def full_openapi() -> dict[str, Any]:
    document = create_app(*mounts.ROUTERS).openapi()
    document["components"]["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        "ticket": {"type": "apiKey", "in": "query", "name": "ticket"},
    }
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if path not in mounts.PUBLIC_PATHS:
                operation["security"] = [{"bearer": []}]
            if path in mounts.SELF_CHECKED_PATHS:
                operation["security"].append({"ticket": []})
            # Invalid input is 400 in the documented shape here, never FastAPI's own 422.
            if "HTTPValidationError" in str(operation["responses"].get("422")):
                del operation["responses"]["422"]
            operation["responses"] = {**common_failures(method), **operation["responses"]}
    for unused in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(unused, None)
    add_schema(document, JobEvent)
    type_inputs(document)
    finish_properties(document)
    return document
