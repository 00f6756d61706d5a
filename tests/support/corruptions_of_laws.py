"""More corruptions, by law: each breaks one law and is hidden from the others.

Where a corruption can be balanced, sums, versions, grants and receipts agree again, so that only
the law it names can find it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

from tests.support.corruptions import (
    FINAL,
    Item,
    NothingToCorrupt,
    StoredBooks,
    corruption,
)

COSTS = '{"story":2,"rewrite":1}'
EARLIER, LATER = "2020-01-05T09:00:00.000Z", "2190-01-05T09:00:00.000Z"


# Editing what is stored as JSON


def _json(item: Item, name: str, default: str = "[]") -> Any:
    return json.loads(item.get(name) or default)


def _edit(item: Item, name: str, edit: Callable[[Any], object]) -> None:
    value = _json(item, name)
    edit(value)
    item[name] = json.dumps(value)


def _edit_grant(books: StoredBooks, *sources: str, **changes: Any) -> None:
    """Change a grant of the wallet that came from one of these sources."""
    grants = _json(books.wallet, "grants")
    grant = books.choose([grant for grant in grants if not sources or grant["s"] in sources])
    for name, value in changes.items():
        grant[name] = value(grant.get(name)) if callable(value) else value
    books.wallet["grants"] = json.dumps(grants)


def _ended(books: StoredBooks, *statuses: str) -> Item:
    return books.any_job(*(statuses or (*FINAL, "canceled")))


def _kept(books: StoredBooks, *statuses: str) -> Item:
    """A job that ended and is not deleted: what it made is still there."""
    return books.choose([job for job in books.jobs(*statuses) if "deletedAt" not in job])


def _hold_of(books: StoredBooks) -> tuple[Item, str]:
    job = books.any_job("running", *FINAL, "canceled")
    return job, f"deduct#{job['pk']}"


def _any(books: StoredBooks, *, status: str, queued: bool) -> Item:
    return books.choose(
        [
            item
            for item in books.tables["jobs"].values()
            if item["sk"] == "job"
            and item["status"] == status
            and item["accountId"] == books.account
            and ("queuedAt" in item) == queued
            and f"deduct#{item['pk']}" not in {entry["cause"] for entry in books.entries()}
        ]
    )


# Law L1: time and beginning


@corruption("L1")
def an_entry_dated_before_the_one_it_follows(books: StoredBooks) -> str | None:
    entry = books.choose(books.entries()[1:])
    entry["createdAt"] = EARLIER
    return entry["cause"]


@corruption("L1")
def an_entry_dated_in_the_future(books: StoredBooks) -> str | None:
    entry = books.any_entry()
    entry["createdAt"] = LATER
    return entry["cause"]


@corruption("L1")
def the_times_of_two_entries_exchanged(books: StoredBooks) -> str | None:
    first, last = books.entries()[0], books.entries()[-1]
    first["createdAt"], last["createdAt"] = last["createdAt"], first["createdAt"]
    return None


@corruption("L1")
def the_history_without_its_bonus_balanced(books: StoredBooks) -> str | None:
    books.remove("ledger", books.any_entry("BONUS"))
    books.balance()
    return books.entries()[0]["cause"]


@corruption("L1")
def the_bonus_in_the_middle_of_the_history_balanced(books: StoredBooks) -> str | None:
    books.any_entry("BONUS")["version"] = 3.5
    books.balance()
    return books.entries()[0]["cause"]


def _forget_the_ledger(books: StoredBooks) -> None:
    books.remove("wallets", books.wallet)
    for entry in books.entries():
        books.remove("ledger", entry)


@corruption("L1")
def wallet_and_ledger_gone_while_everything_else_remains(books: StoredBooks) -> str | None:
    _forget_the_ledger(books)
    return None


@corruption("L1")
def wallet_and_ledger_gone_while_purchases_remain(books: StoredBooks) -> str | None:
    _forget_the_ledger(books)
    books.tables["jobs"].clear()
    return None


@corruption("L1")
def wallet_and_ledger_gone_while_a_free_job_remains(books: StoredBooks) -> str | None:
    kept = _any(books, status="queued", queued=True)
    _forget_the_ledger(books)
    books.tables["purchases"].clear()
    for item in list(books.tables["jobs"].values()):
        if item["pk"] != kept["pk"]:
            books.remove("jobs", item)
    return None


# Law L3: what a grant is


@corruption("L3")
def a_grant_of_another_source(books: StoredBooks) -> str | None:
    _edit_grant(books, s=lambda source: "bonus" if source == "purchase" else "purchase")
    return None


@corruption("L3")
def a_grant_of_another_priority(books: StoredBooks) -> str | None:
    _edit_grant(books, p=lambda priority: priority + books.rng.choice([-1, 1]))
    return None


@corruption("L3")
def a_grant_of_another_time(books: StoredBooks) -> str | None:
    _edit_grant(books, c=EARLIER)
    return None


@corruption("L3")
def a_grant_with_an_origin_it_never_had(books: StoredBooks) -> str | None:
    _edit_grant(books, m=lambda merged: {**(merged or {}), "pur_of_another": 3})
    return None


@corruption("L3")
def a_grant_without_its_origins(books: StoredBooks) -> str | None:
    grants = _json(books.wallet, "grants")
    merged = books.choose([grant for grant in grants if grant.get("m")])
    del merged["m"]
    books.wallet["grants"] = json.dumps(grants)
    return None


@corruption("L3")
def a_grant_with_more_of_its_origin(books: StoredBooks) -> str | None:
    grants = _json(books.wallet, "grants")
    merged = books.choose([grant for grant in grants if grant.get("m")])
    merged["m"] = {name: credits + 1 for name, credits in merged["m"].items()}
    books.wallet["grants"] = json.dumps(grants)
    return None


@corruption("L3")
def a_purchase_that_expires(books: StoredBooks) -> str | None:
    _edit_grant(books, "purchase", e=LATER)
    books.mark()
    return None


@corruption("L3")
def a_gift_that_lasts_longer(books: StoredBooks) -> str | None:
    _move_expiry(books, LATER)
    return None


@corruption("L3")
def a_gift_that_no_longer_expires(books: StoredBooks) -> str | None:
    _move_expiry(books, None)
    return None


def _move_expiry(books: StoredBooks, moment: str | None) -> None:
    grants = _json(books.wallet, "grants")
    grant = books.choose([grant for grant in grants if "e" in grant])
    if moment is None:
        del grant["e"]
    else:
        grant["e"] = moment
    books.wallet["grants"] = json.dumps(grants)
    books.mark()


@corruption("L3")
def a_due_gift_that_is_still_there(books: StoredBooks) -> str | None:
    """All values agree, but the grant expired long ago."""
    for entry in books.entries("ADJUST"):
        if "expiresAt" in entry:
            entry["expiresAt"] = EARLIER
    _edit_grant(books, "adjust", e=EARLIER)
    books.mark()
    return None


@corruption("L3")
def a_grant_below_zero(books: StoredBooks) -> str | None:
    grants = _json(books.wallet, "grants")
    if len(grants) < 2:
        raise NothingToCorrupt
    more = grants[0]["r"] + 1
    grants[0]["r"] -= more
    grants[1]["r"] += more
    books.wallet["grants"] = json.dumps(grants)
    return None


@corruption("L3")
def an_empty_grant(books: StoredBooks) -> str | None:
    blank = {"i": "empty", "s": "adjust", "r": 0, "p": 10, "c": books.entries()[0]["createdAt"]}
    _edit(books.wallet, "grants", lambda grants: grants.append(blank))
    return None


@corruption("L3")
def more_than_fifty_grants_balanced(books: StoredBooks) -> str | None:
    """Gifts of one credit without expiry, none of them merged."""
    for number in range(60):
        entry = books.forge("ADJUST", f"adjust#gift{number}", 1)
        entry["moves"] = json.dumps({entry["cause"]: 1})
    books.balance(source="adjust")
    return None


# Law L3: the marks by which expiring wallets are found


@corruption("L3")
def no_mark_of_the_next_expiry(books: StoredBooks) -> str | None:
    del books.wallet["nextExpiryAt"]
    return None


@corruption("L3")
def a_mark_of_another_expiry(books: StoredBooks) -> str | None:
    books.wallet["nextExpiryAt"] += books.rng.choice([-3600, 1, 3600])
    return None


@corruption("L3")
def no_key_in_the_index_of_expiries(books: StoredBooks) -> str | None:
    del books.wallet["dueShard"]
    return None


@corruption("L3")
def a_key_of_another_index_partition(books: StoredBooks) -> str | None:
    books.wallet["dueShard"] = "s9"
    return None


@corruption("L3")
def marks_of_an_expiry_that_is_none(books: StoredBooks) -> str | None:
    wallet = books.tables["wallets"][(books.other,)]
    wallet |= {"nextExpiryAt": 1_900_000_000, "dueShard": "s0"}
    return None


# Law L3: entries that move other grants than their kind may


def _move_between_grants(books: StoredBooks, entry: Item) -> str:
    """One credit of the entry's moves comes from another grant, also in the wallet."""
    moves = _json(entry, "moves", "{}")
    mine = books.rng.choice(sorted(moves))
    grants = _json(books.wallet, "grants")
    other = books.choose([grant for grant in grants if grant["i"] not in moves])
    step = 1 if entry["amount"] > 0 else -1
    moves[mine] -= step
    moves[other["i"]] = step
    entry["moves"] = json.dumps({name: moved for name, moved in moves.items() if moved})
    books.balance()
    return entry["cause"]


