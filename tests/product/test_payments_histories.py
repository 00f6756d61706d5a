"""Any order and any number of events lead to the same wallet: searched for a counterexample.

First the arithmetic alone, in thousands of histories; then the whole product with its webhooks,
inbox and sweeper against the stand-in. One account receives every event at once and in order; its
twin receives the same events late, twice, out of order, or only through the sweeper.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from darkroom.credits import model
from darkroom.credits.audit import audit
from darkroom.credits.audit.facts import Books, PurchaseFacts
from darkroom.credits.model import Entry, Reason, Wallet
from darkroom.payments.ports import MoneyBack, PaymentState
from darkroom.payments.store import Purchase, PurchaseStatus
from darkroom.usecases.purchases.receive_payment_event import sweep_payment_events
from darkroom.usecases.purchases.reconcile_payment import derive
from tests.support.audited import facts_of_entry, facts_of_wallet
from tests.support.builders import a_user, confirm, finish
from tests.support.stripe_stand_in import Shop, open_shop
from tests.support.world import START

ARITHMETIC, HISTORIES, MANY_HISTORIES = 500, 4, 60

# What a bank or an operator may do to a payment
Step = tuple[str, int]
KINDS = ("refund", "fail", "dispute", "won", "lost", "appeal")
steps = st.lists(
    st.tuples(st.sampled_from(KINDS), st.integers(min_value=1, max_value=1599)), max_size=8
)


# The arithmetic


@dataclass
class Payment:
    """One payment at the gateway."""

    amount: int
    items: dict[str, tuple[int, bool]]
    """Refund or dispute → amount, and whether it stands."""

    def do(self, step: Step) -> None:
        kind, number = step
        name = f"{kind}_{len(self.items)}"
        if kind in ("refund", "dispute"):
            self.items[name] = (min(number, self.amount), True)
            return
        wanted = "refund" if kind == "fail" else "dispute"
        names = [item for item in self.items if item.startswith(wanted)]
        if names:
            chosen = names[number % len(names)]
            self.items[chosen] = (self.items[chosen][0], kind in ("lost", "appeal"))

    def state(self) -> PaymentState:
        standing = [
            MoneyBack(id=name, amount_minor=amount, created_at=START + timedelta(seconds=place))
            for place, (name, (amount, stands)) in enumerate(self.items.items())
            if stands
        ]
        return PaymentState(
            account_id="alice",
            purchase_id="pur_1",
            session_id=None,
            payment_id="pi_1",
            is_paid=True,
            has_failed=False,
            amount_minor=self.amount,
            currency="USD",
            taken_back=tuple(standing),
        )


class Account:
    """A wallet and a purchase that follow the state of the gateway."""

    def __init__(self, credits: int, amount: int, spent: int) -> None:
        self.entries: list[Entry] = []
        opened = model.open_wallet("alice", START)
        self.wallet: Wallet = opened.wallet
        self.entries += opened.entries
        self.purchase = Purchase(
            purchase_id="pur_1",
            account_id="alice",
            gateway="stripe",
            status=PurchaseStatus.PENDING,
            credits=credits,
            pack="Value",
            created_at=START,
            currency="USD",
            amount_minor=amount,
        )
        self.receive(Payment(amount, {}).state())
        if spent:
            reason = Reason("adjust#1", "adjustment", "1", "Spent")
            change = model.adjust(self.wallet, -spent, reason=reason, now=START, expires_at=None)
            self.wallet = change.wallet
            self.entries += change.entries

    def receive(self, state: PaymentState) -> None:
        self.purchase, change = derive(self.purchase, state=state, wallet=self.wallet, now=START)
        self.wallet = change.wallet
        self.entries += change.entries
        assert self.breaches() == []

    def breaches(self) -> list[Any]:
        purchase = PurchaseFacts(
            purchase_id="pur_1",
            status=self.purchase.status.value,
            credits=self.purchase.credits,
            gateway=self.purchase.gateway,
            payment_id=self.purchase.payment_id,
            reversals=self.purchase.reversals,
        )
        books = Books(
            account_id="alice",
            wallet=facts_of_wallet(self.wallet),
            entries=[facts_of_entry(entry) for entry in self.entries],
            jobs={},
            purchases={"pur_1": purchase},
        )
        return audit(books, {}, START)

    def worth(self) -> tuple[int, int, int]:
        bought = sum(g.remaining for g in self.wallet.grants if g.source == "purchase")
        return self.wallet.balance, self.wallet.debt, bought


@settings(max_examples=ARITHMETIC, deadline=None)
@given(
    credits=st.integers(min_value=1, max_value=120),
    amount=st.integers(min_value=1, max_value=1599),
    share=st.integers(min_value=0, max_value=100),
    history=steps,
    receives=st.lists(st.booleans(), min_size=8, max_size=8),
)
@example(50, 1599, 0, [("dispute", 1599), ("refund", 800), ("won", 0), ("fail", 0)], [True] * 8)
@example(50, 1599, 0, [("refund", 533)] * 3 + [("fail", 0)], [True] * 8)
@example(50, 1599, 100, [("dispute", 1599), ("won", 0), ("appeal", 0)], [True] * 8)
def test_missed_events_do_not_change_the_final_state(
    credits: int, amount: int, share: int, history: list[Step], receives: list[bool]
) -> None:
    spent = (credits + 5) * share // 100
    clean, twin = Account(credits, amount, spent), Account(credits, amount, spent)
    payment = Payment(amount, {})

    for step, is_received in zip(history, receives, strict=False):
        payment.do(step)
        clean.receive(payment.state())
        if is_received:
            twin.receive(payment.state())
            twin.receive(payment.state())
    twin.receive(payment.state())

    gone = min(amount, sum(item.amount_minor for item in payment.state().taken_back))
    assert twin.worth() == clean.worth()
    assert twin.purchase.reversed_credits == credits * gone // amount
    assert clean.purchase.reversed_credits == credits * gone // amount
    by_subject = {item.id for item in payment.state().taken_back}
    assert net_of(twin.purchase, by_subject) == net_of(clean.purchase, by_subject)


def net_of(purchase: Purchase, standing: set[str]) -> dict[str, int]:
    """The credits that each refund or dispute has taken; none for one that does not stand."""
    net: dict[str, int] = {}
    for cause, credits in purchase.reversals.items():
        subject = cause.split("#")[1]
        net[subject] = net.get(subject, 0) + credits
    assert all(credits == 0 for subject, credits in net.items() if subject not in standing)
    return {subject: credits for subject, credits in net.items() if credits}


@given(
    credits=st.integers(min_value=1, max_value=10_000),
    amount=st.integers(min_value=1, max_value=10**8),
    parts=st.lists(st.integers(min_value=1, max_value=10**8), max_size=12),
)
def test_a_refund_never_takes_more_than_its_share(
    credits: int, amount: int, parts: list[int]
) -> None:
    account = Account(credits, amount, 0)
    items = {f"refund_{place}": (part, True) for place, part in enumerate(parts)}

    account.receive(Payment(amount, items).state())

    gone = min(amount, sum(parts))
    assert account.purchase.reversed_credits * amount <= credits * gone
    assert account.purchase.reversed_credits <= credits
    assert account.wallet.balance == 5 + credits - credits * gone // amount
    assert all(taken > 0 for taken in account.purchase.reversals.values())


def test_a_second_payment_does_not_change_a_settled_purchase() -> None:
    account = Account(50, 1599, 0)
    account.receive(Payment(1599, {"refund_0": (800, True)}).state())
    before = account.purchase, account.wallet

    account.receive(replace(Payment(1599, {}).state(), payment_id="pi_2"))

    assert (account.purchase, account.wallet) == before


# The whole product


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with open_shop() as shop:
        yield shop


@dataclass(frozen=True)
class History:
    packs: tuple[str, ...]
    used: int
    """Percent of all credits that are spent before the first refund."""
    runs_job: bool
    steps: tuple[tuple[int, Step], ...]
    """Number of the payment, and its step."""
    disorder: int
    """Seed of the order, number and fate of the twin's events."""


