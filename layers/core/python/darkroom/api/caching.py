"""Responses that clients may keep: an ETag of the content, and 304 for a client that has it.

ETags and If-None-Match: RFC 9110, sections 8.8.3 and 13.1.2.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from darkroom.api.json_response import to_json
from darkroom.kernel.limits import CATALOG_CACHE_SECONDS
from darkroom.views.base import ResponseBody

CATALOG_CACHE = f"public, max-age={CATALOG_CACHE_SECONDS}"
UNCHANGED: dict[int | str, dict[str, Any]] = {304: {"description": "Unchanged"}}
"""What a route with ETags declares beside its type."""
CACHE_HEADERS: Mapping[str, Sequence[int]] = dict.fromkeys(("Cache-Control", "ETag"), (200, 304))
_TAG_CHARS = 32


@dataclass(frozen=True)
class Content:
    """A body as it is sent, and its tag."""

    body: str
    tag: str


def content_of(body: ResponseBody) -> Content:
    text = to_json(body)
    return Content(text, f'"{hashlib.sha256(text.encode()).hexdigest()[:_TAG_CHARS]}"')


def catalog_response(request: Request, content: Content) -> Response:
    """A response that is the same for everyone until the next deployment."""
    headers = {"ETag": content.tag, "Cache-Control": CATALOG_CACHE}
    if has_tag(request, content.tag):
        return Response(status_code=304, headers=headers)
    return Response(content.body, headers=headers, media_type="application/json")


def has_tag(request: Request, tag: str) -> bool:
    """Whether the client has the response with this tag already."""
    return bool({tag, "*"} & set(tags_of(request, "if-none-match")))


def tags_of(request: Request, header: str) -> list[str]:
    """The tags in a conditional header, without the mark of weak ones."""
    text = request.headers.get(header, "")
    return [tag.strip().removeprefix("W/") for tag in text.split(",") if tag.strip()]
