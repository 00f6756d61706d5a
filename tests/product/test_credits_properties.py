"""The laws of wallets, searched for a counterexample: random histories against a plain model.

The model below is arithmetic of its own. It knows what came in, what is held by whom and what
was spent, and nothing of grants, so that a mistake in their bookkeeping cannot hide in both.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
)

from darkroom.credits import model
from darkroom.credits.model import Change, Entry, EntryType, Hold, Wallet
from darkroom.kernel.errors import PaymentRequired
from darkroom.kernel.limits import EXPIRIES_PER_TRANSACTION_LIMIT, LIVE_GRANTS_LIMIT
from tests.support.builders import a_grant, credited
from tests.support.world import START

HISTORIES, STEPS = 100, 50
"""With the rows of purchases well over ten thousand operations."""

amounts = st.integers(min_value=1, max_value=12)
priorities = st.sampled_from([10, 50])
lifetimes = st.none() | st.integers(min_value=1, max_value=72)


class Ledger(RuleBasedStateMachine):
    """One account's life: buying, reserving, settling, and time going by."""

    holds = Bundle("holds")

    def __init__(self) -> None:
        super().__init__()
        self.now: datetime = START
        self.wallet = Wallet(account_id="alice")
        self.entries: dict[str, Entry] = {}
        self.balance = self.held = self.serial = 0
        self.came_in = self.spent = self.expired = 0
        self.open: dict[str, int] = {}
        self.settled: dict[str, tuple[int, int]] = {}

    def apply(self, change: Change) -> None:
        """Take the change over; each entry must follow from the one before it (L1, L4)."""
        for entry in change.entries:
            assert entry.cause not in self.entries
            self.entries[entry.cause] = entry
            self.balance += entry.amount
            self.held += entry.held_change
            assert entry.version == len(self.entries)
            assert (entry.balance_after, entry.held_after) == (self.balance, self.held)
            if entry.type is EntryType.EXPIRE:
                self.expired -= entry.amount
        self.wallet = change.wallet

    def name(self) -> str:
        self.serial += 1
        return f"n{self.serial:04}"

    @initialize()
    def open_the_wallet(self) -> None:
        self.apply(model.open_wallet("alice", self.now))
        self.came_in += 5

    @rule(amount=amounts, priority=priorities, hours=lifetimes)
    def buy(self, amount: int, priority: int, hours: int | None) -> None:
        left = None if hours is None else self.now + timedelta(hours=hours) - START
        grant = a_grant(
            self.name(), amount, priority=priority, created_at=self.now, expires_in=left
        )

        self.apply(credited(self.current(), grant, self.now))

        self.came_in += amount

    @rule(count=st.integers(min_value=10, max_value=40))
    def buy_often(self, count: int) -> None:
        for _ in range(count):
            grant = a_grant(self.name(), 1, created_at=self.now)
            self.apply(credited(self.current(), grant, self.now))
            self.came_in += 1

    @rule(target=holds, share=st.integers(min_value=1, max_value=100))
    def reserve_what_is_there(self, share: int) -> tuple[str, Hold]:
        spendable = self.spendable()
        if spendable == 0:
            return "", Hold()
        job, amount = self.name(), max(1, spendable * share // 100)

        change, hold = model.reserve(self.current(), amount, job_id=job, now=self.now)
        self.apply(change)

        assert hold.credits == amount
        self.open[job] = amount
        return job, hold

    @rule(more=amounts)
    def reserve_too_much(self, more: int) -> None:
        before, spendable = self.current(), self.spendable()

        with pytest.raises(PaymentRequired) as refusal:
            model.reserve(self.wallet, spendable + more, job_id=self.name(), now=self.now)

        assert refusal.value.facts["shortfall"] == more
        assert self.wallet == before

    @rule(held=consumes(holds), share=st.integers(min_value=0, max_value=100))
    def settle(self, held: tuple[str, Hold], share: int) -> None:
        job, hold = held
        if not job:
            return
        used = hold.credits * share // 100

        self.apply(model.settle(self.current(), hold, used=used, job_id=job, now=self.now))

        self.spent += used
        self.settled[job] = (self.open.pop(job), used)

    @rule(hours=st.integers(min_value=1, max_value=40))
    def time_goes_by(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @rule()
    def expire(self) -> None:
        assert not model.due_grants(self.current(), self.now)

    def current(self) -> Wallet:
        """The wallet, after what is due has expired: a bounded number in each change."""
        while model.due_grants(self.wallet, self.now):
            change = model.expire_due(self.wallet, self.now)
            assert len(change.entries) <= EXPIRIES_PER_TRANSACTION_LIMIT
            self.apply(change)
        return self.wallet

    def spendable(self) -> int:
        return sum(g.remaining for g in self.wallet.grants if not g.is_due(self.now))

    @invariant()
    def l1_the_wallet_follows_from_its_entries(self) -> None:
        wallet = self.wallet
        assert (wallet.balance, wallet.held) == (self.balance, self.held)
        assert wallet.version == len(self.entries)

    @invariant()
    def l2_nothing_is_ever_negative(self) -> None:
        assert self.wallet.balance >= 0
        assert self.wallet.held >= 0

    @invariant()
    def l3_the_grants_are_the_balance(self) -> None:
        left = [grant.remaining for grant in self.wallet.grants]
        assert sum(left) == self.wallet.balance
        assert all(credits > 0 for credits in left)

    @invariant()
    def l3_a_grant_has_one_name(self) -> None:
        names = [grant.grant_id for grant in self.wallet.grants]
        assert len(set(names)) == len(names)

    @invariant()
    def l5_the_hold_is_what_open_jobs_reserved(self) -> None:
        assert self.wallet.held == sum(self.open.values())

    @invariant()
    def l7_no_credit_appears_or_disappears(self) -> None:
        here = self.wallet.balance + self.wallet.held
        assert self.came_in == here + self.spent + self.expired

    @invariant()
    def grants_stay_within_the_limit(self) -> None:
        assert len(self.wallet.grants) <= LIVE_GRANTS_LIMIT

    def teardown(self) -> None:
        """L5 once more, from the side of the history: used + returned = reserved."""
        for job, (reserved, used) in self.settled.items():
            assert self.released(f"settle#{job}") == used
            assert self.released(f"refund#{job}") == reserved - used

    def released(self, cause: str) -> int:
        return -self.entries[cause].held_change if cause in self.entries else 0


Ledger.TestCase.settings = settings(
    max_examples=HISTORIES,
    stateful_step_count=STEPS,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
TestLaws = Ledger.TestCase
