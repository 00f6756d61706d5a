"""Bodies about reference photos."""

from __future__ import annotations

from typing import Annotated

from pydantic import (
    StringConstraints,
)

from darkroom.api.schemas.base import Identifier, RequestBody
from darkroom.views.base import described
from darkroom.views.reference_photos import RoleName

ROLE_PATTERN = r"^[a-z][a-z0-9_-]{0,31}$"
Role = Annotated[RoleName, StringConstraints(pattern=ROLE_PATTERN)]
"""The role of the person in the pictures to be made: ``groom``, ``bride``, ``self``, …"""


class RegisterRequest(RequestBody):
    asset_id: Annotated[
        Identifier,
        described(
            "Id of a checked picture with exactly one face.", "ast_01JGTQ4M9R8W3Z5K7N2P6X0B00"
        ),
    ]
    role: Role
