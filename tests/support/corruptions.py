"""Seeded corruptions of stored books, as a bug, a manual edit or a bad restore could cause.

Each edits raw items without the product and names the law it breaks, and the entry at which the
breach must be reported, if any. Those called ``balanced`` also correct versions, sums and grants,
so that only the law they name can find them.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from darkroom.usecases.credits.read_books import RawAccount
from tests.support.world import World

Item = dict[str, Any]
Key = tuple[str, ...]

KEYS: Mapping[str, tuple[str, ...]] = {
    "wallets": ("accountId",),
    "ledger": ("accountId", "cause"),
    "purchases": ("accountId", "purchaseId"),
    "jobs": ("pk", "sk"),
}
FINAL = ("succeeded", "partial", "failed")
NAMED_TYPES = ("DEDUCT", "SETTLE", "REFUND", "PURCHASE")
PREFIX_OF = {
    "PURCHASE": "purchase",
    "BONUS": "bonus",
    "DEDUCT": "deduct",
    "REFUND": "refund",
    "SETTLE": "settle",
    "EXPIRE": "expire",
    "REVERSAL": "reversal",
    "ADJUST": "adjust",
}


REFERENCE_OF = {
    "PURCHASE": "purchase",
    "BONUS": "signup",
    "DEDUCT": "job",
    "REFUND": "job",
    "SETTLE": "job",
    "EXPIRE": "grant",
    "REVERSAL": "purchase",
    "ADJUST": "adjustment",
}


class NothingToCorrupt(Exception):
    """These books have no item (left) that this corruption could edit."""


@dataclass
class StoredBooks:
    """The stored books as plain values, to be corrupted; ``account`` is their account."""

    tables: dict[str, dict[Key, Item]]
    account: str = "alice"
    other: str = "bob"
    rng: random.Random = field(default_factory=random.Random)

    # Finding items

    @property
    def wallet(self) -> Item:
        return self._one(("wallets", (self.account,)))

    def entries(self, *types: str, account: str | None = None) -> list[Item]:
        """In the order of versions; all of them, or of these types."""
        found = [
            item
            for item in self.tables["ledger"].values()
            if item["accountId"] == (account or self.account)
            and (not types or item["type"] in types)
        ]
        return sorted(found, key=lambda item: (item["version"], item["cause"]))

    def entry(self, cause: str) -> Item | None:
        return self.tables["ledger"].get((self.account, cause))

    def any_entry(self, *types: str, when: Callable[[Item], bool] = lambda item: True) -> Item:
        return self.choose([item for item in self.entries(*types) if when(item)])

    def jobs(self, *statuses: str) -> list[Item]:
        """Paid jobs that have a hold, in these states."""
        return [
            item
            for item in self.tables["jobs"].values()
            if item["sk"] == "job"
            and item["status"] in statuses
            and item["accountId"] == self.account
            and f"deduct#{item['pk']}" in {entry["cause"] for entry in self.entries("DEDUCT")}
        ]

    def any_job(self, *statuses: str) -> Item:
        return self.choose(self.jobs(*statuses))

    def purchases(self, *, reversed_: bool = False) -> list[Item]:
        return [
            item
            for item in self.tables["purchases"].values()
            if item["accountId"] == self.account
            and item["status"] == "settled"
            and (not reversed_ or json.loads(item.get("reversals", "{}")))
        ]

    def choose(self, among: Sequence[Item]) -> Item:
        if not among:
            raise NothingToCorrupt
        return self.rng.choice(sorted(among, key=lambda item: json.dumps(item, default=str)))

    def _one(self, place: tuple[str, Key]) -> Item:
        table, key = place
        if key not in self.tables[table]:
            raise NothingToCorrupt
        return self.tables[table][key]

    # Changing items

    def add(self, table: str, item: Item) -> None:
        self.tables[table][_key(table, item)] = item

    def remove(self, table: str, item: Item) -> None:
        self.tables[table].pop(_key(table, item), None)

    def rename(self, table: str, item: Item, **changes: Any) -> Item:
        """The same item under another key."""
        self.remove(table, item)
        moved = {**item, **changes}
        self.add(table, moved)
        return moved

    def forge(self, type_: str, cause: str, amount: int, held: int = 0, debt: int = 0) -> Item:
        """One more entry at the end, with the moves that make its amount right."""
        item: Item = {
            **deepcopy(self.entries()[-1]),
            "cause": cause,
            "type": type_,
            "amount": amount,
            "heldChange": held,
            "debtChange": debt,
            "version": self.entries()[-1]["version"] + 1,
            "referenceId": cause.partition("#")[2],
            "referenceType": REFERENCE_OF[type_],
            "moves": json.dumps(self._moves_of(type_, cause, amount)),
            "merges": None,
            "expiresAt": None,
        }
        self.add("ledger", item)
        return item

    def _moves_of(self, type_: str, cause: str, amount: int) -> dict[str, int]:
        """Taken in spending order; given as a new grant."""
        if amount > 0:
            return {cause if type_ in ("ADJUST", "BONUS") else cause.partition("#")[2]: amount}
        moves: dict[str, int] = {}
        grants = json.loads(self.wallet["grants"])
        for grant in sorted(grants, key=lambda g: (g["p"], g.get("e", "~"), g["c"], g["i"])):
            if amount < 0:
                moves[grant["i"]] = -min(-amount, grant["r"])
                amount -= moves[grant["i"]]
        if amount < 0 and grants:
            moves[grants[0]["i"]] = moves.get(grants[0]["i"], 0) + amount
        return moves

    def balance(self, account: str | None = None, *, source: str = "purchase") -> None:
        """Balance: derive versions, sums, wallet and grants from the entries again.

        A grant that the wallet did not have is one of ``source``.
        """
        account = account or self.account
        balance = held = debt = 0
        grants: Counter[str] = Counter()
        entries = self.entries(account=account)
        for version, item in enumerate(entries, start=1):
            balance += item["amount"]
            held += item["heldChange"]
            debt += item.get("debtChange") or 0
            item |= {"version": version, "balanceAfter": balance, "heldAfter": held}
            item["debtAfter"] = debt
            grants.update(json.loads(item.get("moves") or "{}"))
        wallet = self._one(("wallets", (account,)))
        wallet |= {"balance": balance, "held": held, "debt": debt, "version": len(entries)}
        known = {grant["i"]: grant for grant in json.loads(wallet["grants"])}
        blank = {"s": source, "p": 50 if source == "purchase" else 10}
        blank["c"] = entries[-1]["createdAt"]
        wallet["grants"] = json.dumps(
            [{**blank, **known.get(i, {}), "i": i, "r": r} for i, r in grants.items() if r]
        )
        self.mark(account)

    def mark(self, account: str | None = None) -> None:
        """Set the wallet's key in the index of expiring wallets by its grants."""
        wallet = self._one(("wallets", (account or self.account,)))
        grants = json.loads(wallet["grants"])
        moments = [datetime.fromisoformat(grant["e"]) for grant in grants if "e" in grant]
        wallet["nextExpiryAt"] = int(min(moments).timestamp()) if moments else None
        wallet["dueShard"] = "s0" if moments else None


