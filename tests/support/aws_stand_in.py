"""A stand-in for one AWS service: a local server that speaks its wire to the real botocore client.

Owns what all services have in common: the signature's presence, the requested operation,
the limits that the service's own model sets (required fields, lengths, patterns, enumerations), the
shape of errors, and what goes wrong on request. What a service does is a subclass's.

Sources: the service models that botocore ships; https://smithy.io/2.0/aws/protocols/aws-json-1_1-
protocol.html and …/aws-restjson1-protocol.html (where errors are named).
"""

from __future__ import annotations

import base64
import itertools
import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler
from typing import Any, ClassVar, Literal, Self
from urllib.parse import unquote, urlsplit

import boto3
import botocore.session
from botocore.config import Config

from tests.support.threaded_server import ThreadedServer

Json = dict[str, Any]
REGION = "us-east-1"
SECRET_ACCESS_KEY = "of-the-stand-in/and-of-no-account-at-all"


@dataclass(frozen=True)
class AwsError(Exception):
    """An error response of the service."""

    code: str
    status: int = 400
    message: str = "no"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Raw:
    """A raw response: a gateway's page, an incomplete object."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Gone:
    """The request is accepted and done; the response is missing or incomplete."""

    how: Literal["late", "closed"]


class AwsStandIn:
    service: ClassVar[str]
    rest: ClassVar[Mapping[str, str]] = {}
    """Operation → the pattern of its method and path, for services without a target header."""

    def __init__(self) -> None:
        self.faults: list[AwsError | Raw | Gone | None] = []
        """How the next requests go wrong, in this order; None for one that does not."""
        self.requests: list[tuple[str, Json]] = []
        """Requested operations, with their fields; also the failed ones."""
        self.model = model_of(self.service)
        self.ended = threading.Event()
        self._numbers = itertools.count(1)
        self._server = ThreadedServer(("127.0.0.1", 0), _handler_of(self))
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), name=self.service, daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def client(self, *, read_timeout: float = 5, endpoint_url: str | None = None) -> Any:
        return a_client(
            self.service, endpoint_url=endpoint_url or self.endpoint_url, read_timeout=read_timeout
        )

    def calls_of(self, operation: str) -> list[Json]:
        return [fields for name, fields in self.requests if name == operation]

    # What a subclass adds

    def do(self, operation: str, fields: Json) -> Any:
        """The response: an object, or a ``Raw``. Raises an ``AwsError``."""
        raise NotImplementedError

    def page(self, path: str) -> Raw | None:
        """What lies at an address that needs no signature."""
        return None

    # The wire

    def respond(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Any:
        page = self.page(path) if method == "GET" else None
        if page is not None:
            return page
        try:
            operation, fields = self._read(method, path, headers, body)
            self.requests.append((operation, fields))
            fault = self.faults.pop(0) if self.faults else None
            if isinstance(fault, AwsError):
                raise fault
            if isinstance(fault, Raw):
                return fault
            problem = problem_of(fields, self.model.operation_model(operation).input_shape)
            if problem:
                raise AwsError("ValidationException", 400, problem)
            done = self.do(operation, fields)
            return fault or (done if isinstance(done, Raw) else Raw(200, json.dumps(done).encode()))
        except AwsError as error:
            return self._error(error)

    def _read(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[str, Json]:
        if f"/{REGION}/{self._signing_name}/aws4_request" not in headers.get("authorization", ""):
            raise AwsError("MissingAuthenticationTokenException", 403)
        target = headers.get("x-amz-target")
        if target:
            prefix, _, operation = target.partition(".")
            assert prefix == self.model.metadata["targetPrefix"]
            return operation, self._decoded(operation, json.loads(body or b"{}"))
        for operation, pattern in self.rest.items():
            match = re.fullmatch(pattern, f"{method} {urlsplit(path).path}")
            if match:
                named = {name: unquote(value) for name, value in match.groupdict().items()}
                return operation, named | self._body_fields(operation, body)
        raise AwsError("UnknownOperationException", 404)

    @property
    def _signing_name(self) -> str:
        return self.model.metadata.get("signingName", self.service)

    def _body_fields(self, operation: str, body: bytes) -> Json:
        shape: Any = self.model.operation_model(operation).input_shape
        payload = shape.serialization.get("payload")
        return {payload: body} if payload else json.loads(body or b"{}")

    def _decoded(self, operation: str, fields: Json) -> Json:
        image = fields.get("Image", {})
        if "Bytes" in image:
            return fields | {"Image": {"Bytes": base64.b64decode(image["Bytes"])}}
        return fields

    def _error(self, error: AwsError) -> Raw:
        body: Json = {"message": error.message, "Message": error.message}
        headers = dict(error.headers)
        if self.rest:
            headers["x-amzn-errortype"] = f"{error.code}:http://internal.example/"
        else:
            body["__type"] = f"com.example#{error.code}"
        return Raw(error.status, json.dumps(body).encode(), headers)

    def new_id(self) -> str:
        return f"{next(self._numbers):08}-stand-in"


def a_client(service: str, *, endpoint_url: str, read_timeout: float = 5) -> Any:
    """As the product makes it: one attempt, no retries."""
    make: Any = boto3.client
    return make(
        service,
        region_name=REGION,
        endpoint_url=endpoint_url,
        aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
        aws_secret_access_key=SECRET_ACCESS_KEY,
        config=Config(
            connect_timeout=5,
            read_timeout=read_timeout,
            retries={"total_max_attempts": 1, "mode": "standard"},
        ),
    )


@cache
def model_of(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


def problem_of(value: Any, shape: Any, path: str = "") -> str | None:
    """What of the service's model a request breaks."""
    limits = shape.metadata
    if shape.type_name == "structure":
        return _structure_problem(value, shape, path)
    if shape.type_name == "list":
        found = (problem_of(item, shape.member, f"{path}[]") for item in value)
        return next(filter(None, found), None)
    if shape.type_name == "string":
        if shape.enum and value not in shape.enum:
            return f"{path} is no value of its enumeration"
        if "pattern" in limits and not _fits(limits["pattern"], value):
            return f"{path} does not fit its pattern"
    if shape.type_name in ("string", "blob"):
        if not limits.get("min", 0) <= len(value) <= limits.get("max", len(value)):
            return f"{path} is too short or too long"
    elif shape.type_name in ("integer", "float") and not (
        limits.get("min", value) <= value <= limits.get("max", value)
    ):
        return f"{path} is too small or too large"
    return None


