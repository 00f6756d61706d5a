"""Shapes of requests and answers: strict in, camelCase out. ``docs/openapi.json`` shows them."""

from __future__ import annotations

import json
import unicodedata
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)
from pydantic.alias_generators import to_camel

from darkroom.kernel.limits import (
    ADJUST_LIMIT_CREDITS,
    BULK_LIMIT,
    PRIORITY_LIMIT,
    PURCHASE_LIMIT_CREDITS,
    REASON_LIMIT_CHARS,
)
from darkroom.kernel.words import is_unicode


class Request(BaseModel):
    """A body: unknown fields, values of another JSON type and text that is no Unicode are
    refused."""

    answers_each: ClassVar[frozenset[str]] = frozenset()
    """Fields whose values are answered one by one, whatever they hold."""

    model_config = ConfigDict(
        extra="forbid", strict=True, alias_generator=to_camel, validate_by_name=False
    )

    @model_validator(mode="before")
    @classmethod
    def _refuse_what_is_no_unicode(cls, body: Any) -> Any:
        if isinstance(body, dict):
            checked = {name: body[name] for name in body if name not in cls.answers_each}
            if not is_unicode(json.dumps(checked, ensure_ascii=False, default=str)):
                raise ValueError("must be Unicode text without lone surrogates")
        return body


class Answer(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True)


def _composed(text: Any) -> Any:
    return unicodedata.normalize("NFC", text) if isinstance(text, str) else text


Composed = BeforeValidator(_composed)
"""Of a name or label, the form is limited that is stored: this stands last and so runs first."""
DeviceId = Annotated[str, StringConstraints(max_length=200)]
Priority = Annotated[int, Field(ge=0, le=PRIORITY_LIMIT)]
QuoteId = Annotated[str, StringConstraints(min_length=1, max_length=20_000)]
JobIds = Annotated[list[str], Field(min_length=1, max_length=BULK_LIMIT)]
Identifier = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class FieldProblem(Answer):
    """``path`` is the field's place in what was sent, ``body`` for the body as a whole."""

    path: str
    code: str
    message: str


class ErrorAnswer(Answer):
    """Every failure. 402 adds needed, balance, shortfall, suggestions; 400 adds fields."""

    error: str
    code: str
    request_id: str
    fields: list[FieldProblem] | None = None


class Suggestion(Answer):
    pack: str
    credits: int


class PaymentRequiredAnswer(ErrorAnswer):
    needed: int
    balance: int
    shortfall: int
    suggestions: list[Suggestion]


class ConfirmRequest(Request):
    """Without ``draftJobId`` the recipe's own inputs are needed; with it they override.
    ``recipe`` is another name of ``mode``."""

    draft_job_id: Identifier | None = None
    mode: str | None = None
    recipe: str | None = None
    stage: str | None = None
    genre: str | None = None
    sliders: dict[str, Any] | None = None
    rewrite_enabled: bool | None = None
    rewrite: dict[str, Any] | None = None
    photo_asset_ids: list[str] | None = None
    seed: int | None = None
    device_id: DeviceId | None = None
    priority: Priority | None = None
    quote_id: QuoteId | None = None
    test_faults: dict[str, Any] | None = None


class ConfirmAnswer(Answer):
    job_id: str
    status: Literal["queued"]
    template_id: str | None
    credits_reserved: int
    balance: int


class QuoteRequest(Request):
    """Either a draft, or a recipe with its inputs."""

    draft_job_id: Identifier | None = None
    recipe: Identifier | None = None
    inputs: dict[str, Any] | None = None
    device_id: DeviceId | None = None


class QuotePart(Answer):
    name: str
    credits: int


class QuoteAnswer(Answer):
    quote_id: str
    expires_at: str
    credits: int
    breakdown: list[QuotePart]
    balance: int
    debt: int
    sufficient: bool


class RetryRequest(Request):
    """``keepOptions: true`` makes what is missing as it was asked for; ``options`` change it."""

    keep_options: bool = True
    options: dict[str, Any] | None = None


class RerunAnswer(ConfirmAnswer):
    pass


class JobIdsRequest(Request):
    answers_each = frozenset({"jobIds"})

    job_ids: JobIds


class BulkOptionsRequest(JobIdsRequest):
    options_partial: dict[str, Any]


class BulkRetryRequest(JobIdsRequest, RetryRequest):
    """Each is retried with the same options."""


class BulkResult(Answer):
    """What became of one of the jobs; ``code`` and ``error`` say why not."""

    job_id: str
    ok: bool
    status: str | None = None
    retry_job_id: str | None = None
    outcome: str | None = None
    download_url: str | None = None
    expires_at: str | None = None
    code: str | None = None
    error: str | None = None


class BulkAnswer(Answer):
    results: list[BulkResult]


class RegenerateRequest(Request):
    target: Identifier
    clip_no: int | None = None
    key: Identifier | None = None


