"""L3: the remaining credits of the grants are the balance, and each grant matches its entries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from darkroom.credits.audit.common import EXPIRY_TOLERANCE, LIVE_GRANTS_LIMIT, breach, is_before
from darkroom.credits.audit.facts import Books, Breach, GrantFacts, WalletFacts
from darkroom.credits.audit.replay import Replay, difference_of

EXPIRY_SHARD = "s0"
"""The partition of the index that finds wallets with grants to expire."""


def check_grants(books: Books, now: datetime) -> Iterator[Breach]:
    wallet = books.wallet or WalletFacts()
    replay = Replay(books.jobs)
    version = 0
    for entry in books.entries:
        if entry.version != version + 1 and not books.is_ledger_whole:
            break
        version = entry.version
        for at, (law, message) in replay.apply(entry):
            yield breach(books, law, message, at)
    else:
        for at, (law, message) in replay.finish():
            yield breach(books, law, message, at)
        if wallet.grants is not None and books.is_ledger_whole:
            yield from _compare(books, replay, wallet.grants)
    if wallet.grants is not None:
        yield from _stored(books, wallet, wallet.grants)
        yield from _marks(books, wallet, wallet.grants, now)


def _compare(books: Books, replay: Replay, stored: tuple[GrantFacts, ...]) -> Iterator[Breach]:
    known = {grant.grant_id: grant for grant in stored}
    for grant_id in sorted(set(replay.live) | set(known)):
        derived, grant = replay.live.get(grant_id), known.get(grant_id)
        if derived is None or grant is None or derived.remaining != grant.remaining:
            has, makes = grant.remaining if grant else 0, derived.remaining if derived else 0
            yield breach(
                books,
                "L3",
                f"grant {grant_id} has {has}, its entries make {makes}",
                identity=f"grant {grant_id} differs by {has - makes}",
            )
        elif (difference := difference_of(derived, grant)) is not None:
            message = f"grant {grant_id} has another {difference} than its entries made"
            yield breach(books, "L3", message)


def _stored(books: Books, wallet: WalletFacts, grants: tuple[GrantFacts, ...]) -> Iterator[Breach]:
    total = sum(grant.remaining for grant in grants)
    if wallet.balance not in (None, total):
        yield breach(
            books,
            "L3",
            f"grants hold {total}, the balance is {wallet.balance}",
            identity=f"grants and balance differ by {total - (wallet.balance or 0)}",
        )
    is_explicit = not books.entries or books.entries[-1].is_explicit
    if len(grants) > LIVE_GRANTS_LIMIT and is_explicit:
        message = f"there are {len(grants)} grants"
        yield breach(books, "L3", message, identity="too many grants")
    for grant_id, count in Counter(grant.grant_id for grant in grants).items():
        if count > 1:
            yield breach(books, "L3", f"grant {grant_id} stands {count} times")
    for grant in grants:
        if grant.remaining <= 0:
            yield breach(books, "L3", f"grant {grant.grant_id} holds {grant.remaining}")
        if grant.source in ("purchase", "bonus") and grant.expires_at is not None:
            yield breach(books, "L3", f"grant {grant.grant_id} expires, as a {grant.source}")


def _marks(
    books: Books, wallet: WalletFacts, grants: tuple[GrantFacts, ...], now: datetime
) -> Iterator[Breach]:
    """Grants that will expire are in the index of expiring wallets, and expire in time."""
    expiries = [grant.expires_at for grant in grants if grant.expires_at is not None]
    due = int(min(expiries).timestamp()) if expiries else None
    if wallet.next_expiry_at != due:
        message = f"is marked to expire at {wallet.next_expiry_at}, its first grant does at {due}"
        yield breach(books, "L3", message, is_money_in_doubt=False)
    if wallet.due_shard != (EXPIRY_SHARD if expiries else None):
        message = f"is indexed as expiring under {wallet.due_shard}"
        yield breach(books, "L3", message, is_money_in_doubt=False)
    for grant in grants:
        if is_before(grant.expires_at, now, EXPIRY_TOLERANCE):
            # The sweeper is late. The next change of the wallet expires the grant as well.
            message = f"grant {grant.grant_id} was due, and is still there"
            yield breach(books, "L3", message, is_money_in_doubt=False)