def _fits(pattern: str, value: str) -> bool:
    # Java's classes of marks have no counterpart here, and stand for any character.
    return re.search(pattern.replace(r"[\P{M}\p{M}]", r"[\s\S]"), value) is not None


def _structure_problem(value: Any, shape: Any, path: str) -> str | None:
    if not isinstance(value, dict):
        return f"{path} is no object"
    for name in shape.required_members:
        if name not in value:
            return f"{path}.{name} is missing"
    for name, given in value.items():
        if name not in shape.members:
            return f"{path}.{name} is unknown"
        problem = problem_of(given, shape.members[name], f"{path}.{name}")
        if problem:
            return problem
    return None


def _handler_of(stand_in: AwsStandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _serve(self) -> None:
            size = int(self.headers.get("content-length", 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            response = stand_in.respond(self.command, self.path, headers, self.rfile.read(size))
            if isinstance(response, Gone):
                if response.how == "late":
                    stand_in.ended.wait(60)
                self.close_connection = True
                return
            self.send_response(response.status)
            sent = {"content-type": "application/json", "x-amzn-requestid": stand_in.new_id()}
            sent |= {"content-length": str(len(response.body))} | dict(response.headers)
            for name, value in sent.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(response.body)

        do_GET = do_POST = do_PUT = do_DELETE = _serve

        def log_message(self, *_: Any) -> None:
            return

    return Handler
