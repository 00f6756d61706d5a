"""Limit the requests of an account, by policies that all functions share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from darkroom.bootstrap.composition import App
from darkroom.db import commit_one
from darkroom.kernel.command import Submissions
from darkroom.kernel.errors import RateLimited
from darkroom.limits import model, store
from darkroom.limits.model import Policy
from darkroom.limits.store import Change


@dataclass(frozen=True, kw_only=True)
class Requests:
    """The requests of an account in this minute, with this one."""

    count: int
    policy: Policy
    seconds_left: int

    @property
    def is_over(self) -> bool:
        return self.count > self.policy.limit

    @property
    def remaining(self) -> int:
        return max(0, self.policy.limit - self.count)


def policy_of(app: App, policy: Policy) -> Policy:
    """The policy as it is configured."""
    return policy.times(app.settings.rate_limit_factor)


def count_request(app: App, account_id: str) -> tuple[Requests, Submissions]:
    """Count a request that may write: one write, whatever follows."""
    now = app.clock.now()
    count, submitted = store.count_request(account_id, now)
    policy = policy_of(app, model.REQUESTS)
    requests = Requests(count=count, policy=policy, seconds_left=policy.seconds_left(now))
    return requests, Submissions(used=submitted)


def exceeded(policy: Policy, now: datetime) -> RateLimited:
    return RateLimited(
        f"over the limit of {policy.name}",
        policy=policy.name,
        limit=policy.limit,
        retryAfterSeconds=policy.seconds_left(now),
    )


def submission_changes(
    app: App, account_id: str, submissions: Submissions, *, has_portraits: bool
) -> list[Change]:
    """Count the request as one that queues jobs, in the transaction that queues the first.

    They are refused with RateLimited.
    """
    if submissions.is_counted:
        return []
    now, policies = app.clock.now(), [model.GENERATION]
    if has_portraits:
        policies.append(model.PORTRAITS)
    return [
        store.rate_change(account_id, policy, now, refused=_refusal(policy, submissions, now))
        for policy in (policy_of(app, each) for each in policies)
    ]


def count_submission(submissions: Submissions) -> None:
    """Note that the request's first job was queued, and the request counted with it."""
    if not submissions.is_counted:
        submissions.is_counted = True
        submissions.used += 1


def _refusal(
    policy: Policy, submissions: Submissions, now: datetime
) -> Callable[[int], RateLimited]:
    def refused(used: int) -> RateLimited:
        submissions.exceeded = policy.name
        if policy.name == model.GENERATION.name:
            submissions.used = used
        return exceeded(policy, now)

    return refused


def limit_quote(app: App, account_id: str, jobs: int) -> None:
    """Count the jobs of a quote.

    Raises:
        RateLimited.
    """
    _limit(app, account_id, model.QUOTES, more=jobs)


def limit_stream(app: App, account_id: str, *, ticket: str) -> None:
    """Count a connection with this ticket.

    Raises:
        RateLimited.
    """
    _limit(app, account_id, model.STREAM, scope=f"stream#{ticket}")


def _limit(
    app: App, account_id: str, policy: Policy, *, more: int = 1, scope: str | None = None
) -> None:
    now, policy = app.clock.now(), policy_of(app, policy)
    change = store.rate_change(
        account_id,
        policy,
        now,
        more=more,
        scope=scope,
        refused=lambda used: exceeded(policy, now),
    )
    commit_one(change.to_write())