@corruption("L3")
def a_purchase_into_another_grant_balanced(books: StoredBooks) -> str | None:
    return _move_between_grants(books, books.any_entry("PURCHASE"))


@corruption("L3")
def a_gift_into_another_grant_balanced(books: StoredBooks) -> str | None:
    entry = books.any_entry("ADJUST", when=lambda item: item["amount"] > 0)
    return _move_between_grants(books, entry)


@corruption("L3")
def a_hold_on_credits_out_of_order_balanced(books: StoredBooks) -> str | None:
    """Entry, job and wallet agree that a credit was taken that was not the next to spend."""
    job, cause = _hold_of(books)
    entry = books.entry(cause)
    assert entry is not None
    _move_between_grants(books, entry)
    moves = _json(entry, "moves", "{}")
    grants = {grant["i"]: grant for grant in _json(books.wallet, "grants")}
    slices = {piece["i"]: piece for piece in _json(job, "hold")}
    job["hold"] = json.dumps(
        [{**(slices.get(i) or grants[i]), "i": i, "r": -r} for i, r in moves.items()]
    )
    return cause


@corruption("L3")
def credits_taken_by_hand_out_of_order_balanced(books: StoredBooks) -> str | None:
    entry = books.any_entry("ADJUST", when=lambda item: item["amount"] < -1)
    return _move_between_grants(books, entry)


