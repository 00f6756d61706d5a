"""``/api/me``: the caller's own account."""

from __future__ import annotations

from fastapi import APIRouter

from darkroom.api.auth import ADMIN_GROUP, Caller, CurrentApp, CurrentCaller
from darkroom.api.openapi.declare import declare
from darkroom.api.schemas.accounts import PatchMeRequest
from darkroom.bootstrap.composition import App
from darkroom.plans.store import Account
from darkroom.usecases.accounts.change_profile import change_profile, open_profile
from darkroom.views import accounts as views
from darkroom.views.accounts import MeResponse

router = APIRouter(tags=["Account"])


@router.get(
    "/api/me",
    operation_id="getMe",
    summary="Get the own account",
    openapi_extra=declare(),
)
async def get_me(app: CurrentApp, caller: CurrentCaller) -> MeResponse:
    """The caller's profile, plan, subscription and limits."""
    return _response(app, caller, open_profile(app, caller.account_id))


@router.patch(
    "/api/me",
    operation_id="updateMe",
    summary="Change the own account",
    openapi_extra=declare(400),
)
async def patch_me(body: PatchMeRequest, app: CurrentApp, caller: CurrentCaller) -> MeResponse:
    """Change the caller's profile. Plan and subscription have routes of their own."""
    changes = body.model_dump(exclude_unset=True)
    return _response(app, caller, change_profile(app, caller.account_id, changes))


def _response(app: App, caller: Caller, account: Account) -> MeResponse:
    return views.me_response(
        app,
        caller.account_id,
        account,
        email=caller.email,
        language=caller.language,
        # A federated user is also in groups of the identity provider, which are no roles.
        roles=[ADMIN_GROUP] if ADMIN_GROUP in caller.groups else [],
    )
