"""The part of an output that its owner and the visitors of a public link both see."""

from __future__ import annotations

from darkroom.api.schemas.base import ResponseBody


class OutputFile(ResponseBody):
    key: str
    type: str
    mime_type: str
    size_bytes: int
    width: int | None = None
    height: int | None = None
    duration_ms: int | None = None
    style: str | None = None
    role: str | None = None
    language: str | None = None
    selected: bool
    download_url: str
