"""Bodies of operators' routes."""

from __future__ import annotations

from typing import Annotated, get_args

from pydantic import (
    Field,
    StringConstraints,
    model_validator,
)

from darkroom.api.schemas.base import Identifier, RequestBody, SentId
from darkroom.api.schemas.bulk import ErrorCode, ErrorSentence
from darkroom.credits.audit.facts import Law
from darkroom.kernel.limits import ADJUST_LIMIT_CREDITS, BULK_LIMIT, REASON_LIMIT_CHARS
from darkroom.plans.model import plan_names
from darkroom.recipes.fields import broken
from darkroom.usecases.operations.keep_dead_letter import Ended
from darkroom.views.base import (
    AccountId,
    Count,
    JobId,
    NextCursor,
    Omittable,
    ResponseBody,
    SizeBytes,
    Timestamp,
    Words,
    described,
)
from darkroom.views.credits import Balance, Debt, Held, Transaction

Reason = Annotated[
    str,
    StringConstraints(min_length=1, max_length=REASON_LIMIT_CHARS),
    described("Why, for the ledger and for other operators.", "Apology for a failed trailer"),
]
Moment = Annotated[
    str,
    described(
        "A date or time in ISO 8601; UTC unless it says otherwise.",
        "2026-02-01T00:00:00.000Z",
        format="date-time",
    ),
]
DeadLetterId = Annotated[
    str,
    described(
        "Id of the dead letter.",
        "2026-01-05T09:00:00.000Z#7f0c4e8a-6a0d-4a1f-9b57-0d3c1e9a2b44",
    ),
]


class AdjustRequest(RequestBody):
    amount: Annotated[
        int,
        Field(ge=-ADJUST_LIMIT_CREDITS, le=ADJUST_LIMIT_CREDITS),
        described(
            "Credits to give or, if negative, to take; not 0, and never more than the balance.", 5
        ),
    ]
    reason: Reason
    expires_at: Annotated[
        Moment | None,
        described(
            "When the given credits expire, in the future. Without it they do not. Not with a "
            "negative amount."
        ),
    ] = None


class ClearDebtRequest(RequestBody):
    """Clears ``amount`` of the open debt; without ``amount``, all of it."""

    amount: Annotated[
        Annotated[int, Field(ge=1, le=ADJUST_LIMIT_CREDITS)] | None,
        described("Credits of the debt to clear; without it, all of them.", 3),
    ] = None
    reason: Reason


class SweepRequest(RequestBody):
    now: Annotated[
        Moment | None, described("The time to act as of; without it, the current time.")
    ] = None


class AdjustResponse(ResponseBody):
    transaction: Annotated[Transaction, described("The new entry of the ledger.")]
    balance: Balance
    debt: Debt


class PatchAccountRequest(RequestBody):
    """``frozen: true`` requires a ``reason``. A frozen account cannot spend credits."""

    plan: Annotated[
        Annotated[Identifier, Words("PlanName", plan_names)] | None,
        described("The plan whose limits apply from now on.", "basic"),
    ] = None
    frozen: Annotated[
        bool | None, described("Whether the account's credits cannot be spent for now.")
    ] = None
    reason: Annotated[
        Annotated[
            str,
            StringConstraints(strip_whitespace=True, min_length=1, max_length=REASON_LIMIT_CHARS),
        ]
        | None,
        described("Why the account is frozen; required with `frozen: true`.", "Charge disputed"),
    ] = None

    @model_validator(mode="after")
    def _changes_something_and_says_why(self) -> PatchAccountRequest:
        if self.plan is None and self.frozen is None:
            raise broken("NOTHING_TO_CHANGE", "plan", "frozen")
        if self.frozen and self.reason is None:
            raise broken("NO_TEXT", "reason")
        return self


class RebuildResponse(ResponseBody):
    """The wallet rebuilt from its ledger entries, and the ended jobs whose holds were settled."""

    balance: Balance
    held: Held
    debt: Debt
    version: Annotated[int, described("Number of the newest entry in the ledger.", 12, minimum=0)]
    settled_jobs: Annotated[
        list[JobId], described("Ended jobs whose reserved credits were still open.")
    ]


