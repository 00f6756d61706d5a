"""JSON responses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fastapi.responses import JSONResponse, Response
from pydantic_core import PydanticSerializationError

from darkroom.views.base import ResponseBody


class EscapingJSONResponse(JSONResponse):
    """JSON, also of text with lone surrogates.

    A client can send half of a surrogate pair with a JSON escape, but UTF-8 cannot encode it. A
    response that repeats it uses escapes too.
    """

    def render(self, content: Any) -> bytes:
        try:
            return super().render(content)
        except UnicodeEncodeError:
            return json.dumps(content, allow_nan=False, separators=(",", ":")).encode()


def to_json(body: ResponseBody) -> str:
    """The body as JSON, with escapes only if UTF-8 cannot encode it."""
    try:
        return body.model_dump_json(by_alias=True)
    except PydanticSerializationError:
        return json.dumps(body.model_dump(by_alias=True), allow_nan=False, separators=(",", ":"))


def json_response(
    body: ResponseBody, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A response with headers or a status of its own; other routes return their model."""
    return Response(to_json(body), status, headers, media_type="application/json")