def _key(table: str, item: Item) -> Key:
    return tuple(item[name] for name in KEYS[table])


def read_stored_books(world: World) -> StoredBooks:
    read = TypeDeserializer().deserialize
    tables: dict[str, dict[Key, Item]] = {}
    for table in KEYS:
        plain = [{n: _plain(read(v)) for n, v in item.items()} for item in world.scan(table)]
        tables[table] = {_key(table, item): item for item in plain}
    return StoredBooks(tables)


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, Decimal) else value


def corrupted_copy(
    sound: StoredBooks, seed: object, *corruptions: Corruption
) -> tuple[StoredBooks, list[str | None]]:
    """A copy with these corruptions, and for each the entry it must be reported at (or None).

    Raises:
        NothingToCorrupt: one of them finds nothing to do.
    """
    copy = StoredBooks(deepcopy(sound.tables), rng=random.Random(str(seed)))
    try:
        return copy, [corruption.corrupt(copy) for corruption in corruptions]
    except (LookupError, ValueError, TypeError, AssertionError, RecursionError) as error:
        # One corruption may make an item unreadable for the next.
        raise NothingToCorrupt from error


def raw_account(books: StoredBooks, account: str) -> RawAccount:
    """The account's items as DynamoDB would return them."""
    entries = books.entries(account=account)
    causes = (entry["cause"].partition("#") for entry in entries)
    jobs = {job_id for kind, _, job_id in causes if kind in ("deduct", "settle", "refund")}
    jobs |= {
        item["pk"]
        for item in books.tables["jobs"].values()
        if item["sk"] == "job" and item.get("accountId") == account
    }
    wallet = books.tables["wallets"].get((account,))
    return RawAccount(
        account_id=account,
        wallet=None if wallet is None else _raw(wallet),
        entries=[_raw(entry) for entry in entries],
        purchases=[
            _raw(item)
            for item in books.tables["purchases"].values()
            if item["accountId"] == account
        ],
        collections={
            job_id: [_raw(item) for key, item in books.tables["jobs"].items() if key[0] == job_id]
            for job_id in sorted(jobs)
        },
    )


