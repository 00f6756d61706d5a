"""The auditor finds every seeded corruption of real books, and nothing in sound ones."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from darkroom.credits import pricing
from darkroom.credits.audit import audit
from darkroom.credits.audit.facts import Breach
from darkroom.db import commit
from darkroom.db.writes import RawItem
from darkroom.jobs import engine
from darkroom.jobs.model import JobFamily
from darkroom.kernel.clock import to_iso
from darkroom.payments import store as payments_store
from darkroom.payments.ports import MoneyBack, PaymentState
from darkroom.payments.store import Purchase, PurchaseStatus
from darkroom.usecases.credits.audit_accounts import BREACHES_PER_LAW_LIMIT, audit_accounts
from darkroom.usecases.credits.expire_grants import expire_grants
from darkroom.usecases.credits.read_books import RawAccount, read_books
from darkroom.usecases.jobs.advance_job import advance
from darkroom.usecases.jobs.cancel_job import cancel_job
from darkroom.usecases.jobs.mark_running import mark_running
from darkroom.usecases.jobs.plan_job import plan_job
from darkroom.usecases.purchases.reconcile_payment import reconcile_payment
from darkroom.usecases.tasks.claim_task import claim_task
from tests.support.builders import (
    a_balance,
    a_draft,
    a_story,
    an_output,
    buy,
    confirm,
    delete_job,
    finish,
    regenerate,
    running,
)
from tests.support.corruptions import (
    CORRUPTIONS,
    Corruption,
    NothingToCorrupt,
    StoredBooks,
    corrupted_copy,
    raw_account,
    read_stored_books,
    write_difference,
)
from tests.support.corruptions_of_laws import ODD_VALUES
from tests.support.moto_world import moto_world
from tests.support.world import World

ALL_KEYFRAMES = ("kf_1", "kf_2", "kf_3")
REWRITE = {"rawText": "They stay.", "distanceMode": "close", "desiredEnding": "happy"}
WITH_REWRITE: dict[str, Any] = {"rewriteEnabled": True, "rewrite": REWRITE}
KEY_ATTRIBUTES = {"accountId", "cause", "purchaseId", "pk", "sk"}
ODD_IN_EVERY_RUN = ("list", "far grant", "deep json")
NOT_EVEN_TYPED = ("list", "bytes")
"""Values of types that no attribute has."""
PACKS = {pack.name: pack.credits for pack in pricing.packs()}
MULTIPLES, MANY_MULTIPLES = 12, 240
"""Books with several random corruptions at once, in every run and in long runs."""
SEEDS_WHEN_SLOW = 20


# Arrangement: one account whose books hold everything that books can hold


def adjust(world: World, amount: int, key: str, *, hours: int | None = None) -> None:
    body: dict[str, object] = {"amount": amount, "reason": "arranged"}
    if hours is not None:
        body["expiresAt"] = to_iso(world.clock.now() + timedelta(hours=hours))
    path = "/api/admin/accounts/alice/credits"
    response = world.call("POST", path, body, user="operator", key=key, groups="admin")
    assert response.status == 201, response.body


def pay(
    world: World, name: str, credits: int, *back: int, fresh: bool = False, is_paid: bool = True
) -> None:
    """A payment of ten units a credit, in its state at the gateway; ``back`` was refunded."""
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
        commit([payments_store.create_write(purchase, operation="arranged")])
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
        is_paid=is_paid,
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
    mark_running(world.app, running)
    in_debt = confirm(world, key="in debt").body["jobId"]
    pay(world, "lost", 40, fresh=True)
    adjust(world, -a_balance(world)[0] + 8, "taken")
    pay(world, "lost", 40, 400)
    buy(world, 6, key="pays a debt")
    adjust(world, 4, "pays a debt too")
    finish(world, in_debt, failing=ALL_KEYFRAMES)
    clear_debt(world)
    buy(world, 60, key="goes on")
    canceled = confirm(world, key="canceled", **WITH_REWRITE).body["jobId"]
    cancel_midway(world, canceled)
    a_story(world, key="rewritten", failing=["clip_3"], **WITH_REWRITE)
    deleted = a_story(world, key="deleted")
    assert delete_job(world, deleted).status in (200, 204)
    pay(world, "never", 20, fresh=True, is_paid=False)
    adjust(world, 4, "sorry")
    adjust(world, 2, "very sorry", hours=48)
    adjust(world, 3, "very sorry again", hours=48)
    adjust(world, -2, "by mistake")
    pay(world, "kept", 30, fresh=True)
    a_balance(world, "bob")
    buy(world, 7, "bob")


def clear_debt(world: World) -> None:
    """An operator writes off the rest of the debt."""
    path, body = "/api/admin/accounts/alice/debt", {"reason": "arranged"}
    response = world.call("POST", path, body, user="operator", key="clear", groups="admin")
    assert response.status in (200, 201), response.body


def cancel_midway(world: World, job_id: str) -> None:
    """Its user stops a job after the first clip."""
    plan_job(world.app, job_id)
    for key in ("kf_1", "clip_1"):
        advance(world.app, job_id, partial(succeeded, key, world.clock.now()))
    cancel_job(world.app, account_id="alice", job_id=job_id)


def succeeded(key: str, now: datetime, family: JobFamily) -> JobFamily:
    return engine.succeed(running(family, key), key, [an_output(key)], now)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with moto_world() as world:
        write_rich_books(world)
        yield world


@pytest.fixture(scope="module")
def sound(world: World) -> StoredBooks:
    return read_stored_books(world)


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
    """Counts over the whole file, printed at its end."""
    tally = Tally()
    yield tally
    plugins = request.config.pluginmanager
    terminal, capture = plugins.get_plugin("terminalreporter"), plugins.get_plugin("capturemanager")
    if terminal is not None and capture is not None:
        with capture.global_and_fixture_disabled():
            terminal.ensure_newline()
            terminal.write_line(str(tally))


def breaches_of(
    world: World, sound: StoredBooks, seed: object, *corruptions: Corruption
) -> tuple[tuple[Breach, ...], list[str | None]]:
    """The auditor's breaches in a copy with these corruptions, and where they should be."""
    corrupted, entries = corrupted_copy(sound, seed, *corruptions)
    breaches: list[Breach] = []
    for account in ("alice", "bob"):
        breaches += breaches_in(world, corrupted, account)
    return tuple(breaches), entries


