"""Records what this version stores and sends, at moments from which later versions must continue.

``python -m tests.golden.record NAME`` writes ``tests/golden/NAME.json``, and beside it the
attributes of all item classes. A recording is made once,
by the version that it shows, and never changed: later versions must be able to continue from it.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import darkroom
from darkroom.db.items import BaseItem
from darkroom.generation.ports import PermanentProviderError, TransientProviderError
from darkroom.generation.routing.routes import REPLICATE
from darkroom.usecases.archives import request_archive
from darkroom.usecases.tasks.claim_task import claim_task
from tests.support.builders import (
    REWRITE,
    a_balance,
    a_draft,
    a_recording,
    a_reference_photo,
    buy,
    confirm,
    regenerate,
)
from tests.support.crash import Scene, Stage, Wire
from tests.support.moto_world import moto_world
from tests.support.scenarios import arrange_payment
from tests.support.world import START, World

HERE = Path(__file__).resolve().parent
TABLES = (
    "wallets",
    "ledger",
    "purchases",
    "jobs",
    "assets",
    "templates",
    "events",
    "idempotency",
    "webhooks",
    "usage",
    "limits",
)
QUEUES = ("studio", "speech", "generate", "ingest", "ingest_media", "archive")
UPLOAD = {"filename": "us.jpg", "mimeType": "image/jpeg", "sizeBytes": 3}
LONG = {**REWRITE, "rawText": "They meet again at the station, and neither looks away. " * 10}
"""Makes inputs too large for their job's own item."""


def drafts(world: World) -> None:
    """A draft with few inputs, and one whose inputs are too large for its own item."""
    a_balance(world)
    a_draft(world)
    a_draft(world, genre="noir", rewriteEnabled=True, rewrite=LONG)
    world.drain()


def queued(world: World) -> None:
    """These jobs are not planned yet."""
    buy(world, 10)
    confirm(world, key="small")
    confirm(world, key="large", rewriteEnabled=True, rewrite=LONG)


def planned(world: World) -> None:
    """Tasks are ready or blocked, and messages wait."""
    confirm(world)
    world.pump_stream()
    world.pump_stream()


def running(world: World) -> None:
    """A worker holds the first keyframe, and the job is shown as running."""
    planned(world)
    claim_task(world.app, job_id=the_job(world), key="kf_1", attempt=1)
    world.pump_stream()
    world.pump_stream()


def again(world: World) -> None:
    """The film failed once with a transient error, and waits for its second attempt."""
    refusing(world, "film", TransientProviderError("not now"))
    confirm(world)
    while not any(task["sk"]["S"] == "task#film" and "failure" in task for task in jobs(world)):
        world.pump_stream()
        world.pump_tasks()
    world.pump_stream()


def ended(world: World) -> None:
    """A story, a child that inherits from it, and a partial story."""
    buy(world, 10)
    parent = confirm(world, key="parent").body["jobId"]
    world.drain()
    regenerate(world, parent)
    world.drain()
    refusing(world, "clip_3", PermanentProviderError("no"))
    confirm(world, key="part")
    world.drain()


def uploading(world: World) -> None:
    """An upload session is open, and its content has not arrived."""
    world.call("POST", "/api/uploads/session", UPLOAD, key="upload")


def paid(world: World) -> None:
    """A payment whose event the gateway has sent."""
    scene = Scene(world, Wire(world))
    arrange_payment(scene)
    world.call(**scene.facts["request"])


def turns(world: World) -> None:
    """Of three portraits two are in progress, and one waits for its turn."""
    inputs = {
        "mode": "batch",
        "referencePhotoIds": [a_reference_photo(world)],
        "styles": ["CLASSIC", "MODERN"],
        "totalImages": 3,
    }
    create(world, "portraits", inputs)
    world.pump_stream()
    world.pump_stream()


def translating(world: World) -> None:
    """The transcript exists, and the translation is next."""
    options = {"translate": True, "targetLangs": ["ko"]}
    create(world, "captions", {"assetIds": [a_recording(world)], "options": options})
    begun(world)


def canceling(world: World) -> None:
    """A worker holds the first keyframe of a job that its owner has canceled."""
    running(world)
    world.call("POST", f"/api/jobs/{the_job(world)}/cancel")


def retried(world: World) -> None:
    """A child makes the outputs that its canceled parent lacks."""
    planned(world)
    world.pump_tasks()
    parent = the_job(world)
    world.call("POST", f"/api/jobs/{parent}/cancel")
    world.drain()
    world.call("POST", f"/api/jobs/{parent}/retry", {}, key="retry")


def kept(world: World) -> None:
    """Of two finished jobs one was picked from and shared, and the other deleted."""
    first = confirm(world, key="first").body["jobId"]
    second = confirm(world, key="second").body["jobId"]
    world.drain()
    [output, *_] = world.call("GET", f"/api/jobs/{first}").body["outputs"]
    world.call("POST", f"/api/outputs/{output['outputId']}/select", {})
    world.call("POST", f"/api/jobs/{first}/share", {"expiresInDays": 3}, key="share")
    world.call("DELETE", f"/api/jobs/{second}")


def waiting(world: World) -> None:
    """An asynchronous provider makes the keyframes, and their polls are due."""
    world.use_images_of(REPLICATE)
    confirm(world)
    begun(world)


def archiving(world: World) -> None:
    """A job's outputs are too many to be packed at once."""
    job_id = confirm(world).body["jobId"]
    world.drain()
    with patch.object(request_archive, "ARCHIVE_INLINE_LIMIT_BYTES", 0):
        world.call("GET", f"/api/jobs/{job_id}/download")


