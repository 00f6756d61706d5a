"""The rate limits of accounts, for all routes in one place: counting, headers, and 429.

A request that may write is counted before anything else. The first requests over the limit are
still read and checked, so that a fault of their own (400, 404, 409) is reported first; they change
nothing. Far beyond the limit, nothing is read any more.

The headers have the form of draft-ietf-httpapi-ratelimit-headers-10.
"""

from __future__ import annotations

from collections.abc import Iterator

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from darkroom.api import errors
from darkroom.api.auth import IS_OPEN, current_app, find_account
from darkroom.bootstrap.composition import App
from darkroom.db import is_outage, writes_refused
from darkroom.kernel.command import Submissions
from darkroom.kernel.errors import DarkroomError, RateLimited
from darkroom.kernel.limits import REQUESTS_REFUSED_FACTOR
from darkroom.limits import model
from darkroom.limits.model import Policy
from darkroom.usecases.accounts.check_account import is_erased
from darkroom.usecases.limits.limit_requests import Requests, count_request, exceeded, policy_of

SUBMISSIONS = "darkroom.submissions"
"""The key in the scope of what is known of the request's submissions."""
RATE_LIMIT, RATE_LIMIT_POLICY = "RateLimit", "RateLimit-Policy"
_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_AFTER_LIMITS = frozenset({402, 403})
"""Errors that a request over the limit does not get: plan and balance are checked after it."""


class RateLimits:
    """Counts the requests of accounts, and responds with 429 to those over the limit."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in _READS:
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        app = await current_app(request)
        account_id = find_account(app, request)
        if account_id is None:
            # Without a token it is refused, or it is a webhook, which is checked by its signature.
            await self._app(scope, receive, send)
            return
        try:
            if is_erased(app, account_id):
                # Nothing of it is counted any more.
                await errors.error_response(request, 410, "ACCOUNT_ERASED")(scope, receive, send)
                return
            requests, submissions = count_request(app, account_id)
        except Exception as error:
            if not (isinstance(error, DarkroomError) or is_outage(error)):
                raise
            await errors.error_response(request, 503, "UNAVAILABLE")(scope, receive, send)
            return
        limited = _Limited(app, requests, submissions)
        refused = _refuse(request, exceeded(requests.policy, app.clock.now()))
        if requests.count > requests.policy.limit * REQUESTS_REFUSED_FACTOR:
            await refused(scope, receive, limited.sending(send))
            return
        scope = {**scope, SUBMISSIONS: submissions, IS_OPEN: account_id}
        if not requests.is_over:
            await self._app(scope, receive, limited.sending(send))
            return
        outcome = _Outcome()
        try:
            with writes_refused(exceeded(requests.policy, app.clock.now())):
                await self._app(scope, receive, outcome.receive)
        finally:
            # The framework responds to an unexpected error, and raises it again for the log.
            if outcome.is_fault_of_request:
                for message in outcome.messages:
                    await limited.sending(send)(message)
            else:
                await refused(scope, receive, limited.sending(send))


def _refuse(request: Request, error: RateLimited) -> ASGIApp:
    return errors.error_response(request, 429, error.error_code, error.facts)


class _Outcome:
    """The response to a request over the limit, kept until it is known whether it is sent."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def receive(self, message: Message) -> None:
        self.messages.append(message)

    @property
    def is_fault_of_request(self) -> bool:
        status: int = self.messages[0]["status"] if self.messages else 0
        return status >= 400 and status not in _AFTER_LIMITS


class _Limited:
    """Adds the headers to the response of a counted request."""

    def __init__(self, app: App, requests: Requests, submissions: Submissions) -> None:
        self._app = app
        self._requests = requests
        self._submissions = submissions

    def sending(self, send: Send) -> Send:
        async def send_with_limits(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = [(name.lower().encode(), text.encode()) for name, text in self._headers()]
                message = {**message, "headers": [*message.get("headers", ()), *added]}
            await send(message)

        return send_with_limits

    def _headers(self) -> Iterator[tuple[str, str]]:
        states = list(self._states())
        yield RATE_LIMIT_POLICY, ", ".join(_policy_text(policy) for policy, _ in states)
        # The one nearest to its limit comes first.
        nearest = sorted(states, key=lambda state: state[1] / state[0].limit)
        yield RATE_LIMIT, ", ".join(self._state_text(policy, left) for policy, left in nearest)

    def _states(self) -> Iterator[tuple[Policy, int]]:
        """The policies, and how much of each is left."""
        generation = policy_of(self._app, model.GENERATION)
        yield generation, max(0, generation.limit - self._submissions.used)
        yield self._requests.policy, self._requests.remaining
        if self._submissions.exceeded == model.PORTRAITS.name:
            yield policy_of(self._app, model.PORTRAITS), 0

    def _state_text(self, policy: Policy, left: int) -> str:
        seconds = policy.seconds_left(self._app.clock.now())
        return f'"{policy.name}";r={left};t={seconds}'


def _policy_text(policy: Policy) -> str:
    return f'"{policy.name}";q={policy.limit};w={policy.seconds}'
