"""Quote the price of a job before it is confirmed. Signed, not stored; charged as quoted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from darkroom.bootstrap.composition import App
from darkroom.credits import model
from darkroom.jobs.model import Job
from darkroom.kernel.clock import to_epoch_seconds
from darkroom.kernel.command import Command, body_hash
from darkroom.kernel.errors import Conflict, InvalidInput
from darkroom.kernel.limits import QUOTE_SECONDS
from darkroom.kernel.money import PricePart
from darkroom.kernel.problems import problem
from darkroom.kernel.signing import BadSignature, sign, verify
from darkroom.recipes import get_recipe
from darkroom.usecases.accounts.open_account import open_account
from darkroom.usecases.jobs.draft_job import blank_job, find_draft
from darkroom.usecases.jobs.price_job import price_job, read_snapshot
from darkroom.usecases.limits.limit_requests import limit_quote

_PURPOSE = "quote"


@dataclass(frozen=True, kw_only=True)
class Quote:
    """The promised parts of a job's price, and its template."""

    parts: tuple[tuple[str, int], ...]
    costs: Mapping[str, int]
    """The costs from which the parts were computed."""
    template_id: str | None


@dataclass(frozen=True, kw_only=True)
class PricedQuote:
    quote_id: str
    expires_at: datetime
    jobs: tuple[Job, ...]
    """The priced jobs, one for each that the inputs make."""
    balance: int
    """Credits that can be spent now."""
    debt: int

    @property
    def credits(self) -> int:
        return sum(job.reserved for job in self.jobs)

    @property
    def is_sufficient(self) -> bool:
        """Whether the balance covers the price; a free job needs no credits."""
        return not self.credits or (not self.debt and self.credits <= self.balance)


def quote_inputs(
    app: App, command: Command, *, recipe_name: str, inputs: Mapping[str, Any], device_id: str
) -> PricedQuote:
    """Price the jobs that these inputs would make.

    Raises:
        InvalidInput, RateLimited, NotFound, Conflict (ASSET_NOT_READY, ASSET_FAILED).
    """
    recipe = get_recipe(recipe_name)
    blank = blank_job(app, command, recipe=recipe, inputs=inputs, device_id=device_id)
    parts = [replace(blank, inputs=part) for part in recipe.split(blank.inputs)]
    limit_quote(app, command.account_id, len(parts))
    return _quote(app, command.account_id, parts, blank.inputs)


def quote_draft(app: App, command: Command, *, draft_job_id: str) -> PricedQuote:
    """Price a draft in its current state.

    Raises:
        what ``quote_inputs`` raises; NotFound; Conflict JOB_NOT_DRAFT.
    """
    draft = find_draft(command.account_id, draft_job_id)
    return _quote(app, command.account_id, [draft], draft.inputs)


@dataclass(frozen=True, kw_only=True)
class ClaimedQuote:
    """A quote that a client sent; it is verified only when credits are charged."""

    quote_id: str
    inputs: Mapping[str, Any]
    """The inputs of the whole request, as quoted."""
    number: int = 0
    """The position of this job among the request's jobs."""


def redeem_quote(app: App, claimed: ClaimedQuote, job: Job) -> Quote:
    """The verified quote for this job and account.

    Raises:
        InvalidInput: it is not a quote of this service.
        Conflict: QUOTE_MISMATCH, QUOTE_EXPIRED.
    """
    try:
        signed = verify(app.signing_secret.value, _PURPOSE, claimed.quote_id)
    except BadSignature as error:
        fields = [problem("quoteId", "NOT_A_QUOTE")]
        raise InvalidInput("bad quote", fields=fields) from error
    if signed["of"] != _subject(job.account_id, job.recipe, claimed.inputs):
        raise Conflict("quoted for something else", code="QUOTE_MISMATCH")
    if to_epoch_seconds(app.clock.now()) >= signed["until"]:
        raise Conflict("the quote is too old", code="QUOTE_EXPIRED")
    parts = signed["prices"][claimed.number]
    return Quote(
        parts=tuple((name, price) for name, price in parts),
        # Quotes of the previous version do not contain them.
        costs=signed.get("costs", {}),
        template_id=signed["template"],
    )


def at_quoted_price(job: Job, quote: Quote) -> Job:
    """The job at the quoted price, whatever the current prices are.

    Raises:
        Conflict: QUOTE_EXPIRED; the recipe's parts have changed since the quote.
    """
    if [part.name for part in job.price] != [name for name, _ in quote.parts]:
        raise Conflict("the recipe has changed since", code="QUOTE_EXPIRED")
    price = tuple(
        PricePart(name=part.name, credits=credits, promised=part.promised)
        for part, (_, credits) in zip(job.price, quote.parts, strict=True)
    )
    return replace(job, price=price, costs=quote.costs)


def _quote(
    app: App, account_id: str, jobs: Sequence[Job], inputs: Mapping[str, Any]
) -> PricedQuote:
    snapshots = [read_snapshot(job) for job in jobs]
    priced = tuple(price_job(job, seen) for job, seen in zip(jobs, snapshots, strict=True))
    wallet = snapshots[0].wallet or open_account(app, account_id)
    wallet = model.spendable(wallet, app.clock.now())
    expires_at = app.clock.now() + timedelta(seconds=QUOTE_SECONDS)
    signed = {
        "of": _subject(account_id, priced[0].recipe, inputs),
        "prices": [[[part.name, part.credits] for part in job.price] for job in priced],
        "costs": dict(priced[0].costs),
        "template": priced[0].template_id,
        "until": to_epoch_seconds(expires_at),
    }
    return PricedQuote(
        quote_id=sign(app.signing_secret.value, _PURPOSE, signed),
        expires_at=expires_at,
        jobs=priced,
        balance=wallet.balance,
        debt=wallet.debt,
    )


def _subject(account_id: str, recipe_name: str, inputs: Mapping[str, Any]) -> str:
    """A hash of account, recipe and inputs, so that a quote does not grow with its inputs."""
    return body_hash({"account": account_id, "recipe": recipe_name, "inputs": dict(inputs)})
