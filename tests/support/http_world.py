"""A world as an HTTP server on the loopback address, for clients that speak nothing else.

It does what the gateway does: a bearer token that is the name of a user (``alice``, or ``alice
admin`` for an operator) becomes claims, and no token is 401 in the gateway's shape.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

from starlette.routing import compile_path

from darkroom.api.mounts import PUBLIC_PATHS, SELF_CHECKED_PATHS
from tests.support.world import World

_OPEN = [compile_path(path)[0] for path in PUBLIC_PATHS | SELF_CHECKED_PATHS]
_REFUSED = b'{"message":"Unauthorized"}'


def handle(
    world: World, method: str, path: str, headers: Mapping[str, str], body: bytes
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the response to one request."""
    sent = {name.lower(): value for name, value in headers.items()}
    user, _, groups = sent.get("authorization", "").removeprefix("Bearer ").partition(" ")
    is_open = any(pattern.match(path.partition("?")[0]) for pattern in _OPEN)
    if not user and not is_open:
        return 401, {"Content-Type": "application/json"}, _REFUSED
    response = world.raw(method, path, body, sent, user=user or None, groups=groups)
    content = response.get("body") or ""
    is_binary = response.get("isBase64Encoded")
    return (
        response["statusCode"],
        response["headers"],
        base64.b64decode(content) if is_binary else content.encode(),
    )


@contextmanager
def http_world(world: World) -> Iterator[str]:
    """The base URL of a server that handles one request at a time."""

    class Handler(BaseHTTPRequestHandler):
        def respond(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(size)
            try:
                status, headers, content = handle(
                    world, self.command, self.path, dict(self.headers), body
                )
            except Exception as error:  # noqa: BLE001 - the client sees why
                status, headers, content = 500, {}, repr(error).encode()
            self.send_response_only(status)
            for name, value in headers.items():
                if name.lower() != "content-length":
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_HEAD = do_POST = do_PATCH = do_DELETE = respond

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)

    def serve() -> None:
        # Mangum runs the app in the loop of its thread.
        asyncio.set_event_loop(asyncio.new_event_loop())
        server.serve_forever()

    thread = Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
