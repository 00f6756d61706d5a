"""L3 and L7: the grants of a wallet, replayed only from its entries.

The replay follows what each entry says it did to each grant, and checks that against what an
entry of its type may do. It is linear in the entries: a wallet has at most fifty live grants.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from darkroom.credits.audit.common import (
    BONUS_PRIORITY,
    LIVE_GRANTS_LIMIT,
    ORIGINS_LIMIT,
    PURCHASE_PRIORITY,
    grace_until,
    is_before,
)
from darkroom.credits.audit.facts import EntryFacts, GrantFacts, JobFacts, Law, MergeFacts

ORDER_CHECK_LIMIT = 4 * LIVE_GRANTS_LIMIT
"""With more live grants than this (a breach of its own), their order is not checked."""

Problem = tuple[Law, str]
"""The law that is broken, and how."""


@dataclass(frozen=True, kw_only=True)
class Grant:
    """A grant, as derived from its entries."""

    grant_id: str
    source: str
    remaining: int
    priority: int
    created_at: datetime | None
    expires_at: datetime | None = None
    is_expiry_known: bool = True
    merged: Mapping[str, int] | None = None
    """None: unknown, because an older entry merged grants without recording it."""

    @property
    def is_ordered(self) -> bool:
        return self.is_expiry_known and self.created_at is not None

    def order(self) -> tuple[int, float, float, str]:
        """Lowest priority number, then earliest expiry, then oldest."""
        expiry = self.expires_at.timestamp() if self.expires_at else float("inf")
        created = self.created_at.timestamp() if self.created_at else 0.0
        return (self.priority, expiry, created, self.grant_id)

    def is_due(self, at: datetime | None) -> bool:
        """Whether the grant is certainly due."""
        return self.expires_at is not None and at is not None and self.expires_at <= at


@dataclass(frozen=True)
class Payment:
    """The payment that must follow an entry that added credits while a debt was open."""

    entry: EntryFacts
    cause: str
    credits: int


class Replay:
    """The live grants, open holds and the debt after the entries applied so far."""

    def __init__(self, jobs: Mapping[str, JobFacts]) -> None:
        self._jobs = jobs
        self.live: dict[str, Grant] = {}
        self._holds: dict[str, tuple[Grant, ...]] = {}
        self._expired: set[str] = set()
        self._debt = 0
        self._payment: Payment | None = None
        self._income: Mapping[str, int] = {}
        """The changes of grants by the entry that a payment must follow."""

    def apply(self, entry: EntryFacts) -> Iterator[tuple[EntryFacts, Problem]]:
        """Apply one entry; yields each problem with its entry."""
        if sum(entry.moves.values()) != entry.amount:
            yield entry, ("L3", "its moves do not add up to its amount")
        yield from self._check_payment(entry)
        own = entry.own_moves
        checks = {
            "PURCHASE": self._credit, "BONUS": self._bonus, "ADJUST": self._adjust,
            "DEDUCT": self._deduct, "REFUND": self._refund, "SETTLE": self._settle,
            "EXPIRE": self._expire, "REVERSAL": self._reverse,
        }  # fmt: skip
        for problem in checks[entry.type](entry, own):
            yield entry, problem
        for problem in self._merge(entry.merges):
            yield entry, problem
        if self._may_have_merged(entry, own):
            for grant_id, grant in self.live.items():
                self.live[grant_id] = replace(grant, merged=None)
        self._debt += entry.debt_change

    def finish(self) -> Iterator[tuple[EntryFacts, Problem]]:
        if self._payment is not None:
            yield self._payment.entry, ("L7", "came in, and did not pay the open debt")

    # Entries by type: each method checks the entry against the state, then applies it.

    def _credit(self, entry: EntryFacts, own: Mapping[str, int]) -> Iterator[Problem]:
        grant_id, source, priority = {
            "PURCHASE": (entry.reference_id, "purchase", PURCHASE_PRIORITY),
            "BONUS": ("bonus#signup", "bonus", BONUS_PRIORITY),
            "ADJUST": (entry.cause, "adjust", BONUS_PRIORITY),
        }[entry.type]
        grant = Grant(
            grant_id=grant_id,
            source=source,
            remaining=0,
            priority=priority,
            created_at=entry.created_at,
            expires_at=entry.expires_at,
            # Older entries do not record the expiry of a gift.
            is_expiry_known=entry.is_explicit or entry.type != "ADJUST" or bool(entry.expires_at),
            merged={},
        )
        if grant_id in self.live:
            yield "L3", f"grant {grant_id} exists already"
        yield from self._expect(entry, own, {grant_id: entry.amount})
        yield from self._follow(own, (grant,))
        if entry.type == "PURCHASE":
            self._owe(entry, f"debt#{entry.reference_id}")
        elif entry.is_explicit:
            self._owe(entry, f"debt#{entry.cause}")

    def _bonus(self, entry: EntryFacts, own: Mapping[str, int]) -> Iterator[Problem]:
        if entry.amount != 0:
            yield from self._credit(entry, own)
            return
        yield from self._expect(entry, own, {})
        yield from self._follow(own, ())

    def _adjust(self, entry: EntryFacts, own: Mapping[str, int]) -> Iterator[Problem]:
        if entry.amount > 0:
            yield from self._credit(entry, own)
            return
        if -entry.debt_change > self._debt:
            yield "L7", f"clears {-entry.debt_change} of a debt of {self._debt}"
        yield from self._take(entry, own)
        yield from self._follow(own, ())

    def _deduct(self, entry: EntryFacts, own: Mapping[str, int]) -> Iterator[Problem]:
        taken = self._slices(own)
        yield from self._take(entry, own)
        job = self._jobs.get(entry.reference_id)
        if job is not None and job.hold is not None and job.is_written_off:
            taken = tuple(_salvaged(piece) for piece in job.hold)
        elif job is not None and job.hold is not None:
            taken = self._learned(taken, job.hold)
            for piece, held in zip(taken, job.hold, strict=False):
                if (difference := difference_of(piece, held)) is not None:
                    yield "L5", f"{job.job_id} holds {held.grant_id} with another {difference}"
            if [piece.grant_id for piece in taken] != [held.grant_id for held in job.hold]:
                yield "L5", f"{job.job_id} holds other grants, or in another order"
        self._holds[entry.reference_id] = taken
        yield from self._follow(own, ())

    def _slices(self, own: Mapping[str, int]) -> tuple[Grant, ...]:
        found = [
            replace(grant, remaining=-moved)
            for grant_id, moved in own.items()
            if (grant := self.live.get(grant_id)) is not None
        ]
        return tuple(sorted(found, key=Grant.order))

    def _learned(self, taken: tuple[Grant, ...], hold: Sequence[GrantFacts]) -> tuple[Grant, ...]:
        """If an entry does not record the expiry of its grant, the hold of a job does."""
        held = {piece.grant_id: piece for piece in hold}
        known = []
        for piece in taken:
            source = held.get(piece.grant_id)
            if source is not None and not piece.is_expiry_known:
                live = self.live[piece.grant_id]
                self.live[piece.grant_id] = _with_expiry(live, source.expires_at)
                piece = _with_expiry(piece, source.expires_at)
            if source is not None and piece.merged is None:
                piece = replace(piece, merged=source.merged)
            known.append(piece)
        return tuple(sorted(known, key=Grant.order))

    def _take(self, entry: EntryFacts, own: Mapping[str, int]) -> Iterator[Problem]:
        """Credits leave in spending order, and none that have expired."""
        if any(moved > 0 for moved in own.values()):
            yield "L3", "takes credits, and gives some"
        for grant_id in own:
            grant = self.live.get(grant_id)
            if grant is not None and is_before(grant.expires_at, entry.created_at):
                yield "L3", f"takes credits of {grant_id}, which had expired"
        grants = self.live.values()
        if len(grants) <= ORDER_CHECK_LIMIT and all(grant.is_ordered for grant in grants):
            yield from self._expect(
                entry, own, _taken(sorted(grants, key=Grant.order), -entry.amount)
            )

    def _settle(self, entry: EntryFacts, own: Mapping[str, int]) -> Iterator[Problem]:
        yield from self._expect(entry, own, {})
        yield from self._follow(own, ())

    def _expire(self, entry: EntryFacts, own: Mapping[str, int]) -> Iterator[Problem]:
        grant = self.live.get(entry.reference_id)
        if grant is None:
            yield "L3", f"expires {entry.reference_id}, which does not exist"
        else:
            yield from self._expect(entry, own, {grant.grant_id: -grant.remaining})
            if grant.source in ("purchase", "bonus") or (
                grant.is_expiry_known and grant.expires_at is None
            ):
                yield "L3", f"expires {grant.grant_id}, which does not expire"
            elif grant.expires_at and entry.created_at and entry.created_at < grant.expires_at:
                yield "L3", f"expires {grant.grant_id} before its time"
        self._expired.add(entry.reference_id)
        yield from self._follow(own, ())

    def _refund(self, entry: EntryFacts, own: Mapping[str, int]) -> Iterator[Problem]:
        """Unspent credits return to their grants; expired ones return as grace grants."""
        hold = self._holds.pop(entry.reference_id, None)
        if hold is not None:
            back = _last(hold, entry.amount)
            templates, problems = self._returned(entry, own, back)
            if not self._may_have_merged(entry, own):
                yield from problems
            yield from self._follow(own, (*back, *templates))
        else:
            yield from self._follow(own, ())
        if entry.is_explicit:
            self._owe(entry, f"debt#{entry.cause}")

    def _returned(
        self, entry: EntryFacts, own: Mapping[str, int], back: Iterable[Grant]
    ) -> tuple[list[Grant], list[Problem]]:
        """The grace grants among the returned credits, and the problems."""
        rest, late, problems = dict(own), list[Grant](), list[Problem]()
        for piece in back:
            is_gone = piece.grant_id in self._expired and piece.grant_id not in self.live
            has_expired = is_gone or piece.is_due(entry.created_at)
            is_unsure = not piece.is_expiry_known or not entry.is_explicit
            if has_expired and not is_unsure:
                late.append(piece)
            elif rest.get(piece.grant_id, 0) == piece.remaining:
                del rest[piece.grant_id]
            elif is_unsure:
                late.append(piece)
            else:
                given = rest.pop(piece.grant_id, 0)
                message = f"returns {given} of {piece.remaining} to {piece.grant_id}"
                problems.append(("L5", message))
        graces = _graces(entry, late)
        if rest != {grace.grant_id: grace.remaining for grace in graces}:
            problems.append(("L5", f"returns {rest}, which the hold did not take"))
        return graces, problems

    def _reverse(self, entry: EntryFacts, own: Mapping[str, int]) -> Iterator[Problem]:
        credits = entry.debt_change - entry.amount
        if entry.kind == "debt":
            yield from self._pay(entry, own)
            yield from self._follow(own, ())
        elif credits >= 0:
            purchased = sum(g.remaining for g in self.live.values() if g.source == "purchase")
            if -entry.amount != min(credits, purchased):
                yield "L7", f"takes {-entry.amount} of {credits}, {purchased} were there"
            yield from self._take_back(entry, own, -entry.amount)
            yield from self._follow(own, ())
        else:
            if -entry.debt_change != min(-credits, self._debt):
                yield "L7", f"comes back, and pays {-entry.debt_change} of {self._debt} debt"
            yield from self._expect(
                entry, own, {entry.reference_id: entry.amount} if entry.amount else {}
            )
            yield from self._follow(own, (_purchased(entry),))

    def _pay(self, entry: EntryFacts, own: Mapping[str, int]) -> Iterator[Problem]:
        """A debt is paid from the added credits, purchased ones before others."""
        fresh = [
            replace(grant, remaining=min(grant.remaining, came))
            for grant_id, came in self._income.items()
            if came > 0 and (grant := self.live.get(grant_id)) is not None
        ]
        if all(grant.is_ordered for grant in fresh):
            fresh.sort(key=lambda grant: (grant.source != "purchase", grant.order()))
            yield from self._expect(entry, own, _taken(fresh, -entry.amount))

    def _take_back(
        self, entry: EntryFacts, own: Mapping[str, int], credits: int
    ) -> Iterator[Problem]:
        """Purchased credits only, those of the purchase itself first."""
        for grant_id in own:
            grant = self.live.get(grant_id)
            if grant is not None and grant.source != "purchase":
                yield "L3", f"takes back {grant_id}, which was not purchased"
        grants = [grant for grant in self.live.values() if grant.source == "purchase"]
        if len(grants) > ORDER_CHECK_LIMIT or not all(
            grant.is_ordered and grant.merged is not None for grant in grants
        ):
            return

        def order(grant: Grant) -> tuple[bool, tuple[int, float, float, str]]:
            is_own = grant.grant_id == entry.reference_id or entry.reference_id in (
                grant.merged or {}
            )
            return (not is_own, grant.order())

        yield from self._expect(entry, own, _taken(sorted(grants, key=order), credits))

    # Debts

    def _owe(self, entry: EntryFacts, cause: str) -> None:
        """Credits were added or returned: the next entry must pay an open debt from them."""
        if self._debt > 0:
            self._payment = Payment(entry, cause, min(self._debt, entry.amount))

    def _check_payment(self, entry: EntryFacts) -> Iterator[tuple[EntryFacts, Problem]]:
        due, self._payment = self._payment, None
        self._income = due.entry.moves if due is not None else {}
        pays = entry.kind == "debt"
        if due is not None and not (pays and entry.cause == due.cause):
            yield due.entry, ("L7", f"came in, and did not pay {due.credits} of the open debt")
        elif due is not None and not -entry.amount == -entry.debt_change == due.credits:
            yield entry, ("L7", f"pays {-entry.debt_change}, {due.credits} were to be paid")
        if pays and (due is None or entry.cause != due.cause):
            yield entry, ("L4", "pays a debt from credits that did not come in")

    # Applying an entry

    def _expect(
        self, entry: EntryFacts, own: Mapping[str, int], expected: Mapping[str, int]
    ) -> Iterator[Problem]:
        if own == expected or self._may_have_merged(entry, own):
            return
        yield "L3", f"moves {dict(own)}, must move {dict(expected)}"

    def _may_have_merged(self, entry: EntryFacts, own: Mapping[str, int]) -> bool:
        """Older entries merged grants without recording it, if there were too many."""
        if entry.is_explicit or entry.amount <= 0:
            return False
        return len(self.live.keys() | own.keys()) >= LIVE_GRANTS_LIMIT

    def _follow(self, own: Mapping[str, int], templates: Iterable[Grant]) -> Iterator[Problem]:
        new = {grant.grant_id: grant for grant in templates}
        for grant_id, moved in own.items():
            grant = self.live.get(grant_id)
            if grant is None:
                grant = replace(new.get(grant_id) or _unknown(grant_id), remaining=0)
                if moved < 0:
                    yield "L3", f"takes {-moved} of {grant_id}, which does not exist"
                elif grant_id not in new:
                    yield "L3", f"gives {moved} to {grant_id}, which does not exist"
            elif grant_id in new:
                grant = replace(grant, merged=_union(new[grant_id].merged, grant.merged))
            self._put(replace(grant, remaining=grant.remaining + moved))
            if grant.remaining + moved < 0:
                yield "L3", f"takes {-moved} of {grant_id}, which has {grant.remaining}"

    def _put(self, grant: Grant) -> None:
        if grant.remaining:
            self.live[grant.grant_id] = grant
        else:
            self.live.pop(grant.grant_id, None)

    def _merge(self, merges: Iterable[MergeFacts]) -> Iterator[Problem]:
        for merge in merges:
            gone, kept = self.live.get(merge.from_id), self.live.get(merge.into_id)
            if gone is None or kept is None or gone is kept:
                yield "L3", f"merges {merge.from_id} into {merge.into_id}: one does not exist"
                continue
            if merge.credits != gone.remaining:
                yield "L3", f"merges {merge.credits} of {gone.remaining} of {merge.from_id}"
            if not _is_one_kind(gone, kept):
                yield "L3", f"merges {merge.from_id} into {merge.into_id}, of another kind"
            elif len(self.live) <= LIVE_GRANTS_LIMIT and not _is_one_expiry(gone, kept):
                yield "L3", f"merges {merge.from_id} into {merge.into_id}, with space for both"
            self.live.pop(merge.from_id)
            self._put(_merged(gone, kept, merge.credits))


def difference_of(grant: Grant, stored: GrantFacts) -> str | None:
    """The difference between the stored grant and the replayed one; None if there is none known."""
    if grant.remaining != stored.remaining:
        return "amount"
    if grant.source != stored.source:
        return "source"
    if grant.priority != stored.priority:
        return "priority"
    if grant.created_at not in (None, stored.created_at):
        return "time of creation"
    if grant.is_expiry_known and grant.expires_at != stored.expires_at:
        return "expiry"
    if grant.merged is not None and dict(grant.merged) != dict(stored.merged):
        return "origin"
    return None


def _is_one_kind(one: Grant, other: Grant) -> bool:
    if not (one.is_expiry_known and other.is_expiry_known):
        return (one.source, one.priority) == (other.source, other.priority)
    kinds = [(grant.source, grant.priority, grant.expires_at is None) for grant in (one, other)]
    return kinds[0] == kinds[1]


def _is_one_expiry(one: Grant, other: Grant) -> bool:
    if not (one.is_expiry_known and other.is_expiry_known):
        return True
    return one.expires_at is not None and one.expires_at == other.expires_at


def _merged(gone: Grant, kept: Grant, credits: int) -> Grant:
    """The merged grant, with the later expiry and the origins of both."""
    merged = None
    if gone.merged is not None and kept.merged is not None:
        merged = _largest(_added(kept.merged, gone.merged, {gone.grant_id: credits}))
    expiries = [expiry for expiry in (gone.expires_at, kept.expires_at) if expiry is not None]
    return replace(
        kept,
        remaining=kept.remaining + credits,
        expires_at=max(expiries, default=None),
        is_expiry_known=gone.is_expiry_known and kept.is_expiry_known,
        merged=merged,
    )


def _added(*origins: Mapping[str, int]) -> dict[str, int]:
    total: dict[str, int] = {}
    for origin in origins:
        for grant_id, credits in origin.items():
            total[grant_id] = total.get(grant_id, 0) + credits
    return total


def _largest(origins: Mapping[str, int]) -> dict[str, int]:
    ordered = sorted(origins.items(), key=lambda item: (-item[1], item[0]))
    return dict(ordered[:ORIGINS_LIMIT])


def _union(
    returned: Mapping[str, int] | None, live: Mapping[str, int] | None
) -> Mapping[str, int] | None:
    return None if returned is None or live is None else _largest({**returned, **live})


def _taken(grants: Iterable[Grant], credits: int) -> dict[str, int]:
    """The credits that leave each grant when this many are taken in this order."""
    taken: dict[str, int] = {}
    for grant in grants:
        if credits <= 0:
            break
        piece = min(credits, grant.remaining)
        if piece > 0:
            credits -= piece
            taken[grant.grant_id] = -piece
    return taken


def _last(hold: Sequence[Grant], credits: int) -> tuple[Grant, ...]:
    """The unspent slices: a job uses its hold in spending order."""
    back = []
    for piece in reversed(hold):
        if credits <= 0:
            break
        returned = min(credits, piece.remaining)
        credits -= returned
        back.append(replace(piece, remaining=returned))
    return tuple(back)


def _with_expiry(grant: Grant, expires_at: datetime | None) -> Grant:
    return replace(grant, expires_at=expires_at, is_expiry_known=True)


def _graces(entry: EntryFacts, late: Iterable[Grant]) -> list[Grant]:
    """The grace grants as which slices of expired grants return: one for each priority, named
    after the grant of the first slice and the job; in older entries, one for each slice, named
    after the slice itself."""
    graces: dict[object, Grant] = {}
    for piece in sorted(late, key=Grant.order):
        kind = piece.priority if entry.is_explicit else piece.grant_id
        first = piece.grant_id.partition("~")[0] if entry.is_explicit else piece.grant_id
        grace = graces.get(kind) or replace(
            piece,
            grant_id=f"{first}~{entry.reference_id}",
            source="refund",
            remaining=0,
            created_at=entry.created_at if entry.is_explicit else piece.created_at,
            expires_at=grace_until(entry.created_at),
            is_expiry_known=grace_until(entry.created_at) is not None,
            merged={} if entry.is_explicit else piece.merged,
        )
        merged = grace.merged
        if entry.is_explicit and merged is not None and piece.merged is not None:
            merged = _largest(_added(merged, piece.merged, {piece.grant_id: piece.remaining}))
        elif entry.is_explicit:
            merged = None
        remaining = grace.remaining + piece.remaining
        graces[kind] = replace(grace, remaining=remaining, merged=merged)
    return list(graces.values())


def _salvaged(piece: GrantFacts) -> Grant:
    """A slice of a damaged job's hold: the origins of its grant are lost."""
    return Grant(
        grant_id=piece.grant_id,
        source=piece.source,
        remaining=piece.remaining,
        priority=piece.priority,
        created_at=piece.created_at,
        expires_at=piece.expires_at,
    )


def _purchased(entry: EntryFacts) -> Grant:
    return Grant(
        grant_id=entry.reference_id,
        source="purchase",
        remaining=0,
        priority=PURCHASE_PRIORITY,
        created_at=entry.created_at,
        merged={},
    )


def _unknown(grant_id: str) -> Grant:
    return Grant(
        grant_id=grant_id, source="", remaining=0, priority=0, created_at=None,
        is_expiry_known=False,
    )  # fmt: skip
