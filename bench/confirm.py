"""Calls and write units of each step that moves credits: counted, not timed.

Requests go through the real HTTP handler path; the steps of a worker through its message
handler. Both in this process, on the local cloud's tables.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Any

from bench.cloud import STORY, add_account, body_of, open_world
from bench.counting import Bill, Call, bill_of
from bench.peers import naive_confirm
from bench.table import Row
from darkroom.workers.tasks import handle_task_message
from tests.support.world import World

SECTION = "confirm"
RECORD = "idempotency"
# As long as a real one (a user pool's subject), because items are billed by size.
ACCOUNT = "2f6c1b1e-7c55-4d0b-9a5e-0d4f2b8f6a11"
ROUNDS_LIMIT = 60
BODY = {"mode": "story", **STORY}


def run(progress: Callable[[str], None]) -> list[Row]:
    progress("confirm: counting calls and write units")
    with open_world() as world:
        photo = add_account(world, ACCOUNT, credits=500)
        ready = Story(world, photo)
        ready.run_warm()
        return [
            *_confirm_rows(world, photo),
            *_draft_rows(world, photo),
            *ready.rows(),
            *_purchase_rows(world),
        ]


def _confirm_rows(world: World, photo: str) -> Iterator[Row]:
    bill = bill_of(lambda: post(world, "/api/jobs/confirm", {**BODY, "photoAssetIds": [photo]}))
    peer = naive_confirm.deploy(
        world.client("dynamodb"), world.client("sqs"), f"peer{secrets.token_hex(3)}"
    )
    asset = naive_confirm.add_account(peer, ACCOUNT, credits=10)
    other = bill_of(lambda: peer.confirm(ACCOUNT, mode="story", **STORY, asset_id=asset))
    yield from rows_of("new job, 1 photo", bill, other)


def _draft_rows(world: World, photo: str) -> Iterator[Row]:
    def draft() -> dict[str, str]:
        inputs = {**STORY, "photoAssetIds": [photo]}
        sent = {"recipe": "story", "status": "draft", "inputs": inputs}
        created = body_of(world.call("POST", "/api/jobs", sent, user=ACCOUNT))
        return {"draftJobId": created["jobs"][0]["jobId"]}

    first = draft()
    yield from rows_of("draft", bill_of(lambda: post(world, "/api/jobs/confirm", first)))


def _purchase_rows(world: World) -> Iterator[Row]:
    bill = bill_of(lambda: post(world, "/api/credits/purchase", {"pack": "Value"}))
    yield from rows_of("purchase", bill)


def post(world: World, path: str, body: Any) -> Any:
    return body_of(world.call("POST", path, body, user=ACCOUNT, key=secrets.token_hex(8)))


class Story:
    """One story from confirm to film, each message billed on its own."""

    def __init__(self, world: World, photo: str) -> None:
        self._world = world
        self._photo = photo

    def run_warm(self) -> str:
        """A whole story whose calls are not counted, which opens the clients."""
        job_id = self._confirm()
        self._world.drain()
        return job_id

    def _confirm(self) -> str:
        body = {**BODY, "photoAssetIds": [self._photo]}
        return str(post(self._world, "/api/jobs/confirm", body)["jobId"])

    def rows(self) -> Iterator[Row]:
        # Jobs that other rows confirmed are finished first, so that only this one moves.
        self._world.drain()
        job_ids: list[str] = []
        confirmed = bill_of(lambda: job_ids.append(self._confirm()))
        relayed, tasks = self._run_to_film()
        yield from rows_of("claim", Bill(tasks["kf_1"].calls[:1]))
        yield from rows_of("complete, middle task", completion(tasks["kf_1"]))
        yield from rows_of("complete, last task (settles)", completion(tasks["film"]))
        again = {"target": "story_clip", "clipNo": 2}
        path = f"/api/jobs/{job_ids[0]}/regenerate"
        yield from rows_of("regenerate", bill_of(lambda: post(self._world, path, again)))
        every = sum(tasks.values(), confirmed + relayed)
        yield from _whole_rows(every)

    def _run_to_film(self) -> tuple[Bill, dict[str, Bill]]:
        """What the relay called, and each task by its key."""
        relayed, tasks = Bill(()), dict[str, Bill]()
        for _ in range(ROUNDS_LIMIT):
            # The world finds stream records by scanning; the product never scans.
            streamed = bill_of(self._world.pump_stream)
            relayed += streamed.only(lambda call: call.operation != "Scan")
            for key, bill in self._work():
                tasks[key] = bill
            if "film" in tasks and not self._world.pump_stream():
                return relayed, tasks
        raise RuntimeError("the story does not come to its film")

    def _work(self) -> Iterator[tuple[str, Bill]]:
        sqs, url = self._world.client("sqs"), self._world.settings.studio_queue_url
        found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        for message in found.get("Messages", []):
            before = len(self._world.studio.requests)
            bill = self._bill_of_message({"body": message["Body"]})
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            if len(self._world.studio.requests) > before:
                yield self._world.studio.requests[-1].key, bill

    def _bill_of_message(self, record: dict[str, Any]) -> Bill:
        return bill_of(lambda: handle_task_message(self._world.app, record))


def completion(task: Bill) -> Bill:
    """What follows the attempt's last file: the step that completes it."""
    last_file = max(place for place, call in enumerate(task.calls) if call.service == "s3")
    return Bill(task.calls[last_file + 1 :])


def rows_of(name: str, bill: Bill, peer: Bill | None = None) -> Iterator[Row]:
    """Calls and write units of one step, first as they are without the idempotency record."""
    bare, record = bill.without_table(RECORD), bill.on_table(RECORD)
    yield Row(
        section=SECTION,
        what=f"{name}: AWS calls",
        ours=len(bare.calls),
        peer=len(peer.calls) if peer else None,
        unit="calls",
        how=_beside(bare.operations, len(record.calls), "for the idempotency record")
        + (f"; peer: {peer.operations}" if peer else ""),
    )
    yield Row(
        section=SECTION,
        what=f"{name}: write units, tables",
        ours=bare.table_units,
        peer=peer.table_units if peer else None,
        unit="WCU",
        how=_beside(bare.sizes, record.table_units, "for the record"),
    )
    yield Row(
        section=SECTION,
        what=f"{name}: write units, indexes",
        ours=bare.index_units,
        peer=peer.index_units if peer else None,
        unit="WCU",
        how=bare.indexes,
    )


def _beside(text: str, count: float, what: str) -> str:
    return f"{text}; +{count:g} {what}" if count else text


def _whole_rows(bill: Bill) -> Iterator[Row]:
    """Confirm, relay and seven tasks together."""
    services: dict[str, int] = {}
    for call in bill.calls:
        services[call.service] = services.get(call.service, 0) + 1
    split = ", ".join(f"{name} {count}" for name, count in sorted(services.items()))
    how = f"confirm, relay and 7 tasks: {split}"
    units = bill.table_units + bill.index_units
    transactional = bill.only(is_transaction)
    split = f"of them {transactional.table_units:g} on tables in transactions"
    yield Row(section=SECTION, what="a story: calls", ours=len(bill.calls), unit="calls", how=how)
    yield Row(section=SECTION, what="a story: write units", ours=units, unit="WCU", how=split)


def is_transaction(call: Call) -> bool:
    return call.is_transaction
