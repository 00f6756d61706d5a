"""A local HTTP server that a stand-in for a vendor is made of.

Owns the socket, the thread, the log of requests and the ways in which a response can fail to come.
What the vendor does is the subclass's.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, Literal, Self

from tests.support.threaded_server import ThreadedServer

Json = dict[str, Any]
HELD_LIMIT_SECONDS = 60


@dataclass(frozen=True)
class Request:
    """What came; header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Response:
    """The response; an object is sent as JSON."""

    status: int
    body: Any = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Fault:
    """How the next request goes wrong: ``refuse`` returns this status instead of doing it,
    ``lose`` does it and never responds, ``drop`` does it and hangs up, ``cut`` does it and hangs
    up in the middle of its response, ``garble`` does it and responds with something else."""

    kind: Literal["refuse", "lose", "drop", "cut", "garble"]
    status: int = 500
    body: Any = ""
    headers: Mapping[str, str] = field(default_factory=dict)


class LoopbackServer:
    """A server on a free port of this machine, from ``with`` until its end."""

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        self.held = threading.Event()
        """Whether a request is done whose response never comes."""
        self._ended = threading.Event()
        self._server = ThreadedServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), name=type(self).__name__, daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def api_base(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def hold(self) -> None:
        """Never respond: until the server ends, which is longer than any client waits."""
        self.held.set()
        self._ended.wait(HELD_LIMIT_SECONDS)


class HttpStandIn(LoopbackServer):
    """The server and the controls of a test."""

    def __init__(self) -> None:
        super().__init__(_handler_of(self))
        self.requests: list[Request] = []
        self.faults: list[Fault] = []

    def respond(self, request: Request) -> Response:
        """The vendor's response, after the work."""
        raise NotImplementedError

    def handle(self, request: Request) -> tuple[Response | None, bool]:
        """The response, if any, and whether it is truncated."""
        self.requests.append(request)
        fault = self.faults.pop(0) if self.faults else None
        if fault is None:
            return self.respond(request), False
        if fault.kind == "refuse":
            return Response(fault.status, fault.body, fault.headers), False
        done = self.respond(request)
        if fault.kind == "lose":
            self.hold()
            return None, False
        if fault.kind == "garble":
            return Response(done.status, fault.body, {**done.headers, **fault.headers}), False
        return (None if fault.kind == "drop" else done), fault.kind == "cut"


def _handler_of(stand_in: HttpStandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _response(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            response, is_cut = stand_in.handle(Request(self.command, self.path, headers, body))
            if response is None:
                self.close_connection = True
                return
            self._send(response, is_cut)

        do_GET = do_POST = do_PUT = do_DELETE = _response

        def _send(self, response: Response, is_cut: bool) -> None:
            content = response.body
            if isinstance(content, str):
                content = content.encode()
            elif not isinstance(content, bytes):
                content = json.dumps(content).encode()
            self.send_response(response.status)
            for name, value in {"content-type": "application/json", **response.headers}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if is_cut else content)
            if is_cut:
                self.close_connection = True

        def log_message(self, *args: Any) -> None:
            """Keep the test's output short."""

    return Handler