def begun(world: World) -> None:
    """The first tasks have run, and the stream has delivered their records."""
    world.pump_stream()
    world.pump_stream()
    world.pump_tasks()
    world.pump_stream()


def create(world: World, recipe: str, inputs: dict[str, Any]) -> None:
    body = {"recipe": recipe, "inputs": inputs, "status": "queued"}
    response = world.call("POST", "/api/jobs", body, key="create")
    if response.status != 201:
        raise AssertionError(response.body)


MOMENTS: dict[str, Callable[[World], None]] = {
    moment.__name__: moment
    for moment in (
        drafts,
        queued,
        planned,
        running,
        again,
        ended,
        uploading,
        paid,
        turns,
        translating,
        canceling,
        retried,
        kept,
        waiting,
        archiving,
    )
}


def jobs(world: World) -> list[dict[str, Any]]:
    return world.scan("jobs")


def the_job(world: World) -> str:
    [job_id] = {item["pk"]["S"] for item in jobs(world) if item["sk"]["S"] == "job"}
    return job_id


def refusing(world: World, task: str, error: Exception) -> None:
    def refuse(request: Any) -> None:
        if request.key == task:
            raise error

    world.studio.refuse = refuse


def record(world: World, moment: Callable[[World], None]) -> dict[str, Any]:
    """All stored items, files and waiting messages after the moment."""
    world.use_previews()
    moment(world)
    return {
        "now": world.clock.now().isoformat(),
        "tables": {name: [_plain(item) for item in world.scan(name)] for name in TABLES},
        "messages": messages(world),
        "files": files(world),
    }


def _plain(item: dict[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(item, default=sorted))


def messages(world: World) -> dict[str, list[str]]:
    """The bodies of the waiting messages of each queue."""
    sqs, found = world.client("sqs"), {}
    for queue in QUEUES:
        response = sqs.receive_message(
            QueueUrl=url_of(world, queue), MaxNumberOfMessages=10, VisibilityTimeout=0
        )
        bodies = sorted(message["Body"] for message in response.get("Messages", []))
        if bodies:
            found[queue] = bodies
    return found


def url_of(world: World, queue: str) -> str:
    return getattr(world.settings, f"{queue}_queue_url")


def attributes_of_all_items() -> dict[str, dict[str, str]]:
    """Item class → its attributes as they are stored, with their kinds."""
    for module in pkgutil.walk_packages(darkroom.__path__, "darkroom."):
        if module.name.rpartition(".")[2].endswith(("store", "items")):
            importlib.import_module(module.name)
    return {
        f"{each.__module__}.{each.__name__}": {
            attribute.attr_name: type(attribute).__name__
            for attribute in each.get_attributes().values()
        }
        for each in sorted(_subclasses(BaseItem), key=lambda each: each.__name__)
    }


def _subclasses(parent: type[BaseItem]) -> set[type[BaseItem]]:
    below = set(parent.__subclasses__())
    return below.union(*map(_subclasses, below))


def files(world: World) -> dict[str, list[str]]:
    """Key → MIME type and content."""
    s3, bucket = world.client("s3"), world.settings.media_bucket
    found = {}
    for item in s3.list_objects_v2(Bucket=bucket).get("Contents", []):
        read = s3.get_object(Bucket=bucket, Key=item["Key"])
        found[item["Key"]] = [read["ContentType"], read["Body"].read().decode()]
    return found


def load(world: World, moment: dict[str, Any]) -> None:
    """Bring a new world to a recorded moment. The stream has delivered none of its records."""
    world.clock.move(seconds=(datetime.fromisoformat(moment["now"]) - START).total_seconds())
    for name, items in moment["tables"].items():
        for item in items:
            table = world.settings.tables[name]
            world.client("dynamodb").put_item(TableName=table, Item=item)
    for queue, bodies in messages_of(moment).items():
        for body in bodies:
            world.client("sqs").send_message(QueueUrl=url_of(world, queue), MessageBody=body)
    for key, (mime_type, text) in moment["files"].items():
        world.app.storage.write(key, text.encode(), mime_type=mime_type)


def messages_of(moment: Mapping[str, Any]) -> dict[str, list[str]]:
    """The first recording knows of one queue only."""
    waiting = moment["messages"]
    return waiting if isinstance(waiting, dict) else {"studio": waiting}


def main(name: str) -> None:
    recorded = {}
    with moto_world() as world:
        stage = Stage(world)
        for moment, arrange in MOMENTS.items():
            stage.restore(stage.empty())
            recorded[moment] = record(world, arrange)
            stage.changes()
    (HERE / f"{name}.json").write_text(to_text(recorded), encoding="utf-8")
    attributes = json.dumps(attributes_of_all_items(), indent=1, sort_keys=True)
    (HERE / f"{name}_attributes.json").write_text(attributes + "\n", encoding="utf-8")


def to_text(recorded: dict[str, Any]) -> str:
    """One line for each item, so that recordings can be read and compared."""

    def line(value: Any) -> str:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    def lines(values: Iterable[str], brackets: str) -> str:
        return brackets[0] + "\n" + ",\n".join(values) + "\n" + brackets[1]

    moments = []
    for name, moment in recorded.items():
        tables = (
            f"{line(table)}:{lines(map(line, items), '[]')}"
            for table, items in moment["tables"].items()
        )
        rest = (f"{line(key)}:{line(moment[key])}" for key in ("now", "messages", "files"))
        stored = f'"tables":{lines(tables, "{}")}'
        moments.append(f"{line(name)}:{lines([*rest, stored], '{}')}")
    return lines(moments, "{}") + "\n"


if __name__ == "__main__":
    main(sys.argv[1])