def _raw(item: Item) -> dict[str, Any]:
    """An attribute that is None is left out."""
    write = TypeSerializer().serialize
    return {name: write(value) for name, value in item.items() if value is not None}


def write_difference(world: World, now: StoredBooks, then: StoredBooks) -> None:
    """Write the difference of two states directly, without the product's stores."""
    write = TypeSerializer().serialize
    client = world.client("dynamodb")
    for table, names in KEYS.items():
        name = world.settings.tables[table]
        before, after = now.tables[table], then.tables[table]
        for key in before.keys() - after.keys():
            raw = {name_: write(value) for name_, value in zip(names, key, strict=True)}
            client.delete_item(TableName=name, Key=raw)
        for key, item in after.items():
            if before.get(key) != item:
                client.put_item(TableName=name, Item=_raw(item))


# The corruptions

Corrupt = Callable[[StoredBooks], str | None]


@dataclass(frozen=True)
class Corruption:
    name: str
    law: str
    corrupt: Corrupt
    """Corrupts the books; returns the cause of the entry at which it must be reported, if any."""


CORRUPTIONS: list[Corruption] = []


def corruption(law: str) -> Callable[[Corrupt], Corrupt]:
    def register(corrupt: Corrupt) -> Corrupt:
        CORRUPTIONS.append(Corruption(corrupt.__name__.replace("_", " "), law, corrupt))
        return corrupt

    return register


# Law L1: entries that are missing, doubled, edited or out of order


@corruption("L1")
def the_first_entry_missing(books: StoredBooks) -> str | None:
    return _without_entry(books, 0)


@corruption("L1")
def a_middle_entry_missing(books: StoredBooks) -> str | None:
    return _without_entry(books, books.rng.randrange(1, len(books.entries()) - 1))


@corruption("L1")
def the_last_entry_missing(books: StoredBooks) -> str | None:
    return _without_entry(books, len(books.entries()) - 1)


def _without_entry(books: StoredBooks, place: int) -> str | None:
    """The breach is reported at the entry that takes its place."""
    entries = books.entries()
    books.remove("ledger", entries[place])
    return entries[place + 1]["cause"] if place + 1 < len(entries) else None


@corruption("L1")
def an_entry_doubled_under_another_cause(books: StoredBooks) -> str | None:
    copy = {**deepcopy(books.any_entry())}
    copy["cause"] += "~again"
    books.add("ledger", copy)
    return copy["cause"]


