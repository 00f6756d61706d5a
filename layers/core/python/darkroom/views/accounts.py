"""An account as its owner sees it: profile, plan, subscription and limits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, get_args

from darkroom.bootstrap.composition import App
from darkroom.kernel.clock import to_iso
from darkroom.plans.store import Account, Locale, SubscriptionState, Welcome, known_plan
from darkroom.usecases.accounts.find_used import find_levels
from darkroom.views.base import (
    AccountId,
    Omittable,
    ResponseBody,
    Timestamp,
    Words,
    described,
)
from darkroom.views.credits import PlanWord
from darkroom.views.levels import LimitLevel, limit_levels

SubscriptionStateWord = Annotated[
    str,
    Words("SubscriptionState", lambda: get_args(SubscriptionState)),
    described(
        "`cancelled`: the plan lasts until `subscriptionEndsAt`. `expired`: it has ended, and the "
        "plan is `free`. An account that never subscribed is `active`.",
        "active",
    ),
]


class MeResponse(ResponseBody):
    account_id: AccountId
    name: Annotated[
        Omittable[str], described("The user's name; absent until it is set.", "Mina Kim")
    ] = None
    email: Annotated[
        Omittable[str],
        described("The address in the token; absent if the token has none.", "mina@example.com"),
    ] = None
    avatar_url: Annotated[
        Omittable[str],
        described(
            "The user's picture; absent until it is set.",
            "https://example.com/mina.jpg",
            format="uri",
        ),
    ] = None
    locale: Annotated[
        str,
        Words("Locale", lambda: get_args(Locale)),
        described("The user's language; that of the request until one is chosen.", "ko"),
    ]
    plan: PlanWord
    subscription_status: SubscriptionStateWord
    subscription_ends_at: Annotated[
        Omittable[Timestamp],
        described(
            "When the paid period ends, or ended; an active subscription is renewed then. Absent "
            "without a subscription."
        ),
    ] = None
    limits: Annotated[list[LimitLevel], described("Every limit of the plan, and its use.")]
    roles: Annotated[list[str], described("The caller's roles: `admin` for operators.", ["admin"])]
    welcome: Annotated[
        str,
        Words("Welcome", lambda: get_args(Welcome)),
        described("Whether the user has finished or skipped the client's welcome.", "open"),
    ]
    created_at: Annotated[Timestamp, described("When the account was first used.")]


def me_response(
    app: App,
    account_id: str,
    account: Account,
    *,
    email: str | None,
    language: str,
    roles: Sequence[str],
) -> MeResponse:
    plan = known_plan(account.plan)
    ends_at = account.subscription_ends_at
    return MeResponse(
        account_id=account_id,
        name=account.name,
        email=email,
        avatar_url=account.avatar_url,
        locale=account.locale or language,
        plan=plan,
        subscription_status=account.subscription_status,
        subscription_ends_at=None if ends_at is None else to_iso(ends_at),
        limits=limit_levels(find_levels(app, account_id, plan=plan)),
        roles=list(roles),
        welcome=account.welcome,
        created_at=to_iso(account.created_at or app.clock.now()),
    )
