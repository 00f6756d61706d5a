"""The laws of credits and jobs, checked on the stored data.

Reads tables and bucket raw and derives everything again with arithmetic of its own: it shares
nothing with the product but the names of attributes, so that a mistake there cannot hide here.
Laws of money hold at every moment; those of finished work only when the world is at rest.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from tests.support.world import World

Item = Mapping[str, Any]
Rule = Callable[["Books"], Iterator["Breach"]]

FINAL = {"succeeded", "partial", "failed", "canceled"}
TASK_FINAL = {"succeeded", "failed", "skipped", "canceled"}
IN_ACCOUNT_QUEUE = {"ready", "running", "waiting"}
SIDE = "#side"
PERSONAL = ("inputs", "deviceId", "templateId", "combo", "pick", "listKey", "changedAt")
"""Attributes that an erased job must not have."""
LIVE_GRANTS_LIMIT = 50
ATTEMPTS_LIMIT = 3
SIGNUP_BONUS = 5
CAUSE_OF = {
    "PURCHASE": "purchase",
    "BONUS": "bonus",
    "DEDUCT": "deduct",
    "REFUND": "refund",
    "SETTLE": "settle",
    "EXPIRE": "expire",
}
"""Types whose entries are named after one kind of cause, and refer to it by their key."""


@dataclass(frozen=True)
class Breach:
    """One law that does not hold, where, and how it shows."""

    law: str
    account: str
    entry: str
    message: str

    def __str__(self) -> str:
        return f"{self.law} {self.account} {self.entry}: {self.message}"


@dataclass(frozen=True, kw_only=True)
class JobRecord:
    """A job's collection, read as plain values."""

    item: Item
    tasks: tuple[Item, ...]
    inherited: tuple[Item, ...]
    entries: tuple[Item, ...] = ()
    """Its places in lists by word, file and duration."""
    shares: tuple[Item, ...] = ()
    others: tuple[str, ...] = ()
    """Keys of its other items: its large inputs."""

    @property
    def job_id(self) -> str:
        return self.item["pk"]

    @property
    def account(self) -> str:
        return self.item["accountId"]

    @property
    def status(self) -> str:
        return self.item["status"]

    @property
    def is_final(self) -> bool:
        return self.status in FINAL

    @property
    def is_deleted(self) -> bool:
        return "deletedAt" in self.item

    @property
    def children(self) -> set[str]:
        return set(self.item.get("children", ()))

    @property
    def inputs(self) -> Mapping[str, Any]:
        return _json(self.item, "inputs", {})

    @property
    def price(self) -> list[tuple[str, int, list[str]]]:
        return [(name, cost, keys) for name, cost, keys in _json(self.item, "price", [])]

    @property
    def reserved(self) -> int:
        return sum(cost for _, cost, _ in self.price)

    @property
    def promised(self) -> list[str]:
        return sorted({key for _, _, keys in self.price for key in keys})

    @property
    def receipt(self) -> Mapping[str, Any] | None:
        return _json(self.item, "receipt", None)

    @property
    def made(self) -> set[str]:
        return {key_of(task) for task in self.tasks if task["status"] == "succeeded"}

    @property
    def outputs(self) -> list[Mapping[str, Any]]:
        own = [output for task in self.tasks for output in _json(task, "outputs", [])]
        return own + [json.loads(item["output"]) for item in self.inherited]


@dataclass(frozen=True, kw_only=True)
class Books:
    """All records that the laws are about, read once."""

    wallets: Mapping[str, Item]
    ledger: Mapping[str, list[Item]]
    """Per account, in the order of versions."""
    jobs: Mapping[str, JobRecord]
    purchases: list[Item]
    events: Mapping[str, list[str]] = field(default_factory=dict)
    """Per entity, the names of its events."""
    assignments: Mapping[tuple[str, str], str] = field(default_factory=dict)
    files: frozenset[str] = frozenset()
    """Keys in the bucket."""
    albums: Mapping[str, Item] = field(default_factory=dict)
    """By id."""
    entries: Mapping[str, Mapping[str, Item]] = field(default_factory=dict)
    """Per album, by the id of their output."""
    open_counts: Mapping[str, Item] | None = None
    """Per account, what its counters have of drafts and queued jobs; None if they were not read."""

    def entry(self, account: str, cause: str) -> Item | None:
        return next((e for e in self.ledger.get(account, []) if e["cause"] == cause), None)


