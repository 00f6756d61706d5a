"""Wallets: the arithmetic of grants, holds and entries, operation by operation."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from darkroom.credits.model import (
    BONUS_PRIORITY,
    Change,
    EntryType,
    Grant,
    Hold,
    Merge,
    Reason,
    Wallet,
    adjust,
    clear_debt,
    expire_due,
    open_wallet,
    reserve,
    restore,
    reverse,
    settle,
    spendable,
)
from darkroom.credits.store import grant_to_dict, hold_to_json
from darkroom.kernel.errors import ConcurrentUpdate, InvalidInput, PaymentRequired
from darkroom.kernel.limits import (
    EXPIRIES_PER_TRANSACTION_LIMIT,
    LIVE_GRANTS_LIMIT,
    MERGED_ORIGINS_LIMIT,
)
from tests.support.builders import a_grant, a_wallet, credited
from tests.support.world import START

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
MOMENT = timedelta(milliseconds=1)


def remaining(wallet: Wallet) -> dict[str, int]:
    return {grant.grant_id: grant.remaining for grant in wallet.grants}


def taken(hold: Hold) -> list[tuple[str, int]]:
    return [(piece.grant_id, piece.remaining) for piece in hold.slices]


def summary_of(change: Change) -> list[tuple[str, int, int, int, int, int]]:
    return [
        (e.cause, e.amount, e.held_change, e.balance_after, e.held_after, e.version)
        for e in change.entries
    ]


# Receiving credits


def test_a_new_wallet_has_the_bonus_and_one_entry() -> None:
    change = open_wallet("alice", START)

    assert change.wallet == Wallet(
        account_id="alice", balance=5, version=1, grants=change.wallet.grants
    )
    [grant] = change.wallet.grants
    assert (grant.source, grant.remaining, grant.expires_at) == ("bonus", 5, None)
    assert summary_of(change) == [("bonus#signup", 5, 0, 5, 0, 1)]
    assert change.entries[0].type is EntryType.BONUS


def test_a_purchase_adds_its_grant_and_an_entry_with_the_balance_after() -> None:
    before = open_wallet("alice", START).wallet

    change = credited(before, a_grant("pur_1", 50))

    assert remaining(change.wallet) == {"bonus#signup": 5, "pur_1": 50}
    assert summary_of(change) == [("purchase#pur_1", 50, 0, 55, 0, 2)]


@pytest.mark.parametrize("amount", [0, -1, True, 1.5, "1", None])
def test_only_positive_whole_numbers_are_amounts_of_credits(amount: Any) -> None:
    wallet = a_wallet(a_grant(credits=10))

    with pytest.raises(InvalidInput):
        credited(wallet, a_grant("other", amount))
    with pytest.raises(InvalidInput):
        reserve(wallet, amount, job_id="job", now=START)


# Reserving


def test_reserving_moves_exactly_the_amount_from_balance_to_hold() -> None:
    wallet = a_wallet(a_grant(credits=5))

    change, hold = reserve(wallet, 2, job_id="job_1", now=START)

    assert (change.wallet.balance, change.wallet.held) == (3, 2)
    assert summary_of(change) == [("deduct#job_1", -2, 2, 3, 2, 2)]
    assert hold.credits == 2


def test_the_last_credit_can_be_reserved() -> None:
    change, hold = reserve(a_wallet(a_grant(credits=5)), 5, job_id="job", now=START)

    assert (change.wallet.balance, change.wallet.held, change.wallet.grants) == (0, 5, ())
    assert taken(hold) == [("g", 5)]


def test_one_credit_short_is_refused_with_what_is_missing() -> None:
    with pytest.raises(PaymentRequired) as refusal:
        reserve(a_wallet(a_grant(credits=4)), 5, job_id="job", now=START)

    assert refusal.value.facts == {"needed": 5, "balance": 4, "shortfall": 1}


def test_credits_are_spent_by_priority_then_expiry_then_age() -> None:
    wallet = a_wallet(
        a_grant("old", 1, created_at=START),
        a_grant("older", 1, created_at=START - DAY),
        a_grant("soon", 1, expires_in=HOUR),
        a_grant("later", 1, expires_in=DAY),
        a_grant("bonus", 1, priority=BONUS_PRIORITY),
    )

    _, hold = reserve(wallet, 5, job_id="job", now=START)

    assert taken(hold) == [("bonus", 1), ("soon", 1), ("later", 1), ("older", 1), ("old", 1)]


def test_a_hold_cuts_the_last_grant_it_needs_and_leaves_the_rest() -> None:
    wallet = a_wallet(a_grant("first", 3, priority=1), a_grant("second", 4, priority=2))

    change, hold = reserve(wallet, 5, job_id="job", now=START)

    assert taken(hold) == [("first", 3), ("second", 2)]
    assert remaining(change.wallet) == {"second": 2}


# Settling


@pytest.mark.parametrize(
    ("used", "balance", "entries"),
    [
        (4, 6, [("settle#job", 0, -4, 6, 0, 3)]),
        (0, 10, [("refund#job", 4, -4, 10, 0, 3)]),
        (1, 9, [("settle#job", 0, -1, 6, 3, 3), ("refund#job", 3, -3, 9, 0, 4)]),
    ],
    ids=["all used", "none used", "some used"],
)
def test_settling_spends_what_was_used_and_returns_the_rest(
    used: int, balance: int, entries: list[tuple[str, int, int, int, int, int]]
) -> None:
    reserved, hold = reserve(a_wallet(a_grant(credits=10)), 4, job_id="job", now=START)

    change = settle(reserved.wallet, hold, used=used, job_id="job", now=START)

    assert (change.wallet.balance, change.wallet.held) == (balance, 0)
    assert summary_of(change) == entries


def test_unused_credits_return_to_their_grants_last_taken_first() -> None:
    wallet = a_wallet(a_grant("first", 3, priority=1), a_grant("second", 4, priority=2))
    reserved, hold = reserve(wallet, 5, job_id="job", now=START)

    change = settle(reserved.wallet, hold, used=2, job_id="job", now=START)

    assert remaining(change.wallet) == {"first": 1, "second": 4}


def test_a_grant_that_was_taken_whole_returns_unchanged() -> None:
    wallet = a_wallet(a_grant("first", 3, expires_in=DAY, priority=7))
    reserved, hold = reserve(wallet, 3, job_id="job", now=START)

    change = settle(reserved.wallet, hold, used=0, job_id="job", now=START)

    assert change.wallet.grants == wallet.grants


@pytest.mark.parametrize("used", [-1, 3])
def test_settling_more_than_the_hold_is_a_bug(used: int) -> None:
    reserved, hold = reserve(a_wallet(a_grant(credits=5)), 2, job_id="job", now=START)

    with pytest.raises(ValueError, match="cannot settle"):
        settle(reserved.wallet, hold, used=used, job_id="job", now=START)


def test_a_hold_cannot_be_settled_from_a_wallet_that_does_not_hold_it() -> None:
    wallet = a_wallet(a_grant(credits=5))
    _, hold = reserve(wallet, 2, job_id="job", now=START)

    with pytest.raises(ValueError, match="cannot settle"):
        settle(wallet, hold, used=2, job_id="job", now=START)


# Expiry and grace


def test_a_grant_expires_at_its_time_and_not_before() -> None:
    wallet = a_wallet(a_grant("g", 5, expires_in=HOUR))
    moment = START + HOUR

    early = expire_due(wallet, moment - timedelta(milliseconds=1))
    due = expire_due(wallet, moment)

    assert early.entries == ()
    assert summary_of(due) == [("expire#g", -5, 0, 0, 0, 2)]
    assert due.wallet.grants == ()


def test_every_operation_is_refused_while_grants_are_due() -> None:
    wallet = a_wallet(a_grant("gone", 5, expires_in=HOUR), a_grant("there", 9))
    reserved, hold = reserve(wallet, 1, job_id="first", now=START)
    now = START + HOUR
    reason = Reason("x", "job", "x", "x")

    for operation in (
        lambda: credited(wallet, a_grant("new", 1), now),
        lambda: reserve(wallet, 2, job_id="job", now=now),
        lambda: settle(reserved.wallet, hold, used=1, job_id="first", now=now),
        lambda: reverse(wallet, purchase_id="there", credits=1, reason=reason, now=now),
        lambda: restore(wallet, purchase_id="there", credits=1, reason=reason, now=now),
        lambda: adjust(wallet, -1, reason=reason, now=now, expires_at=None),
        lambda: adjust(wallet, 1, reason=reason, now=now, expires_at=None),
    ):
        with pytest.raises(ConcurrentUpdate):
            operation()


def test_expired_credits_cannot_be_reserved() -> None:
    wallet = a_wallet(a_grant("gone", 5, expires_in=HOUR), a_grant("there", 1))
    current = expire_due(wallet, START + HOUR).wallet

    with pytest.raises(PaymentRequired) as refusal:
        reserve(current, 2, job_id="job", now=START + HOUR)

    assert refusal.value.facts["balance"] == 1


def test_spendable_credits_leave_out_due_grants() -> None:
    wallet = a_wallet(a_grant("gone", 5, expires_in=HOUR), a_grant("there", 1))

    seen = spendable(wallet, START + HOUR)

    assert (seen.balance, remaining(seen)) == (1, {"there": 1})


def test_the_number_of_grants_that_expire_in_one_change_is_limited() -> None:
    gifts = [a_grant(f"g{n:02}", 1, expires_in=HOUR + n * MOMENT) for n in range(40)]
    wallet = a_wallet(*gifts)

    first = expire_due(wallet, START + DAY)
    second = expire_due(first.wallet, START + DAY)

    assert len(first.entries) == EXPIRIES_PER_TRANSACTION_LIMIT
    assert len(second.entries) == 40 - EXPIRIES_PER_TRANSACTION_LIMIT
    assert second.wallet.grants == ()


def test_an_expiry_whose_cause_is_taken_gets_the_next_number() -> None:
    wallet = a_wallet(a_grant("g", 5, expires_in=HOUR))

    change = expire_due(wallet, START + HOUR, happened={"expire#g", "expire#g#2"})

    assert summary_of(change) == [("expire#g#3", -5, 0, 0, 0, 2)]


def test_credits_whose_grant_expired_while_held_return_with_a_day_of_grace() -> None:
    wallet = a_wallet(a_grant("g", 5, expires_in=HOUR))
    reserved, hold = reserve(wallet, 3, job_id="job", now=START)
    now = START + 2 * HOUR
    current = expire_due(reserved.wallet, now).wallet

    change = settle(current, hold, used=1, job_id="job", now=now)

    [grant] = change.wallet.grants
    assert (grant.remaining, grant.source, grant.expires_at) == (2, "refund", now + DAY)
    assert [entry.cause for entry in change.entries] == ["settle#job", "refund#job"]
    assert change.wallet.balance == 2


def test_credits_expired_in_the_ledger_return_with_grace_though_a_clock_is_behind() -> None:
    wallet = a_wallet(a_grant("g", 5, expires_in=HOUR))
    reserved, hold = reserve(wallet, 3, job_id="job", now=START)
    current = expire_due(reserved.wallet, START + HOUR).wallet
    behind = START + HOUR - 5 * MOMENT

    change = settle(current, hold, used=0, job_id="job", now=behind, expired={"g"})

    [grant] = change.wallet.grants
    assert grant.grant_id != "g"
    assert (grant.remaining, grant.expires_at) == (3, behind + DAY)


def test_all_credits_that_expired_while_held_return_as_one_grant() -> None:
    gifts = [a_grant(f"g{n:02}", 2, expires_in=HOUR + n * MOMENT) for n in range(LIVE_GRANTS_LIMIT)]
    wallet = a_wallet(*gifts)
    reserved, hold = reserve(wallet, wallet.balance, job_id="job", now=START)

    change = settle(reserved.wallet, hold, used=1, job_id="job", now=START + DAY)

    [grant] = change.wallet.grants
    assert grant.remaining == 2 * LIVE_GRANTS_LIMIT - 1
    assert len(change.entries) == 2


# Debts


def in_debt(debt: int, *grants: Grant) -> Wallet:
    return replace(a_wallet(*grants), debt=debt)


def test_returned_credits_pay_an_open_debt_first_and_purchased_ones_before_others() -> None:
    wallet = a_wallet(a_grant("gift", 3, source="adjust", priority=10), a_grant("pur", 5))
    reserved, hold = reserve(wallet, 8, job_id="job", now=START)

    change = settle(replace(reserved.wallet, debt=4), hold, used=0, job_id="job", now=START)

    assert summary_of(change) == [
        ("refund#job", 8, -8, 8, 0, 4),
        ("debt#refund#job", -4, 0, 4, 0, 5),
    ]
    assert (change.wallet.debt, remaining(change.wallet)) == (0, {"gift": 3, "pur": 1})


@pytest.mark.parametrize(("debt", "left", "balance"), [(3, 0, 4), (7, 0, 0), (9, 2, 0)])
def test_a_gift_pays_an_open_debt_first(debt: int, left: int, balance: int) -> None:
    reason = Reason("adjust#1", "adjustment", "op", "A gift")

    change = adjust(in_debt(debt), 7, reason=reason, now=START, expires_at=None)

    assert [entry.cause for entry in change.entries] == ["adjust#1", "debt#adjust#1"]
    assert (change.wallet.debt, change.wallet.balance) == (left, balance)


def test_an_operator_clears_a_debt_without_touching_the_balance() -> None:
    reason = Reason("adjust#1", "adjustment", "op", "Goodwill")

    change = clear_debt(in_debt(5, a_grant(credits=2)), 3, reason=reason, now=START)

    [entry] = change.entries
    assert (entry.type, entry.amount, entry.debt_change) == (EntryType.ADJUST, 0, -3)
    assert (change.wallet.debt, change.wallet.balance) == (2, 2)
    with pytest.raises(InvalidInput):
        clear_debt(change.wallet, 3, reason=reason, now=START)


def test_grace_may_be_given_again_and_no_grant_expires_twice() -> None:
    wallet = a_wallet(a_grant("g", 2, expires_in=HOUR))
    first, first_hold = reserve(wallet, 2, job_id="one", now=START)
    graced = settle(first.wallet, first_hold, used=0, job_id="one", now=START + 2 * HOUR)
    second, second_hold = reserve(graced.wallet, 2, job_id="two", now=START + 3 * HOUR)
    again = settle(second.wallet, second_hold, used=0, job_id="two", now=START + 3 * DAY)

    gone = expire_due(again.wallet, START + 5 * DAY)

    changes = (first, graced, second, again, gone)
    causes = [entry.cause for change in changes for entry in change.entries]
    assert len(set(causes)) == len(causes)
    assert again.wallet.balance == 2
    assert (gone.wallet.balance, gone.wallet.grants) == (0, ())


def test_the_name_of_a_grace_does_not_grow_with_repeated_graces() -> None:
    wallet = a_wallet(a_grant("g", 2, expires_in=HOUR))
    now = START
    for number in range(40):
        reserved, hold = reserve(wallet, 2, job_id=f"job_{number:02}", now=now)
        now += 2 * DAY
        wallet = settle(reserved.wallet, hold, used=0, job_id=f"job_{number:02}", now=now).wallet

    assert remaining(wallet) == {"g~job_39": 2}


def test_two_jobs_that_return_the_same_expired_grant_get_grace_each() -> None:
    wallet = a_wallet(a_grant("g", 2, expires_in=HOUR))
    one, one_hold = reserve(wallet, 1, job_id="one", now=START)
    two, two_hold = reserve(one.wallet, 1, job_id="two", now=START)
    back = settle(two.wallet, one_hold, used=0, job_id="one", now=START + 2 * HOUR)

    change = settle(back.wallet, two_hold, used=0, job_id="two", now=START + 3 * HOUR)

    assert sorted(remaining(change.wallet).values()) == [1, 1]
    ends = {grant.expires_at for grant in change.wallet.grants}
    assert ends == {START + 2 * HOUR + DAY, START + 3 * HOUR + DAY}


# Merging


def crowded(count: int = LIVE_GRANTS_LIMIT + 1, credits: int = 1) -> Wallet:
    return a_wallet(*(a_grant(f"pur_{number:02}", credits) for number in range(count)))


def made_of(wallet: Wallet) -> dict[str, int]:
    """Every purchase in the wallet's grants, with its credits."""
    known: dict[str, int] = {}
    for grant in wallet.grants:
        own = grant.remaining - sum(grant.merged.values())
        for name, credits in (*grant.merged.items(), (grant.grant_id, own)):
            known[name] = known.get(name, 0) + credits
    return known


