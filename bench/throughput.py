"""Confirms a second: the product and the naive peer, alternating on the same emulator.

Each block of ours is followed by one of the peer's (or preceded: the order alternates), so what
else the machine does meets both. The emulator is one process that serves one request at a time
on one of the cores, so the number of calls decides; the times are not DynamoDB's.
"""

from __future__ import annotations

import random
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import count
from statistics import median
from typing import Any

from mangum import Mangum

from bench.cloud import STORY, add_account, body_of, open_world
from bench.events import confirm_event
from bench.peers import naive_confirm
from bench.peers.naive_confirm import NaiveConfirm, NotEnough
from bench.peers.plain_app import create_plain_app
from bench.table import Row
from darkroom.api.app import create_app
from darkroom.api.lambda_handler import http_handler
from darkroom.api.routers import confirm as confirm_router
from darkroom.bootstrap.composition import App
from darkroom.kernel.command import new_command
from darkroom.kernel.errors import PaymentRequired, Unavailable
from darkroom.usecases.jobs.confirm_job import confirm_new
from darkroom.usecases.jobs.submit_job import Submission
from tests.support.world import World

SECTION = "throughput"
ACCOUNTS = 40
CREDITS_EACH = 5000
BLOCKS = 12
BLOCK_CONFIRMS = 25
THREADS = 8
WARM_CONFIRMS = 10
# No multiple of what eight threads in step would take at once.
HOT_CREDITS = 90
HOT_ATTEMPTS = 100
HOT_PRICE = 2
HOT_RETRIES_LIMIT = 50

Confirm = Callable[[int], object]


@dataclass(frozen=True)
class Rates:
    """Confirms a second of each block, ours and the peer's in pairs."""

    ours: tuple[float, ...]
    peer: tuple[float, ...]

    def row(self, what: str, how: str) -> Row:
        pairs = [mine / theirs for mine, theirs in zip(self.ours, self.peer, strict=True)]
        return Row(
            section=SECTION,
            what=what,
            ours=median(self.ours),
            peer=median(self.peer),
            ratio=median(pairs),
            unit="a second",
            how=f"{how}; pairs {min(pairs):.1f} to {max(pairs):.1f}",
        )


def run(progress: Callable[[str], None]) -> list[Row]:
    progress("throughput: confirms a second, alternating with the peer")
    with open_world() as world:
        # The world waits without jitter; a race needs the product's own.
        app = replace(world.app, jitter=random.Random())
        peer = naive_confirm.deploy(
            world.client("dynamodb"), world.client("sqs"), f"peer{secrets.token_hex(3)}"
        )
        contest = Contest(world, app, peer)
        return [*contest.rows(), *hot_rows(world, app, peer)]


class Contest:
    """The same accounts on both sides, each with credits for every confirm."""

    def __init__(self, world: World, app: App, peer: NaiveConfirm) -> None:
        self._app, self._peer = app, peer
        names = [f"many-{number}" for number in range(ACCOUNTS)]
        self._ours = [(name, add_account(world, name, credits=CREDITS_EACH)) for name in names]
        self._theirs = [
            (name, naive_confirm.add_account(peer, name, credits=CREDITS_EACH)) for name in names
        ]
        self._handler = http_handler(create_app(confirm_router.router, app=app))
        self._peer_handler = Mangum(create_plain_app(peer), lifespan="off")
        self._expires = int(world.clock.now().timestamp()) + 3600

    def rows(self) -> Iterator[Row]:
        total = BLOCKS * BLOCK_CONFIRMS
        how = f"use case and function, {total} each over {ACCOUNTS} accounts"
        yield alternate(self.use_case, self.naive, threads=1).row("1 thread", how)
        yield alternate(self.use_case, self.naive, threads=THREADS).row(f"{THREADS} threads", how)
        how = "whole handlers; ours keeps an idempotency record (2 more calls), the peer none"
        yield alternate(self.over_http, self.naive_over_http, threads=1).row("HTTP, 1 thread", how)

    def use_case(self, number: int) -> Submission:
        account_id, photo = self._ours[number % ACCOUNTS]
        return confirm_once(self._app, account_id, photo)

    def naive(self, number: int) -> object:
        account_id, photo = self._theirs[number % ACCOUNTS]
        return self._peer.confirm(account_id, mode="story", **STORY, asset_id=photo)

    def over_http(self, number: int) -> None:
        event = self._event(*self._ours[number % ACCOUNTS])
        expect_accepted(self._handler(event, None))

    def naive_over_http(self, number: int) -> None:
        event = self._event(*self._theirs[number % ACCOUNTS])
        # Mangum's types want a context that it never looks at.
        context: Any = None
        expect_accepted(self._peer_handler(event, context))

    def _event(self, account_id: str, photo: str) -> dict[str, Any]:
        return confirm_event(account_id, photo, expires=self._expires)


