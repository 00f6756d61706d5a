"""The auditor finds every seeded corruption of real books, and nothing in sound ones."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from darkroom.credits.audit import Breach
from darkroom.db import commit
from darkroom.kernel.clock import to_iso
from darkroom.payments import store as payments_store
from darkroom.payments.ports import MoneyBack, PaymentState
from darkroom.payments.store import Purchase, PurchaseStatus
from darkroom.usecases.audit_accounts import audit_accounts
from darkroom.usecases.begin_job import begin_job
from darkroom.usecases.claim_task import claim_task
from darkroom.usecases.expire_grants import expire_grants
from darkroom.usecases.plan_job import plan_job
from darkroom.usecases.reconcile_payment import reconcile_payment
from tests.support.builders import a_balance, a_draft, a_story, buy, confirm, finish, regenerate
from tests.support.corruptions import (
    CORRUPTIONS,
    Corruption,
    NothingToSpoil,
    Shelves,
    read_shelves,
    spoiled_copy,
    write_difference,
)
from tests.support.moto_world import moto_world
from tests.support.world import World

ALL_KEYFRAMES = ("kf_1", "kf_2", "kf_3")
MULTIPLES = 12
"""Books with several random corruptions at once, in every run."""
SEEDS_WHEN_SLOW = 20


# Arrangement: one account whose books hold everything that books can hold


def adjust(world: World, amount: int, key: str, *, hours: int | None = None) -> None:
    body: dict[str, object] = {"amount": amount, "reason": "arranged"}
    if hours is not None:
        body["expiresAt"] = to_iso(world.clock.now() + timedelta(hours=hours))
    path = "/api/admin/accounts/alice/credits"
    answer = world.call("POST", path, body, user="operator", key=key, groups="admin")
    assert answer.status == 201, answer.body


def pay(world: World, name: str, credits: int, *back: int, fresh: bool = False) -> None:
    """A payment of ten units a credit as its gateway now tells it; ``back`` is what went back."""
    purchase = Purchase(
        purchase_id=f"pur_{name}",
        account_id="alice",
        gateway="stripe",
        status=PurchaseStatus.PENDING,
        credits=credits,
        pack=None,
        created_at=world.clock.now(),
        currency="USD",
        amount_minor=credits * 10,
    )
    if fresh:
        commit([payments_store.create_write(purchase, "arranged")])
    taken = [
        MoneyBack(id=f"{name}_{place}", amount_minor=amount, created_at=world.clock.now())
        for place, amount in enumerate(back)
        if amount
    ]
    state = PaymentState(
        account_id="alice",
        purchase_id=purchase.purchase_id,
        session_id=f"session_{name}",
        payment_id=f"payment_{name}",
        is_paid=True,
        has_failed=False,
        amount_minor=credits * 10,
        currency="USD",
        taken_back=tuple(taken),
    )
    reconcile_payment(world.app, lambda: state)


def write_rich_books(world: World) -> None:
    """Every type of entry, jobs in every state, a grace, a dispute won, and an open debt."""
    a_balance(world)
    buy(world, 9)
    world.call("POST", "/api/credits/purchase", {"pack": "Value"}, key="pack")
    adjust(world, 3, "promotion", hours=2)
    held_over = confirm(world, key="held over").body["jobId"]
    world.clock.move(hours=3)
    finish(world, held_over, failing=ALL_KEYFRAMES)
    world.clock.move(hours=25)
    expire_grants(world.app, "alice")
    parent = a_story(world, key="succeeds")
    a_story(world, key="half", failing=["clip_2"])
    finish(world, regenerate(world, parent).body["retryJobId"])
    confirm(world, key="free", mode="quick")
    a_draft(world, key="draft")
    pay(world, "won", 50, fresh=True)
    pay(world, "won", 50, 100, 400)
    pay(world, "won", 50, 100, 0)
    running = confirm(world, key="runs").body["jobId"]
    plan_job(world.app, running)
    claim_task(world.app, job_id=running, key="kf_1", attempt=1)
    begin_job(world.app, running)
    pay(world, "lost", 40, fresh=True)
    adjust(world, -a_balance(world)[0] + 8, "taken")
    adjust(world, 4, "sorry")
    adjust(world, 2, "very sorry", hours=48)
    pay(world, "lost", 40, 400)
    buy(world, 6, key="pays a debt")
    a_balance(world, "bob")
    buy(world, 7, "bob")


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with moto_world() as world:
        write_rich_books(world)
        yield world


@pytest.fixture(scope="module")
def sound(world: World) -> Shelves:
    return read_shelves(world)


@dataclass
class Tally:
    seeded: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)

    def add(self, kind: str, *, found: bool) -> None:
        self.seeded[kind] += 1
        self.found[kind] += found

    def __str__(self) -> str:
        missed = sorted(self.seeded - self.found)
        text = f"corruptions: {self.found.total()} found of {self.seeded.total()} seeded"
        return text + (f", missed: {', '.join(missed)}" if missed else "")


@pytest.fixture(scope="module")
def tally(request: pytest.FixtureRequest) -> Iterator[Tally]:
    """Counts over the whole file, said at its end."""
    tally = Tally()
    yield tally
    plugins = request.config.pluginmanager
    terminal, capture = plugins.get_plugin("terminalreporter"), plugins.get_plugin("capturemanager")
    if terminal is not None and capture is not None:
        with capture.global_and_fixture_disabled():
            terminal.ensure_newline()
            terminal.write_line(str(tally))


def breaches_of(
    world: World, sound: Shelves, seed: object, *corruptions: Corruption
) -> tuple[tuple[Breach, ...], list[str | None]]:
    """What the auditor says of a copy with these corruptions, and where it should say it."""
    spoiled, entries = spoiled_copy(sound, seed, *corruptions)
    write_difference(world, sound, spoiled)
    try:
        reports = [audit_accounts(world.app, account) for account in _touched(sound, spoiled)]
        return tuple(breach for report in reports for breach in report.breaches), entries
    finally:
        write_difference(world, spoiled, sound)


def _touched(sound: Shelves, spoiled: Shelves) -> list[str]:
    accounts = ["alice"]
    if spoiled.entries(account="bob") != sound.entries(account="bob"):
        accounts.append("bob")
    return accounts


def is_named(breaches: tuple[Breach, ...], law: str, entry: str | None) -> bool:
    """Whether the law is among the breaches, and the entry, where one is expected."""
    laws = {breach.law for breach in breaches}
    entries = {breach.entry_id for breach in breaches if breach.law == law}
    return law in laws and (entry is None or entry in entries)


# The tests


def test_books_written_by_the_product_are_sound(world: World, sound: Shelves) -> None:
    report = audit_accounts(world.app)

    assert report.breaches == ()
    assert report.accounts_checked == len(sound.tables["wallets"])
    assert report.entries_checked == len(sound.tables["ledger"])


def test_the_rich_books_hold_what_books_can_hold(sound: Shelves) -> None:
    types = {entry["type"] for entry in sound.entries()}
    kinds = {entry["cause"].partition("#")[0] for entry in sound.entries()}
    jobs = sound.tables["jobs"].values()

    assert len(types) == 8
    assert {"debt", "reversal"} <= kinds
    assert any("~job_" in entry["cause"] for entry in sound.entries("EXPIRE"))
    assert {-1, 1} <= {(e["amount"] > 0) - (e["amount"] < 0) for e in sound.entries("REVERSAL")}
    assert sound.wallet["debt"] > 0 and sound.wallet["balance"] > 0 and sound.wallet["held"] > 0
    assert {"draft", "running", "succeeded", "partial", "failed"} <= {
        job["status"] for job in jobs if job["sk"] == "job"
    }


def _by_seeds(corruption: Corruption) -> Iterator[object]:
    yield pytest.param(corruption, 0, id=corruption.name)
    for seed in range(1, SEEDS_WHEN_SLOW):
        name = f"{corruption.name} {seed}"
        yield pytest.param(corruption, seed, id=name, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    ("corruption", "seed"),
    [case for corruption in CORRUPTIONS for case in _by_seeds(corruption)],
)
def test_a_corruption_is_found_with_its_law_and_its_entry(
    corruption: Corruption, seed: int, world: World, sound: Shelves, tally: Tally
) -> None:
    found = False
    try:
        breaches, [entry] = breaches_of(world, sound, f"{corruption.name} {seed}", corruption)
        found = is_named(breaches, corruption.law, entry)
    finally:
        tally.add(corruption.name, found=found)

    assert found, (corruption.law, entry, breaches)


def _several(seed: int, sound: Shelves) -> list[Corruption]:
    """Two to four random corruptions that can all be done to the same books."""
    rng = random.Random(seed)
    while True:
        chosen = rng.sample(CORRUPTIONS, rng.randint(2, 4))
        try:
            spoiled_copy(sound, seed, *chosen)
        except NothingToSpoil:
            continue
        return chosen


@pytest.mark.parametrize(
    "seed",
    [
        pytest.param(seed, marks=[pytest.mark.slow] if seed >= MULTIPLES else [])
        for seed in range(MULTIPLES * SEEDS_WHEN_SLOW)
    ],
)
def test_several_corruptions_at_once_do_not_hide_each_other(
    seed: int, world: World, sound: Shelves, tally: Tally
) -> None:
    corruptions = _several(seed, sound)
    found = False
    try:
        breaches, _ = breaches_of(world, sound, seed, *corruptions)
        # One that covers its tracks may turn another's breach into that of another law.
        found = bool(breaches)
    finally:
        tally.add(" and ".join(c.name for c in corruptions), found=found)

    assert found, [c.name for c in corruptions]


@pytest.mark.parametrize(
    "name", ["the wallet missing", "a type nobody knows", "grants that are no json"]
)
def test_the_audit_of_all_accounts_reports_damage_and_still_checks_the_others(
    name: str, world: World, sound: Shelves
) -> None:
    [damage] = [corruption for corruption in CORRUPTIONS if corruption.name == name]
    spoiled, _ = spoiled_copy(sound, 0, damage)
    write_difference(world, sound, spoiled)

    report = audit_accounts(world.app)
    write_difference(world, spoiled, sound)

    assert report.accounts_checked == 2
    assert {breach.account_id for breach in report.breaches} == {"alice"}


def test_after_all_corruptions_are_undone_the_books_are_sound_again(
    world: World, sound: Shelves
) -> None:
    assert read_shelves(world).tables == sound.tables
    assert audit_accounts(world.app).breaches == ()
