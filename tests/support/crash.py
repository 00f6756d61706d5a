"""Crash points: stop or disturb a use case at every call it makes, retry as its real caller
would, and check that the laws hold and the outcome equals that of an undisturbed run.

Every AWS call of the product goes through ``BaseClient._make_api_call`` and every generation
through the provider port; ``Wire`` stands at both. What runs after the fault are only the real
retriers: the client, the queue, the stream (which may also lose its records) and the sweeper.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from botocore.client import BaseClient
from botocore.exceptions import ClientError, ConnectTimeoutError, ReadTimeoutError

from darkroom.adapters.fetch import FetchFailed
from darkroom.generation.ports import (
    Artifact,
    GenerationRequest,
    ResponseLost,
    TransientProviderError,
)
from darkroom.generation.routing.routes import LOCAL_STUDIO
from darkroom.payments.ports import GatewayUnavailable
from darkroom.payments.store import POLL_SHARD
from darkroom.workers.dead_letters import handle_dead_letter
from darkroom.workers.edge import metrics
from darkroom.workers.stream import handle_stream
from darkroom.workers.tasks import handle_task_message
from tests.support.cloud import FakeRun
from tests.support.gateway import FakeGateway
from tests.support.laws import (
    AT_ONCE_TABLES,
    Books,
    Breach,
    State,
    check_books,
    read_books,
    read_state,
)
from tests.support.tables import table_definitions
from tests.support.world import START, STREAMED, Response, World

READS = frozenset(
    {
        "GetItem",
        "Query",
        "Scan",
        "BatchGetItem",
        "TransactGetItems",
        "GetObject",
        "HeadObject",
        "GetSecretValue",
    }
)
SDK: Any = BaseClient
"""Every call passes its private function, which stubs do not declare."""
BATCH_LIMIT = 25
ROUNDS_LIMIT = 200
SWEEPS_LIMIT = 40
CLIENT_REPEATS_LIMIT = 5
STREAM_DELIVERIES_LIMIT = 3
SPARE_RUNS_LIMIT = 1
IN_PROGRESS_WAIT_SECONDS = 31
UNAVAILABLE_WAIT_SECONDS = 1
KEY_LIFETIME_HOURS = 25
_TOKEN = re.compile(r"\b[0-9a-f]{32}\b")


class Crash(BaseException):
    """The process died. Not an ``Exception``, so that no handler can swallow it."""


class Fault(StrEnum):
    STOPPED_BEFORE = "stopped before"
    STOPPED_AFTER = "stopped after"
    UNREACHED = "unreached"
    """The call is not made, and the caller sees a network error."""
    LOST = "lost"
    """The call is made, and the caller sees a network error."""
    RESENT = "resent"
    """Its response is lost below the caller, and the SDK sends the same again."""
    BUSY = "busy"
    """The database refuses it for the moment: a conflict of transactions, or throttling."""
    UNCERTAIN = "uncertain"
    """The call is made, and the database reports an internal error; the product tries again."""


@dataclass(frozen=True)
class Call:
    """One call of the product, in the order made."""

    name: str
    writes: bool

    def faults(self) -> tuple[Fault, ...]:
        """The possible faults. Only the caller notices a failed read."""
        if not self.writes:
            return (Fault.STOPPED_BEFORE, Fault.UNREACHED)
        always = (Fault.STOPPED_BEFORE, Fault.STOPPED_AFTER, Fault.UNREACHED, Fault.LOST)
        if self.name.startswith(("provider", "gateway")):
            return always
        if self.name == "dynamodb.TransactWriteItems":
            # The SDK's own retry has a token, so the database deduplicates it.
            return (*always, Fault.BUSY, Fault.UNCERTAIN)
        if self.name.startswith("dynamodb"):
            return (*always, Fault.BUSY, Fault.RESENT)
        return (*always, Fault.RESENT)


@dataclass(frozen=True)
class Point:
    number: int
    call: Call
    fault: Fault

    def __str__(self) -> str:
        return f"{self.fault.value} {self.call.name} (call {self.number + 1})"


class Wire:
    """Intercepts all outgoing calls of the product; disturbs one call when armed."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._point: Point | None = None
        self._armed = False
        self.rival: Callable[[], None] | None = None
        """A concurrent caller: acts once, right before the first transaction."""
        self.calls: list[Call] = []
        self.dead = False

    @contextlib.contextmanager
    def armed(self, point: Point | None) -> Iterator[None]:
        """Within, calls are counted and ``point`` goes wrong; a dead process calls nothing."""
        self._point, self.calls, self.dead = point, [], False
        real, studio = SDK._make_api_call, self._world.studio
        generate = studio.generate
        elsewhere = [*self._cloud_calls()]

        def call(client: Any, operation: str, params: Mapping[str, Any]) -> Any:
            name = f"{client.meta.service_model.service_name}.{operation}"
            once = Call(name, operation not in READS)
            return self._through(once, lambda: real(client, operation, params), params)

        def make(request: GenerationRequest) -> list[Artifact]:
            return self._through(Call("provider.generate", True), lambda: generate(request), {})

        SDK._make_api_call, studio.generate = call, make  # type: ignore[method-assign]
        for owner, name, disturbed in elsewhere:
            setattr(owner, name, disturbed)
        self._armed = True
        try:
            yield
        except Crash:
            pass
        finally:
            self._armed = False
            SDK._make_api_call = real
            del studio.generate
            for owner, name, _ in elsewhere:
                delattr(owner, name)

    def _cloud_calls(self) -> Iterator[tuple[Any, str, Callable[..., Any]]]:
        """All calls to an asynchronous provider, to its files and to the gateway."""
        world = self._world
        calls = [(world.cloud, name) for name in ("submit", "poll", "find", "cancel")]
        for owner, name in (*calls, (world.files, "fetch")):
            once = Call(f"provider.{name}", name in ("submit", "cancel"))
            yield owner, name, self._disturbed(once, getattr(owner, name))
        if isinstance(world.app.payments, FakeGateway):
            for name in ("create_checkout", "read_payment", "refund_payment"):
                once = Call(f"gateway.{name}", name != "read_payment")
                yield (
                    world.app.payments,
                    name,
                    self._disturbed(once, getattr(world.app.payments, name)),
                )

    def _disturbed(self, once: Call, happen: Callable[..., Any]) -> Callable[..., Any]:
        def ask(*given: Any, **named: Any) -> Any:
            return self._through(once, lambda: happen(*given, **named), {})

        return ask

    @contextlib.contextmanager
    def bypassed(self) -> Iterator[None]:
        """Within, calls belong to other processes: they are neither counted nor disturbed."""
        self._armed, before = False, self._armed
        try:
            yield
        finally:
            self._armed = before

    def overtake(self) -> None:
        """Let the rival act, if it has not yet."""
        rival, self.rival = self.rival, None
        if rival is not None:
            with self.bypassed():
                rival()

    @property
    def reached(self) -> bool:
        return self._point is None or len(self.calls) > self._point.number

    def _through(self, call: Call, happen: Callable[[], Any], params: Mapping[str, Any]) -> Any:
        if not self._armed:
            return happen()
        if self.dead:
            raise Crash
        if call.name == "dynamodb.TransactWriteItems":
            self.overtake()
        self.calls.append(call)
        here = self._point is not None and self._point.number == len(self.calls) - 1
        fault = self._point.fault if here and self._point else None
        if fault is Fault.STOPPED_BEFORE:
            self._stop()
        if fault is Fault.UNREACHED:
            raise _network_error(call, ConnectTimeoutError)
        if fault is Fault.BUSY:
            raise _busy(call.name.partition(".")[2], params)
        if fault is Fault.RESENT:
            with contextlib.suppress(ClientError):
                happen()
            if (body := params.get("Body")) is not None and hasattr(body, "seek"):
                body.seek(0)
        response = happen()
        if fault is Fault.STOPPED_AFTER:
            self._stop()
        if fault is Fault.LOST:
            raise _network_error(call, ReadTimeoutError)
        if fault is Fault.UNCERTAIN:
            raise _client_error("InternalServerError", call.name)
        return response

    def _stop(self) -> None:
        self.dead = True
        raise Crash


