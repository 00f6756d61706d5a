"""Bodies about the caller's own account."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from darkroom.api.schemas.base import Composed, Line, RequestBody, checked_change
from darkroom.kernel.limits import AVATAR_URL_LIMIT_CHARS, NAME_LIMIT_CHARS
from darkroom.plans.store import Locale, Welcome
from darkroom.views.base import Words, described


class PatchMeRequest(RequestBody):
    """Omitted fields keep their values; null removes ``name`` and ``avatarUrl``."""

    nullable_fields = frozenset({"name", "avatar_url"})

    name: Annotated[
        Annotated[str, Line, Field(max_length=NAME_LIMIT_CHARS), Composed] | None,
        described("The user's name, on one line; null removes it.", "Mina Kim"),
    ] = None
    avatar_url: Annotated[
        Annotated[
            str,
            # Only what a browser may show as a picture, and no space or control character.
            Field(
                max_length=AVATAR_URL_LIMIT_CHARS,
                pattern=r"^https://[^\s\x00-\x1f\x7f]+$",
                json_schema_extra={"format": "uri"},
            ),
        ]
        | None,
        described(
            "HTTPS link to the user's picture; null removes it.",
            "https://example.com/mina.jpg",
        ),
    ] = None
    locale: Annotated[Locale | None, Words("Locale"), described("The user's language.", "ko")] = (
        None
    )
    welcome: Annotated[
        Welcome | None,
        Words("Welcome"),
        described("Where the user stands in the client's welcome.", "done"),
    ] = None

    @model_validator(mode="after")
    def _changes_something(self) -> PatchMeRequest:
        return checked_change(self, never_null={"locale", "welcome"})
