"""CSV responses: a file to keep, and a link to the next page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import Response


def csv_response(text: str, *, name: str) -> Response:
    """``name``: of the file, without its ending."""
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return Response(text, media_type="text/csv; charset=utf-8", headers=headers)


def csv_page(
    text: str, *, name: str, request: Request, query: Mapping[str, Any], following: str | None
) -> Response:
    """A page. If another follows, the header ``Link`` leads to it, with the same ``query``."""
    response = csv_response(text, name=name)
    if following is not None:
        next_query = urlencode({**query, "cursor": following})
        response.headers["Link"] = f'<{request.url.path}?{next_query}>; rel="next"'
    return response
