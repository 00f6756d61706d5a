"""Do lists, details, polls and confirms cost more when an account has more jobs?

One account gets 10² … 10⁴ jobs; for each size the same requests are made, and the SDK calls and
the bytes that the tables returned are counted. The slope is that of the logarithms: 0 means that
the size does not matter, 1 that the cost grows with it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from botocore.client import BaseClient

from bench import cloud
from bench.table import Row
from darkroom.jobs.items import side_key
from darkroom.jobs.lists.facets import word_key
from tests.support.world import World

SECTION = "growth"
# The emulator scans all items for each query: at 10⁵ it responds after the client's timeout.
SIZES = (100, 1_000, 10_000)
ACCOUNT = "many"
BATCH_LIMIT = 25
WORD = "us"
_SDK: Any = BaseClient
Say = Callable[[str], None]


def run(say: Say, sizes: tuple[int, ...] = SIZES) -> list[Row]:
    with cloud.open_world() as world:
        photo = cloud.add_account(world, ACCOUNT, credits=1000)
        model = _finished_story(world, photo)
        measured: dict[str, list[tuple[float, float]]] = {}
        stored = 0
        for size in sizes:
            say(f"growth: {size} jobs")
            _add_jobs(world, model, begin=stored, end=size)
            stored = size
            for name, cost in _costs(world, photo, model):
                measured.setdefault(name, []).append(cost)
        return [row for name, costs in measured.items() for row in _rows(name, sizes, costs)]


def _finished_story(world: World, photo: str) -> str:
    body = {"mode": "story", "photoAssetIds": [photo], **cloud.STORY}
    response = world.call("POST", "/api/jobs/confirm", body, user=ACCOUNT, key="model")
    job_id: str = cloud.body_of(response)["jobId"]
    world.drain()
    return job_id


def _add_jobs(world: World, model: str, *, begin: int, end: int) -> None:
    """Copies of the model's own item and list entries under new ids, in all its indexes."""
    table, client = world.settings.tables["jobs"], world.client("dynamodb")
    items = [item for key in (model, side_key(model)) for item in _collection(world, key)]
    batch: list[dict[str, Any]] = []
    for number in range(begin, end):
        copy = f"job_{number:026d}"
        for item in items:
            text = json.dumps(item).replace(model, copy)
            text = text.replace("2026-01-05T09:00:00", _moment(number))
            batch.append({"PutRequest": {"Item": json.loads(text)}})
            if len(batch) == BATCH_LIMIT:
                client.batch_write_item(RequestItems={table: batch})
                batch = []
    if batch:
        client.batch_write_item(RequestItems={table: batch})


def _collection(world: World, key: str) -> list[dict[str, Any]]:
    """The job's own item, and of its places in lists those that the requests below read."""
    found = world.client("dynamodb").query(
        TableName=world.settings.tables["jobs"],
        KeyConditionExpression="pk = :job",
        ExpressionAttributeValues={":job": {"S": key}},
    )["Items"]
    word = {"S": word_key(ACCOUNT, WORD)}
    return [
        item
        for item in found
        if item["sk"]["S"] in ("job", "list#words")
        or item["sk"]["S"].startswith("list#d#")
        or item.get("accountId") == word
    ]


def _moment(number: int) -> str:
    minutes, seconds = divmod(number, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"2025-12-{days + 1:02d}T{hours:02d}:{minutes:02d}:{seconds:02d}"


def _costs(world: World, photo: str, model: str) -> Iterator[tuple[str, tuple[float, float]]]:
    reads = {
        "list": "/api/jobs?limit=20",
        "list by status": "/api/jobs?limit=20&status=succeeded",
        "list that finds nothing": "/api/jobs?limit=20&status=failed",
        "list by recipe and status, oldest": (
            "/api/jobs?limit=20&status=succeeded&recipe=story&sort=oldest"
        ),
        "list by duration": "/api/jobs?limit=20&sort=duration",
        "list failed first": "/api/jobs?limit=20&sort=failedFirst",
        "search by word": f"/api/jobs?limit=20&search={WORD}",
        "detail": f"/api/jobs/{model}",
    }
    for name, path in reads.items():
        yield name, _cost(lambda path=path: cloud.body_of(world.call("GET", path, user=ACCOUNT)))  # type: ignore[misc]
    tag = world.call("GET", f"/api/jobs/{model}", user=ACCOUNT).headers["etag"]
    unchanged = {"if-none-match": tag}
    yield (
        "poll, unchanged",
        _cost(lambda: world.call("GET", f"/api/jobs/{model}", user=ACCOUNT, headers=unchanged)),
    )
    body = {"mode": "quick", "photoAssetIds": [photo], **cloud.STORY}
    key = f"confirm-{world.app.ids.token()}"
    yield (
        "confirm",
        _cost(
            lambda: cloud.body_of(
                world.call("POST", "/api/jobs/confirm", body, user=ACCOUNT, key=key)
            )
        ),
    )


def _cost(work: Callable[[], Any]) -> tuple[float, float]:
    """(SDK calls, bytes that the tables returned) of one request."""
    with _counted() as counted:
        work()
    return counted["calls"], counted["bytes"]


@contextmanager
def _counted() -> Iterator[dict[str, float]]:
    counted = {"calls": 0.0, "bytes": 0.0}
    original = _SDK._make_api_call

    def call(self: Any, operation: str, params: dict[str, Any]) -> Any:
        response = original(self, operation, params)
        counted["calls"] += 1
        fields = {name: value for name, value in response.items() if name != "ResponseMetadata"}
        counted["bytes"] += len(json.dumps(fields, default=str))
        return response

    _SDK._make_api_call = call
    try:
        yield counted
    finally:
        _SDK._make_api_call = original


def _rows(name: str, sizes: tuple[int, ...], costs: list[tuple[float, float]]) -> Iterator[Row]:
    for place, unit in enumerate(("calls", "bytes")):
        values = [cost[place] for cost in costs]
        costs_by_size = ", ".join(
            f"{size:,}: {value:g}" for size, value in zip(sizes, values, strict=True)
        )
        yield Row(
            section=SECTION,
            what=f"{name}: slope of {unit}",
            ours=round(slope(sizes, values), 4),
            unit="log/log",
            how=costs_by_size,
        )


def slope(sizes: tuple[int, ...], values: list[float]) -> float:
    """Least squares through (log size, log value); a value of 0 counts as 1."""
    xs = [math.log10(size) for size in sizes]
    ys = [math.log10(max(value, 1)) for value in values]
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((x - mean_x) ** 2 for x in xs)
    shared = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True))
    return shared / spread if spread else 0.0
