"""Converts values of the money core to the facts that the auditor reads, without a store."""

from __future__ import annotations

from collections.abc import Mapping

from darkroom.credits.audit.facts import (
    EntryFacts,
    GrantFacts,
    JobFacts,
    MergeFacts,
    PartFacts,
    WalletFacts,
)
from darkroom.credits.model import Entry, Grant, Hold, Wallet
from darkroom.kernel.clock import to_epoch_seconds


def facts_of_wallet(wallet: Wallet) -> WalletFacts:
    expiries = [grant.expires_at for grant in wallet.grants if grant.expires_at is not None]
    return WalletFacts(
        balance=wallet.balance,
        held=wallet.held,
        debt=wallet.debt,
        version=wallet.version,
        grants=tuple(facts_of_grant(grant) for grant in wallet.grants),
        next_expiry_at=to_epoch_seconds(min(expiries)) if expiries else None,
        due_shard="s0" if expiries else None,
    )


def facts_of_grant(grant: Grant) -> GrantFacts:
    return GrantFacts(
        grant_id=grant.grant_id,
        source=grant.source,
        remaining=grant.remaining,
        priority=grant.priority,
        created_at=grant.created_at,
        expires_at=grant.expires_at,
        merged=grant.merged,
    )


def facts_of_entry(entry: Entry) -> EntryFacts:
    return EntryFacts(
        account_id=entry.account_id,
        cause=entry.cause,
        type=entry.type.value,
        amount=entry.amount,
        held_change=entry.held_change,
        balance_after=entry.balance_after,
        held_after=entry.held_after,
        version=entry.version,
        reference_type=entry.reference_type,
        reference_id=entry.reference_id,
        created_at=entry.created_at,
        moves=entry.moves,
        merges=tuple(
            MergeFacts(from_id=merge.from_id, into_id=merge.into_id, credits=merge.credits)
            for merge in entry.merges
        ),
        debt_change=entry.debt_change,
        debt_after=entry.debt_after,
        expires_at=entry.expires_at,
    )


def a_queued_job(job_id: str, hold: Hold, *parts: PartFacts, account_id: str = "alice") -> JobFacts:
    """A job that holds these credits; without parts it promises one output for all of them."""
    one = PartFacts(name="base", credits=hold.credits, promised=("clip_1",))
    return JobFacts(
        job_id=job_id,
        account_id=account_id,
        status="queued",
        recipe="story",
        is_queued=True,
        price=parts or (one,),
        hold=tuple(facts_of_grant(piece) for piece in hold.slices),
    )


def promised_by(parts: tuple[PartFacts, ...]) -> Mapping[str, int]:
    return {key: 1 for part in parts for key in part.promised}