def check_laws(world: World, *, at_rest: bool = True) -> list[Breach]:
    """All breaches; with ``at_rest`` false, only of laws that hold at every moment."""
    return check_books(read_books(read_state(world)), at_rest=at_rest)


def check_books(books: Books, *, at_rest: bool = True) -> list[Breach]:
    rules = MONEY_LAWS + JOB_LAWS + (REST_LAWS if at_rest else ())
    return [breach for rule in rules for breach in rule(books)]


# Reading


@dataclass(frozen=True)
class State:
    """Raw items of tables and the keys in the bucket, at one moment."""

    tables: Mapping[str, Sequence[Item]]
    files: frozenset[str]


def read_state(world: World, tables: Iterable[str] | None = None) -> State:
    """Consistent scans of all tables, or of these."""
    names = world.settings.tables if tables is None else tables
    return State(
        tables={name: world.scan(name) for name in names}, files=frozenset(list_files(world))
    )


def read_books(state: State) -> Books:
    ledger: dict[str, list[Item]] = defaultdict(list)
    for entry in _plain(state, "ledger"):
        ledger[entry["accountId"]].append(entry)
    for entries in ledger.values():
        entries.sort(key=lambda entry: entry["version"])
    events: dict[str, list[str]] = defaultdict(list)
    for event in _plain(state, "events"):
        events[event["entityId"]].append(event["name"])
    in_albums: dict[str, dict[str, Item]] = defaultdict(dict)
    for item in _plain(state, "albums"):
        kind, album_id, *output_id = item["sk"].split("#")
        if kind == "entry":
            in_albums[album_id][output_id[0]] = item
    return Books(
        albums={
            item["sk"].partition("#")[2]: item
            for item in _plain(state, "albums")
            if item["sk"].startswith("album#")
        },
        entries=in_albums,
        wallets={item["accountId"]: item for item in _plain(state, "wallets")},
        ledger=ledger,
        jobs={record.job_id: record for record in _job_records(_plain(state, "jobs"))},
        purchases=_plain(state, "purchases"),
        events=events,
        assignments={
            (item["subject"], item["combination"]): item["templateId"]
            for item in _plain(state, "templates")
        },
        files=state.files,
        open_counts={
            item["accountId"]: item for item in _plain(state, "limits") if item["counter"] == "open"
        }
        if "limits" in state.tables
        else None,
    )


def _plain(state: State, table: str) -> list[Item]:
    read = TypeDeserializer().deserialize
    return [
        {name: _number(read(value)) for name, value in item.items()}
        for item in state.tables.get(table, [])
    ]


def list_files(world: World) -> list[str]:
    pages = world.client("s3").get_paginator("list_objects_v2")
    found = pages.paginate(Bucket=world.settings.media_bucket)
    return [item["Key"] for page in found for item in page.get("Contents", [])]


def key_of(task: Item) -> str:
    return task["sk"].partition("#")[2]


def _job_records(items: list[Item]) -> Iterator[JobRecord]:
    families: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        families[item["pk"].removesuffix(SIDE)].append(item)
    for family in families.values():
        by_kind: dict[str, list[Item]] = defaultdict(list)
        for item in family:
            by_kind[item["sk"].partition("#")[0]].append(item)
        for item in by_kind["job"]:
            large = {name: held for other in by_kind["inputs"] for name, held in other.items()}
            yield JobRecord(
                item={**large, **item},
                tasks=tuple(by_kind["task"]),
                inherited=tuple(by_kind["inherited"]),
                entries=tuple(by_kind["list"]),
                shares=tuple(by_kind["share"]),
                others=tuple(item["sk"] for item in by_kind["inputs"]),
            )


def _number(value: Any) -> Any:
    """Whole numbers as int; a fraction stays a Decimal, and so breaks a law."""
    if isinstance(value, Decimal) and value == value.to_integral_value():
        return int(value)
    return value


def _json(item: Item, name: str, missing: Any) -> Any:
    return json.loads(item[name]) if item.get(name) else missing


# L1-L4: the wallet and its history