def _network_error(call: Call, kind: type[ConnectTimeoutError | ReadTimeoutError]) -> Exception:
    if call.name.startswith("gateway"):
        return GatewayUnavailable("the response did not arrive")
    if call.name == "provider.fetch":
        return FetchFailed("the response did not arrive")
    if call.name == "provider.submit" and kind is ConnectTimeoutError:
        return TransientProviderError("it was not reached")
    if call.name == "provider.generate":
        return TransientProviderError("the response did not arrive")
    if call.name.startswith("provider"):
        return ResponseLost("the response did not arrive")
    return kind(endpoint_url=call.name, error="planted")


def _busy(operation: str, params: Mapping[str, Any]) -> ClientError:
    if operation != "TransactWriteItems":
        return _client_error("ThrottlingException", operation)
    reasons = [{"Code": "None"} for _ in params["TransactItems"]]
    reasons[-1] = {"Code": "TransactionConflict"}
    canceled = _client_error("TransactionCanceledException", operation)
    response: Any = canceled.response
    response["CancellationReasons"] = reasons
    return canceled


def _client_error(code: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "planted"}}, operation)


# States of a world, to start every point from the same one


@dataclass(frozen=True)
class Snapshot:
    """A world at one moment. Files may be added after it or removed, but not change."""

    now: datetime
    state: State
    files: Mapping[str, tuple[str, bytes]]
    """Key → MIME type and content."""
    messages: Mapping[str, Sequence[str]]
    streamed: Mapping[str, Mapping[str, Any]]
    requests: Sequence[GenerationRequest]
    submitted: Sequence[GenerationRequest] = ()
    runs: Mapping[str, FakeRun] = field(default_factory=dict)
    """At the provider that works later."""


