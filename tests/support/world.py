"""The whole product in one process, on any backend that speaks AWS's protocols.

The handlers, use cases and stores are the real ones. What drives them is deterministic: the
stream is the difference between two scans of the tables, messages are taken from the real
queues, and time moves only when a test moves it.
"""

from __future__ import annotations

import base64
import functools
import json
import random
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
from fastapi import FastAPI
from mangum import Mangum

from darkroom.adapters.queues import Queue
from darkroom.api.app import create_app
from darkroom.bootstrap.composition import App, build_app
from darkroom.bootstrap.workers import GENERATE
from darkroom.generation.ports import Artifact, AsyncProvider, GenerationRequest, Provider
from darkroom.generation.routing.routes import LOCAL_SPEECH, LOCAL_STUDIO, REPLICATE
from darkroom.kernel.settings import Settings
from darkroom.payments.ports import PaymentGateway
from darkroom.workers.archive import handle_archive_message
from darkroom.workers.dead_letters import handle_dead_letter
from darkroom.workers.deliver import handle_delivery_message
from darkroom.workers.edge import metrics
from darkroom.workers.erase import handle_erasures
from darkroom.workers.stream import handle_stream
from darkroom.workers.sweep import sweep_everything
from darkroom.workers.tasks import handle_task_message
from tests.support.cloud import FakeCloud, FakeFiles
from tests.support.declared import check_declared
from tests.support.mounts import ROUTERS
from tests.support.tables import table_definitions

EXPLORER = Path(__file__).resolve().parents[2] / "functions" / "api" / "explorer"
START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
STREAMED = ("jobs", "assets", "purchases", "events", "endpoints")
MAX_RECEIVES = 4
ROUNDS_LIMIT = 400
DEAD_FUNCTION = "Internal Server Error"
"""What Mangum makes of a BaseException, with which tests end a function at once. In AWS the gateway
responds then, and not the function."""


class ManualClock:
    """A clock that a test moves by hand."""

    def __init__(self, now: datetime = START) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def move(self, **duration: float) -> None:
        self._now += timedelta(**duration)


class NoJitter(random.Random):
    """Back-off without waiting: the emulated queues' delays run in real time."""

    def uniform(self, a: float, b: float) -> float:
        return 0.0


class UndelayedQueue(Queue):
    """A queue that ignores delays, which would run in real time. A worker ignores a message that
    comes too early, and the sweeper sends it again when it is due."""

    def __init__(self, queue: Queue) -> None:
        super().__init__(queue._clients, queue._url)

    def send(self, message: dict[str, Any], *, delay_seconds: int = 0) -> None:
        super().send(message)


class FakePreviews:
    """Small pictures of any file that could have one, without decoding it."""

    def thumbnail(self, path: Path, mime_type: str) -> bytes | None:
        return b"small" if mime_type.startswith(("image/", "video/")) else None

    def jpeg(self, path: Path, mime_type: str) -> bytes | None:
        return b"jpeg"


class FakeStudio:
    """A provider that we do not own, faked at its port: writes small files, at once.

    ``refuse`` may raise a provider error for a request.
    """

    name = LOCAL_STUDIO

    def __init__(self) -> None:
        self.requests: list[GenerationRequest] = []
        self.refuse: Callable[[GenerationRequest], None] = lambda request: None

    def model_of(self, kind: str) -> str:
        return "model"

    def generate(self, request: GenerationRequest) -> list[Artifact]:
        self.requests.append(request)
        self.refuse(request)
        type_, mime_type, suffix = made_of(request.kind, request.params)
        path = request.workdir / f"out{suffix}"
        path.write_text(f"{request.key} {request.seed}", encoding="utf-8")
        names = ("style", "role", "language")
        extra = {name: request.params[name] for name in names if name in request.params}
        return [
            Artifact(
                type=type_, mime_type=mime_type, path=path, width=720, height=1280, extra=extra
            )
        ]


def made_of(kind: str, params: Mapping[str, Any]) -> tuple[str, str, str]:
    """Type, MIME type and suffix of what a task of this kind makes."""
    if kind == "captions":
        return params["format"], "text/plain", f".{params['format']}"
    return {
        "keyframe": ("image", "image/png", ".png"),
        "portrait": ("image", "image/png", ".png"),
        "extract": ("audio", "audio/mp4", ".m4a"),
        "merge": ("json", "application/json", ".json"),
        "speech": ("audio", "audio/mp4", ".m4a"),
        "script": ("json", "application/json", ".json"),
        "align": ("json", "application/json", ".json"),
        "picture": ("image", "image/png", ".png"),
        "clip": ("clip", "video/mp4", ".mp4"),
        "film": ("film", "video/mp4", ".mp4"),
        "transcribe": ("json", "application/json", ".json"),
        "translate": ("json", "application/json", ".json"),
    }[kind]