def wallet_follows_from_its_entries(books: Books) -> Iterator[Breach]:
    """L1."""
    for account in sorted({*books.wallets, *books.ledger}):
        entries, wallet = books.ledger.get(account, []), books.wallets.get(account)
        versions = [entry["version"] for entry in entries]
        if versions != list(range(1, len(entries) + 1)):
            yield Breach("L1", account, "", f"versions are {versions}")
        balance = held = debt = 0
        for entry in entries:
            balance += entry["amount"]
            held += entry["heldChange"]
            debt += entry.get("debtChange", 0)
            if (entry["balanceAfter"], entry["heldAfter"]) != (balance, held):
                stated = f"{entry['balanceAfter']} and {entry['heldAfter']} held"
                message = f"says {stated}, follows {balance} and {held} held"
                yield Breach("L1", account, entry["cause"], message)
        follows, stands = (balance, held, debt, len(entries)), (0, 0, 0, 0)
        if wallet is not None:
            names = ("balance", "held", "debt", "version")
            stands = tuple(wallet.get(name, 0) for name in names)
        if stands != follows:
            message = f"the wallet says {stands}, its entries {follows}"
            yield Breach("L1", account, "wallet", message)


def nothing_is_negative_or_fractional(books: Books) -> Iterator[Breach]:
    """L2."""
    for account, wallet in books.wallets.items():
        for name in ("balance", "held", "debt"):
            value = wallet.get(name, 0)
            if not isinstance(value, int) or value < 0:
                yield Breach("L2", account, "wallet", f"{name} is {value}")
    for account, entries in books.ledger.items():
        for entry in entries:
            for name in ("balanceAfter", "heldAfter"):
                if not isinstance(entry[name], int) or entry[name] < 0:
                    yield Breach("L2", account, entry["cause"], f"{name} is {entry[name]}")


def grants_add_up_to_the_balance(books: Books) -> Iterator[Breach]:
    """L3."""
    for account, wallet in books.wallets.items():
        grants = _json(wallet, "grants", [])
        rests = [grant["r"] for grant in grants]
        if sum(rests) != wallet["balance"]:
            message = f"grants hold {rests}, the balance is {wallet['balance']}"
            yield Breach("L3", account, "wallet", message)
        if any(not isinstance(rest, int) or rest <= 0 for rest in rests):
            yield Breach("L3", account, "wallet", f"an empty or broken grant in {rests}")
        if (derived := _grants_of_history(books.ledger.get(account, []))) is not None:
            left = {grant["i"]: grant["r"] for grant in grants}
            if derived != left:
                yield Breach("L3", account, "wallet", f"grants are {left}, entries left {derived}")
        names = [grant["i"] for grant in grants]
        if len(names) > LIVE_GRANTS_LIMIT or len(set(names)) < len(names):
            yield Breach("L3", account, "wallet", f"grants are {names}")


def _grants_of_history(entries: list[Item]) -> dict[str, int] | None:
    """What each grant should hold by the moves of the entries; None if an entry has no moves."""
    if any(entry["amount"] and "moves" not in entry for entry in entries):
        return None
    left: Counter[str] = Counter()
    for entry in entries:
        left.update(_json(entry, "moves", {}))
    return {grant: rest for grant, rest in left.items() if rest}


def each_cause_happens_once_as_it_says(books: Books) -> Iterator[Breach]:
    """L4."""
    owners: dict[str, list[str]] = defaultdict(list)
    for account, entries in books.ledger.items():
        for entry in entries:
            kind, _, reference = entry["cause"].partition("#")
            if CAUSE_OF.get(entry["type"], kind) != kind:
                yield Breach("L4", account, entry["cause"], f"is of type {entry['type']}")
            if kind not in ("bonus", "expire"):
                owners[entry["cause"]].append(account)
            named = kind in CAUSE_OF.values() and kind != "bonus"
            if kind == "expire":
                # A grant that expired again has a numbered cause.
                reference = re.sub(r"#\d+$", "", reference)
            if named and entry["referenceId"] != reference:
                message = f"refers to {entry['referenceId']}"
                yield Breach("L4", account, entry["cause"], message)
            if (problem := _broken_shape(entry)) is not None:
                yield Breach("L4", account, entry["cause"], problem)
    for cause, accounts in owners.items():
        if len(accounts) > 1:
            yield Breach("L4", ", ".join(accounts), cause, "happened to several accounts")