class Stage:
    """One world for many runs, each of which starts from a snapshot."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._known: State | None = None

    def empty(self) -> Snapshot:
        return Snapshot(
            now=START,
            state=State(tables={name: [] for name in _KEYS}, files=frozenset()),
            files={},
            messages=dict.fromkeys(self._queues, ()),
            streamed={name: {} for name in STREAMED},
            requests=(),
        )

    def take_snapshot(self) -> Snapshot:
        world, state = self.world, self.read()
        return Snapshot(
            now=world.clock.now(),
            state=state,
            files={key: _read_file(world, key) for key in state.files},
            messages=self.messages(),
            streamed={name: dict(items) for name, items in world._seen.items()},
            requests=tuple(world.studio.requests),
            submitted=tuple(world.cloud.requests),
            runs=dict(world.cloud.runs),
        )

    def read(self) -> State:
        """Everything that is stored, cached until ``changes`` is called."""
        self._known = self._known or read_state(self.world)
        return self._known

    def changes(self) -> None:
        self._known = None

    def messages(self) -> dict[str, list[str]]:
        """The bodies of the messages in each queue, sorted; the messages stay there."""
        return {
            url: sorted(message["Body"] for message in waiting_messages(self.world, url))
            for url in self._queues
        }

    def restore(self, snapshot: Snapshot) -> None:
        """Put tables, files, queues, clock and provider back; functions start cold."""
        world, now = self.world, self.read()
        for name, items in snapshot.state.tables.items():
            _restore_table(world, name, now.tables[name], items)
        for key in now.files - snapshot.state.files:
            world.client("s3").delete_object(Bucket=world.settings.media_bucket, Key=key)
        for key in snapshot.state.files - now.files:
            mime_type, body = snapshot.files[key]
            world.app.storage.write(key, body, mime_type=mime_type)
        for url, bodies in snapshot.messages.items():
            _restore_queue(world, url, bodies)
        world.clock.move(seconds=(snapshot.now - world.clock.now()).total_seconds())
        world._seen = {name: dict(items) for name, items in snapshot.streamed.items()}
        world._receives.clear()
        world.studio.requests[:] = snapshot.requests
        world.studio.refuse = lambda request: None
        world.cloud.restore(snapshot.submitted, snapshot.runs)
        world.use_images_of(LOCAL_STUDIO)
        world.use_gateway(None)
        world.app.signing_secret.__dict__.pop("text", None)
        world.app.known_erased.clear()
        self.changes()

    @property
    def _queues(self) -> tuple[str, ...]:
        return (*self.world.task_queue_urls, self.world.dead_url)


def _read_file(world: World, key: str) -> tuple[str, bytes]:
    found = world.client("s3").get_object(Bucket=world.settings.media_bucket, Key=key)
    return found["ContentType"], found["Body"].read()


def waiting_messages(world: World, url: str) -> list[dict[str, Any]]:
    """The messages that a queue would deliver now; they stay there."""
    response = world.client("sqs").receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0
    )
    return response.get("Messages", [])


def _restore_queue(world: World, url: str, bodies: Sequence[str]) -> None:
    sqs = world.client("sqs")
    while messages := waiting_messages(world, url):
        for message in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    for body in bodies:
        sqs.send_message(QueueUrl=url, MessageBody=body)


def _restore_table(
    world: World, name: str, now: Sequence[Mapping[str, Any]], then: Sequence[Mapping[str, Any]]
) -> None:
    present, wanted = _keyed(name, now), _keyed(name, then)
    surplus = [present[key] for key in present.keys() - wanted]
    missing = [item for key, item in wanted.items() if present.get(key) != item]
    changes = [{"DeleteRequest": {"Key": _key_of(name, item)}} for item in surplus]
    changes += [{"PutRequest": {"Item": item}} for item in missing]
    for start in range(0, len(changes), BATCH_LIMIT):
        world.client("dynamodb").batch_write_item(
            RequestItems={world.settings.tables[name]: changes[start : start + BATCH_LIMIT]}
        )


_KEYS = {
    name: tuple(key["AttributeName"] for key in definition["KeySchema"])
    for name, definition in table_definitions().items()
}


def _key_of(table: str, item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: item[name] for name in _KEYS[table]}


def _keyed(table: str, items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {json.dumps(_key_of(table, item)): item for item in items}


# Scenarios and who acts in them


@dataclass
class Scene:
    """One run of a scenario."""

    world: World
    wire: Wire
    facts: dict[str, Any] = field(default_factory=dict)
    """What the arrangement leaves for the actor: ids and the request to send."""
    responses: list[Any] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    """What no retry could complete."""

    def add_failure(self, message: str) -> None:
        self.failures.append(message)


class Actor(Protocol):
    """One invocation of a function, and how its real caller repeats it."""

    name: str

    def prepare(self, scene: Scene) -> None:
        """Take the messages or records to handle, outside of the product's work."""

    def act(self, scene: Scene) -> None:
        """The invocation whose calls are the crash points."""

    def retry(self, scene: Scene) -> None:
        """What the caller does next, whatever the outcome."""