@corruption("L5")
def credits_returned_to_another_grant_balanced(books: StoredBooks) -> str | None:
    return _move_between_grants(books, books.any_entry("REFUND"))


@corruption("L3")
def a_reversal_of_another_purchase_first_balanced(books: StoredBooks) -> str | None:
    entry = books.any_entry(
        when=lambda item: item["cause"].startswith("reversal#") and item["amount"] < 0
    )
    return _move_between_grants(books, entry)


@corruption("L3")
def a_settlement_that_moves_credits_balanced(books: StoredBooks) -> str | None:
    entry = books.any_entry("SETTLE")
    grants = _json(books.wallet, "grants")
    if len(grants) < 2:
        raise NothingToCorrupt
    entry["moves"] = json.dumps({grants[0]["i"]: 1, grants[1]["i"]: -1})
    books.balance()
    return entry["cause"]


@corruption("L3")
def credits_spent_before_they_came_balanced(books: StoredBooks) -> str | None:
    """The first purchase is moved behind everything that was paid from it."""
    entry = books.entries("PURCHASE")[0]
    entry["version"] = books.entries()[-1]["version"] + 1
    entry["createdAt"] = books.entries()[-1]["createdAt"]
    books.balance()
    return None


@corruption("L3")
def credits_from_a_grant_that_never_was_balanced(books: StoredBooks) -> str | None:
    entry = books.forge("ADJUST", "adjust#forged", -1)
    entry["moves"] = json.dumps({"a grant that never was": -1})
    books.balance()
    return entry["cause"]


# Law L3: expiries


def _forge_expiry(books: StoredBooks, grant: Item, credits: int, cause: str | None = None) -> str:
    entry = books.forge("EXPIRE", cause or f"expire#{grant['i']}", -credits)
    entry["moves"] = json.dumps({grant["i"]: -credits})
    entry["referenceType"], entry["referenceId"] = "grant", grant["i"]
    books.balance()
    return entry["cause"]


def _grant(books: StoredBooks, when: Callable[[Item], bool]) -> Item:
    return books.choose([grant for grant in _json(books.wallet, "grants") if when(grant)])


@corruption("L3")
def an_expiry_of_paid_credits_balanced(books: StoredBooks) -> str | None:
    grant = _grant(books, lambda grant: grant["s"] == "purchase")
    return _forge_expiry(books, grant, grant["r"])


@corruption("L3")
def an_expiry_of_a_permanent_gift_balanced(books: StoredBooks) -> str | None:
    grant = _grant(books, lambda grant: grant["s"] == "adjust" and "e" not in grant)
    return _forge_expiry(books, grant, grant["r"])


@corruption("L3")
def an_expiry_before_its_time_balanced(books: StoredBooks) -> str | None:
    grant = _grant(books, lambda grant: "e" in grant)
    return _forge_expiry(books, grant, grant["r"])


@corruption("L3")
def an_expiry_of_a_part_balanced(books: StoredBooks) -> str | None:
    grant = _grant(books, lambda grant: "e" in grant and grant["r"] > 1)
    return _forge_expiry(books, grant, 1)


@corruption("L4")
def a_second_expiry_without_a_first_balanced(books: StoredBooks) -> str | None:
    grant = _grant(books, lambda grant: "e" in grant)
    return _forge_expiry(books, grant, grant["r"], f"expire#{grant['i']}#2")


@corruption("L3")
def a_gift_recorded_without_its_expiry(books: StoredBooks) -> str | None:
    gift = _grant(books, lambda grant: grant["s"] == "adjust" and "e" in grant)
    del books.tables["ledger"][(books.account, gift["i"])]["expiresAt"]
    return None


@corruption("L3")
def a_gift_recorded_with_an_expiry_it_has_not(books: StoredBooks) -> str | None:
    gift = _grant(books, lambda grant: grant["s"] == "adjust" and "e" not in grant)
    books.tables["ledger"][(books.account, gift["i"])]["expiresAt"] = LATER
    return None


@corruption("L4")
def a_purchase_recorded_with_an_expiry(books: StoredBooks) -> str | None:
    entry = books.any_entry("PURCHASE")
    entry["expiresAt"] = LATER
    return entry["cause"]


# Law L3: merges


def _merging(books: StoredBooks) -> Item:
    return books.any_entry(when=lambda item: bool(item.get("merges")))


@corruption("L3")
def a_merge_not_recorded(books: StoredBooks) -> str | None:
    entry = _merging(books)
    del entry["merges"]
    return entry["cause"]


@corruption("L3")
def a_merge_of_other_credits(books: StoredBooks) -> str | None:
    entry = _merging(books)
    _edit(entry, "merges", lambda merges: merges[0].__setitem__(2, merges[0][2] + 1))
    return entry["cause"]


@corruption("L3")
def a_merge_that_did_not_happen(books: StoredBooks) -> str | None:
    entry = books.any_entry("ADJUST")
    entry["merges"] = json.dumps([["nothing", "nothing else", 1]])
    return entry["cause"]


@corruption("L3")
def a_merge_of_two_kinds_balanced(books: StoredBooks) -> str | None:
    """A gift becomes part of a purchase, so that a reversal could take it."""
    gift = _grant(books, lambda grant: grant["s"] == "adjust" and "e" not in grant)
    bought = _grant(books, lambda grant: grant["s"] == "purchase")
    entry = books.entries()[-1]
    moves = _json(entry, "moves", "{}")
    moves[gift["i"]] = moves.get(gift["i"], 0) - gift["r"]
    moves[bought["i"]] = moves.get(bought["i"], 0) + gift["r"]
    entry["moves"] = json.dumps({name: moved for name, moved in moves.items() if moved})
    entry["merges"] = json.dumps([[gift["i"], bought["i"], gift["r"]]])
    books.balance()
    return entry["cause"]


