"""Random histories of one account on the money core alone: wallet, entries, jobs and purchases.

There is no store and no moto, so that a hundred thousand histories can run. Each follows from its
seed. Jobs and purchases are facts, made by the rules of the specification.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

from darkroom.credits import model
from darkroom.credits.audit.facts import (
    Books,
    EntryFacts,
    JobFacts,
    PartFacts,
    PurchaseFacts,
    ReceiptFacts,
)
from darkroom.credits.model import PURCHASE_PRIORITY, Change, Grant, Hold, Reason, Wallet
from tests.support.audited import a_queued_job, facts_of_entry, facts_of_wallet
from tests.support.world import START

ACCOUNT = "alice"
PACKS = {"Starter": 10, "Value": 50}
ENDS = ("succeeded", "partial", "failed", "canceled")


@dataclass(frozen=True)
class Open:
    """A job that has not ended, and what it holds."""

    hold: Hold
    parts: tuple[PartFacts, ...]


class AccountHistory:
    """One account's history; every operation leaves sound books."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.now: datetime = START
        self.wallet = Wallet(account_id=ACCOUNT)
        self.entries: list[EntryFacts] = []
        self.expired: set[str] = set()
        self.open: dict[str, Open] = {}
        self.jobs: dict[str, JobFacts] = {}
        self.purchases: dict[str, PurchaseFacts] = {}
        self.serial = 0
        self._apply(model.open_wallet(ACCOUNT, self.now))

    def run(self, steps: int) -> None:
        for operation in self.rng.choices(OPERATIONS, WEIGHTS, k=steps):
            # Clocks of different machines differ by less than a second.
            self.now += timedelta(milliseconds=self.rng.randint(-500, 60_000))
            self._expire()
            operation(self)
        self._expire()

    def books(self) -> Books:
        return Books(
            account_id=ACCOUNT,
            wallet=facts_of_wallet(self.wallet),
            entries=self.entries,
            jobs=self.jobs,
            purchases=self.purchases,
        )

    # Operations

    def buy(self) -> None:
        pack = self.rng.choice([None, *PACKS])
        credits = PACKS[pack] if pack else self.rng.randint(1, 12)
        self._buy(credits, pack)

    def buy_often(self) -> None:
        """Past the limit of live grants, so that some are merged."""
        for _ in range(self.rng.randint(20, 60)):
            self._buy(self.rng.randint(1, 3), None)

    def _buy(self, credits: int, pack: str | None) -> None:
        name = self._name("pur")
        is_real = self.rng.random() < 0.5
        grant = Grant(
            grant_id=name,
            source="purchase",
            remaining=credits,
            priority=PURCHASE_PRIORITY,
            created_at=self.now,
        )
        reason = Reason(f"purchase#{name}", "purchase", name, "Credits purchased")
        self._apply(model.add_purchase(self.wallet, grant, reason=reason, now=self.now))
        self.purchases[name] = PurchaseFacts(
            purchase_id=name,
            status="settled",
            credits=credits,
            gateway="stripe" if is_real else "test",
            pack=pack,
            payment_id=f"pi_{name}" if is_real else None,
        )

    def begin_checkout(self) -> None:
        name = self._name("pur")
        self.purchases[name] = PurchaseFacts(
            purchase_id=name,
            status=self.rng.choice(["pending", "failed", "mismatched"]),
            credits=10,
            gateway="stripe",
            pack="Starter",
        )

    def give(self) -> None:
        self._give(self._expiry())

    def give_often(self) -> None:
        """More gifts than a wallet may have grants, some of one expiry."""
        for _ in range(self.rng.randint(20, 70)):
            self._give(self._expiry())

    def _expiry(self) -> datetime | None:
        """None, or one of a few times that gifts share."""
        hours = self.rng.choice([None, 1, 24, 48, self.rng.randint(1, 500)])
        midnight = self.now.replace(hour=0, minute=0, second=0, microsecond=0)
        return None if hours is None else max(midnight, self.now) + timedelta(hours=hours)

    def _give(self, expires_at: datetime | None) -> None:
        self._adjust(self.rng.randint(1, 12), expires_at)

    def take(self) -> None:
        if self.wallet.balance:
            self._adjust(-self.rng.randint(1, self.wallet.balance), None)

    def _adjust(self, amount: int, expires_at: datetime | None) -> None:
        name = self._name("adj")
        reason = Reason(f"adjust#{name}", "adjustment", name, "By hand")
        self._apply(
            model.adjust(self.wallet, amount, reason=reason, now=self.now, expires_at=expires_at)
        )

    def clear_debt(self) -> None:
        if self.wallet.debt:
            name = self._name("adj")
            reason = Reason(f"adjust#{name}", "adjustment", name, "Forgiven")
            credits = self.rng.randint(1, self.wallet.debt)
            self._apply(model.clear_debt(self.wallet, credits, reason=reason, now=self.now))

    def draft(self) -> None:
        name = self._name("job")
        status = self.rng.choice(["draft", "canceled"])
        receipt = ReceiptFacts(used=0, refunded=0, parts=(), reason="CANCELED")
        self.jobs[name] = JobFacts(
            job_id=name,
            account_id=ACCOUNT,
            status=status,
            recipe="story",
            is_queued=False,
            receipt=receipt if status == "canceled" else None,
        )

    def run_for_free(self) -> None:
        name = self._name("job")
        part = PartFacts(name="base", credits=0, promised=("clip_1",))
        job = replace(a_queued_job(name, Hold(), part), costs={"quick": 0})
        self.jobs[name] = replace(
            job,
            status="succeeded",
            made={"clip_1": 1},
            receipt=ReceiptFacts(used=0, refunded=0, parts=(0,)),
        )

    def reserve(self) -> None:
        if self.wallet.debt or not self.wallet.balance:
            return
        name = self._name("job")
        credits = self.rng.randint(1, min(self.wallet.balance, self.rng.choice([3, 12, 200])))
        change, hold = model.reserve(self.wallet, credits, job_id=name, now=self.now)
        self._apply(change)
        parts = self._parts(credits)
        self.open[name] = Open(hold, parts)
        self.jobs[name] = replace(a_queued_job(name, hold, *parts), costs={"story": 2})

    def _parts(self, credits: int) -> tuple[PartFacts, ...]:
        """A price of one to three parts, some of which may cost nothing."""
        cuts = sorted(self.rng.randint(0, credits) for _ in range(self.rng.randint(0, 2)))
        edges = [0, *cuts, credits]
        return tuple(
            PartFacts(
                name=f"part_{number}",
                credits=high - low,
                promised=tuple(f"key_{number}_{place}" for place in range(self.rng.randint(1, 4))),
            )
            for number, (low, high) in enumerate(pairwise(edges))
        )

    def end(self) -> None:
        if not self.open:
            return
        name = self.rng.choice(sorted(self.open))
        job, status = self.open.pop(name), self.rng.choice(ENDS)
        promised = [key for part in job.parts for key in part.promised]
        made = set(self.rng.sample(promised, _count(self.rng, status, len(promised))))
        used = tuple(_used(part, made, status) for part in job.parts)
        total = sum(used)
        self._apply(self._settled(job.hold, total, name))
        reason = {"succeeded": None, "canceled": "CANCELED"}.get(status, "BROKEN")
        self.jobs[name] = replace(
            self.jobs[name],
            status=status,
            made=dict.fromkeys(made, 1),
            receipt=ReceiptFacts(
                used=total, refunded=job.hold.credits - total, parts=used, reason=reason
            ),
        )

    def _settled(self, hold: Hold, used: int, job_id: str) -> Change:
        live = {grant.grant_id for grant in self.wallet.grants}
        expired = self.expired - live
        return model.settle(
            self.wallet, hold, used=used, job_id=job_id, now=self.now, expired=expired
        )

    def reverse(self) -> None:
        """A refund or a dispute, of a part or of the whole."""
        self._reverse(lambda left, credits: self.rng.choice([left, self.rng.randint(0, left)]))

    def restore(self) -> None:
        """A dispute is won."""
        self._reverse(lambda left, credits: -self.rng.randint(0, credits - left))

    def _reverse(self, choose: Callable[[int, int], int]) -> None:
        settled = [name for name, p in self.purchases.items() if p.status == "settled"]
        if not settled:
            return
        name = self.rng.choice(settled)
        purchase = self.purchases[name]
        reversals = purchase.reversals or {}
        credits = choose(purchase.credits - sum(reversals.values()), purchase.credits)
        if not credits:
            return
        cause = f"reversal#{self._name('re')}"
        reason = Reason(cause, "purchase", name, "Payment refunded or disputed")
        act = model.reverse if credits > 0 else model.restore
        self._apply(
            act(
                self.wallet,
                purchase_id=name,
                credits=abs(credits),
                reason=reason,
                now=self.now,
            )
        )
        self.purchases[name] = replace(purchase, reversals={**reversals, cause: credits})

    def let_time_pass(self) -> None:
        """Move by some hours, or to just before, to, or just after the next expiry."""
        moments = [grant.expires_at for grant in self.wallet.grants if grant.expires_at]
        if moments and self.rng.random() < 0.4:
            near = min(moments) + timedelta(milliseconds=self.rng.choice([-1, 0, 1]))
            self.now = max(self.now, near)
        else:
            self.now += timedelta(hours=self.rng.randint(1, 30))

    # Steps

    def _expire(self) -> None:
        """Like every use case before it changes a wallet: a bounded number at a time."""
        while model.due_grants(self.wallet, self.now):
            causes = {entry.cause for entry in self.entries if entry.type == "EXPIRE"}
            self._apply(model.expire_due(self.wallet, self.now, happened=causes))

    def _apply(self, change: Change) -> None:
        self.wallet = change.wallet
        for entry in change.entries:
            self.entries.append(facts_of_entry(entry))
            if entry.type is model.EntryType.EXPIRE:
                self.expired.add(entry.reference_id)

    def _name(self, prefix: str) -> str:
        self.serial += 1
        return f"{prefix}_{self.serial:05}"


