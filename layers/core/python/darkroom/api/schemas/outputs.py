"""The part of an output that its owner and the visitors of a public link both see."""

from __future__ import annotations

from darkroom.views.base import Omittable, ResponseBody


class OutputFile(ResponseBody):
    key: str
    type: str
    mime_type: str
    size_bytes: int
    width: Omittable[int] = None
    height: Omittable[int] = None
    duration_ms: Omittable[int] = None
    style: Omittable[str] = None
    role: Omittable[str] = None
    language: Omittable[str] = None
    selected: bool
    download_url: str