# Law L4: the fields of entries


@corruption("L4")
def a_bonus_of_another_size_balanced(books: StoredBooks) -> str | None:
    entry = books.any_entry("BONUS")
    entry["amount"] += 1
    _edit(entry, "moves", lambda moves: moves.update({"bonus#signup": entry["amount"]}))
    books.balance()
    return entry["cause"]


@corruption("L4")
def an_entry_that_refers_to_another_kind(books: StoredBooks) -> str | None:
    entry = books.any_entry()
    entry["referenceType"] = "album"
    return entry["cause"]


@corruption("L4")
def a_bonus_of_another_account(books: StoredBooks) -> str | None:
    entry = books.any_entry("BONUS")
    entry["referenceId"] = books.other
    return entry["cause"]


@corruption("L4")
def an_adjustment_of_credits_and_debt_at_once_balanced(books: StoredBooks) -> str | None:
    entry = books.any_entry("ADJUST", when=lambda item: item["amount"] > 0)
    entry["debtChange"] = -1
    books.balance()
    return entry["cause"]


@corruption("L4")
def an_adjustment_of_nothing_balanced(books: StoredBooks) -> str | None:
    entry = books.forge("ADJUST", "adjust#nothing", 0)
    books.balance()
    return entry["cause"]


# Law L4: purchases


def _purchase(books: StoredBooks, when: Callable[[Item], bool] = lambda item: True) -> Item:
    return books.choose([item for item in books.purchases() if when(item)])


@corruption("L4")
def two_purchases_with_one_payment(books: StoredBooks) -> str | None:
    paid = [item for item in books.purchases() if item.get("paymentId")]
    if len(paid) < 2:
        raise NothingToCorrupt
    paid[0]["paymentId"] = paid[1]["paymentId"]
    return None


@corruption("L4")
def a_purchase_settled_without_a_payment(books: StoredBooks) -> str | None:
    del _purchase(books, lambda item: item["gateway"] == "stripe")["paymentId"]
    return None


@corruption("L4")
def a_test_purchase_with_a_payment(books: StoredBooks) -> str | None:
    _purchase(books, lambda item: item["gateway"] == "test")["paymentId"] = "pi_none"
    return None


@corruption("L4")
def a_purchase_of_more_credits_than_its_pack_balanced(books: StoredBooks) -> str | None:
    record = _purchase(books, lambda item: bool(item.get("pack")))
    entry = books.entry(f"purchase#{record['purchaseId']}")
    assert entry is not None
    record["credits"] += 5
    entry["amount"] += 5
    _edit(entry, "moves", lambda moves: moves.update({entry["referenceId"]: entry["amount"]}))
    books.balance()
    return None


@corruption("L4")
def a_purchase_under_the_name_of_another_pack(books: StoredBooks) -> str | None:
    _purchase(books, lambda item: item["credits"] != 10)["pack"] = "Starter"
    return None


def _not_settled(books: StoredBooks, *statuses: str) -> Item:
    return books.choose(
        [
            item
            for item in books.tables["purchases"].values()
            if item["accountId"] == books.account and item["status"] in statuses
        ]
    )


@corruption("L4")
def a_pending_purchase_that_was_reversed(books: StoredBooks) -> str | None:
    _not_settled(books, "pending")["reversals"] = json.dumps({"reversal#early": 1})
    return None


@corruption("L4")
def a_pending_purchase_with_its_credits_balanced(books: StoredBooks) -> str | None:
    record = _not_settled(books, "pending")
    entry = books.forge("PURCHASE", f"purchase#{record['purchaseId']}", record["credits"])
    entry["moves"] = json.dumps({record["purchaseId"]: record["credits"]})
    books.balance()
    return entry["cause"]


@corruption("L4")
def a_purchase_that_became_failed(books: StoredBooks) -> str | None:
    record = _purchase(books)
    record["status"] = "failed"
    return f"purchase#{record['purchaseId']}"


@corruption("L4")
def a_purchase_of_no_credits(books: StoredBooks) -> str | None:
    _not_settled(books, "pending")["credits"] = 0
    return None


@corruption("L4")
def a_purchase_of_less_than_nothing(books: StoredBooks) -> str | None:
    record = _not_settled(books, "pending")
    record["credits"] = -record["credits"]
    return None


@corruption("L4")
def a_reversal_by_something_else(books: StoredBooks) -> str | None:
    """A debt payment is recorded as if it were a reversal of the purchase."""
    debt = books.any_entry(when=lambda item: item["cause"].startswith("debt#"))
    record = _purchase(books)
    reversals = {**_json(record, "reversals", "{}"), debt["cause"]: 0}
    record["reversals"] = json.dumps(reversals)
    return None


@corruption("L4")
def more_given_back_than_was_reversed_balanced(books: StoredBooks) -> str | None:
    """The sum of a purchase's reversals is below zero."""
    record = _purchase(books, lambda item: not item.get("reversals"))
    entry = books.forge("REVERSAL", "reversal#forged", 0, debt=-1)
    entry["referenceType"], entry["referenceId"] = "purchase", record["purchaseId"]
    record["reversals"] = json.dumps({entry["cause"]: -1})
    books.balance()
    return entry["cause"]