def _count(rng: random.Random, status: str, promised: int) -> int:
    """How many outputs a job with this end may have made."""
    few = rng.randint(1, promised)
    return {"succeeded": promised, "partial": few, "failed": 0}.get(status, rng.randint(0, few))


def _used(part: PartFacts, made: set[str], status: str) -> int:
    count = sum(1 for key in part.promised if key in made)
    used = part.credits * count // len(part.promised)
    return max(used, min(1, part.credits)) if status == "canceled" and count else used


_WEIGHED: dict[Callable[[AccountHistory], None], float] = {
    AccountHistory.buy: 4,
    AccountHistory.buy_often: 0.06,
    AccountHistory.begin_checkout: 0.5,
    AccountHistory.give: 4,
    AccountHistory.give_often: 0.06,
    AccountHistory.take: 1,
    AccountHistory.clear_debt: 0.5,
    AccountHistory.draft: 0.5,
    AccountHistory.run_for_free: 0.5,
    AccountHistory.reserve: 7,
    AccountHistory.end: 6,
    AccountHistory.reverse: 2,
    AccountHistory.restore: 1,
    AccountHistory.let_time_pass: 3,
}
OPERATIONS, WEIGHTS = list(_WEIGHED), list(_WEIGHED.values())


def a_history(seed: int, steps: int) -> AccountHistory:
    history = AccountHistory(seed)
    history.run(steps)
    return history
