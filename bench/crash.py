"""Crash points and breaches: the product's from its crash tests, the peer's counted here."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import secrets
from collections.abc import Callable, Iterator

from bench.cloud import STORY, add_account, open_world
from bench.counting import Stopped, bill_of, stopped_after
from bench.peers import naive_confirm
from bench.table import Row
from darkroom.kernel.limits import PROJECTION_CHECK_SECONDS
from tests.support.laws import check_laws
from tests.support.world import World

SECTION = "crash"
SUITE = "tests.support.crash"
CREDITS = 10


def run(progress: Callable[[str], None]) -> list[Row]:
    if importlib.util.find_spec(SUITE) is None:
        progress("crash: skipped, because the crash tests are not here")
        return []
    progress("crash: trying every point at which a process can die (minutes)")
    with open_world() as world:
        endpoint_url = world.settings.endpoint_url
        stops = stops_row(world)
        # The suite makes a world of its own, and closes it.
        report = importlib.import_module(SUITE).run_all(lambda: World(endpoint_url=endpoint_url))
    points = report.points
    for finding in report.findings:
        progress(f"crash: {finding}")
    return [
        Row(
            section=SECTION,
            what="points tried",
            ours=sum(points.values()),
            unit="points",
            how=f"{len(points)} scenarios, {report.seconds:.0f} s",
        ),
        Row(
            section=SECTION,
            what="breaches",
            ours=len(report.findings),
            unit="points",
            how="laws of credits and jobs, and the outcome of an undisturbed run",
        ),
        stops,
    ]


def stops_row(world: World) -> Row:
    """One confirm stopped after each of its calls, and not repeated: do the books add up?"""
    account_id = "stopped"
    photo = add_account(world, account_id, credits=500)
    calls = len(bill_of(lambda: request(world, account_id, photo)).calls)
    ours = 0
    for stop in range(1, calls):
        with stopped_after(stop):
            request(world, account_id, photo)
        # Stream, queue and sweeper continue, as they do after the writing function has died.
        world.drain()
        world.advance_time(seconds=2 * PROJECTION_CHECK_SECONDS)
        ours += bool(check_laws(world))
    peer = naive_confirm.deploy(
        world.client("dynamodb"), world.client("sqs"), f"peer{secrets.token_hex(3)}"
    )
    stops = range(1, naive_confirm.CALLS)
    return Row(
        section=SECTION,
        what="confirm stopped after a call: books broken",
        ours=ours,
        peer=sum(bool(list(breaches_after(peer, stop))) for stop in stops),
        unit="stops",
        how=f"of {calls - 1} stops of ours (whole handler), {len(stops)} of the naive confirm",
    )


def request(world: World, account_id: str, photo: str) -> None:
    """The confirm request; its response does not matter to the books."""
    body = {"mode": "story", **STORY, "photoAssetIds": [photo]}
    with contextlib.suppress(Stopped):
        world.call("POST", "/api/jobs/confirm", body, user=account_id, key=secrets.token_hex(8))


def breaches_after(peer: naive_confirm.NaiveConfirm, stop: int) -> Iterator[str]:
    """What does not add up once the process has died after call ``stop``."""
    account_id = f"stopped-{stop}"
    asset = naive_confirm.add_account(peer, account_id, credits=CREDITS)
    with contextlib.suppress(Stopped), stopped_after(stop):
        peer.confirm(account_id, mode="story", **STORY, asset_id=asset)
    jobs, entries = items_of(peer, "jobs", account_id), items_of(peer, "ledger", account_id)
    taken = CREDITS - naive_confirm.balance_of(peer, account_id)
    if taken != -sum(int(entry["amount"]["N"]) for entry in entries):
        yield "the ledger does not explain the balance"
    if taken != sum(int(job["credits"]["N"]) for job in jobs):
        yield "the jobs do not explain the balance"
    if jobs:
        # The call after the last write sends the message, without which no worker makes the job.
        yield "a queued job without a message"


def items_of(
    peer: naive_confirm.NaiveConfirm, table: str, account_id: str
) -> list[dict[str, dict[str, str]]]:
    found = peer.dynamodb.scan(
        TableName=peer.tables[table],
        FilterExpression="accountId = :account",
        ExpressionAttributeValues={":account": {"S": account_id}},
        ConsistentRead=True,
    )
    items: list[dict[str, dict[str, str]]] = found["Items"]
    return items