@corruption("L4")
def a_reversal_beyond_and_back_balanced(books: StoredBooks) -> str | None:
    """At one point more was reversed than bought; the final sum looks right."""
    record = _purchase(books, lambda item: not item.get("reversals"))
    more = record["credits"] + 3
    one = books.forge("REVERSAL", "reversal#beyond", 0, debt=more)
    two = books.forge("REVERSAL", "reversal#back", 0, debt=-more)
    for entry in (one, two):
        entry["referenceType"], entry["referenceId"] = "purchase", record["purchaseId"]
    record["reversals"] = json.dumps({one["cause"]: more, two["cause"]: -more})
    books.balance()
    return one["cause"]


# L7 and L5: debts


@corruption("L7")
def a_debt_payment_dropped_balanced(books: StoredBooks) -> str | None:
    paid = books.any_entry(when=lambda item: item["cause"].startswith("debt#"))
    came = books.entries()[paid["version"] - 2]
    books.remove("ledger", paid)
    books.balance()
    return came["cause"]


@corruption("L7")
def a_debt_payment_halved_balanced(books: StoredBooks) -> str | None:
    paid = books.any_entry(
        when=lambda item: item["cause"].startswith("debt#") and item["amount"] < -1
    )
    half = paid["amount"] // 2
    moves = _json(paid, "moves", "{}")
    name = min(moves, key=lambda grant: moves[grant])
    moves[name] += half - 2 * half if paid["amount"] % 2 == 0 else half - paid["amount"]
    paid |= {"amount": sum(moves.values()), "debtChange": sum(moves.values())}
    paid["moves"] = json.dumps(moves)
    books.balance()
    return paid["cause"]


@corruption("L7")
def a_debt_payment_later_than_the_credits_balanced(books: StoredBooks) -> str | None:
    paid = books.any_entry(when=lambda item: item["cause"].startswith("debt#"))
    came = books.entries()[paid["version"] - 2]
    paid["version"] = books.entries()[-1]["version"] + 1
    books.balance()
    return came["cause"]


@corruption("L4")
def a_debt_paid_under_another_name_balanced(books: StoredBooks) -> str | None:
    paid = books.any_entry(when=lambda item: item["cause"].startswith("debt#"))
    return books.rename("ledger", paid, cause=paid["cause"] + "~")["cause"]


@corruption("L7")
def more_debt_cleared_than_there_was(books: StoredBooks) -> str | None:
    entry = books.forge("ADJUST", "adjust#clear", 0, debt=-1 - books.wallet.get("debt", 0))
    books.balance()
    return entry["cause"]


@corruption("L7")
def a_debt_made_while_purchased_credits_remain_balanced(books: StoredBooks) -> str | None:
    entry = books.any_entry(
        when=lambda item: item["cause"].startswith("reversal#") and item["amount"] < -1
    )
    moves = _json(entry, "moves", "{}")
    moves[min(moves, key=lambda grant: moves[grant])] += 1
    entry |= {"amount": entry["amount"] + 1, "debtChange": entry.get("debtChange", 0) + 1}
    entry["moves"] = json.dumps(moves)
    books.balance()
    return entry["cause"]


@corruption("L5")
def credits_spent_while_a_debt_is_open_balanced(books: StoredBooks) -> str | None:
    """A hold is moved behind the reversal that made the debt."""
    job = books.any_job("running", *FINAL)
    entry = books.entry(f"deduct#{job['pk']}")
    assert entry is not None
    debts = [item["version"] for item in books.entries() if item.get("debtChange", 0) > 0]
    if not debts:
        raise NothingToCorrupt
    entry["version"] = max(debts) + 0.5
    books.balance()
    return entry["cause"]


# Law L5: holds


@corruption("L5")
def a_hold_of_other_grants_of_the_same_sum(books: StoredBooks) -> str | None:
    job, cause = _hold_of(books)
    _edit(job, "hold", lambda slices: slices[0].update(i="another grant"))
    return cause


def _edit_slice(books: StoredBooks, **changes: Any) -> str:
    job, cause = _hold_of(books)
    _edit(job, "hold", lambda slices: slices[0].update(changes))
    return cause


@corruption("L5")
def a_slice_that_expires_later(books: StoredBooks) -> str | None:
    return _edit_slice(books, e=LATER)


@corruption("L5")
def a_slice_of_another_source(books: StoredBooks) -> str | None:
    return _edit_slice(books, s="nowhere")


@corruption("L5")
def a_slice_of_another_priority(books: StoredBooks) -> str | None:
    return _edit_slice(books, p=99)


@corruption("L5")
def a_slice_of_another_time(books: StoredBooks) -> str | None:
    return _edit_slice(books, c=EARLIER)


@corruption("L5")
def a_slice_with_an_origin_it_never_had(books: StoredBooks) -> str | None:
    return _edit_slice(books, m={"pur_of_another": 2})


@corruption("L5")
def a_hold_with_one_slice_twice(books: StoredBooks) -> str | None:
    job, cause = _hold_of(books)
    _edit(job, "hold", lambda slices: slices.append(slices[0]))
    return cause


@corruption("L5")
def a_hold_on_a_free_job(books: StoredBooks) -> str | None:
    """When the job ends, it would return the hold of another job."""
    donor = books.any_job("running")
    _any(books, status="queued", queued=True)["hold"] = donor["hold"]
    return None


@corruption("L5")
def a_hold_on_a_draft(books: StoredBooks) -> str | None:
    donor = books.any_job("running")
    _any(books, status="draft", queued=False)["hold"] = donor["hold"]
    return None


