"""Bodies of operators' routes."""

from __future__ import annotations

from typing import Annotated

from pydantic import (
    Field,
    StringConstraints,
    model_validator,
)

from darkroom.api.schemas.base import Identifier, RequestBody, SentId
from darkroom.kernel.limits import ADJUST_LIMIT_CREDITS, BULK_LIMIT, REASON_LIMIT_CHARS
from darkroom.recipes.fields import broken
from darkroom.views.base import Omittable, ResponseBody
from darkroom.views.credits import Transaction


class AdjustRequest(RequestBody):
    amount: Annotated[int, Field(ge=-ADJUST_LIMIT_CREDITS, le=ADJUST_LIMIT_CREDITS)]
    reason: Annotated[str, StringConstraints(min_length=1, max_length=REASON_LIMIT_CHARS)]
    expires_at: str | None = None


class ClearDebtRequest(RequestBody):
    """Clears ``amount`` of the open debt; without ``amount``, all of it."""

    amount: Annotated[int, Field(ge=1, le=ADJUST_LIMIT_CREDITS)] | None = None
    reason: Annotated[str, StringConstraints(min_length=1, max_length=REASON_LIMIT_CHARS)]


class SweepRequest(RequestBody):
    now: str | None = None


class AdjustResponse(ResponseBody):
    transaction: Transaction
    balance: int
    debt: int


class PatchAccountRequest(RequestBody):
    """``frozen: true`` requires a ``reason``. A frozen account cannot spend credits."""

    plan: Identifier | None = None
    frozen: bool | None = None
    reason: (
        Annotated[
            str,
            StringConstraints(strip_whitespace=True, min_length=1, max_length=REASON_LIMIT_CHARS),
        ]
        | None
    ) = None

    @model_validator(mode="after")
    def _changes_something_and_says_why(self) -> PatchAccountRequest:
        if self.plan is None and self.frozen is None:
            raise broken("NOTHING_TO_CHANGE", "plan", "frozen")
        if self.frozen and self.reason is None:
            raise broken("NO_TEXT", "reason")
        return self


class RebuildResponse(ResponseBody):
    """The wallet rebuilt from its ledger entries, and the ended jobs whose holds were settled."""

    balance: int
    held: int
    debt: int
    version: int
    settled_jobs: list[str]


class RedriveRequest(RequestBody):
    bulk_fields = frozenset({"ids"})

    ids: Annotated[list[str], Field(min_length=1, max_length=BULK_LIMIT)]


class RedriveResult(ResponseBody):
    id: SentId
    ok: bool
    code: Omittable[str] = None
    error: Omittable[str] = None

    @classmethod
    def refused(cls, id: str, code: str, error: str) -> RedriveResult:
        return cls(id=id, ok=False, code=code, error=error)


class RedriveResponse(ResponseBody):
    results: list[RedriveResult]


class DeadLetter(ResponseBody):
    """``outcome`` names what the message was about and what was ended: a task, an asset, …"""

    id: str
    queue: str
    outcome: str
    body: str
    created_at: str


class DeadLetterPage(ResponseBody):
    items: list[DeadLetter]
    next_cursor: str | None


class AuditBreach(ResponseBody):
    law: str
    account_id: str
    entry_id: Omittable[str] = None
    message: str


class AuditResponse(ResponseBody):
    accounts_checked: int
    entries_checked: int
    breaches: list[AuditBreach]


class SweepResponse(ResponseBody):
    done: dict[str, int]