def breaches_in(world: World, books: StoredBooks, account: str) -> list[Breach]:
    """The auditor's breaches in the account, without a database."""
    return breaches_of_raw(world, raw_account(books, account))


def breaches_of_raw(world: World, raw: RawAccount) -> list[Breach]:
    facts, unreadable = read_books(raw)
    return [*unreadable, *audit(facts, PACKS, world.clock.now())]


def is_named(breaches: Iterable[Breach], law: str, entry: str | None) -> bool:
    """Whether the law is among the breaches, and the entry, where one is expected."""
    laws = {breach.law for breach in breaches}
    entries = {breach.entry_id for breach in breaches if breach.law == law}
    return law in laws and (entry is None or entry in entries)


# Sound books


def test_books_written_by_the_product_are_sound(world: World, sound: StoredBooks) -> None:
    report = audit_accounts(world.app)

    assert report.breaches == ()
    assert report.accounts_checked == len(sound.tables["wallets"])
    assert report.entries_checked == len(sound.tables["ledger"])


def test_the_rich_books_hold_what_books_can_hold(sound: StoredBooks) -> None:
    types = {entry["type"] for entry in sound.entries()}
    kinds = {entry["cause"].partition("#")[0] for entry in sound.entries()}
    jobs = [item for item in sound.tables["jobs"].values() if item["sk"] == "job"]
    purchases = sound.tables["purchases"].values()

    assert len(types) == 8
    assert {"debt", "reversal"} <= kinds
    assert any("~job_" in entry["cause"] for entry in sound.entries("EXPIRE"))
    assert any(entry.get("merges") for entry in sound.entries())
    assert {-1, 1} <= {(e["amount"] > 0) - (e["amount"] < 0) for e in sound.entries("REVERSAL")}
    assert sound.wallet["balance"] > 0 and sound.wallet["held"] > 0
    assert {"draft", "queued", "running", "succeeded", "partial", "failed", "canceled"} <= {
        job["status"] for job in jobs
    }
    assert any("deletedAt" in job for job in jobs)
    assert {"pending", "settled"} <= {purchase["status"] for purchase in purchases}