End = tuple[tuple[str, ...], int]
"""The states in which the jobs end, sorted, and all balances together."""


@dataclass(frozen=True, kw_only=True)
class Scenario:
    name: str
    arrange: Callable[[Scene], None]
    actors: tuple[Actor, ...]
    ends: End
    other_ends: tuple[End, ...] = ()
    """Other ends that are right after a fault, but not in an undisturbed run."""


class Client:
    """Sends ``facts["request"]``; repeats it until it has a response, and then once more.

    A ``late`` client does so a day later, when the response that was kept for it has expired.
    Outcomes are compared by the response's status and body, or by what ``outcome`` derives from
    them, for requests whose second response differs from the first.
    """

    def __init__(
        self, *, late: bool = False, outcome: Callable[[int, Any], Any] | None = None
    ) -> None:
        self.name = "client, a day later" if late else "client"
        self._late = late
        self._outcome = outcome or (lambda status, body: (status, _lasting(body)))
        self._response: Response | None = None

    def prepare(self, scene: Scene) -> None:
        self._response = None

    def act(self, scene: Scene) -> None:
        response = self._ask(scene)
        self._response = None if scene.wire.dead else response

    def retry(self, scene: Scene) -> None:
        if self._late:
            run_to_completion(scene)
            scene.world.clock.move(hours=KEY_LIFETIME_HOURS)
        for first in (self._response, None):
            response = self._final_response(scene, first)
            scene.responses.append(self._outcome(response.status, response.body))

    def _final_response(self, scene: Scene, response: Response | None) -> Response:
        """Repeat the request while its response says that it may succeed a moment later."""
        for _ in range(CLIENT_REPEATS_LIMIT):
            if response is not None and not _is_passing(response):
                return response
            if response is not None:
                scene.world.clock.move(seconds=_wait_seconds(response))
            response = self._ask(scene)
        assert response is not None
        return response

    def _ask(self, scene: Scene) -> Response:
        return scene.world.call(**scene.facts["request"])


def _is_passing(response: Response) -> bool:
    return response.status == 503 or _is_in_progress(response) or _has_passing_item(response)


