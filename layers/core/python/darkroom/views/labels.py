"""Texts for users in both languages."""

from __future__ import annotations

from typing import Annotated

from darkroom.views.base import ResponseBody, described


class Label(ResponseBody):
    """A text for users in English and Korean."""

    en: Annotated[str, described("In English.", "Romance")]
    ko: Annotated[str, described("In Korean.", "로맨스")]
