"""The facts of one account for the auditor: plain values, read without the product's readers.

``None`` means that an attribute cannot be read or was not recorded: no law is checked on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

EXPLICIT_SCHEMA = 2
"""From this version of its shape on, an entry records every merge and expiry, and all credits that
come in pay an open debt first. Of older entries these are unknown."""


WRITTEN_OFF = "ITEM_UNREADABLE"
"""The reason of a job that was ended because an item of it is damaged: all of its credits are
returned, its outputs stay, and its hold was reconstructed from the ledger."""


Law = Literal["L1", "L2", "L3", "L4", "L5", "L6", "L7", "L8", "L9"]
"""L1: the wallet is the sum of its entries. L2: nothing is below zero. L3: grants add up to the
balance. L4: a cause happens once. L5: a hold ends once, in full. L6: a job has what it promised.
L7: credits that came in are there, spent, expired or reversed. L8: every item can be read.
L9: the counters of storage are the sums over the files."""


@dataclass(frozen=True, kw_only=True)
class GrantFacts:
    grant_id: str
    source: str
    remaining: int
    priority: int
    created_at: datetime
    expires_at: datetime | None = None
    merged: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class WalletFacts:
    balance: int | None = 0
    held: int | None = 0
    debt: int | None = 0
    version: int | None = 0
    grants: tuple[GrantFacts, ...] | None = ()
    next_expiry_at: int | None = None
    due_shard: str | None = None


@dataclass(frozen=True, kw_only=True)
class MergeFacts:
    from_id: str
    into_id: str
    credits: int


@dataclass(frozen=True, kw_only=True)
class EntryFacts:
    account_id: str
    cause: str
    type: str
    amount: int
    held_change: int
    balance_after: int
    held_after: int
    version: int
    reference_id: str
    reference_type: str | None = None
    created_at: datetime | None = None
    moves: Mapping[str, int] = field(default_factory=dict)
    merges: tuple[MergeFacts, ...] = ()
    debt_change: int = 0
    debt_after: int = 0
    expires_at: datetime | None = None
    schema: int = EXPLICIT_SCHEMA

    @property
    def is_explicit(self) -> bool:
        return self.schema >= EXPLICIT_SCHEMA

    @property
    def kind(self) -> str:
        """The first part of its cause."""
        return self.cause.partition("#")[0]

    @property
    def own_moves(self) -> dict[str, int]:
        """The change of each grant, without its merges."""
        own = dict(self.moves)
        for merge in self.merges:
            own[merge.from_id] = own.get(merge.from_id, 0) + merge.credits
            own[merge.into_id] = own.get(merge.into_id, 0) - merge.credits
        return {grant_id: moved for grant_id, moved in own.items() if moved}


@dataclass(frozen=True, kw_only=True)
class PartFacts:
    name: str
    credits: int
    promised: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ReceiptFacts:
    used: int
    refunded: int
    parts: tuple[int, ...]
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class JobFacts:
    job_id: str
    account_id: str
    status: str
    recipe: str | None = None
    is_queued: bool
    """It was submitted at some time; drafts and canceled drafts never were."""
    is_deleted: bool = False
    is_child: bool = False
    price: tuple[PartFacts, ...] | None = ()
    hold: tuple[GrantFacts, ...] | None = ()
    """Slices of grants, in spending order."""
    receipt: ReceiptFacts | None = None
    is_receipt_read: bool = True
    made: Mapping[str, int] | None = field(default_factory=dict)
    """Key → number of its own outputs."""
    inherited: Mapping[str, int] | None = field(default_factory=dict)
    costs: Mapping[str, int] | None = None
    """The costs its price was made with, by name; older jobs do not have them."""

    @property
    def is_final(self) -> bool:
        return self.status in ("succeeded", "partial", "failed", "canceled")

    @property
    def is_written_off(self) -> bool:
        return self.receipt is not None and self.receipt.reason == WRITTEN_OFF

    @property
    def reserved(self) -> int | None:
        return None if self.price is None else sum(part.credits for part in self.price)


@dataclass(frozen=True, kw_only=True)
class PurchaseFacts:
    purchase_id: str
    status: str
    credits: int
    gateway: str | None = None
    pack: str | None = None
    payment_id: str | None = None
    is_decided: bool = False
    """An operator decided what its payment was worth."""
    reversals: Mapping[str, int] | None = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Books:
    """All items of one account, as read."""

    account_id: str
    wallet: WalletFacts | None
    entries: Sequence[EntryFacts]
    jobs: Mapping[str, JobFacts]
    purchases: Mapping[str, PurchaseFacts]
    unread: frozenset[str] = frozenset()
    """Causes, job ids and purchase ids of items that exist but cannot be read."""

    @property
    def is_ledger_whole(self) -> bool:
        return not any("#" in name for name in self.unread)


@dataclass(frozen=True, kw_only=True)
class Breach:
    law: Law
    account_id: str
    message: str
    entry_id: str | None = None
    identity: str = ""
    """What does not change in the message while the account goes on; empty: all of it."""
    is_money_in_doubt: bool = False
    """Whether the account must not spend until an operator has checked it."""