@dataclass(frozen=True)
class Response:
    status: int
    headers: Mapping[str, str]
    body: Any


@functools.cache
def _every_route() -> tuple[FastAPI, Mangum]:
    """All functions' routes together. Built once: that takes longer than most tests."""
    api = create_app(*ROUTERS, explorer=EXPLORER)
    return api, Mangum(api, lifespan="off")


def http_response(app: App, event: dict[str, Any]) -> dict[str, Any]:
    """The response of all functions' routes together to one event of the gateway.

    Raises:
        Undeclared: the response is not what the OpenAPI document declares.
    """
    api, http = _every_route()
    api.state.darkroom = app
    response: dict[str, Any] = http(event, None)  # type: ignore[arg-type]
    if response.get("body") != DEAD_FUNCTION:
        check_declared(
            event["requestContext"]["http"]["method"],
            event["rawPath"],
            response["statusCode"],
            response["headers"],
            response.get("body") or "",
        )
    return response


@functools.cache
def _client(service: Any, endpoint_url: str | None, region: str) -> Any:
    """A client for all worlds of one backend: none of it depends on a world."""
    return boto3.client(service, endpoint_url=endpoint_url, region_name=region)


@dataclass(frozen=True)
class Resources:
    """The tables, queues, bucket and signing secret of a world."""

    name: str
    settings: Settings
    dead_url: str