def test_a_wallet_keeps_fifty_grants_and_knows_the_purchases_in_them() -> None:
    wallet = crowded(LIVE_GRANTS_LIMIT + 10)

    assert len(wallet.grants) == LIVE_GRANTS_LIMIT
    assert wallet.balance == sum(remaining(wallet).values()) == LIVE_GRANTS_LIMIT + 10
    assert made_of(wallet) == {f"pur_{number:02}": 1 for number in range(LIVE_GRANTS_LIMIT + 10)}


def test_the_smallest_grants_of_a_kind_are_merged() -> None:
    sizes = [100 + number for number in range(LIVE_GRANTS_LIMIT - 1)] + [2, 1]

    wallet = a_wallet(*(a_grant(f"pur_{n:02}", size) for n, size in enumerate(sizes)))

    [merged] = [grant for grant in wallet.grants if grant.merged]
    assert merged.remaining == 3
    assert {merged.grant_id, *merged.merged} == {"pur_49", "pur_50"}


def test_grants_of_another_kind_are_never_merged() -> None:
    gifts = [a_grant(f"adj_{n:02}", 1, source="adjust") for n in range(LIVE_GRANTS_LIMIT - 2)]
    bonus = a_grant("bonus", 1, source="bonus", priority=BONUS_PRIORITY)

    wallet = a_wallet(*gifts, bonus, a_grant("pur_1", 1), a_grant("pur_2", 1))

    assert len(wallet.grants) == LIVE_GRANTS_LIMIT
    assert remaining(wallet)["bonus"] == 1
    assert {grant.source for grant in wallet.grants if grant.merged} == {"adjust"}