@corruption("L5")
def a_hold_that_ends_before_it_begins_balanced(books: StoredBooks) -> str | None:
    job = _ended(books)
    begin, ends = books.entry(f"deduct#{job['pk']}"), [
        entry for kind in ("settle", "refund")
        if (entry := books.entry(f"{kind}#{job['pk']}")) is not None
    ]  # fmt: skip
    assert begin is not None
    begin["version"], ends[0]["version"] = ends[0]["version"], begin["version"]
    books.balance()
    return ends[0]["cause"]


@corruption("L5")
def a_paid_recipe_for_nothing(books: StoredBooks) -> str | None:
    """Price, hold and entry are gone together: the job never cost anything."""
    job = books.choose([item for item in books.jobs("running") if not item.get("parentJobId")])
    _edit(job, "price", lambda price: [part.__setitem__(1, 0) for part in price])
    job |= {"hold": None, "costs": COSTS}
    entry = books.entry(f"deduct#{job['pk']}")
    assert entry is not None
    books.remove("ledger", entry)
    books.balance()
    return None


@corruption("L5")
def a_job_that_promises_nothing_for_nothing(books: StoredBooks) -> str | None:
    job = books.choose([item for item in books.jobs("running") if not item.get("parentJobId")])
    job |= {"price": None, "hold": None, "costs": COSTS}
    entry = books.entry(f"deduct#{job['pk']}")
    assert entry is not None
    books.remove("ledger", entry)
    books.balance()
    return None


@corruption("L5")
def a_part_of_less_than_nothing_balanced(books: StoredBooks) -> str | None:
    """One part pays for another."""
    job = books.any_job("running")
    price = _json(job, "price")
    price[0][1] += 3
    job["price"] = json.dumps([*price, ["discount", -3, ["none"]]])
    return None


@corruption("L5")
def a_running_job_that_was_never_queued(books: StoredBooks) -> str | None:
    job = books.any_job("running")
    job["queuedAt"] = None
    return f"deduct#{job['pk']}"


@corruption("L5")
def a_free_job_that_was_never_queued(books: StoredBooks) -> str | None:
    _any(books, status="queued", queued=True)["queuedAt"] = None
    return None


@corruption("L5")
def a_draft_that_was_queued(books: StoredBooks) -> str | None:
    job = _any(books, status="draft", queued=False)
    job["queuedAt"] = job["updatedAt"]
    return None


# Law L5: receipts


def _recharge(books: StoredBooks, job: Item, difference: int) -> None:
    """The receipt, the settlement and the refund agree on another price than what was made."""
    receipt = _json(job, "receipt", "{}")
    parts = receipt["parts"]
    place = parts.index(max(parts) if difference < 0 else min(parts))
    parts[place] += difference
    receipt |= {"used": receipt["used"] + difference, "refunded": receipt["refunded"] - difference}
    if min(receipt["used"], receipt["refunded"]) < 0:
        raise NothingToCorrupt
    job["receipt"] = json.dumps(receipt)
    _end(books, job, "settle", receipt["used"])
    _end(books, job, "refund", receipt["refunded"])
    books.balance()


def _end(books: StoredBooks, job: Item, kind: str, credits: int) -> None:
    """The entry that ends the hold has this number of credits; its slices are right."""
    cause = f"{kind}#{job['pk']}"
    entry, begin = books.entry(cause), books.entry(f"deduct#{job['pk']}")
    assert begin is not None
    if not credits:
        if entry is not None:
            books.remove("ledger", entry)
        return
    if entry is None:
        other = books.entry(f"{'settle' if kind == 'refund' else 'refund'}#{job['pk']}")
        base = other or books.entries()[-1]
        entry = {**deepcopy(base), "cause": cause, "type": kind.upper(), "merges": None}
        entry["version"] = base["version"] + (0.5 if kind == "refund" else -0.5)
        books.add("ledger", entry)
    entry["heldChange"], entry["amount"], entry["moves"] = -credits, 0, "{}"
    if kind == "refund":
        moves, missing = {}, credits
        for piece in reversed(_json(job, "hold")):
            part = min(missing, piece["r"])
            missing -= part
            if part:
                moves[piece["i"]] = part
        entry |= {"amount": credits, "moves": json.dumps(moves)}


@corruption("L5")
def a_success_that_cost_less_balanced(books: StoredBooks) -> str | None:
    _recharge(books, _kept(books, "succeeded"), -1)
    return None


@corruption("L5")
def a_partial_job_that_cost_less_balanced(books: StoredBooks) -> str | None:
    _recharge(books, _kept(books, "partial"), -1)
    return None


@corruption("L5")
def a_partial_job_that_cost_more_balanced(books: StoredBooks) -> str | None:
    _recharge(books, _kept(books, "partial"), 1)
    return None


@corruption("L5")
def a_failure_that_cost_something_balanced(books: StoredBooks) -> str | None:
    _recharge(books, _kept(books, "failed"), 1)
    return None


@corruption("L5")
def a_canceled_job_that_cost_nothing_for_what_it_keeps_balanced(books: StoredBooks) -> str | None:
    _charge_canceled(books, 0)
    return None


@corruption("L5")
def a_canceled_job_that_cost_more_balanced(books: StoredBooks) -> str | None:
    _charge_canceled(books, 2)
    return None


def _charge_canceled(books: StoredBooks, credits: int) -> None:
    """A job that its user canceled and that keeps one clip, which costs 1 credit."""
    job = _kept(books, "canceled")
    job["costs"] = COSTS
    used = _json(job, "receipt", "{}")["used"]
    if used != credits:
        _recharge(books, job, credits - used)