def _has_passing_item(response: Response) -> bool:
    """Whether a bulk call failed at an item through our fault: its response is not kept."""
    results = response.body.get("results", []) if isinstance(response.body, dict) else []
    return any(result.get("code") in ("UNAVAILABLE", "INTERNAL") for result in results)


def _is_in_progress(response: Response) -> bool:
    return response.status == 409 and response.body.get("code") == "IN_PROGRESS"


def _wait_seconds(response: Response) -> int:
    return IN_PROGRESS_WAIT_SECONDS if _is_in_progress(response) else UNAVAILABLE_WAIT_SECONDS


def _lasting(body: Any) -> Any:
    """A response without its timestamps and without the outcome of a webhook."""
    if isinstance(body, dict):
        passing = {name for name in body if name.endswith("At")} | {"outcome"}
        kept = {name: value for name, value in body.items() if name not in passing}
        return {name: _lasting(value) for name, value in kept.items()}
    return [_lasting(item) for item in body] if isinstance(body, list) else body


class Message:
    """The queue delivers the message of ``facts["task"]`` and keeps it until it is handled.

    A ``lost`` message is not delivered again.
    """

    def __init__(self, *, lost: bool = False, dead: bool = False) -> None:
        self.name = ("dead letter" if dead else "message") + (", lost" if lost else "")
        self._lost, self._dead = lost, dead
        self._message: dict[str, Any] = {}
        self._at = ""

    def prepare(self, scene: Scene) -> None:
        self._at = (
            scene.world.dead_url if self._dead else queue_of(scene.world, scene.facts["task"])
        )
        self._message = find_message(scene.world, self._at, scene.facts["task"])

    def act(self, scene: Scene) -> None:
        handle = handle_dead_letter if self._dead else handle_task_message
        # A handler that raises leaves its message in the queue, like one that is killed.
        with contextlib.suppress(Exception):
            handle(scene.world.app, record_of(self._message, self._at))

    def retry(self, scene: Scene) -> None:
        if self._lost:
            remove_message(scene.world, self._at, self._message)


def queue_of(world: World, task: str) -> str:
    """The queue in which a task's message waits."""
    for url in world.task_queue_urls:
        bodies = (json.loads(message["Body"]) for message in waiting_messages(world, url))
        if any(body.get("key") == task for body in bodies):
            return url
    raise LookupError(f"no message of {task} waits")


def find_message(world: World, url: str, task: str) -> dict[str, Any]:
    """The waiting message of a task."""
    for message in waiting_messages(world, url):
        if json.loads(message["Body"]).get("key") == task:
            return message
    raise LookupError(f"no message of {task} waits")


def record_of(message: Mapping[str, Any], url: str) -> dict[str, Any]:
    arn = f"arn:aws:sqs:us-east-1:000000000000:{url.rpartition('/')[2]}"
    return {"body": message["Body"], "messageId": message["MessageId"], "eventSourceARN": arn}


def remove_message(world: World, url: str, message: Mapping[str, Any]) -> None:
    for waiting in waiting_messages(world, url):
        if waiting["MessageId"] == message["MessageId"]:
            receipt = waiting["ReceiptHandle"]
            world.client("sqs").delete_message(QueueUrl=url, ReceiptHandle=receipt)


class Stream:
    """The tables' streams deliver what changed; failed batches come again, or are ``lost``.

    A ``late`` stream delivers everything again when all work has long been done.
    """

    def __init__(self, *, lost: bool = False, late: bool = False) -> None:
        self.name = "stream" + (", lost" if lost else "") + (", late" if late else "")
        self._lost, self._late = lost, late
        self._batches: list[list[dict[str, Any]]] = []
        self._failed: list[list[dict[str, Any]]] = []

    def prepare(self, scene: Scene) -> None:
        self._batches = scene.world.take_changes()
        self._failed = list(self._batches)

    def act(self, scene: Scene) -> None:
        for place, batch in enumerate(self._batches):
            self._failed[place] = deliver(scene.world, batch)

    def retry(self, scene: Scene) -> None:
        if self._late:
            run_to_completion(scene)
        batches = self._batches if self._late else self._failed
        for batch in () if self._lost else batches:
            deliver_until_done(scene, batch)


