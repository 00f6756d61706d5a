"""Bodies about reference photos."""

from __future__ import annotations

from typing import Annotated

from pydantic import (
    StringConstraints,
)

from darkroom.api.schemas.base import Identifier, RequestBody
from darkroom.views.base import ResponseBody

ROLE_PATTERN = r"^[a-z][a-z0-9_-]{0,31}$"
Role = Annotated[str, StringConstraints(pattern=ROLE_PATTERN)]
"""The role of the person in the pictures to be made: ``groom``, ``bride``, ``self``, …"""


class RegisterRequest(RequestBody):
    asset_id: Identifier
    role: Role


class ReferencePhotoResponse(ResponseBody):
    """A picture of one person. Inactive ones are kept for the jobs that were made from them."""

    reference_photo_id: str
    asset_id: str
    role: str
    is_active: bool
    download_url: str
    created_at: str


class ReferencePhotoPage(ResponseBody):
    items: list[ReferencePhotoResponse]
    next_cursor: str | None