def _edit_receipt(books: StoredBooks, *statuses: str, edit: Callable[[Item], object]) -> None:
    _edit(_kept(books, *(statuses or FINAL)), "receipt", edit)


@corruption("L5")
def parts_of_a_receipt_that_do_not_add_up(books: StoredBooks) -> str | None:
    def more(receipt: Item) -> None:
        receipt["parts"][0] += 1

    _edit_receipt(books, edit=more)
    return None


@corruption("L5")
def a_receipt_without_parts(books: StoredBooks) -> str | None:
    _edit_receipt(books, "succeeded", "partial", edit=lambda receipt: receipt.update(parts=[]))
    return None


@corruption("L5")
def a_receipt_with_a_part_too_many(books: StoredBooks) -> str | None:
    _edit_receipt(books, edit=lambda receipt: receipt["parts"].append(0))
    return None


@corruption("L5")
def a_receipt_with_its_parts_exchanged(books: StoredBooks) -> str | None:
    """The sum is right, but the wrong part was charged."""
    for job in books.jobs(*FINAL, "canceled"):
        parts = _json(job, "receipt", "{}")["parts"]
        if len(set(parts)) > 1 and "deletedAt" not in job:
            _edit(job, "receipt", lambda receipt: receipt["parts"].reverse())
            return None
    raise NothingToCorrupt


@corruption("L5")
def a_receipt_of_a_part_below_zero(books: StoredBooks) -> str | None:
    def shift(receipt: Item) -> None:
        receipt["parts"] = [receipt["used"] + 1, -1, *([0] * (len(receipt["parts"]) - 2))]

    job = books.choose([job for job in books.jobs(*FINAL) if len(_json(job, "price")) > 1])
    _edit(job, "receipt", shift)
    return None


@corruption("L5")
def a_receipt_before_the_end(books: StoredBooks) -> str | None:
    job = books.any_job("running")
    job["receipt"] = json.dumps({"used": 0, "refunded": 2, "parts": [0], "reason": "EARLY"})
    return None


@corruption("L5")
def a_success_with_a_reason(books: StoredBooks) -> str | None:
    _edit_receipt(books, "succeeded", edit=lambda receipt: receipt.update(reason="BROKEN"))
    return None


@corruption("L5")
def a_failure_without_a_reason(books: StoredBooks) -> str | None:
    _edit_receipt(books, "failed", edit=lambda receipt: receipt.update(reason=None))
    return None


@corruption("L5")
def a_failure_that_says_it_was_canceled(books: StoredBooks) -> str | None:
    """The user would have kept an output for free."""
    _edit_receipt(books, "failed", edit=lambda receipt: receipt.update(reason="CANCELED"))
    return None


@corruption("L5")
def a_deleted_job_whose_receipt_does_not_add_up(books: StoredBooks) -> str | None:
    job = books.choose([job for job in books.jobs(*FINAL) if "deletedAt" in job])
    _edit(job, "receipt", lambda receipt: receipt["parts"].append(2))
    return None


# Law L6: outputs


def _task_of(books: StoredBooks, job: Item, *, made: bool) -> Item:
    keys = {key for _, _, promised in _json(job, "price") for key in promised}
    return books.choose(
        [
            item
            for item in books.tables["jobs"].values()
            if item["pk"] == job["pk"]
            and item["sk"].removeprefix("task#") in keys
            and bool(item.get("outputs")) == made
        ]
    )


def _output(books: StoredBooks, key: str) -> str:
    task = books.choose([item for item in books.tables["jobs"].values() if item.get("outputs")])
    [output, *_] = _json(task, "outputs")
    return json.dumps([{**output, "key": key, "output_id": "out_forged"}])


@corruption("L6")
def a_failure_that_made_something(books: StoredBooks) -> str | None:
    task = _task_of(books, _kept(books, "failed"), made=False)
    task["outputs"] = _output(books, task["sk"].removeprefix("task#"))
    return None


@corruption("L6")
def a_partial_job_that_made_nothing(books: StoredBooks) -> str | None:
    job = _kept(books, "partial")
    for item in books.tables["jobs"].values():
        if item["pk"] == job["pk"] and item.get("outputs"):
            item["outputs"] = None
    return None


@corruption("L6")
def an_output_of_a_partial_job_doubled(books: StoredBooks) -> str | None:
    task = _task_of(books, _kept(books, "partial"), made=True)
    _edit(task, "outputs", lambda outputs: outputs.append({**outputs[0], "output_id": "out_2"}))
    return None


@corruption("L6")
def an_output_both_made_and_inherited(books: StoredBooks) -> str | None:
    child = books.choose([job for job in books.jobs("succeeded") if job.get("parentJobId")])
    task = _task_of(books, child, made=True)
    [output, *_] = _json(task, "outputs")
    key = f"inherited#{output['key']}#out_old"
    books.add("jobs", {"pk": child["pk"], "sk": key, "output": json.dumps(output)})
    return None


@corruption("L6")
def a_draft_with_an_output(books: StoredBooks) -> str | None:
    draft = _any(books, status="draft", queued=False)
    donor = books.choose([item for item in books.tables["jobs"].values() if item.get("outputs")])
    books.add("jobs", {**deepcopy(donor), "pk": draft["pk"]})
    return None


# Law L8: unreadable items, whose readable part is audited


def _odd(item: Item, **changes: Any) -> None:
    item |= changes