def confirm_once(app: App, account_id: str, photo: str) -> Submission:
    inputs = {**STORY, "photoAssetIds": [photo]}
    call = new_command(
        app.ids,
        account_id=account_id,
        route="POST /api/jobs/confirm",
        language="en",
        key=secrets.token_hex(8),
        body=inputs,
    )
    return confirm_new(app, call, recipe_name="story", inputs=inputs, device_id="")


def expect_accepted(response: Any) -> None:
    if response["statusCode"] != 202:
        raise RuntimeError(f"HTTP {response['statusCode']}: {response['body']}")


def alternate(ours: Confirm, peer: Confirm, *, threads: int) -> Rates:
    """Blocks of both by turns, after a few of each to open what is opened once."""
    numbers = count()
    rates: dict[Confirm, list[float]] = {ours: [], peer: []}
    with ThreadPoolExecutor(threads) as pool:
        for side in (ours, peer):
            for _ in range(WARM_CONFIRMS):
                side(next(numbers))
        for block in range(BLOCKS):
            for side in (ours, peer) if block % 2 == 0 else (peer, ours):
                work = [next(numbers) for _ in range(BLOCK_CONFIRMS)]
                started = time.perf_counter()
                # One thread means this one: a pool of one would add a hand-over to each call.
                list(map(side, work) if threads == 1 else pool.map(side, work))
                rates[side].append(len(work) / (time.perf_counter() - started))
    return Rates(tuple(rates[ours]), tuple(rates[peer]))


# One hot wallet: as many succeed as the credits allow, not one more.


def hot_rows(world: World, app: App, peer: NaiveConfirm) -> Iterator[Row]:
    # A new account's bonus comes on top of what is bought; the peer gets the same in all.
    photo = add_account(world, "hot", credits=HOT_CREDITS - signup_bonus(world))
    asset = naive_confirm.add_account(peer, "hot", credits=HOT_CREDITS)
    mine, rate = race(lambda: persistent(lambda: confirm_once(app, "hot", photo)), PaymentRequired)
    theirs, peer_rate = race(
        lambda: peer.confirm("hot", mode="story", **STORY, asset_id=asset), NotEnough
    )
    left = body_of(world.call("GET", "/api/credits", user="hot"))["balance"]
    allowed = HOT_CREDITS // HOT_PRICE
    yield Row(
        section=SECTION,
        what=f"hot wallet, {THREADS} threads: successes",
        ours=mine["done"],
        peer=theirs["done"],
        unit=f"of {allowed}",
        how=f"{HOT_ATTEMPTS} attempts; refused {mine['refused']} and {theirs['refused']}; "
        f"balances at the end {left} and {naive_confirm.balance_of(peer, 'hot')}",
    )
    yield Row(
        section=SECTION,
        what=f"hot wallet, {THREADS} threads: responses",
        ours=rate,
        peer=peer_rate,
        unit="a second",
        how="refusals count: ours records each as an event",
    )
    if mine["done"] != allowed or left != HOT_CREDITS - allowed * HOT_PRICE:
        raise RuntimeError(f"{mine['done']} confirms of {allowed}, balance {left}")


def signup_bonus(world: World) -> int:
    opened = body_of(world.call("GET", "/api/credits", user="a-first-sight"))
    return int(opened["balance"])


def persistent(confirm: Callable[[], object]) -> object:
    """Retry while the response is 503, as a client does."""
    for _ in range(HOT_RETRIES_LIMIT):
        try:
            return confirm()
        except Unavailable:
            continue
    raise RuntimeError("the hot wallet stayed busy")


def race(confirm: Callable[[], object], refusal: type[Exception]) -> tuple[Counter[str], float]:
    """The number of accepted and refused attempts, and the responses per second."""

    def attempt(_: int) -> str:
        try:
            confirm()
        except refusal:
            return "refused"
        return "done"

    started = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        outcomes = Counter(pool.map(attempt, range(HOT_ATTEMPTS)))
    return outcomes, HOT_ATTEMPTS / (time.perf_counter() - started)
