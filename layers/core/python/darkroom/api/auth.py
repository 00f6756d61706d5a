"""The caller: the claims that the gateway's authorizer verified, checked once more.

The gateway verifies the signature (RS256, the issuer's keys), issuer, audience and expiry. The
function trusts only the claims that the gateway hands over, and refuses tokens of another
issuer, client or use, or expired ones, in case an authorizer is misconfigured.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request

from darkroom.api.messages import preferred_language
from darkroom.bootstrap.composition import App, app_from_env
from darkroom.kernel.errors import Forbidden, Unauthorized
from darkroom.kernel.limits import CLOCK_LEEWAY_SECONDS
from darkroom.usecases.accounts.check_account import check_not_erased

ADMIN_GROUP = "admin"
IS_OPEN = "darkroom.is_open"
"""The key in the scope of the account that was found not to be erased, so that it is read once."""
# What identity providers use as ``sub``: UUIDs, ``auth0|5f7c8ec7…``, email addresses. No slashes,
# spaces or control characters, because it becomes part of keys.
ACCOUNT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~:@|+=-]{0,127}")


@dataclass(frozen=True, kw_only=True)
class Caller:
    account_id: str
    groups: frozenset[str]
    language: str
    idempotency_key: str | None
    """As it was sent; ``api.idempotency`` checks it where it has an effect."""
    email: str | None = None
    """The address in the token, if it has one; Cognito's access tokens do not."""

    def require_admin(self) -> None:
        if ADMIN_GROUP not in self.groups:
            raise Forbidden("admins only")


async def current_app(request: Request) -> App:
    """The App of the process, or the one that a test set on the FastAPI app."""
    app: App | None = getattr(request.app.state, "darkroom", None)
    return app or app_from_env()


async def current_caller(request: Request) -> Caller:
    """The authenticated caller, before anything else of the request is looked at.

    Raises:
        Unauthorized: no usable claims. Gone: the account is erased.
    """
    app, claims = await current_app(request), _claims(request)
    account_id = trusted_account(app, claims)
    if request.scope.get(IS_OPEN) != account_id:
        check_not_erased(app, account_id)
    return Caller(
        account_id=account_id,
        groups=_groups(claims.get("cognito:groups")),
        language=preferred_language(request.headers.get("accept-language")),
        idempotency_key=request.headers.get("idempotency-key"),
        email=_email(claims.get("email")),
    )


def find_account(app: App, request: Request) -> str | None:
    """The account of the request; None without a usable token."""
    try:
        return trusted_account(app, _claims(request))
    except Unauthorized:
        return None


def trusted_account(app: App, claims: Mapping[str, Any]) -> str:
    """The account of claims whose signature has been verified.

    The account's id becomes part of many keys, so its form is checked here, once.

    Raises:
        Unauthorized: they are for another service, expired or not yet valid, or name no account.
    """
    settings, now = app.settings, app.clock.now().timestamp()
    account_id = claims.get("sub")
    trusted = (
        claims.get("token_use") == "access"
        and (not settings.jwt_issuer or claims.get("iss") == settings.jwt_issuer)
        and (not settings.jwt_audience or _audience(claims) == settings.jwt_audience)
        and _seconds(claims, "exp", missing=0) > now
        and _seconds(claims, "nbf", missing=now) <= now + CLOCK_LEEWAY_SECONDS
        and _seconds(claims, "iat", missing=now) <= now + CLOCK_LEEWAY_SECONDS
    )
    if not trusted or not isinstance(account_id, str) or not ACCOUNT_ID.fullmatch(account_id):
        raise Unauthorized("the token is not for this service")
    return account_id


def _claims(request: Request) -> dict[str, Any]:
    context = request.scope.get("aws.event", {}).get("requestContext", {})
    claims: dict[str, Any] | None = context.get("authorizer", {}).get("jwt", {}).get("claims")
    if not claims:
        raise Unauthorized("no token")
    return claims


def _seconds(claims: Mapping[str, Any], name: str, *, missing: float) -> float:
    """The Unix time in a claim; NaN, for which every comparison is false, if it is not a number."""
    try:
        return float(claims.get(name, missing))
    except (OverflowError, TypeError, ValueError):
        return math.nan


def _audience(claims: Mapping[str, Any]) -> str | None:
    # Cognito's access tokens name the client in client_id and have no aud.
    return claims.get("aud") or claims.get("client_id")


def _email(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _groups(value: Any) -> frozenset[str]:
    """The gateway flattens the list to text such as ``[admin staff]``."""
    if isinstance(value, list):
        return frozenset(map(str, value))
    return frozenset(str(value or "").strip("[]").replace(",", " ").split())


CurrentApp = Annotated[App, Depends(current_app)]
CurrentCaller = Annotated[Caller, Depends(current_caller)]