class RegenerateAnswer(Answer):
    retry_job_id: str
    credits_reserved: int
    balance: int


class PurchaseRequest(Request):
    """Exactly one of pack and amount; ``amount`` with the test gateway only."""

    pack: Identifier | None = None
    amount: Annotated[int, Field(ge=1, le=PURCHASE_LIMIT_CREDITS)] | None = None
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] | None = None


class PurchaseAnswer(Answer):
    """``balance`` when the credits are there at once, ``checkoutUrl`` when they are to be paid."""

    purchase_id: str
    status: str
    credits: int
    balance: int | None = None
    checkout_url: str | None = None


class ReceivedAnswer(Answer):
    outcome: Literal["handled", "repeated", "ignored"]


class HeardAnswer(Answer):
    outcome: Literal["heard", "known"]


class AdjustRequest(Request):
    amount: Annotated[int, Field(ge=-ADJUST_LIMIT_CREDITS, le=ADJUST_LIMIT_CREDITS)]
    reason: Annotated[str, StringConstraints(min_length=1, max_length=REASON_LIMIT_CHARS)]
    expires_at: str | None = None


class ClearDebtRequest(Request):
    """``amount`` of the open debt; without it all of it."""

    amount: Annotated[int, Field(ge=1, le=ADJUST_LIMIT_CREDITS)] | None = None
    reason: Annotated[str, StringConstraints(min_length=1, max_length=REASON_LIMIT_CHARS)]


class CreateJobsRequest(Request):
    recipe: Identifier
    inputs: dict[str, Any]
    status: Literal["draft", "queued"]
    device_id: DeviceId | None = None
    priority: Priority = 0
    quote_id: QuoteId | None = None


class PatchJobRequest(BaseModel):
    """``inputs`` is a merge patch; its fields may also stand beside it."""

    model_config = ConfigDict(
        extra="allow", strict=True, alias_generator=to_camel, validate_by_name=False
    )

    inputs: dict[str, Any] | None = None
    device_id: DeviceId | None = None
    priority: Priority | None = None


class SweepRequest(Request):
    now: str | None = None


class GrantAnswer(Answer):
    grant_id: str
    source: str
    remaining: int
    expires_at: str | None = None


class TransactionAnswer(Answer):
    id: str
    type: str
    amount: int
    held_change: int
    balance_after: int
    held_after: int
    reference_type: str
    reference_id: str
    description: str
    created_at: str


class WalletAnswer(Answer):
    """``debt`` is what a refunded payment left open; while it is, nothing can be spent."""

    balance: int
    held: int
    debt: int
    grants: list[GrantAnswer]
    transactions: list[TransactionAnswer]
    next_cursor: str | None


class TransactionsAnswer(Answer):
    items: list[TransactionAnswer]
    next_cursor: str | None


class AdjustAnswer(Answer):
    transaction: TransactionAnswer
    balance: int
    debt: int


class PatchAccountRequest(Request):
    """``frozen: true`` needs a ``reason``; from then on nothing can be spent."""

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
            raise ValueError("plan or frozen is required")
        if self.frozen and self.reason is None:
            raise ValueError("reason is required with frozen")
        return self


class RebuiltAnswer(Answer):
    """The wallet as its entries make it, and the ended jobs whose holds were settled with it."""

    balance: int
    held: int
    debt: int
    version: int
    settled_jobs: list[str]


class AccountAnswer(Answer):
    account_id: str
    plan: str
    balance: int
    held: int
    debt: int
    version: int
    frozen: bool
    frozen_reason: str | None
    is_damaged: bool | None = None
    """The wallet cannot be read: rebuild it from its ledger."""


class RedriveRequest(Request):
    answers_each = frozenset({"ids"})

    ids: Annotated[list[str], Field(min_length=1, max_length=BULK_LIMIT)]


class RedriveResult(Answer):
    id: str
    ok: bool
    code: str | None = None
    error: str | None = None


class RedriveAnswer(Answer):
    results: list[RedriveResult]


class DeadLetter(Answer):
    """``outcome`` is what the message was about, and got its end: a task, an asset, …"""

    id: str
    queue: str
    outcome: str
    body: str
    created_at: str


class DeadLetterPage(Answer):
    items: list[DeadLetter]
    next_cursor: str | None


class BreachAnswer(Answer):
    law: str
    account_id: str
    entry_id: str | None = None
    message: str


class AuditAnswer(Answer):
    accounts_checked: int
    entries_checked: int
    breaches: list[BreachAnswer]


class ReceiptPart(Answer):
    name: str
    credits: int
    used: int
    refunded: int


class ReceiptAnswer(Answer):
    """``used`` and ``refunded`` are 0 while the job runs and reserved = used + refunded after.
    ``message`` says the ``reason`` in the caller's language."""

    reserved: int
    used: int
    refunded: int
    parts: list[ReceiptPart]
    reason: str | None = None
    message: str | None = None
    note: str | None = None
    """Of a job that succeeded: ``NO_SPEECH``, its recording holds no words, so its captions are
    empty."""