def _broken_shape(entry: Item) -> str | None:
    """The effect of each type on balance and hold, which the other laws rely on."""
    amount, held = entry["amount"], entry["heldChange"]
    right = {
        "PURCHASE": amount > 0 and held == 0,
        "BONUS": amount in (SIGNUP_BONUS, 0) and held == 0 and entry["cause"] == "bonus#signup",
        "DEDUCT": amount < 0 and held == -amount,
        "REFUND": amount > 0 and held == -amount,
        "SETTLE": amount == 0 and held < 0,
        "EXPIRE": amount < 0 and held == 0,
        "REVERSAL": held == 0,
        "ADJUST": (amount != 0 or entry.get("debtChange", 0) < 0) and held == 0,
    }
    return None if right.get(entry["type"], True) else f"changes {amount} and {held} held"


def purchases_and_their_entries_agree(books: Books) -> Iterator[Breach]:
    """L4, for money that came in: record and entry exist together or not at all."""
    records = {(item["accountId"], item["purchaseId"]): item for item in books.purchases}
    for (account, purchase_id), record in records.items():
        entry = books.entry(account, f"purchase#{purchase_id}")
        if record["status"] != "settled":
            continue
        if entry is None:
            yield Breach("L4", account, f"purchase#{purchase_id}", "a record without its entry")
        elif entry["amount"] != record["credits"]:
            message = f"the entry has {entry['amount']}, the record {record['credits']}"
            yield Breach("L4", account, entry["cause"], message)
    for account, entries in books.ledger.items():
        for entry in entries:
            known = (account, entry["referenceId"]) in records
            if entry["type"] == "PURCHASE" and not known:
                yield Breach("L4", account, entry["cause"], "an entry without its record")


# L5, L7: holds end once, and no credit appears or disappears


def each_hold_ends_exactly_once(books: Books) -> Iterator[Breach]:
    """L5, from the side of the jobs."""
    for job in books.jobs.values():
        ending = {
            kind: books.entry(job.account, f"{kind}#{job.job_id}")
            for kind in ("deduct", "settle", "refund")
        }
        expected = _expected_entries(job)
        for kind, entry in ending.items():
            found = None if entry is None else (entry["amount"], entry["heldChange"])
            if found != expected.get(kind):
                message = f"is {found}, must be {expected.get(kind)} ({job.status})"
                yield Breach("L5", job.account, f"{kind}#{job.job_id}", message)
        begun = ending["deduct"]
        for kind in ("settle", "refund"):
            entry = ending[kind]
            if begun and entry and entry["version"] < begun["version"]:
                yield Breach("L5", job.account, entry["cause"], "comes before its hold")
        slices = _json(job.item, "hold", [])
        if job.status != "draft" and sum(piece["r"] for piece in slices) != job.reserved:
            message = f"holds slices of {[piece['r'] for piece in slices]}"
            yield Breach("L5", job.account, job.job_id, f"{message} for {job.reserved}")


def _expected_entries(job: JobRecord) -> dict[str, tuple[int, int]]:
    """(amount, heldChange) of the entries that this job must have by now."""
    if job.status == "draft" or not job.reserved:
        return {}
    expected = {"deduct": (-job.reserved, job.reserved)}
    if not job.is_final:
        return expected
    used = job.receipt["used"] if job.is_deleted and job.receipt else sum(_used_parts(job))
    if used:
        expected["settle"] = (0, -used)
    if used < job.reserved:
        expected["refund"] = (job.reserved - used, used - job.reserved)
    return expected


def held_is_what_open_jobs_hold(books: Books) -> Iterator[Breach]:
    """L5, from the side of the wallets."""
    open_holds: Counter[str] = Counter()
    for job in books.jobs.values():
        if job.status != "draft" and not job.is_final:
            open_holds[job.account] += job.reserved
    for account, wallet in books.wallets.items():
        if wallet["held"] != open_holds[account]:
            message = f"{wallet['held']} held, open jobs hold {open_holds[account]}"
            yield Breach("L5", account, "wallet", message)
    for account, entries in books.ledger.items():
        for entry in entries:
            if entry["referenceType"] != "job":
                continue
            subject = books.jobs.get(entry["referenceId"])
            if subject is None or subject.account != account:
                yield Breach("L5", account, entry["cause"], "belongs to no job of the account")