def _edit(books: StoredBooks, name: str, *types: str) -> str:
    entry = books.any_entry(*types)
    entry[name] = entry.get(name, 0) + books.rng.choice([-2, -1, 1, 2, 1000])
    return entry["cause"]


@corruption("L1")
def an_amount_edited(books: StoredBooks) -> str | None:
    return _edit(books, "amount")


@corruption("L1")
def a_held_change_edited(books: StoredBooks) -> str | None:
    return _edit(books, "heldChange")


@corruption("L1")
def a_debt_change_edited(books: StoredBooks) -> str | None:
    return _edit(books, "debtChange")


@corruption("L1")
def a_balance_after_edited(books: StoredBooks) -> str | None:
    return _edit(books, "balanceAfter")


@corruption("L1")
def a_held_after_edited(books: StoredBooks) -> str | None:
    return _edit(books, "heldAfter")


@corruption("L1")
def a_debt_after_edited(books: StoredBooks) -> str | None:
    return _edit(books, "debtAfter")


@corruption("L1")
def a_sign_flipped(books: StoredBooks) -> str | None:
    entry = books.any_entry(when=lambda item: item["amount"] != 0)
    entry["amount"] = -entry["amount"]
    return entry["cause"]


@corruption("L1")
def two_versions_swapped(books: StoredBooks) -> str | None:
    one, two = books.rng.sample(books.entries(), 2)
    one["version"], two["version"] = two["version"], one["version"]
    return None


@corruption("L1")
def a_version_skipped(books: StoredBooks) -> str | None:
    """From one entry on, every version is one too high, also the wallet's."""
    first = books.any_entry()
    for entry in books.entries():
        if entry["version"] > first["version"]:
            entry["version"] += 1
    first["version"] += 1
    books.wallet["version"] += 1
    return first["cause"]


@corruption("L1")
def a_version_given_twice(books: StoredBooks) -> str | None:
    entry = books.any_entry(when=lambda item: item["version"] > 1)
    entry["version"] -= 1
    return None


@corruption("L1")
def an_entry_moved_to_another_account(books: StoredBooks) -> str | None:
    entry = books.any_entry(when=lambda item: item["version"] > 3)
    books.rename("ledger", entry, accountId=books.other)
    return entry["cause"]


# Law L1: L2, L7: the wallet


def _edit_wallet(books: StoredBooks, name: str) -> str | None:
    books.wallet[name] = books.wallet.get(name, 0) + books.rng.choice([-3, -1, 1, 2, 100])
    return None


@corruption("L1")
def the_wallets_balance_edited(books: StoredBooks) -> str | None:
    return _edit_wallet(books, "balance")


@corruption("L1")
def the_wallets_hold_edited(books: StoredBooks) -> str | None:
    return _edit_wallet(books, "held")


@corruption("L1")
def the_wallets_version_edited(books: StoredBooks) -> str | None:
    return _edit_wallet(books, "version")


@corruption("L7")
def the_wallets_debt_edited(books: StoredBooks) -> str | None:
    return _edit_wallet(books, "debt")


@corruption("L1")
def the_wallet_missing(books: StoredBooks) -> str | None:
    books.remove("wallets", books.wallet)
    return None


@corruption("L2")
def the_wallet_below_zero(books: StoredBooks) -> str | None:
    books.wallet[books.rng.choice(["balance", "held"])] = -1
    return None


@corruption("L2")
def an_entry_below_zero(books: StoredBooks) -> str | None:
    entry = books.any_entry()
    entry[books.rng.choice(["balanceAfter", "heldAfter"])] = -1
    return entry["cause"]


@corruption("L2")
def more_spent_than_there_was_balanced(books: StoredBooks) -> str | None:
    more = books.wallet["balance"] + 5
    entry = books.forge("ADJUST", "adjust#forged", -more)
    books.balance()
    return entry["cause"]


