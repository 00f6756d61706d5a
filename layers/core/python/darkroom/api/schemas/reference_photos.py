"""Bodies about reference photos."""

from __future__ import annotations

from typing import Annotated

from pydantic import (
    StringConstraints,
)

from darkroom.api.schemas.base import Identifier, RequestBody

ROLE_PATTERN = r"^[a-z][a-z0-9_-]{0,31}$"
Role = Annotated[str, StringConstraints(pattern=ROLE_PATTERN)]
"""The role of the person in the pictures to be made: ``groom``, ``bride``, ``self``, …"""


class RegisterRequest(RequestBody):
    asset_id: Identifier
    role: Role