class RecountResponse(ResponseBody):
    """What the account stores, and what of its counters was wrong."""

    storage_bytes: Annotated[SizeBytes, described("Bytes of all its files.", 820_000_000)]
    open_uploads: Annotated[Count, described("Files that are being uploaded.", 0)]
    storage_bytes_before: Annotated[SizeBytes, described("Bytes counted before.", 819_999_000)]
    open_uploads_before: Annotated[Count, described("Uploads counted before.", 0)]
    jobs: Annotated[Count, described("Jobs whose usage or files were not counted as they are.", 1)]
    months: Annotated[Count, described("Months whose sums were not those of their records.", 0)]


class RedriveRequest(RequestBody):
    bulk_fields = frozenset({"ids"})

    ids: Annotated[
        list[DeadLetterId],
        Field(min_length=1, max_length=BULK_LIMIT),
        described("Ids of dead letters."),
    ]


class RedriveResult(ResponseBody):
    """The result for one dead letter; on failure, ``code`` and ``error`` say why."""

    id: Annotated[SentId, described("The id as it was sent.", "2026-01-05T09:00:00.000Z#7f0c4e8a")]
    ok: Annotated[bool, described("Whether it was sent to its queue again.")]
    code: Omittable[ErrorCode] = None
    error: Omittable[ErrorSentence] = None

    @classmethod
    def refused(cls, id: str, code: str, error: str) -> RedriveResult:
        return cls(id=id, ok=False, code=code, error=error)


class RedriveResponse(ResponseBody):
    results: Annotated[list[RedriveResult], described("One result for each id, in their order.")]


class DeadLetter(ResponseBody):
    """``outcome`` names what the message was about and what was ended: a task, an asset, …"""

    id: DeadLetterId
    queue: Annotated[
        str,
        described(
            "Name of the dead-letter queue that it came from.", "darkroom-StudioDeadLetters-1A2B3C"
        ),
    ]
    outcome: Annotated[
        str,
        Words("DeadLetterOutcome", lambda: get_args(Ended)),
        described(
            "What it was about and what was ended: a task, an archive, an attempt to send a "
            "webhook (`delivery`) or an upload (`asset`); nothing if the message was `unreadable` "
            "or the item that it names is `damaged`."
        ),
    ]
    body: Annotated[
        str,
        described("The message, unchanged.", '{"jobId": "job_01JGTQ4M9R8W3Z5K7N2P6X0A00"}'),
    ]
    created_at: Annotated[Timestamp, described("When it was kept.")]


class DeadLetterPage(ResponseBody):
    items: Annotated[list[DeadLetter], described("Dead letters, the latest first.")]
    next_cursor: NextCursor


class AuditBreach(ResponseBody):
    law: Annotated[
        str,
        Words("Law", lambda: get_args(Law)),
        described(
            "L1: the wallet is the sum of its entries. L2: nothing is below zero. L3: grants add "
            "up to the balance. L4: a cause happens once. L5: a hold ends once, in full. L6: a job "
            "has what it promised. L7: credits that came in are there, spent, expired or reversed. "
            "L8: every item can be read."
        ),
    ]
    account_id: Annotated[AccountId, described("Id of the account; empty if the item names none.")]
    entry_id: Annotated[
        Omittable[str],
        described(
            "Id of the ledger's entry that breaks the law; absent if it is not one entry.",
            "settle#job_01JGTQ4M9R8W3Z5K7N2P6X0A00",
        ),
    ] = None
    message: Annotated[
        str, described("How it breaks the law, in English.", "the cause happened twice")
    ]


class AuditResponse(ResponseBody):
    accounts_checked: Annotated[Count, described("Number of accounts that were checked.", 42)]
    entries_checked: Annotated[
        Count, described("Number of entries of the ledger that were checked.", 1730)
    ]
    breaches: Annotated[list[AuditBreach], described("Empty if all books are right.")]


class SweepResponse(ResponseBody):
    done: Annotated[
        dict[str, int],
        described("Number of items by outcome.", {"timed_out": 1, "upload_expired": 2}),
    ]