@corruption("L1")
def balance_and_a_grant_raised_together(books: StoredBooks) -> str | None:
    """Balance and grants agree with each other, but not with the history."""
    _edit_grants(books, lambda grants: grants[0].update(r=grants[0]["r"] + 3))
    books.wallet["balance"] += 3
    return None


# Items that cannot be read as items of whole credits are named


@corruption("L8")
def a_fraction_in_the_wallet(books: StoredBooks) -> str | None:
    books.wallet["balance"] += Decimal("0.5")
    return None


@corruption("L8")
def a_fraction_in_an_entry(books: StoredBooks) -> str | None:
    entry = books.any_entry(when=lambda item: item["amount"] > 0)
    entry["amount"] += Decimal("0.5")
    return entry["cause"]


@corruption("L8")
def an_unknown_type(books: StoredBooks) -> str | None:
    entry = books.any_entry()
    entry["type"] = "GIFT"
    return entry["cause"]


@corruption("L8")
def grants_that_are_no_json(books: StoredBooks) -> str | None:
    books.wallet["grants"] = books.wallet["grants"][:-1]
    return None


# Law L3: grants


def _edit_grants(books: StoredBooks, edit: Callable[[list[Item]], object]) -> str | None:
    grants = json.loads(books.wallet["grants"])
    if len(grants) < 2:
        raise NothingToCorrupt
    books.rng.shuffle(grants)
    edit(grants)
    books.wallet["grants"] = json.dumps(grants)
    return None


@corruption("L3")
def a_grants_rest_edited(books: StoredBooks) -> str | None:
    more = books.rng.choice([-1, 1, 7])
    return _edit_grants(books, lambda grants: grants[0].update(r=grants[0]["r"] + more))


@corruption("L3")
def a_grant_doubled(books: StoredBooks) -> str | None:
    return _edit_grants(books, lambda grants: grants.append(grants[0]))


@corruption("L3")
def a_grant_removed(books: StoredBooks) -> str | None:
    return _edit_grants(books, lambda grants: grants.pop())


@corruption("L3")
def a_grant_renamed(books: StoredBooks) -> str | None:
    return _edit_grants(books, lambda grants: grants[0].update(i="renamed"))


@corruption("L3")
def credits_moved_between_grants(books: StoredBooks) -> str | None:
    def move(grants: list[Item]) -> None:
        grants[0]["r"] += 1
        grants[1]["r"] -= 1

    return _edit_grants(books, move)


@corruption("L3")
def moves_edited(books: StoredBooks) -> str | None:
    entry = books.any_entry(when=lambda item: item["amount"] != 0)
    moves = json.loads(entry["moves"])
    moves[books.rng.choice(sorted(moves))] += books.rng.choice([-1, 1])
    entry["moves"] = json.dumps(moves)
    return entry["cause"]


@corruption("L3")
def moves_missing(books: StoredBooks) -> str | None:
    entry = books.any_entry(when=lambda item: item["amount"] != 0)
    del entry["moves"]
    return entry["cause"]


@corruption("L3")
def moves_to_another_grant(books: StoredBooks) -> str | None:
    entry = books.any_entry(when=lambda item: item["amount"] != 0)
    entry["moves"] = json.dumps({"another": entry["amount"]})
    return None


# Law L4: causes, types and references


@corruption("L4")
def a_wrong_type(books: StoredBooks) -> str | None:
    entry = books.any_entry()
    entry["type"] = books.rng.choice([name for name in PREFIX_OF if name != entry["type"]])
    return entry["cause"]


@corruption("L4")
def a_cause_of_another_type(books: StoredBooks) -> str | None:
    entry = books.any_entry()
    kinds = [kind for name, kind in PREFIX_OF.items() if name != entry["type"]]
    cause = f"{books.rng.choice(kinds)}#{entry['cause'].partition('#')[2]}~"
    return books.rename("ledger", entry, cause=cause)["cause"]