def counters_have_the_open_jobs(books: Books) -> Iterator[Breach]:
    """The counters of limits change with the jobs, in the same transaction."""
    if books.open_counts is None:
        return
    drafts: Counter[str] = Counter()
    queued: Counter[str] = Counter()
    for job in books.jobs.values():
        counted = job.item.get("ct")
        if counted is None or job.is_final or job.is_deleted:
            continue
        (drafts if job.status == "draft" else queued)[job.account] += 1
    for account in books.open_counts.keys() | drafts.keys() | queued.keys():
        item = books.open_counts.get(account, {})
        found = item.get("drafts", 0), item.get("queued", 0)
        if found != (drafts[account], queued[account]):
            wanted = f"{drafts[account]} drafts and {queued[account]} queued jobs"
            yield Breach("limits", account, "open", f"{found} counted of {wanted}")


def credits_are_conserved(books: Books) -> Iterator[Breach]:
    """L7, over all accounts together."""
    moved: Counter[str] = Counter()
    for entries in books.ledger.values():
        for entry in entries:
            change = entry["heldChange"] if entry["type"] == "SETTLE" else entry["amount"]
            moved[entry["type"]] += change
    came_in = moved["PURCHASE"] + moved["BONUS"] + moved["ADJUST"]
    gone = -moved["SETTLE"] - moved["EXPIRE"] - moved["REVERSAL"]
    here = sum(wallet["balance"] + wallet["held"] for wallet in books.wallets.values())
    if came_in != here + gone:
        yield Breach("L7", "*", "", f"{came_in} came in, {here} are here, {gone} are gone")


# L6 and the laws of jobs


def a_receipt_adds_up(books: Books) -> Iterator[Breach]:
    for job in books.jobs.values():
        receipt = job.receipt
        if job.is_final != (receipt is not None):
            yield Breach("receipt", job.account, job.job_id, f"{job.status} with {receipt}")
        if receipt is None:
            continue
        # The outputs of a deleted job are gone; its costs must still add up.
        parts = list(receipt["parts"]) if job.is_deleted else _used_parts(job)
        stated = (receipt["used"], receipt["refunded"], list(receipt["parts"]))
        follows = (sum(parts), job.reserved - sum(parts), parts)
        if stated != follows:
            message = f"says {stated}, follows {follows}"
            yield Breach("receipt", job.account, job.job_id, message)
        if (job.status == "succeeded") != (receipt.get("reason") is None):
            message = f"{job.status} because of {receipt.get('reason')}"
            yield Breach("receipt", job.account, job.job_id, message)