def test_expiring_grants_of_one_kind_and_moment_are_one_grant() -> None:
    wallet = a_wallet(*(a_grant(f"g{n:03}", 1, expires_in=HOUR) for n in range(110)))

    [grant] = wallet.grants
    assert (grant.grant_id, grant.remaining) == ("g000", 110)
    assert sum(grant.merged.values()) == MERGED_ORIGINS_LIMIT


@pytest.mark.parametrize("count", [1, 50, 51, 99, 100, 101, 1000])
def test_a_wallet_never_has_more_than_fifty_grants(count: int) -> None:
    """Even when each expires at another time: the closest merge, and the later expiry stays."""
    wallet = Wallet(account_id="alice")
    for number in range(count):
        grant = a_grant(f"g{number:04}", 1, expires_in=HOUR + number * MOMENT)
        wallet = credited(wallet, grant).wallet

    assert len(wallet.grants) == min(count, LIVE_GRANTS_LIMIT)
    assert wallet.balance == sum(grant.remaining for grant in wallet.grants) == count
    assert max(g.expires_at for g in wallet.grants if g.expires_at) == (
        START + HOUR + (count - 1) * MOMENT
    )


def test_an_entry_says_which_grants_were_merged_with_it() -> None:
    wallet = a_wallet(*(a_grant(f"pur_{n:02}", n + 1) for n in range(LIVE_GRANTS_LIMIT)))

    change = credited(wallet, a_grant("new", 100))

    [entry] = change.entries
    assert entry.merges == (Merge("pur_01", "pur_00", 2),)
    assert entry.moves == {"new": 100, "pur_00": 2, "pur_01": -2}