@corruption("L8")
def a_balance_that_is_a_text(books: StoredBooks) -> str | None:
    _odd(books.wallet, balance="5")
    return None


@corruption("L8")
def grants_with_a_text_for_a_number(books: StoredBooks) -> str | None:
    _edit(books.wallet, "grants", lambda grants: grants[0].update(r=str(grants[0]["r"])))
    return None


@corruption("L8")
def grants_with_a_truth_for_a_number(books: StoredBooks) -> str | None:
    _edit(books.wallet, "grants", lambda grants: grants[0].update(r=True))
    return None


@corruption("L8")
def a_wallet_without_a_version(books: StoredBooks) -> str | None:
    _odd(books.wallet, version=None)
    return None


def _odd_entry(books: StoredBooks, **changes: Any) -> str:
    entry = books.any_entry()
    _odd(entry, **changes)
    return entry["cause"]


@corruption("L8")
def a_description_that_is_a_number(books: StoredBooks) -> str | None:
    return _odd_entry(books, description=7)


@corruption("L8")
def an_entry_without_a_type(books: StoredBooks) -> str | None:
    return _odd_entry(books, type=None)


@corruption("L8")
def an_amount_that_is_a_text(books: StoredBooks) -> str | None:
    return _odd_entry(books, amount="1")


@corruption("L8")
def moves_that_are_a_list(books: StoredBooks) -> str | None:
    return _odd_entry(books, moves="[1, 2]")


@corruption("L8")
def moves_that_nest_without_end(books: StoredBooks) -> str | None:
    return _odd_entry(books, moves="[" * 100_000)


@corruption("L8")
def a_time_that_is_none(books: StoredBooks) -> str | None:
    return _odd_entry(books, createdAt="yesterday")


@corruption("L8")
def merges_that_are_none(books: StoredBooks) -> str | None:
    return _odd_entry(books, merges='[["from", "into"]]')


@corruption("L8")
def purchased_credits_that_are_a_text(books: StoredBooks) -> str | None:
    record = _purchase(books)
    _odd(record, credits=str(record["credits"]))
    return None


@corruption("L8")
def an_unknown_status_of_a_purchase(books: StoredBooks) -> str | None:
    _odd(_not_settled(books, "pending"), status="bartered")
    return None


@corruption("L8")
def reversals_that_are_no_map(books: StoredBooks) -> str | None:
    _odd(_purchase(books), reversals='["reversal#1"]')
    return None


@corruption("L8")
def a_purchase_without_its_time(books: StoredBooks) -> str | None:
    _odd(_purchase(books), createdAt=None)
    return None


@corruption("L8")
def an_unknown_status_of_a_job(books: StoredBooks) -> str | None:
    _odd(books.any_job("running"), status="resting")
    return None


@corruption("L8")
def a_price_that_is_no_price(books: StoredBooks) -> str | None:
    _odd(books.any_job("running"), price='[["story", "2", ["clip_1"]]]')
    return None


@corruption("L8")
def a_hold_that_is_no_json(books: StoredBooks) -> str | None:
    _odd(books.any_job("running"), hold="[")
    return None


@corruption("L8")
def a_receipt_that_is_a_list(books: StoredBooks) -> str | None:
    _odd(_kept(books, *FINAL), receipt="[1, 1]")
    return None


@corruption("L8")
def a_version_of_a_job_that_is_a_text(books: StoredBooks) -> str | None:
    _odd(books.any_job("running"), version="3")
    return None


@corruption("L8")
def a_job_without_an_account(books: StoredBooks) -> str | None:
    _odd(books.any_job("running"), accountId=None)
    return None


@corruption("L8")
def outputs_that_are_no_json(books: StoredBooks) -> str | None:
    task = _task_of(books, _kept(books, "succeeded"), made=True)
    _odd(task, outputs="{")
    return None


@corruption("L8")
def an_output_without_a_key(books: StoredBooks) -> str | None:
    task = _task_of(books, _kept(books, "succeeded"), made=True)
    _edit(task, "outputs", lambda outputs: outputs[0].pop("key"))
    return None


@corruption("L8")
def a_task_without_a_plan(books: StoredBooks) -> str | None:
    _odd(_task_of(books, _kept(books, "succeeded"), made=True), plan=None)
    return None


@corruption("L8")
def an_inherited_output_that_is_a_number(books: StoredBooks) -> str | None:
    items = [i for i in books.tables["jobs"].values() if i["sk"].startswith("inherited#")]
    _odd(books.choose(items), output="3")
    return None


ODD_VALUES: Mapping[str, Mapping[str, Any]] = {
    "number": {"N": "7"},
    "fraction": {"N": "0.5"},
    "text": {"S": "odd"},
    "truth": {"BOOL": True},
    "nothing": {"NULL": True},
    "list": {"L": [{"S": "odd"}]},
    "map": {"M": {"odd": {"N": "1"}}},
    "bytes": {"B": b"odd"},
    "far time": {"S": "9999-12-31T23:59:59.999Z"},
    "early time": {"S": "0001-01-01T00:00:00+14:00"},
    "far grant": {
        "S": '[{"i":"g","s":"refund","r":1,"p":1,"c":"0001-01-01T00:00:00+14:00",'
        '"e":"9999-12-31T23:59:59-14:00"}]'
    },
    "json list": {"S": "[[]]"},
    "json map": {"S": '{"odd": [null]}'},
    "json number": {"S": "1e400"},
    "deep json": {"S": "[" * 10_000 + "]" * 10_000},
}
"""Values that are valid for no attribute, in the form of DynamoDB."""