class World:
    """A private set of tables, queues and a bucket, and the product that runs on them.

    ``resources``: empty ones to use; by default, new ones are created.
    """

    def __init__(
        self,
        *,
        endpoint_url: str | None = None,
        region: str = "us-east-1",
        clock: ManualClock | None = None,
        stripe_api_base: str | None = None,
        stripe_secret: str = "",
        resources: Resources | None = None,
    ) -> None:
        # Earlier tests may have left clients and credentials of another backend behind.
        boto3.setup_default_session()
        self.clock = clock or ManualClock()
        self.studio = FakeStudio()
        self._endpoint_url, self._region = endpoint_url, region
        self._seen: dict[str, dict[str, Any]] = {name: {} for name in STREAMED}
        self._receives: dict[str, int] = {}
        self.resources = resources or self._create_resources()
        self.settings, self.dead_url = self.resources.settings, self.resources.dead_url
        if stripe_api_base is not None:
            self.settings = self._with_stripe(stripe_api_base, stripe_secret)
        self.cloud, self.files = FakeCloud(), FakeFiles()
        providers: dict[str, Provider | AsyncProvider] = {
            LOCAL_STUDIO: self.studio,
            LOCAL_SPEECH: self.studio,
            REPLICATE: self.cloud,
        }
        app = build_app(self.settings, clock=self.clock, providers=providers)
        queues = {**app.queues, GENERATE: UndelayedQueue(app.queues[GENERATE])}
        deliver_queue = UndelayedQueue(app.deliver_queue)
        self.app: App = replace(
            app,
            jitter=NoJitter(),
            queues=queues,
            deliver_queue=deliver_queue,
            fetcher=self.files,  # type: ignore[arg-type]
        )
        self.use_gateway(self.app.payments)

    def use_gateway(self, gateway: PaymentGateway | None) -> None:
        """Use this payment gateway from now on; None is the test gateway."""
        self.app = replace(self.app, payments=gateway)

    @property
    def requests(self) -> list[GenerationRequest]:
        """The requests to all providers, by provider and then in order."""
        return [*self.studio.requests, *self.cloud.requests]

    def use_previews(self) -> None:
        """Let workers store small pictures of what they make, as the real ones do."""
        self.app = replace(self.app, previews=FakePreviews())

    def use_cloud(self) -> None:
        """Let the cloud make images from now on, and not the studio."""
        self.use_images_of(REPLICATE)

    def use_images_of(self, *providers: str) -> None:
        self.use_routes({"image": providers})

    def use_routes(self, routes: Mapping[str, Sequence[str]]) -> None:
        """Use these providers for these capabilities from now on."""
        self.settings = replace(self.settings, provider_routes=routes)
        self.app = replace(self.app, settings=self.settings)
        self.use_gateway(self.app.payments)

    def client(self, service: str) -> Any:
        return _client(service, self._endpoint_url, self._region)

    def _create_resources(self) -> Resources:
        world = f"w{secrets.token_hex(4)}"
        tables = {}
        for name, definition in table_definitions().items():
            tables[name] = f"{world}-{name}"
            self.client("dynamodb").create_table(TableName=tables[name], **definition)
        bucket = f"{world}-media"
        self.client("s3").create_bucket(Bucket=bucket)
        sqs = self.client("sqs")
        urls = {
            name: sqs.create_queue(QueueName=f"{world}-{name}")["QueueUrl"]
            for name in (
                "studio",
                "speech",
                "generate",
                "ingest",
                "ingest_media",
                "archive",
                "deliver",
                "dead",
            )
        }
        secret = self.client("secretsmanager").create_secret(
            Name=f"{world}-signing", SecretString="a secret of this test only"
        )
        settings = Settings(
            stage="test",
            tables=tables,
            media_bucket=bucket,
            studio_queue_url=urls["studio"],
            speech_queue_url=urls["speech"],
            ingest_queue_url=urls["ingest"],
            ingest_media_queue_url=urls["ingest_media"],
            archive_queue_url=urls["archive"],
            deliver_queue_url=urls["deliver"],
            payment_gateway="test",
            jwt_issuer="",
            jwt_audience="",
            test_hooks=True,
            event_retention_days=400,
            signing_secret_arn=secret["ARN"],
            endpoint_key_arn=secret["ARN"],
            stripe_secret_arn="",
            stripe_api_base=None,
            checkout_return_url="https://app.example/credits",
            generate_queue_url=urls["generate"],
            provider_config={},
            provider_routes={},
            provider_secret_prefix=f"{world}/providers/",
            face_provider="local",
            callback_base_url="https://api.example",
            console_url="https://console.example",
            currency="USD",
            # Tests of limits set it to 1; the others are not about limits.
            rate_limit_factor=1000,
            region=self._region,
            endpoint_url=self._endpoint_url,
        )
        return Resources(name=world, settings=settings, dead_url=urls["dead"])

    def _with_stripe(self, api_base: str, secret: str) -> Settings:
        stored = self.client("secretsmanager").create_secret(
            Name=f"{self.resources.name}-stripe", SecretString=secret
        )
        return replace(
            self.settings,
            payment_gateway="stripe",
            stripe_secret_arn=stored["ARN"],
            stripe_api_base=api_base,
        )

    def close(self) -> None:
        for table in self.settings.tables.values():
            self.client("dynamodb").delete_table(TableName=table)
        queues = (self.settings.ingest_queue_url, self.settings.ingest_media_queue_url)
        workers = self.task_queue_urls
        others = (self.settings.archive_queue_url, self.settings.deliver_queue_url, self.dead_url)
        for url in (*workers, *queues, *others):
            self.client("sqs").delete_queue(QueueUrl=url)

    # The client's side

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        user: str | None = "alice",
        key: str | None = None,
        groups: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """One HTTPS request as the gateway passes it to a function."""
        sent = {"content-type": "application/json", **(headers or {})}
        if key is not None:
            sent["idempotency-key"] = key
        response = self.handle_http(self._event(method, path, body, sent, user, groups))
        text = response.get("body") or ""
        is_json = "json" in response["headers"].get("content-type", "")
        return Response(
            response["statusCode"],
            response["headers"],
            json.loads(text) if is_json and text else text,
        )

    def raw(
        self,
        method: str,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        user: str | None,
        groups: str = "",
    ) -> dict[str, Any]:
        """The function's response to a request with any bytes as its body."""
        event = self._event(method, path, None, headers, user, groups)
        encoded = {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}
        return self.handle_http(event | encoded)

    def handle_http(self, event: dict[str, Any]) -> dict[str, Any]:
        """The response of all functions' routes together to one event of the gateway."""
        return http_response(self.app, event)

    def _event(
        self,
        method: str,
        path: str,
        body: Any,
        headers: Mapping[str, str],
        user: str | None,
        groups: str,
    ) -> dict[str, Any]:
        raw_path, _, query = path.partition("?")
        context: dict[str, Any] = {
            "http": {"method": method, "path": raw_path, "sourceIp": "127.0.0.1"},
            "requestId": "test",
            "stage": "$default",
        }
        if user is not None:
            claims = {
                "sub": user,
                "token_use": "access",
                "exp": str(int(self.clock.now().timestamp()) + 3600),
                "cognito:groups": groups,
            }
            context["authorizer"] = {"jwt": {"claims": claims}}
        text = body if isinstance(body, str) or body is None else json.dumps(body)
        return {
            "version": "2.0",
            "routeKey": f"{method} {raw_path}",
            "rawPath": raw_path,
            "rawQueryString": query,
            "headers": dict(headers),
            "requestContext": context,
            "body": text,
            "isBase64Encoded": False,
        }

    # The cloud's side

    def pump_stream(self) -> int:
        """Deliver what changed in the streamed tables since the last read, oldest key first."""
        records = [record for batch in self.take_changes() for record in batch]
        for record in records:
            handle_stream(self.app, {"Records": [record]})
        metrics.clear_metrics()  # nothing flushes them here, and they must not pile up
        return len(records)

    def take_changes(self) -> list[list[dict[str, Any]]]:
        """Stream records since the last read, one batch per table; the caller delivers them."""
        batches = [list(self._changes(name)) for name in STREAMED]
        return [batch for batch in batches if batch]

    def _changes(self, name: str) -> Iterator[dict[str, Any]]:
        now = {self._key(item): item for item in self.scan(name)}
        source = stream_arn(self.settings.tables[name])
        before, self._seen[name] = self._seen[name], now
        for number, key in enumerate(sorted(now)):
            if now[key] != before.get(key):
                images = {"NewImage": now[key], "SequenceNumber": str(number)}
                if key in before:
                    images["OldImage"] = before[key]
                yield {"eventName": "MODIFY", "eventSourceARN": source, "dynamodb": images}

    def scan(self, name: str) -> list[dict[str, Any]]:
        pages = self.client("dynamodb").get_paginator("scan")
        table = self.settings.tables[name]
        return [
            item
            for page in pages.paginate(TableName=table, ConsistentRead=True)
            for item in page["Items"]
        ]

    def _key(self, item: Mapping[str, Any]) -> str:
        names: tuple[str, ...] = ("accountId", "assetId", "purchaseId", "entityId", "eventId", "sk")
        if "pk" in item:
            names = ("pk", "sk")
        return "|".join(item[name]["S"] for name in names if name in item)

    def pump_tasks(self) -> int:
        """Deliver every waiting task message to the worker once."""
        return sum(
            self._pump(url, lambda record: handle_task_message(self.app, record))
            for url in self.task_queue_urls
        )

    @property
    def task_queue_urls(self) -> tuple[str, ...]:
        settings = self.settings
        return settings.studio_queue_url, settings.speech_queue_url, settings.generate_queue_url

    def pump_archives(self) -> int:
        return self._pump(
            self.settings.archive_queue_url,
            lambda record: handle_archive_message(self.app, record),
        )

    def pump_deliveries(self) -> int:
        """Deliver every waiting message about a webhook to its worker once."""
        return self._pump(
            self.settings.deliver_queue_url,
            lambda record: handle_delivery_message(self.app, record),
        )

    def pump_dead_letters(self) -> int:
        return self._pump(self.dead_url, lambda record: handle_dead_letter(self.app, record))

    def _pump(self, url: str, handle: Callable[[Mapping[str, Any]], Any]) -> int:
        sqs = self.client("sqs")
        handled = 0
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0)
        for message in messages.get("Messages", []):
            record = {
                "body": message["Body"],
                "messageId": message["MessageId"],
                "eventSourceARN": f"arn:aws:sqs:us-east-1:000000000000:{url.rpartition('/')[2]}",
            }
            handled += 1
            try:
                handle(record)
            except Exception:  # noqa: BLE001 - the queue redelivers after any error
                self._receives[message["MessageId"]] = (
                    self._receives.get(message["MessageId"], 0) + 1
                )
                if self._receives[message["MessageId"]] < MAX_RECEIVES:
                    continue
                sqs.send_message(QueueUrl=self.dead_url, MessageBody=message["Body"])
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        metrics.clear_metrics()
        return handled

    def sweep(self) -> Mapping[str, int]:
        return sweep_everything(self.app)

    def erase(self) -> Mapping[str, int]:
        """Continue the due erasures, as their function does."""
        return handle_erasures(self.app)

    def drain(self) -> None:
        """Run stream and queues until nothing is left to deliver."""
        for _ in range(ROUNDS_LIMIT):
            moved = self.pump_stream() + self.pump_tasks() + self.pump_archives()
            moved += self.pump_deliveries()
            if not moved + self.pump_dead_letters():
                return
        raise AssertionError("stream and queues always have something to deliver")

    def advance_time(self, **duration: float) -> None:
        """Move the clock, then sweep and drain, as the schedule would."""
        self.clock.move(**duration)
        self.sweep()
        self.drain()

    def without_test_hooks(self) -> App:
        return replace(self.app, settings=replace(self.settings, test_hooks=False))


def stream_arn(table: str) -> str:
    """The ARN of a table's stream, as in DynamoDB's records."""
    return f"arn:aws:dynamodb:us-east-1:000000000000:table/{table}/stream/2026-01-01T00:00:00.000"