# Corruptions


@pytest.mark.parametrize("corruption", CORRUPTIONS, ids=lambda corruption: corruption.name)
def test_a_corruption_is_found_with_its_law_and_its_entry(
    corruption: Corruption, world: World, sound: StoredBooks, tally: Tally
) -> None:
    _check_found(corruption, 0, world, sound, tally)


@pytest.mark.slow
@pytest.mark.parametrize("corruption", CORRUPTIONS, ids=lambda corruption: corruption.name)
def test_a_corruption_is_found_in_every_entry(
    corruption: Corruption, world: World, sound: StoredBooks, tally: Tally
) -> None:
    for seed in range(1, SEEDS_WHEN_SLOW):
        _check_found(corruption, seed, world, sound, tally)


def _check_found(
    corruption: Corruption, seed: int, world: World, sound: StoredBooks, tally: Tally
) -> None:
    found = False
    try:
        breaches, [entry] = breaches_of(world, sound, f"{corruption.name} {seed}", corruption)
        found = is_named(breaches, corruption.law, entry)
    finally:
        tally.add(corruption.name, found=found)

    assert found, (seed, corruption.law, entry, breaches)


def _several(seed: int, sound: StoredBooks) -> list[Corruption]:
    """Two to four random corruptions that can all be done to the same books."""
    rng = random.Random(seed)
    while True:
        chosen = rng.sample(CORRUPTIONS, rng.randint(2, 4))
        try:
            corrupted_copy(sound, seed, *chosen)
        except NothingToCorrupt:
            continue
        return chosen


@pytest.mark.parametrize(
    "seeds",
    [
        pytest.param(range(MULTIPLES), id="a few"),
        pytest.param(range(MULTIPLES, MANY_MULTIPLES), id="many", marks=pytest.mark.slow),
    ],
)
def test_several_corruptions_at_once_do_not_hide_each_other(
    seeds: range, world: World, sound: StoredBooks
) -> None:
    for seed in seeds:
        corruptions = _several(seed, sound)

        breaches, _ = breaches_of(world, sound, seed, *corruptions)

        # One corruption may change which law another one breaks.
        assert breaches, [corruption.name for corruption in corruptions]


# Items that cannot be read


def _one_of_each(raw: RawAccount, *, without: str) -> list[RawItem]:
    """One item of each kind, entries by type; none of the job ``without``."""
    collections = [item for items in raw.collections.values() for item in items]
    kinds: dict[str, RawItem] = {"wallet": raw.wallet or {}}
    for item in (*raw.entries, *raw.purchases, *collections):
        named = item.get("type") or item.get("sk") or {"S": "purchase"}
        if without not in str(item):
            kinds.setdefault(named["S"].partition("#")[0], item)
    return list(kinds.values())


def _with(raw: RawAccount, changes: Sequence[tuple[RawItem, RawItem]]) -> RawAccount:
    """The account with other items in the place of some."""
    instead = {id(old): new for old, new in changes}

    def put(items: Sequence[RawItem]) -> list[RawItem]:
        return [instead.get(id(item), item) for item in items]

    return replace(
        raw,
        wallet=instead.get(id(raw.wallet), raw.wallet),
        entries=put(raw.entries),
        purchases=put(raw.purchases),
        collections={job_id: put(items) for job_id, items in raw.collections.items()},
    )