histories = st.builds(
    History,
    packs=st.lists(st.sampled_from(["Starter", "Value"]), min_size=1, max_size=2).map(tuple),
    used=st.sampled_from([0, 50, 90]),
    runs_job=st.booleans(),
    steps=st.lists(
        st.tuples(st.integers(0, 1), st.tuples(st.sampled_from(KINDS), st.integers(1, 1600))),
        min_size=1,
        max_size=5,
    ).map(tuple),
    disorder=st.integers(0, 10**6),
)


class Life:
    """One account with a history."""

    def __init__(self, shop: Shop) -> None:
        self.shop, self.user = shop, a_user()
        self.payments: list[str] = []
        self.made: dict[str, list[str]] = {"refund": [], "dispute": []}

    def begin(self, history: History) -> str | None:
        """Buy and spend credits, and perhaps leave a job running; return the job's id."""
        for number, pack in enumerate(history.packs):
            self.payments.append(self.shop.buy(self.user, pack, key=str(number)))
            # Grants of the same time have names as a tie-break, which differ between the twins.
            self.shop.world.clock.move(seconds=1)
        balance = self.shop.wallet(self.user).balance
        if history.used:
            self.use_up((balance - 2) * history.used // 100)
        if not history.runs_job:
            return None
        return confirm(self.shop.world, self.user, key="running").body["jobId"]

    def use_up(self, credits: int) -> None:
        body, path = {"amount": -credits, "reason": "Used"}, f"/api/admin/accounts/{self.user}"
        self.shop.world.call(
            "POST", f"{path}/credits", body, user="root", groups="admin", key=self.user
        )

    def do(self, number: int, step: Step) -> None:
        """Do the step if it is possible; its events wait for delivery."""
        stripe, (kind, amount) = self.shop.stripe, step
        payment_id = self.payments[number % len(self.payments)]
        charge = stripe.charges[stripe.payments[payment_id]["latest_charge"]]
        if kind == "refund":
            left = charge["amount"] - charge["amount_refunded"]
            if left:
                refund = stripe.refund(payment_id, min(amount, left))
                self.made["refund"].append(refund["id"])
        elif kind == "dispute":
            dispute = stripe.dispute(payment_id, min(amount, charge["amount"]))
            self.made["dispute"].append(dispute["id"])
        elif self.made["refund" if kind == "fail" else "dispute"]:
            names = self.made["refund" if kind == "fail" else "dispute"]
            self._change(kind, names[amount % len(names)])

    def _change(self, kind: str, name: str) -> None:
        stripe = self.shop.stripe
        if kind == "fail":
            if stripe.refunds[name]["status"] != "failed":
                stripe.fail_refund(name)
        elif kind == "appeal":
            stripe.escalate(name)
        else:
            stripe.close_dispute(name, kind)


def live_in_order(shop: Shop, history: History) -> Life:
    """Everything is delivered at once and in order."""
    life = Life(shop)
    job_id = life.begin(history)
    for number, step in history.steps:
        life.do(number, step)
        shop.deliver_all()
        assert shop.breaches(life.user) == ()
    if job_id is not None:
        finish(shop.world, job_id, failing=["clip_2"])
    return life


def live_in_disorder(shop: Shop, history: History) -> Life:
    """Events arrive late, twice, in any order, or are left to the sweeper."""
    chance, life = random.Random(history.disorder), Life(shop)
    job_id = life.begin(history)
    waiting: list[Any] = []
    for number, step in history.steps:
        life.do(number, step)
        waiting += shop.stripe.take_events()
        if chance.random() < 0.4:
            deliver_some(shop, waiting, chance, life.user)
    # At least one event of each payment, and most others, arrive after the last step.
    last = [
        shop.stripe.event("charge.dispute.updated", {"payment_intent": payment_id})
        for payment_id in life.payments
    ]
    shop_fails_for(shop, [*waiting, *last], chance)
    shop.world.clock.move(hours=1)
    while any(sweep_payment_events(shop.world.app, lambda item, error: None).values()):
        shop.world.clock.move(hours=1)
        assert shop.breaches(life.user) == ()
    if job_id is not None:
        finish(shop.world, job_id, failing=["clip_2"])
    return life


def deliver_some(shop: Shop, waiting: list[Any], chance: random.Random, user: str) -> None:
    chance.shuffle(waiting)
    for event in waiting[: chance.randint(0, len(waiting))]:
        assert shop.deliver(event).status == 200
        if chance.random() < 0.5:
            waiting.remove(event)
    assert shop.breaches(user) == ()


def shop_fails_for(shop: Shop, events: Sequence[Any], chance: random.Random) -> None:
    """Deliver in any order while Stripe's API fails now and then."""
    for event in chance.sample(list(events), len(events)):
        if chance.random() < 0.5:
            shop.stripe.refuse(429, path="/v1/payment_intents")
        shop.deliver(event)
        shop.stripe.recover()


def assert_twins_are_equal(shop: Shop, history: History) -> None:
    shop.stripe.take_events()
    clean = live_in_order(shop, history)
    twin = live_in_disorder(shop, history)

    assert shop.worth(twin.user) == shop.worth(clean.user)
    for name in (clean.user, twin.user):
        assert shop.breaches(name) == ()
    taken = [
        sorted(purchase.reversed_credits for purchase in shop.purchases(life.user))
        for life in (clean, twin)
    ]
    assert taken[0] == taken[1]


quiet = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@settings(
    max_examples=HISTORIES, deadline=None, suppress_health_check=quiet, derandomize=True,
    database=None,
)  # fmt: skip
@given(history=histories)
def test_twins_with_the_same_history_have_equal_wallets(shop: Shop, history: History) -> None:
    assert_twins_are_equal(shop, history)


@pytest.mark.slow
@settings(max_examples=MANY_HISTORIES, deadline=None, suppress_health_check=quiet)
@given(history=histories)
def test_many_twins_with_the_same_history_have_equal_wallets(shop: Shop, history: History) -> None:
    assert_twins_are_equal(shop, history)