@corruption("L4")
def a_wrong_reference(books: StoredBooks) -> str | None:
    entry = books.any_entry(
        when=lambda item: item["type"] in NAMED_TYPES or item["cause"].startswith("reversal#")
    )
    entry["referenceId"] = "somewhere else"
    return entry["cause"]


@corruption("L4")
def an_expiry_that_refers_elsewhere(books: StoredBooks) -> str | None:
    entry = books.any_entry("EXPIRE")
    entry["referenceId"] = "somewhere else"
    return entry["cause"]


@corruption("L4")
def an_expiry_of_another_grant_balanced(books: StoredBooks) -> str | None:
    """It takes credits of one grant under the name of another, which never expired."""
    entry = books.forge("EXPIRE", "expire#some other grant", -1)
    books.balance()
    return entry["cause"]


@corruption("L4")
def a_sign_its_type_cannot_have_balanced(books: StoredBooks) -> str | None:
    entry = books.any_entry("PURCHASE", "BONUS", "EXPIRE")
    entry["amount"] = -entry["amount"]
    moves = json.loads(entry["moves"])
    entry["moves"] = json.dumps({name: -moved for name, moved in moves.items()})
    books.balance()
    return entry["cause"]


@corruption("L4")
def a_hold_of_less_than_was_taken_balanced(books: StoredBooks) -> str | None:
    entry = books.any_entry("DEDUCT")
    entry["heldChange"] -= 1
    books.balance()
    return entry["cause"]


@corruption("L4")
def a_second_bonus_balanced(books: StoredBooks) -> str | None:
    entry = books.forge("BONUS", "bonus#again", 5)
    books.balance()
    return entry["cause"]


# Law L4: purchases and reversals


@corruption("L4")
def a_purchase_record_missing(books: StoredBooks) -> str | None:
    return _corrupt_purchase(books, lambda record: books.remove("purchases", record))


@corruption("L4")
def a_purchase_record_not_settled(books: StoredBooks) -> str | None:
    return _corrupt_purchase(books, lambda record: record.update(status="pending"))


@corruption("L4")
def a_purchase_record_of_other_credits(books: StoredBooks) -> str | None:
    return _corrupt_purchase(books, lambda record: record.update(credits=record["credits"] + 1))


def _corrupt_purchase(books: StoredBooks, corrupt: Callable[[Item], None]) -> str:
    record = books.choose(books.purchases())
    corrupt(record)
    return f"purchase#{record['purchaseId']}"


@corruption("L4")
def more_credits_than_were_bought_balanced(books: StoredBooks) -> str | None:
    entry = books.any_entry("PURCHASE")
    entry["amount"] += 10
    moves = Counter(json.loads(entry["moves"]))
    moves[entry["referenceId"]] += 10
    entry["moves"] = json.dumps(moves)
    books.balance()
    return entry["cause"]


@corruption("L4")
def a_purchase_credited_twice_balanced(books: StoredBooks) -> str | None:
    record = books.choose(books.purchases())
    entry = books.forge("PURCHASE", f"purchase#{record['purchaseId']}-2", record["credits"])
    books.balance()
    return entry["cause"]


@corruption("L4")
def a_purchase_settled_without_an_entry(books: StoredBooks) -> str | None:
    record = {**books.choose(books.purchases()), "purchaseId": "pur_without"}
    books.add("purchases", {**record, "reversals": None})
    return None


@corruption("L4")
def a_purchase_without_its_entry_balanced(books: StoredBooks) -> str | None:
    books.remove("ledger", books.any_entry("PURCHASE"))
    books.balance()
    return None


def _edit_reversals(books: StoredBooks, edit: Callable[[dict[str, int], str], object]) -> str:
    record = books.choose(books.purchases(reversed_=True))
    reversals = json.loads(record["reversals"])
    cause = books.rng.choice(sorted(reversals))
    edit(reversals, cause)
    record["reversals"] = json.dumps(reversals)
    return cause