class ProgressAnswer(Answer):
    completed: int
    failed: int
    total: int
    percent: int


class FailureAnswer(Answer):
    message: str
    code: str


class TaskAnswer(Answer):
    key: str
    kind: str
    status: str
    attempts: int
    provider: str | None = None
    error: FailureAnswer | None = None
    started_at: str | None = None
    finished_at: str | None = None


class OutputAnswer(Answer):
    output_id: str
    key: str
    type: str
    mime_type: str
    size_bytes: int
    width: int | None = None
    height: int | None = None
    duration_ms: int | None = None
    style: str | None = None
    role: str | None = None
    language: str | None = None
    selected: bool
    inherited_from: str | None = None
    download_url: str


class TimelineEntry(Answer):
    name: str
    at: str


class JobSummary(Answer):
    job_id: str
    recipe: str
    mode: str | None = None
    status: str
    inputs: dict[str, Any]
    template_id: str | None = None
    parent_job_id: str | None = None
    regen_target: str | None = None
    regen_clip_no: int | None = None
    priority: int | None = None
    credits_reserved: int
    receipt: ReceiptAnswer
    progress: ProgressAnswer
    created_at: str
    started_at: str | None = None
    finished_at: str | None = None
    poll_after_ms: int | None = None


class JobAnswer(JobSummary):
    tasks: list[TaskAnswer]
    outputs: list[OutputAnswer]
    timeline: list[TimelineEntry]


class CreatedJob(JobSummary):
    """``code`` says why a job that was to be queued stayed a draft."""

    code: str | None = None


class JobsAnswer(Answer):
    jobs: list[CreatedJob]


class CancelAnswer(Answer):
    outcome: Literal["canceled", "requested", "already_final"]
    receipt: ReceiptAnswer


class StreamTicketAnswer(Answer):
    ticket: str
    expires_at: str


class DownloadAnswer(Answer):
    """``expiresAt`` is the link's; the archive stays as long as the job."""

    download_url: str
    expires_at: str


class BuildingAnswer(Answer):
    """Ask again after ``Retry-After`` seconds."""

    status: Literal["building"]


class JobPage(Answer):
    items: list[JobSummary]
    next_cursor: str | None


class PurchaseRecord(Answer):
    """``message`` is a sentence for the user: what became of a purchase that failed, was refunded,
    or was paid with another amount. ``creditsReversed`` is what a refund or dispute has taken."""

    purchase_id: str
    status: Literal["pending", "settled", "failed", "mismatched", "refunding", "refunded"]
    credits: int
    credits_reversed: int | None = None
    message: str | None = None
    pack: str | None = None
    gateway: str
    created_at: str


class PurchasePage(Answer):
    items: list[PurchaseRecord]
    next_cursor: str | None


class PackAnswer(Answer):
    """``price`` and ``currency`` are what the pack is sold for unless asked otherwise."""

    name: str
    credits: int
    price: str
    currency: str
    prices: list[dict[str, str]]


class PriceNote(Answer):
    """A rule by which jobs are charged, as a sentence for users in English and Korean."""

    code: str
    en: str
    ko: str


class PricingAnswer(Answer):
    packs: list[PackAnswer]
    costs: dict[str, int]
    notes: list[PriceNote]


class DecisionAnswer(Answer):
    """``outcome`` of a refund that the gateway did not make: its own word for why."""

    action: Literal["accept", "refund"]
    credits: int | None = None
    reason: str
    by: str
    at: str
    outcome: str | None = None


class AdminPurchase(Answer):
    """``amountMinor`` was asked for, ``paidMinor`` was paid where that differs. A payment that
    came in for a purchase which another had paid is a ``duplicateOf`` it."""

    purchase_id: str
    account_id: str
    status: str
    gateway: str
    pack: str | None = None
    credits: int
    credits_reversed: int | None = None
    amount_minor: int | None = None
    currency: str | None = None
    paid_minor: int | None = None
    paid_currency: str | None = None
    payment_id: str | None = None
    session_id: str | None = None
    duplicate_of: str | None = None
    decisions: list[DecisionAnswer]
    created_at: str


class AdminPurchasePage(Answer):
    items: list[AdminPurchase]
    next_cursor: str | None


class ResolvePurchaseRequest(Request):
    """``accept`` gives ``credits`` for what was paid, ``refund`` gives the money back."""

    account_id: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    action: Literal["accept", "refund"]
    credits: Annotated[int, Field(ge=1, le=PURCHASE_LIMIT_CREDITS)] | None = None
    reason: Annotated[str, StringConstraints(min_length=1, max_length=REASON_LIMIT_CHARS)]


class SweepAnswer(Answer):
    done: dict[str, int]


class HealthAnswer(Answer):
    status: Literal["ok"]
    stage: str