def test_a_wallet_of_a_thousand_purchases_stays_small() -> None:
    wallet = a_wallet(*(a_grant(f"pur_{n:026}", 1) for n in range(1000)))
    _, hold = reserve(wallet, wallet.balance, job_id="job", now=START)

    stored = json.dumps([grant_to_dict(grant) for grant in wallet.grants])

    assert len(stored) < 100_000
    assert len(hold_to_json(hold)) < 100_000


def test_a_merged_grant_that_was_held_whole_still_knows_its_purchases() -> None:
    wallet = crowded()
    reserved, hold = reserve(wallet, wallet.balance, job_id="job", now=START)

    change = settle(reserved.wallet, hold, used=0, job_id="job", now=START)

    assert change.wallet.balance == wallet.balance
    assert made_of(change.wallet) == made_of(wallet)


def test_merging_the_same_purchase_twice_adds_up() -> None:
    large = [a_grant(f"pur_{number:02}", 100) for number in range(LIVE_GRANTS_LIMIT - 2)]
    first = a_grant("first", 3, created_at=START - 2 * HOUR)
    second = a_grant("second", 5, created_at=START - HOUR)
    one, one_hold = reserve(a_wallet(first, second, *large), 3, job_id="one", now=START)
    two, two_hold = reserve(one.wallet, 2, job_id="two", now=START)
    back = settle(two.wallet, one_hold, used=0, job_id="one", now=START)
    merged = credited(back.wallet, a_grant("pur_new", 100)).wallet

    again = settle(merged, two_hold, used=0, job_id="two", now=START).wallet

    [grant] = [grant for grant in again.grants if grant.merged]
    assert (grant.grant_id, grant.remaining) == ("first", 8)
    assert grant.merged == {"second": 5}