@corruption("L4")
def a_reversal_without_its_record(books: StoredBooks) -> str | None:
    return _edit_reversals(books, lambda reversals, cause: reversals.pop(cause))


@corruption("L4")
def a_reversal_record_of_other_credits(books: StoredBooks) -> str | None:
    def edit(reversals: dict[str, int], cause: str) -> None:
        reversals[cause] -= 1

    return _edit_reversals(books, edit)


@corruption("L4")
def a_reversal_record_without_its_entry(books: StoredBooks) -> str | None:
    _edit_reversals(books, lambda reversals, _: reversals.update({"reversal#none": 0}))
    return None


@corruption("L4")
def a_reversal_without_its_entry_balanced(books: StoredBooks) -> str | None:
    books.remove("ledger", books.any_entry(when=lambda e: e["cause"].startswith("reversal#")))
    books.balance()
    return None


@corruption("L4")
def a_reversal_beyond_its_purchase_balanced(books: StoredBooks) -> str | None:
    record = books.choose(books.purchases())
    entry = books.forge("REVERSAL", "reversal#forged", 0, debt=record["credits"] + 1)
    entry["referenceId"] = record["purchaseId"]
    reversals = json.loads(record.get("reversals") or "{}")
    record["reversals"] = json.dumps({**reversals, entry["cause"]: record["credits"] + 1})
    books.balance()
    return None


@corruption("L4")
def a_debt_without_a_reversal_balanced(books: StoredBooks) -> str | None:
    entry = books.any_entry("BONUS", "PURCHASE", "DEDUCT", "SETTLE", "ADJUST")
    entry["debtChange"] = 4
    books.balance()
    return entry["cause"]


@corruption("L4")
def a_debt_paid_without_a_purchase_balanced(books: StoredBooks) -> str | None:
    entry = books.forge("REVERSAL", "debt#no purchase", -1, debt=-1)
    books.balance()
    return entry["cause"]


# Law L5: holds and their jobs


@corruption("L5")
def a_hold_of_no_job(books: StoredBooks) -> str | None:
    job = books.any_job("running", *FINAL)
    for item in list(books.tables["jobs"].values()):
        if item["pk"] == job["pk"]:
            books.remove("jobs", item)
    return f"deduct#{job['pk']}"


@corruption("L5")
def a_hold_of_no_job_balanced(books: StoredBooks) -> str | None:
    entry = books.forge("DEDUCT", "deduct#job_none", -1, held=1)
    books.balance()
    return entry["cause"]


@corruption("L5")
def a_settlement_without_a_hold_balanced(books: StoredBooks) -> str | None:
    return _ended_without_beginning(books, "SETTLE")


@corruption("L5")
def a_refund_without_a_hold_balanced(books: StoredBooks) -> str | None:
    return _ended_without_beginning(books, "REFUND")


def _ended_without_beginning(books: StoredBooks, type_: str) -> str:
    end = books.any_entry(type_)
    begin = books.entry(f"deduct#{end['referenceId']}")
    if begin is None:
        raise NothingToCorrupt
    books.remove("ledger", begin)
    books.balance()
    return end["cause"]


@corruption("L5")
def a_hold_ended_twice_balanced(books: StoredBooks) -> str | None:
    """A job that used everything gets everything back as well."""
    job = books.any_job("succeeded")
    held = books.tables["ledger"][(books.account, f"deduct#{job['pk']}")]["heldChange"]
    books.forge("REFUND", f"refund#{job['pk']}", held, held=-held)
    books.balance()
    return f"deduct#{job['pk']}"


@corruption("L5")
def a_hold_ended_for_less_balanced(books: StoredBooks) -> str | None:
    """A partial job has its refund, but no entry for the used credits."""
    job = books.any_job("partial")
    settled = books.entry(f"settle#{job['pk']}")
    if settled is None:
        raise NothingToCorrupt
    books.remove("ledger", settled)
    books.balance()
    return f"deduct#{job['pk']}"