def _key(item: RawItem) -> str:
    key = item.get("cause") or item.get("purchaseId") or item.get("sk") or {"S": "wallet"}
    return str(item["pk"]["S"] if key["S"] == "job" else key["S"])


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(name, marks=[] if name in ODD_IN_EVERY_RUN else [pytest.mark.slow])
        for name in sorted(ODD_VALUES)
    ],
)
def test_an_invalid_value_of_any_attribute_is_reported_and_hides_nothing(
    value: str, world: World, sound: StoredBooks
) -> None:
    """One attribute after the other, of an item of every kind at once.

    The breach that must not be hidden is of the same account: a receipt that is one credit off.
    """
    [other] = [c for c in CORRUPTIONS if c.name == "a receipt of other credits"]
    corrupted, [entry] = corrupted_copy(sound, 0, other)
    assert entry is not None
    raw = raw_account(corrupted, "alice")
    items = _one_of_each(raw, without=entry.partition("#")[2])
    names = sorted({name for item in items for name in item} - KEY_ATTRIBUTES)
    hidden, silent = [], []

    for name in names:
        odd = [(item, {**item, name: ODD_VALUES[value]}) for item in items if name in item]
        breaches = breaches_of_raw(world, _with(raw, odd))
        named = "\n".join(breach.message for breach in breaches if breach.law == "L8")
        hidden += [] if is_named(breaches, "L5", entry) else [name]
        if value in NOT_EVEN_TYPED:
            silent += [(_key(item), name) for item, _ in odd if _key(item) not in named]

    assert (hidden, silent) == ([], [])


# Through the database


@pytest.mark.parametrize(
    "name",
    [
        "the wallet missing",
        "an unknown type",
        "grants that are no json",
        "a balance that is a text",
        "purchased credits that are a text",
        "an unknown status of a job",
        "a job without an account",
        "outputs that are no json",
    ],
)
def test_the_audit_of_all_accounts_reports_damage_and_still_checks_the_others(
    name: str, world: World, sound: StoredBooks
) -> None:
    [damage] = [corruption for corruption in CORRUPTIONS if corruption.name == name]
    corrupted, _ = corrupted_copy(sound, 0, damage)
    write_difference(world, sound, corrupted)

    report = audit_accounts(world.app)
    write_difference(world, corrupted, sound)

    assert report.accounts_checked == 2
    assert damage.law in {breach.law for breach in report.breaches}
    assert {breach.account_id for breach in report.breaches} <= {"alice", ""}


@pytest.mark.parametrize(
    "name",
    [
        "wallet and ledger gone while purchases remain",
        "wallet and ledger gone while a free job remains",
    ],
)
def test_an_account_is_found_by_any_of_its_items(
    name: str, world: World, sound: StoredBooks
) -> None:
    [damage] = [corruption for corruption in CORRUPTIONS if corruption.name == name]
    corrupted, _ = corrupted_copy(sound, 0, damage)
    write_difference(world, sound, corrupted)

    report = audit_accounts(world.app)
    write_difference(world, corrupted, sound)

    assert ("L1", "alice") in {(breach.law, breach.account_id) for breach in report.breaches}


def test_the_report_of_a_history_with_many_breaches_is_bounded(
    world: World, sound: StoredBooks
) -> None:
    corrupted = corrupted_copy(sound, 0)[0]
    for number in range(BREACHES_PER_LAW_LIMIT + 20):
        corrupted.forge("ADJUST", f"adjust#{number}", 1)["balanceAfter"] = -1
    write_difference(world, sound, corrupted)

    report = audit_accounts(world.app, "alice")
    write_difference(world, corrupted, sound)

    below_zero = [breach for breach in report.breaches if breach.law == "L2"]
    assert len(below_zero) == BREACHES_PER_LAW_LIMIT + 1
    assert below_zero[-1].message == "20 more breaches of this law"


def test_after_all_corruptions_are_undone_the_books_are_sound_again(
    world: World, sound: StoredBooks
) -> None:
    assert read_stored_books(world).tables == sound.tables
    assert audit_accounts(world.app).breaches == ()
