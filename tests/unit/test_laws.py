"""Each law finds its own breach in handwritten books; sound books have none."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer

from tests.support.laws import State, check_books, read_books

Tables = dict[str, list[dict[str, Any]]]
FILE = "outputs/alice/job_1/{}.mp4"


def grant(name: str, rest: int) -> dict[str, Any]:
    return {"i": name, "s": "bonus", "r": rest, "p": 10, "c": "2026-01-05T09:00:00.000Z"}


def entry(
    version: int, cause: str, type_: str, change: tuple[int, int], after: tuple[int, int]
) -> dict[str, Any]:
    kind, _, reference = cause.partition("#")
    return {
        "accountId": "alice",
        "cause": cause,
        "type": type_,
        "amount": change[0],
        "heldChange": change[1],
        "balanceAfter": after[0],
        "heldAfter": after[1],
        "version": version,
        "referenceType": "signup" if kind == "bonus" else "job" if "job" in cause else kind,
        "referenceId": "alice" if kind == "bonus" else reference,
    }


def task(key: str, status: str, *, attempts: int = 1) -> dict[str, Any]:
    item: dict[str, Any] = {"pk": "job_1", "sk": f"task#{key}", "status": status}
    item["attempts"] = attempts
    if status == "succeeded":
        stored = FILE.format(f"{key}-{attempts}")
        output = {"output_id": f"out_{key}", "key": key, "storage_key": stored}
        item["outputs"] = json.dumps([output])
    return item


def facet(*words: str) -> str:
    digest = hashlib.sha256("\x1f".join(("alice", *words)).encode()).digest()
    return base64.urlsafe_b64encode(digest[:12]).decode()


def place(name: str, **more: str) -> dict[str, Any]:
    return {"pk": "job_1#side", "sk": f"list#{name}", **more}


def sound() -> Tables:
    """Alice bought 7, and a job for 2 made half of what it promised."""
    receipt = {"used": 1, "refunded": 1, "parts": [1], "reason": "PROVIDER_REFUSED"}
    job = {
        "pk": "job_1",
        "sk": "job",
        "accountId": "alice",
        "status": "partial",
        "price": json.dumps([["base", 2, ["clip_1", "clip_2"]]]),
        "hold": json.dumps([grant("bonus#signup", 2)]),
        "receipt": json.dumps(receipt),
        "progress": json.dumps([1, 1, 2]),
        "recipe": "story",
        "inputs": json.dumps({"photoAssetIds": ["ast_1"]}),
        "listKey": "2026-01-05T09:00:00.000Z#job_1",
        "fs": facet("status", "partial"),
        "fk": facet("kind", "story"),
        "fsk": facet("status-kind", "partial", "story"),
        "queuedAt": "2026-01-05T09:00:00.000Z",
        "startedAt": "2026-01-05T09:00:00.000Z",
        "combo": "story|spark|noir",
        "templateId": "t1",
    }
    names = ("job_confirmed", "JOB_QUEUED", "JOB_RUNNING", "JOB_PARTIAL", "job_done")
    return {
        "wallets": [
            {
                "accountId": "alice",
                "balance": 11,
                "held": 0,
                "version": 5,
                "grants": json.dumps([grant("bonus#signup", 4), grant("pur_1", 7)]),
            }
        ],
        "ledger": [
            entry(1, "bonus#signup", "BONUS", (5, 0), (5, 0)),
            entry(2, "purchase#pur_1", "PURCHASE", (7, 0), (12, 0)),
            entry(3, "deduct#job_1", "DEDUCT", (-2, 2), (10, 2)),
            entry(4, "settle#job_1", "SETTLE", (0, -1), (10, 1)),
            entry(5, "refund#job_1", "REFUND", (1, -1), (11, 0)),
        ],
        "purchases": [
            {
                "accountId": "alice",
                "purchaseId": "pur_1",
                "credits": 7,
                "status": "settled",
                "gateway": "test",
            }
        ],
        "jobs": [
            job,
            task("clip_1", "succeeded"),
            task("clip_2", "failed"),
            place("words", words="us"),
            place("f#ast_1", accountId=facet("file", "ast_1"), listKey=job["listKey"]),
        ],
        "albums": [
            {"accountId": "alice", "sk": "album#alb_1", "outputCount": 1},
            {"accountId": "alice", "sk": "entry#alb_1#out_clip_1", "isRemoved": False},
        ],
        "events": [
            *({"entityId": "job_1", "name": name} for name in (*names, "JOB_FAILED_REASON")),
            {"entityId": "pur_1", "name": "credit_purchase_test"},
        ],
        "templates": [
            {"subject": "account#alice", "combination": "story|spark|noir", "templateId": "t1"}
        ],
    }


def laws_broken(tables: Tables, files: tuple[str, ...] = (FILE.format("clip_1-1"),)) -> set[str]:
    write = TypeSerializer().serialize
    raw = {
        name: [{key: write(value) for key, value in item.items()} for item in items]
        for name, items in tables.items()
    }
    books = read_books(State(tables=raw, files=frozenset(files)))
    return {breach.law for breach in check_books(books)}


def test_sound_books_have_no_breach() -> None:
    assert laws_broken(sound()) == set()


def _set(table: str, number: int, **changes: Any) -> Callable[[Tables], None]:
    def spoil(tables: Tables) -> None:
        tables[table][number].update(changes)

    return spoil


def _set_json(number: int, name: str, **changes: Any) -> Callable[[Tables], None]:
    def spoil(tables: Tables) -> None:
        item = tables["jobs"][number]
        item[name] = json.dumps({**json.loads(item[name]), **changes})

    return spoil


def _drop(table: str, number: int) -> Callable[[Tables], None]:
    def spoil(tables: Tables) -> None:
        del tables[table][number]

    return spoil


def _repeat(table: str, number: int, **changes: Any) -> Callable[[Tables], None]:
    def spoil(tables: Tables) -> None:
        tables[table].append({**deepcopy(tables[table][number]), **changes})

    return spoil


@pytest.mark.parametrize(
    ("law", "spoil"),
    [
        ("L1", _set("wallets", 0, balance=12)),
        ("L1", _set("wallets", 0, version=6)),
        ("L1", _set("ledger", 2, balanceAfter=9)),
        ("L1", _set("ledger", 4, version=6)),
        ("L1", _drop("wallets", 0)),
        ("L2", _set("wallets", 0, held=-1)),
        ("L2", _set("ledger", 2, balanceAfter=-1)),
        ("L3", _set("wallets", 0, grants=json.dumps([grant("pur_1", 7)]))),
        ("L3", _set("wallets", 0, grants=json.dumps([grant("a", 4), grant("a", 7)]))),
        ("L3", _set("wallets", 0, grants=json.dumps([grant("a", 11), grant("b", 0)]))),
        ("L4", _set("ledger", 1, amount=8)),
        ("L4", _set("purchases", 0, credits=8)),
        ("L4", _drop("purchases", 0)),
        ("L4", _drop("ledger", 1)),
        ("L4", _set("ledger", 1, referenceId="pur_2")),
        ("L4", _set("ledger", 0, amount=6)),
        ("L4", _repeat("ledger", 2, accountId="bob")),
        ("L5", _drop("ledger", 3)),
        ("L5", _drop("ledger", 4)),
        ("L5", _set("ledger", 4, amount=2, heldChange=-2)),
        ("L5", _set("jobs", 0, status="running")),
        ("L5", _set("jobs", 0, accountId="bob")),
        ("L5", _set("jobs", 0, hold="[]")),
        ("L6", _repeat("jobs", 1, sk="task#clip_3")),
        ("L6", _set("jobs", 1, attempts=2)),
        ("L6", _set("jobs", 0, status="succeeded")),
        ("L7", _set("wallets", 0, balance=12)),
        ("attempts", _set("jobs", 2, attempts=4)),
        ("receipt", _set_json(0, "receipt", used=2)),
        ("receipt", _set_json(0, "receipt", parts=[2])),
        ("receipt", _set_json(0, "receipt", reason=None)),
        ("status", _set("jobs", 0, status="failed")),
        ("status", _set("jobs", 2, status="ready")),
        ("progress", _set("jobs", 0, progress="[2,0,2]")),
        ("end", _set("jobs", 0, nextCheckAt=1)),
        ("end", _set("jobs", 0, status="queued")),
        ("events", _drop("events", 0)),
        ("events", _repeat("events", 4)),
        ("events", _drop("events", 6)),
        ("queue", _set("jobs", 2, lane="alice", laneKey="0")),
        ("queue", _set("jobs", 2, status="running", lane="alice", laneKey="1#9#job_1#0002")),
        ("queue", _set("jobs", 2, status="ready", lane="bob", laneKey="0")),
        ("family", _set("jobs", 0, children={"job_2"})),
        ("family", _set("jobs", 0, parentJobId="job_0")),
        ("pick", _set("jobs", 0, pick="out_clip_2")),
        ("cancel", _set("jobs", 2, status="canceled")),
        ("cancel", _set("jobs", 0, status="canceled")),
        ("cancel", _set_json(0, "receipt", reason="CANCELED")),
        ("tombstone", _set("jobs", 0, deletedAt="2026-01-05T10:00:00.000Z")),
        ("status", _set("jobs", 0, deletedAt="2026-01-05T10:00:00.000Z", status="running")),
        ("lists", _set("jobs", 0, fs=facet("status", "succeeded"))),
        ("lists", _set("jobs", 0, fsk=facet("status-kind", "partial", "captions"))),
        ("lists", _drop("jobs", 3)),
        ("lists", _drop("jobs", 4)),
        ("lists", _set("jobs", 4, listKey="2026-01-05T09:00:00.000Z#job_2")),
        ("events", _repeat("jobs", 3, sk="share#1")),
        ("album", _set("albums", 0, outputCount=2)),
        ("album", _set("albums", 1, isRemoved=True)),
        ("album", _set("albums", 1, sk="entry#alb_1#out_clip_9")),
        ("variant", _set("templates", 0, templateId="t2")),
    ],
)
def test_each_law_finds_its_breach(law: str, spoil: Callable[[Tables], None]) -> None:
    tables = sound()

    spoil(tables)

    assert law in laws_broken(tables)


def test_an_output_without_its_file_is_a_breach() -> None:
    assert laws_broken(sound(), files=()) == {"L6"}


def test_a_fraction_of_a_credit_is_a_breach() -> None:
    from decimal import Decimal

    tables = sound()

    tables["wallets"][0]["held"] = Decimal("0.5")

    assert "L2" in laws_broken(tables)


def test_moves_of_other_grants_are_a_breach() -> None:
    tables = sound()
    moves: tuple[dict[str, int], ...] = (
        {"bonus#signup": 5},
        {"pur_1": 7},
        {"bonus#signup": -2},
        {},
        {"bonus#signup": 1},
    )
    for item, moved in zip(tables["ledger"], moves, strict=True):
        item["moves"] = json.dumps(moved)
    assert laws_broken(tables) == set()

    tables["ledger"][4]["moves"] = json.dumps({"pur_1": 1})

    assert laws_broken(tables) == {"L3"}


def test_an_output_missing_from_its_album_is_a_breach() -> None:
    tables = sound()
    _set_json(0, "inputs", albumId="alb_1")(tables)
    assert laws_broken(tables) == set()

    tables["albums"] = [{"accountId": "alice", "sk": "album#alb_1", "outputCount": 0}]

    assert laws_broken(tables) == {"album"}


def test_a_deleted_job_needs_only_its_tombstone() -> None:
    tables = sound()
    job = tables["jobs"][0]
    for name in ("inputs", "listKey", "combo", "templateId"):
        del job[name]
    job["deletedAt"] = "2026-01-05T10:00:00.000Z"

    tables["jobs"], tables["albums"] = [job], []

    assert laws_broken(tables, files=()) == set()
    assert laws_broken(tables) == {"tombstone"}