@corruption("L5")
def a_final_job_with_an_open_hold_balanced(books: StoredBooks) -> str | None:
    job = books.any_job(*FINAL)
    for kind in ("settle", "refund"):
        entry = books.entry(f"{kind}#{job['pk']}")
        if entry is not None:
            books.remove("ledger", entry)
    books.balance()
    return f"deduct#{job['pk']}"


def _edit_job(books: StoredBooks, *statuses: str, **changes: Any) -> str:
    job = books.any_job(*statuses)
    job |= changes
    return f"deduct#{job['pk']}"


@corruption("L5")
def a_job_that_ended_without_its_hold(books: StoredBooks) -> str | None:
    return _edit_job(books, "running", status="failed")


@corruption("L5")
def a_running_job_with_an_ended_hold(books: StoredBooks) -> str | None:
    return _edit_job(books, *FINAL, status="running")


@corruption("L5")
def a_job_given_to_another_account(books: StoredBooks) -> str | None:
    return _edit_job(books, "running", *FINAL, accountId=books.other)


@corruption("L5")
def a_receipt_missing(books: StoredBooks) -> str | None:
    return _edit_job(books, *FINAL, receipt=None)


@corruption("L5")
def a_receipt_of_other_credits(books: StoredBooks) -> str | None:
    job = books.any_job(*FINAL)
    receipt = json.loads(job["receipt"])
    receipt[books.rng.choice(["used", "refunded"])] += 1
    job["receipt"] = json.dumps(receipt)
    return f"deduct#{job['pk']}"


@corruption("L5")
def a_jobs_hold_edited(books: StoredBooks) -> str | None:
    job = books.any_job("running", *FINAL)
    slices = json.loads(job["hold"])
    slices[0]["r"] += books.rng.choice([-1, 1])
    job["hold"] = json.dumps(slices)
    return f"deduct#{job['pk']}"


@corruption("L5")
def a_jobs_hold_missing(books: StoredBooks) -> str | None:
    return _edit_job(books, "running", *FINAL, hold=None)


@corruption("L5")
def a_jobs_price_edited(books: StoredBooks) -> str | None:
    job = books.any_job("running", *FINAL)
    price = json.loads(job["price"])
    price[0][1] += 1
    job["price"] = json.dumps(price)
    return f"deduct#{job['pk']}"


@corruption("L5")
def a_draft_queued_without_a_hold(books: StoredBooks) -> str | None:
    drafts = [item for item in books.tables["jobs"].values() if item.get("status") == "draft"]
    job = books.choose(drafts)
    job |= {"status": "queued", "queuedAt": job["updatedAt"]}
    job["price"] = json.dumps([["story", 2, ["clip_1"]]])
    return None


@corruption("L5")
def a_job_queued_without_its_entry_balanced(books: StoredBooks) -> str | None:
    job = books.any_job("running")
    books.remove("ledger", books.tables["ledger"][(books.account, f"deduct#{job['pk']}")])
    books.balance()
    return None


# Law L6: outputs


def _promised_tasks(books: StoredBooks) -> Iterator[Item]:
    for job in books.jobs("succeeded"):
        if "deletedAt" in job:
            continue
        for _, _, keys in json.loads(job["price"]):
            for key in keys:
                item = books.tables["jobs"].get((job["pk"], f"task#{key}"))
                if item is not None and item.get("outputs"):
                    yield item


@corruption("L6")
def a_promised_output_missing(books: StoredBooks) -> str | None:
    books.choose(list(_promised_tasks(books)))["outputs"] = None
    return None


@corruption("L6")
def a_promised_output_doubled(books: StoredBooks) -> str | None:
    task = books.choose(list(_promised_tasks(books)))
    outputs = json.loads(task["outputs"])
    task["outputs"] = json.dumps([*outputs, {**outputs[0], "output_id": "out_again"}])
    return None