def _used_parts(job: JobRecord) -> list[int]:
    """Per part of the price: its credits times the share of what it promised, rounded down; of a
    canceled job at least one credit for a part of which something was made."""
    used = []
    for _, cost, keys in job.price:
        made = len(job.made & set(keys))
        least = 1 if job.status == "canceled" and made and cost else 0
        used.append(max(least, cost * made // len(keys)))
    return used


def a_status_agrees_with_the_tasks(books: Books) -> Iterator[Breach]:
    for job in books.jobs.values():
        statuses = Counter(task["status"] for task in job.tasks)
        if job.is_deleted:
            if not job.is_final and job.status != "draft":
                yield Breach("status", job.account, job.job_id, f"was deleted while {job.status}")
            continue
        yield from _cancellation(job, statuses)
        if job.is_final:
            expected = "failed"
            if statuses and set(statuses) == {"succeeded"}:
                expected = "succeeded"
            elif job.made & set(job.promised):
                expected = "partial"
            stopped = job.status == "canceled" and expected != "succeeded"
            if job.status != expected and not stopped:
                message = f"is {job.status} with tasks {dict(statuses)}"
                yield Breach("status", job.account, job.job_id, message)
            if open_ := {status for status in statuses if status not in TASK_FINAL}:
                yield Breach("status", job.account, job.job_id, f"is final with {open_} tasks")
        elif job.tasks and all(status in TASK_FINAL for status in statuses):
            yield Breach("status", job.account, job.job_id, f"is {job.status}, all tasks ended")
        if job.tasks != () and job.status == "draft":
            yield Breach("status", job.account, job.job_id, "is a draft with tasks")


def _cancellation(job: JobRecord, statuses: Counter[str]) -> Iterator[Breach]:
    """A canceled job has the reason CANCELED, and no task of it begins."""
    reason = None if job.receipt is None else job.receipt["reason"]
    if (job.status == "canceled") != (reason == "CANCELED"):
        yield Breach("cancel", job.account, job.job_id, f"is {job.status} because of {reason}")
    if job.status not in ("canceled", "canceling") and statuses["canceled"]:
        yield Breach("cancel", job.account, job.job_id, f"is {job.status} with canceled tasks")
    if job.status == "canceling":
        open_ = {status for status in statuses if status not in TASK_FINAL}
        if open_ != {"running"}:
            yield Breach("cancel", job.account, job.job_id, f"waits for tasks that are {open_}")


def account_queues_hold_what_may_run(books: Books) -> Iterator[Breach]:
    """The account queue lists exactly the tasks that wait for their turn or are in progress."""
    for job in books.jobs.values():
        for task in job.tasks:
            where, status = f"{job.job_id} {key_of(task)}", task["status"]
            queue, place = task.get("lane"), task.get("laneKey")
            if (queue, place) != (None, None) and status not in IN_ACCOUNT_QUEUE:
                yield Breach("queue", job.account, where, f"is {status} at {place} of {queue}")
            if status in IN_ACCOUNT_QUEUE and queue != job.account:
                yield Breach("queue", job.account, where, f"is {status} in the queue of {queue}")
            if status in ("running", "waiting") and place != "0":
                yield Breach("queue", job.account, where, f"is {status} at {place}")
            waits = status == "ready" and place is not None and place.startswith("1#")
            if status == "ready" and place != "0" and not waits:
                yield Breach("queue", job.account, where, f"is ready at {place}")


def parents_and_children_match(books: Books) -> Iterator[Breach]:
    """A parent lists exactly its stored children, and is not deleted before them."""
    there_are: dict[str, set[str]] = defaultdict(set)
    for job in books.jobs.values():
        parent_id = job.item.get("parentJobId")
        if parent_id is None or job.is_deleted:
            continue
        there_are[parent_id].add(job.job_id)
        parent = books.jobs.get(parent_id)
        if parent is None or parent.is_deleted or parent.account != job.account:
            yield Breach("family", job.account, job.job_id, f"its parent {parent_id} is gone")
    for job in books.jobs.values():
        if job.children != there_are[job.job_id]:
            message = f"knows {sorted(job.children)}, has {sorted(there_are[job.job_id])}"
            yield Breach("family", job.account, job.job_id, message)


def a_pick_is_an_output(books: Books) -> Iterator[Breach]:
    for job in books.jobs.values():
        pick = job.item.get("pick")
        known = {output["output_id"] for output in job.outputs}
        if pick is not None and pick not in known and not job.is_deleted:
            yield Breach("pick", job.account, job.job_id, f"{pick} is none of its outputs")


def deleted_jobs_are_in_no_list(books: Books) -> Iterator[Breach]:
    for job in books.jobs.values():
        kept = [name for name in ("listKey", "changedAt") if name in job.item]
        if job.is_deleted and kept:
            yield Breach("tombstone", job.account, job.job_id, f"keeps {kept}")


def progress_counts_the_tasks(books: Books) -> Iterator[Breach]:
    for job in books.jobs.values():
        if not job.tasks or job.is_deleted:
            continue
        ended = sum(1 for task in job.tasks if task["status"] in TASK_FINAL)
        counted = [len(job.made), ended - len(job.made), len(job.tasks)]
        stated = _json(job.item, "progress", [0, 0, 0])
        if stated != counted:
            yield Breach("progress", job.account, job.job_id, f"says {stated}, is {counted}")


def outputs_are_unique_and_stored(books: Books) -> Iterator[Breach]:
    """L6: for each promised key one output, of the attempt that ended the task, with its file."""
    for job in books.jobs.values():
        if job.is_deleted:
            continue
        keys = Counter(output["key"] for output in job.outputs)
        ids = Counter(output["output_id"] for output in job.outputs)
        for name, count in [*keys.items(), *ids.items()]:
            if count > 1:
                yield Breach("L6", job.account, job.job_id, f"has {count} outputs {name}")
        if job.status == "succeeded":
            for key in set(job.promised) - set(keys):
                yield Breach("L6", job.account, job.job_id, f"lacks the promised {key}")
        for output in job.outputs:
            if output["storage_key"] not in books.files:
                message = f"has no file {output['storage_key']}"
                yield Breach("L6", job.account, output["output_id"], message)
        yield from _task_outputs(job)


def _task_outputs(job: JobRecord) -> Iterator[Breach]:
    for task in job.tasks:
        outputs, where = _json(task, "outputs", []), f"{job.job_id} {key_of(task)}"
        if len(outputs) != (task["status"] == "succeeded"):
            yield Breach("L6", job.account, where, f"{task['status']}: {len(outputs)} outputs")
        for output in outputs:
            name = output["storage_key"].rpartition("/")[2].partition(".")[0]
            if name != f"{key_of(task)}-{task['attempts']}":
                message = f"attempt {task['attempts']} ended with {name}"
                yield Breach("L6", job.account, where, message)
        if not 0 <= task["attempts"] <= ATTEMPTS_LIMIT:
            yield Breach("attempts", job.account, where, f"{task['attempts']} attempts")


# What holds once no work is in progress


def every_job_has_ended(books: Books) -> Iterator[Breach]:
    for job in books.jobs.values():
        if not job.is_final and job.status != "draft":
            yield Breach("end", job.account, job.job_id, f"is still {job.status}")
        items = (job.item, *job.tasks, *job.shares)
        watched = [item["sk"] for item in items if "nextCheckAt" in item]
        if watched:
            yield Breach("end", job.account, job.job_id, f"the sweeper still watches {watched}")


def events_happened_exactly_once(books: Books) -> Iterator[Breach]:
    for job in books.jobs.values():
        expected = [] if job.status == "draft" else list(_expected_events(job))
        found = [
            name
            for name in books.events.get(job.job_id, [])
            if not name.startswith("share_") and name not in _NOT_OF_ITS_STATE
        ]
        if job.is_deleted:
            # A deleted child does not store its kind.
            found = ["JOB_RETRIED" if name == "regen_requested" else name for name in found]
        if sorted(found) != sorted(expected):
            message = f"{sorted(found)} instead of {sorted(expected)}"
            yield Breach("events", job.account, job.job_id, message)
    for purchase in books.purchases:
        found = books.events.get(purchase["purchaseId"], [])
        by_test = purchase["status"] == "settled" and purchase["gateway"] == "test"
        if by_test and found != ["credit_purchase_test"]:
            account = purchase["accountId"]
            yield Breach("events", account, purchase["purchaseId"], f"has events {found}")


_NOT_OF_ITS_STATE = {"PROVIDER_COST", "upgrade_clicked"}
"""Events of a job that its item does not imply."""


def _expected_events(job: JobRecord) -> Iterator[str]:
    if "queuedAt" in job.item:
        if not job.item.get("parentJobId"):
            yield "job_confirmed"
        else:
            is_regeneration = _json(job.item, "regen", [None])[0] is not None and not job.is_deleted
            yield "regen_requested" if is_regeneration else "JOB_RETRIED"
        yield "JOB_QUEUED"
    if "startedAt" in job.item:
        yield "JOB_RUNNING"
    if job.is_final:
        yield f"JOB_{job.status.upper()}"
        yield "job_done"
    if job.receipt is not None and job.receipt.get("reason") is not None:
        yield "JOB_FAILED_REASON"


def every_share_has_one_event(books: Books) -> Iterator[Breach]:
    for job in books.jobs.values():
        count = books.events.get(job.job_id, []).count("share_created")
        if count != len(job.shares) and not job.is_deleted:
            yield Breach("events", job.account, job.job_id, f"{count} of {len(job.shares)} shares")


def only_a_tombstone_stays(books: Books) -> Iterator[Breach]:
    """A deleted job keeps its tombstone and the receipt of its credits."""
    for job in books.jobs.values():
        if not job.is_deleted:
            continue
        items = [item["sk"] for item in (*job.tasks, *job.inherited, *job.entries, *job.shares)]
        left = [*items, *job.others, *(name for name in PERSONAL if name in job.item)]
        left += [key for key in books.files if f"/{job.job_id}/" in key]
        if left:
            yield Breach("tombstone", job.account, job.job_id, f"holds {left}")


def albums_hold_what_was_made_for_them(books: Books) -> Iterator[Breach]:
    """Each album counts its entries, each entry has an output, and no output is missing."""
    made = {
        o["output_id"] for job in books.jobs.values() if not job.is_deleted for o in job.outputs
    }
    for album_id, album in books.albums.items():
        entries = books.entries.get(album_id, {})
        shown = {output for output, entry in entries.items() if not entry["isRemoved"]}
        if album["outputCount"] != len(shown):
            message = f"counts {album['outputCount']}, holds {len(shown)}"
            yield Breach("album", album["accountId"], album_id, message)
        if shown - made:
            yield Breach(
                "album", album["accountId"], album_id, f"holds {shown - made} without a job"
            )
    for job in books.jobs.values():
        wanted = job.inputs.get("albumId", "")
        if job.is_deleted or wanted not in books.albums:
            continue
        own = {o["output_id"] for task in job.tasks for o in _json(task, "outputs", [])}
        if missing := own - set(books.entries.get(wanted, {})):
            yield Breach("album", job.account, wanted, f"lacks {missing} of {job.job_id}")


def lists_agree_with_the_jobs(books: Books) -> Iterator[Breach]:
    """The keys of the indexes, and an entry for each file that the job is made of."""
    for job in books.jobs.values():
        if job.is_deleted:
            continue
        keys = {
            "fs": ("status", job.status),
            "fk": ("kind", _kind(job)),
            "fsk": ("status-kind", job.status, _kind(job)),
        }
        for name, facet in keys.items():
            if job.item.get(name) != _facet(job.account, *facet):
                yield Breach("lists", job.account, job.job_id, f"{name} is not that of {facet}")
        files = [
            file_id
            for name in ("photoAssetIds", "assetIds", "referencePhotoIds")
            for file_id in job.inputs.get(name, ())
        ]
        listed = {entry.get("accountId") for entry in job.entries}
        missing = [name for name in files if _facet(job.account, "file", name) not in listed]
        if missing or "list#words" not in {entry["sk"] for entry in job.entries}:
            yield Breach("lists", job.account, job.job_id, f"is not found by {missing or 'words'}")
        for entry in job.entries:
            if "listKey" in entry and not entry["listKey"].endswith(job.job_id):
                yield Breach("lists", job.account, job.job_id, f"{entry['sk']} leads elsewhere")


def _kind(job: JobRecord) -> str:
    translates = job.item["recipe"] == "captions" and job.inputs["options"].get("translate")
    return job.item["recipe"] + ("+translate" if translates else "")


def _facet(account: str, *facet: str) -> str:
    digest = hashlib.sha256("\x1f".join((account, *facet)).encode()).digest()
    return base64.urlsafe_b64encode(digest[:12]).decode()


def variants_stay_assigned(books: Books) -> Iterator[Breach]:
    """Every combination that an account used is stored with a variant that the account got."""
    given: dict[tuple[str, str], set[str]] = defaultdict(set)
    for job in books.jobs.values():
        if "queuedAt" in job.item and "combo" in job.item:
            given[(job.account, job.item["combo"])].add(job.item["templateId"])
    for (account, combination), templates in given.items():
        remembered = books.assignments.get((f"account#{account}", combination))
        if templates != {remembered}:
            message = f"remembers {remembered}, was given {sorted(templates)}"
            yield Breach("variant", account, combination, message)


AT_ONCE_TABLES = ("wallets", "ledger", "jobs", "purchases", "limits")
"""The tables of the laws that hold at every moment."""

MONEY_LAWS: tuple[Rule, ...] = (
    wallet_follows_from_its_entries,
    nothing_is_negative_or_fractional,
    grants_add_up_to_the_balance,
    each_cause_happens_once_as_it_says,
    purchases_and_their_entries_agree,
    each_hold_ends_exactly_once,
    held_is_what_open_jobs_hold,
    credits_are_conserved,
)
JOB_LAWS: tuple[Rule, ...] = (
    counters_have_the_open_jobs,
    a_receipt_adds_up,
    a_status_agrees_with_the_tasks,
    progress_counts_the_tasks,
    outputs_are_unique_and_stored,
    account_queues_hold_what_may_run,
    parents_and_children_match,
    a_pick_is_an_output,
    deleted_jobs_are_in_no_list,
)
REST_LAWS: tuple[Rule, ...] = (
    every_job_has_ended,
    events_happened_exactly_once,
    variants_stay_assigned,
    every_share_has_one_event,
    only_a_tombstone_stays,
    lists_agree_with_the_jobs,
    albums_hold_what_was_made_for_them,
)