def deliver(world: World, batch: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Deliver a batch to the stream's function; returns the records to deliver again."""
    response = handle_stream(world.app, {"Records": batch})
    failed = {failure["itemIdentifier"] for failure in response["batchItemFailures"]}
    for place, record in enumerate(batch):
        if record["dynamodb"]["SequenceNumber"] in failed:
            return batch[place:]
    return []


def deliver_until_done(scene: Scene, batch: list[dict[str, Any]]) -> None:
    for _ in range(STREAM_DELIVERIES_LIMIT):
        if not batch:
            return
        batch = deliver(scene.world, batch)
    if batch:
        scene.add_failure(f"the stream is blocked by {batch[0]['dynamodb']['NewImage']}")


class Schedule:
    """The schedule runs the sweeper every minute."""

    name = "schedule"

    def prepare(self, scene: Scene) -> None:
        """The schedule has no message."""

    def act(self, scene: Scene) -> None:
        # A sweep that fails as a whole is only reported; the next minute brings another.
        with contextlib.suppress(Exception):
            scene.world.sweep()

    def retry(self, scene: Scene) -> None:
        scene.world.clock.move(minutes=1)
        sweep(scene)


def sweep(scene: Scene) -> None:
    done = scene.world.sweep()
    if any(name.endswith("error") and count for name, count in done.items()):
        scene.add_failure(f"the sweeper fails on its own: {dict(done)}")


def settle(scene: Scene) -> None:
    """Run stream and queues until nothing is left to deliver, without moving the clock."""
    for _ in range(ROUNDS_LIMIT):
        batches = scene.world.take_changes()
        for batch in batches:
            deliver_until_done(scene, batch)
        moved = scene.world.pump_tasks() + scene.world.pump_dead_letters()
        if not batches and not moved:
            return
    scene.add_failure("stream and queues always have something to deliver")


SWEPT = ("jobs", "assets", "purchases", "webhooks", "events")


def run_to_completion(scene: Scene) -> None:
    """Run stream, queues and sweeper, and move the clock, until no item is due."""
    for _ in range(SWEEPS_LIMIT):
        settle(scene)
        items = [item for name in SWEPT for item in _at_rest(scene.world, name)]
        # Polls of paid purchases go on for months and find nothing new.
        items = [item for item in items if item.get("dueShard") != {"S": POLL_SHARD}]
        due = [float(item["nextCheckAt"]["N"]) for item in items if "nextCheckAt" in item]
        if not due:
            return
        ahead = min(due) + 1 - scene.world.clock.now().timestamp()
        scene.world.clock.move(seconds=max(1, ahead))
        sweep(scene)
    scene.add_failure("the sweeper always finds something")


def _at_rest(world: World, table: str) -> list[dict[str, Any]]:
    """A table's items after ``settle``, which has just read the streamed tables."""
    return list(world._seen[table].values()) if table in STREAMED else world.scan(table)


# Outcomes


def outcome_of(books: Books, responses: Sequence[Any]) -> dict[str, Any]:
    """What must not depend on the disturbances."""
    wallets = {
        account: (
            wallet["balance"],
            wallet["held"],
            sorted((grant["s"], grant["r"]) for grant in json.loads(wallet["grants"])),
        )
        for account, wallet in books.wallets.items()
    }
    ledger = {
        account: sorted((e["cause"], e["amount"], e["heldChange"]) for e in entries)
        for account, entries in books.ledger.items()
    }
    jobs = {
        job_id: {
            "status": job.status,
            "tasks": {task["sk"]: task["status"] for task in job.tasks},
            "outputs": sorted(output["key"] for output in job.outputs),
            "template": job.item.get("templateId"),
            "used": (job.receipt or {}).get("parts"),
            "price": job.price,
            "inputs": None if job.is_deleted else job.inputs,
            "deleted": job.is_deleted,
            "children": sorted(job.children),
            "pick": job.item.get("pick"),
            "shares": sorted((share["sk"], "revokedAt" in share) for share in job.shares),
        }
        for job_id, job in books.jobs.items()
    }
    purchases = sorted(
        (item["purchaseId"], item["credits"], item["status"]) for item in books.purchases
    )
    return {
        "responses": list(responses),
        "wallets": wallets,
        "ledger": ledger,
        "jobs": jobs,
        "purchases": purchases,
        "assignments": dict(books.assignments),
        "albums": {
            album: sorted((output, entry["isRemoved"]) for output, entry in entries.items())
            for album, entries in books.entries.items()
        },
        # Their ids contain the time, which a disturbance may change.
        "made files": sum(names.count("ASSET_GENERATED") for names in books.events.values()),
        "their copies": sum(key.startswith("clean/") and ".png" in key for key in books.files),
    }


def provider_breaches(world: World, *, clean_runs: Counter[str] | None) -> Iterator[Breach]:
    """An attempt reaches its provider once, and one fault costs at most one spare run."""
    attempts = Counter((r.job_id, r.key, r.attempt) for r in world.requests)
    for (job_id, key, attempt), count in attempts.items():
        if count > 1:
            message = f"attempt {attempt} was sent {count} times"
            yield Breach("provider", "", f"{job_id} {key}", message)
    for name, runs in _runs(world).items():
        if clean_runs is not None and runs > clean_runs[name] + SPARE_RUNS_LIMIT:
            yield Breach("provider", "", name, f"{runs} runs instead of {clean_runs[name]}")
    # A provider that finishes a request never gets the same request again.
    good = Counter(name for name, run in world.cloud.runs_by_task() if run.is_good)
    for name, count in good.items():
        if count > 1:
            yield Breach("provider", "", name, f"{count} runs finished, one was enough")


def _runs(world: World) -> Counter[str]:
    return Counter(f"{request.job_id} {request.key}" for request in world.requests)


def fingerprint(stage: Stage, scene: Scene) -> str:
    """A world's whole state as text, with random tokens numbered in the order they appear.

    Two points that leave the same state end the same way, so only the first runs to completion.
    """
    world, stored = scene.world, stage.read()
    state = {
        "now": world.clock.now().isoformat(),
        "tables": {name: _keyed(name, items) for name, items in stored.tables.items()},
        "streamed": world._seen,
        "messages": stage.messages(),
        "files": sorted(stored.files),
        "requests": [(r.job_id, r.key, r.attempt) for r in world.requests],
        "runs": {ref: repr(run) for ref, run in world.cloud.runs.items()},
        "gateway": vars(scene.facts["gateway"]) if "gateway" in scene.facts else None,
        "results": [scene.responses, scene.failures],
    }
    names: dict[str, str] = {}
    text = json.dumps(state, sort_keys=True, default=str)
    return _TOKEN.sub(lambda found: names.setdefault(found[0], f"token{len(names)}"), text)


# Running


@dataclass(frozen=True)
class Finding:
    """What went wrong at one point."""

    scenario: str
    actor: str
    point: str
    breach: str

    def __str__(self) -> str:
        return f"{self.scenario} / {self.actor} / {self.point}: {self.breach}"


@dataclass
class Report:
    points: Counter[str] = field(default_factory=Counter)
    """Per scenario."""
    findings: list[Finding] = field(default_factory=list)
    seconds: float = 0.0

    def __str__(self) -> str:
        count = sum(self.points.values())
        return f"crash points: {count}, breaches: {len(self.findings)}"

    def add(self, other: Report) -> None:
        self.points += other.points
        self.findings += other.findings
        self.seconds += other.seconds


@dataclass
class _Run:
    """All points of one scenario with one actor."""

    stage: Stage
    scenario: Scenario
    actor: Actor
    snapshot: Snapshot
    facts: Mapping[str, Any]
    clean: dict[str, Any] | None = None
    clean_runs: Counter[str] | None = None
    known: dict[str, list[str]] = field(default_factory=dict)

    def perform(self, point: Point | None) -> tuple[list[str], list[Call]]:
        """One run: (problems, calls)."""
        world = self.stage.world
        scene = Scene(world, Wire(world), facts=dict(self.facts))
        self.stage.restore(self.snapshot)
        if "provider" in scene.facts:
            world.studio.refuse = scene.facts["provider"](scene)
        if "cloud" in scene.facts:
            scene.facts["cloud"](scene)
        if "gateway" in scene.facts:
            scene.facts["gateway"].restore()
            world.use_gateway(scene.facts["gateway"])
        if "rival" in scene.facts:
            scene.wire.rival = scene.facts["rival"](scene)
        self.actor.prepare(scene)
        with scene.wire.armed(point):
            self.actor.act(scene)
        scene.wire.overtake()  # The rival also acts if the point came before the first transaction.
        wrong = [] if scene.wire.reached else ["the point was not reached"]
        at_once = read_books(read_state(world, AT_ONCE_TABLES))
        wrong += [f"at once: {breach}" for breach in check_books(at_once, at_rest=False)]
        self.actor.retry(scene)
        metrics.clear_metrics()  # nothing flushes them here, and they must not pile up
        left = fingerprint(self.stage, scene)
        if left not in self.known:
            self.stage.changes()
            self.known[left] = self._end(scene)
        return wrong + self.known[left], list(scene.wire.calls)

    def _end(self, scene: Scene) -> list[str]:
        run_to_completion(scene)
        books = read_books(self.stage.read())
        wrong = [str(breach) for breach in check_books(books)]
        wrong += map(str, provider_breaches(scene.world, clean_runs=self.clean_runs))
        wrong += scene.failures
        ends = (
            tuple(sorted(job.status for job in books.jobs.values())),
            sum(wallet["balance"] for wallet in books.wallets.values()),
        )
        if self.clean is not None and ends in self.scenario.other_ends:
            return wrong
        if ends != self.scenario.ends:
            wrong.append(f"ends as {ends}, must be {self.scenario.ends}")
        outcome = outcome_of(books, scene.responses)
        if "gateway" in scene.facts:
            outcome["money back"] = scene.facts["gateway"].refunded_minor()
        if self.clean is None:
            self.clean, self.clean_runs = outcome, _runs(scene.world)
        return wrong + list(differences(self.clean, outcome))


def differences(expected: Any, found: Any, path: str = "outcome") -> Iterator[str]:
    """Where two outcomes differ, in words."""
    if expected == found:
        return
    if isinstance(expected, dict) and isinstance(found, dict):
        for name in sorted({*expected, *found}, key=str):
            yield from differences(expected.get(name), found.get(name), f"{path}.{name}")
    else:
        yield f"{path} is {found}, undisturbed {expected}"


def run_scenario(
    world: World,
    scenario: Scenario,
    *,
    actors: Sequence[Actor] | None = None,
    faults: Sequence[Fault] = tuple(Fault),
    until: Callable[[Finding], bool] | None = None,
) -> Report:
    """Every crash point of a scenario with each of its actors, or these.

    ``until`` ends it with the first finding of this kind.
    """
    report, started = Report(), time.perf_counter()
    with _quiet():
        stage = Stage(world)
        snapshot, facts = _arranged(stage, scenario)
        for actor in scenario.actors if actors is None else actors:
            run = _Run(stage=stage, scenario=scenario, actor=actor, snapshot=snapshot, facts=facts)
            for point, wrong in _perform_all(run, faults):
                report.points[scenario.name] += point is not None
                name = str(point) if point else "undisturbed"
                found = [Finding(scenario.name, actor.name, name, text) for text in wrong]
                report.findings += found
                if until is not None and any(map(until, found)):
                    return report
    report.seconds = time.perf_counter() - started
    return report


def _perform_all(run: _Run, faults: Sequence[Fault]) -> Iterator[tuple[Point | None, list[str]]]:
    wrong, calls = run.perform(None)
    yield None, wrong
    for number, call in enumerate(calls):
        for fault in call.faults():
            if fault in faults:
                point = Point(number, call, fault)
                yield point, run.perform(point)[0]


def _arranged(stage: Stage, scenario: Scenario) -> tuple[Snapshot, dict[str, Any]]:
    """Arrange the scenario in an empty world."""
    # A process reads its secret once: only a request to a new process makes this call.
    assert stage.world.app.signing_secret.value
    scene = Scene(stage.world, Wire(stage.world))
    stage.restore(stage.empty())
    scenario.arrange(scene)
    if scene.failures:
        raise AssertionError(f"{scenario.name} cannot be arranged: {scene.failures}")
    return stage.take_snapshot(), scene.facts


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep planted faults out of the log."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


def run_all(
    world_factory: Callable[[], World], scenarios: Sequence[Scenario] | None = None
) -> Report:
    """All crash points of all scenarios in one world."""
    from tests.support.scenarios import SCENARIOS

    report, world = Report(), world_factory()
    try:
        for scenario in SCENARIOS if scenarios is None else scenarios:
            report.add(run_scenario(world, scenario))
    finally:
        world.close()
    return report
