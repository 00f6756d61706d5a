"""The front server: one plain address, `http://127.0.0.1:8787`, before the emulator's HTTP API.

The emulator serves the API below a long path of its own; this forwards every request there and
every response back as they are: method, path, query, headers, body, status. It adds CORS headers
where the emulator leaves them out (its own 401 and 404); API Gateway puts them on every response:
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html

`POST /_auth` is the user pool, for pages that this server serves: only the calls with which users
sign up and in, which need no AWS signature.
"""

import http.client
import time
from collections.abc import Mapping, Sequence
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread, local
from typing import Any

from local.settings import HOST

UPSTREAM_LIMIT_SECONDS = 60
IDLE_LIMIT_SECONDS = 30
CHUNK_BYTES = 64 * 1024
# API Gateway refuses larger bodies itself.
LARGEST_BODY_BYTES = 10 * 1024 * 1024
# About one connection, and so not forwarded (RFC 9110, 7.6.1).
AUTH_PATH = "/_auth"
AUTH_TARGET = "AWSCognitoIdentityProviderService."
AUTH_CALLS = frozenset(
    {
        "ChangePassword",
        "ConfirmForgotPassword",
        "ConfirmSignUp",
        "ForgotPassword",
        "GetTokensFromRefreshToken",
        "GlobalSignOut",
        "InitiateAuth",
        "ResendConfirmationCode",
        "RespondToAuthChallenge",
        "RevokeToken",
        "SignUp",
    }
)
HOP_BY_HOP = {"connection", "keep-alive", "proxy-connection", "te", "trailer", "upgrade", "expect"}


class FrontServer(ThreadingHTTPServer):
    """Forwards to one HTTP API of the emulator, a thread for each connection."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, port: int, emulator_port: int, api_id: str, cors: Mapping[str, Any]) -> None:
        """``cors`` is the API's CorsConfiguration."""
        self.cors = cors
        self.emulator_port = emulator_port
        self.prefix = f"/_aws/execute-api/{api_id}/$default"
        self.upstream = local()
        super().__init__((HOST, port), Forwarder)
        self.port: int = self.server_address[1]
        self.thread = Thread(target=self.serve_forever, name="front", daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.shutdown()
        self.thread.join()
        self.server_close()

    def connection(self) -> http.client.HTTPConnection:
        """This thread's connection to the emulator, kept while it is in use.

        An idle connection is opened again: the emulator may be closing it just now, and a request
        that is lost in that way cannot be repeated safely.
        """
        kept = self.upstream
        now = time.monotonic()
        if now - getattr(kept, "used_at", now) > IDLE_LIMIT_SECONDS:
            kept.connection.close()
        if not hasattr(kept, "connection"):
            kept.connection = http.client.HTTPConnection(
                HOST, self.emulator_port, timeout=UPSTREAM_LIMIT_SECONDS
            )
        kept.used_at = now
        connection: http.client.HTTPConnection = kept.connection
        return connection


class Forwarder(BaseHTTPRequestHandler):
    """One client's connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = CHUNK_BYTES
    server: FrontServer

    def forward(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        if self.headers.get("Transfer-Encoding"):
            self.refuse(411, "Length Required")
            return
        if size > LARGEST_BODY_BYTES:
            self.refuse(413, "Request Entity Too Large")
            return
        body = self.rfile.read(size)
        if self.path == AUTH_PATH and not is_auth_call(self.command, self.headers):
            self.refuse(403, "Forbidden")
            return
        connection = self.server.connection()
        try:
            self.send_upstream(connection, body)
            response = connection.getresponse()
        except (http.client.HTTPException, OSError):
            connection.close()
            self.refuse(502, "Bad Gateway")
            return
        try:
            self.pass_back(response)
        except (http.client.HTTPException, OSError):
            # One side went away in the middle: nothing can be said any more.
            connection.close()
            self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = forward

    def send_upstream(self, connection: http.client.HTTPConnection, body: bytes) -> None:
        connection.putrequest(
            self.command,
            "/" if self.path == AUTH_PATH else self.server.prefix + self.path,
            skip_host=True,
            skip_accept_encoding=True,
        )
        for name, value in self.headers.items():
            if name.lower() not in HOP_BY_HOP | {"x-forwarded-proto"}:
                connection.putheader(name, value)
        # As the real gateway says it: links that a function makes lead back here.
        connection.putheader("X-Forwarded-Proto", "http")
        connection.endheaders(body or None)

    def pass_back(self, response: http.client.HTTPResponse) -> None:
        self.send_response_only(response.status, response.reason)
        for name, value in response.getheaders():
            if name.lower() not in HOP_BY_HOP | {"transfer-encoding"}:
                self.send_header(name, value)
        if response.headers.get("Access-Control-Allow-Origin") is None:
            self.send_cors()
        bodiless = self.command == "HEAD" or response.status in (204, 304)
        if response.headers.get("Content-Length") is None and not bodiless:
            # Of unknown length: the end of the connection is the end of the body.
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        with response:
            # Without buffering: a response may be a stream of events.
            while chunk := response.read1(CHUNK_BYTES):
                self.wfile.write(chunk)
                if response.length is None:
                    self.wfile.flush()
        self.wfile.flush()

    def refuse(self, status: int, message: str) -> None:
        body = f'{{"message":"{message}"}}'.encode()
        self.send_response_only(status, message)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.send_cors()
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
        self.close_connection = True

    def send_cors(self) -> None:
        """The headers with which a page of an allowed origin may read the response."""
        for name, value in cors_headers(self.server.cors, self.headers.get("Origin")):
            self.send_header(name, value)

    def finish(self) -> None:
        try:
            super().finish()
        except OSError:
            pass  # The client went away.
        finally:
            if hasattr(self.server.upstream, "connection"):
                self.server.upstream.connection.close()

    def log_message(self, format: str, *args: object) -> None:
        """Silent: the functions log the requests."""


def is_auth_call(method: str, headers: Message) -> bool:
    """Whether it is a user's own call of the user pool: without a signature, and a listed one.

    The emulator would do everything for a request that has one.
    """
    target = headers.get("X-Amz-Target") or ""
    return (
        method == "POST"
        and headers.get("Authorization") is None
        and target.startswith(AUTH_TARGET)
        and target.removeprefix(AUTH_TARGET) in AUTH_CALLS
    )


def cors_headers(cors: Mapping[str, Any], origin: str | None) -> Sequence[tuple[str, str]]:
    """What a response to this origin carries; nothing for a request that is not a page's."""
    allowed = cors.get("AllowOrigins", ())
    if origin is None or not {"*", origin} & set(allowed):
        return ()
    headers = [("Access-Control-Allow-Origin", "*" if "*" in allowed else origin)]
    if "*" not in allowed:
        headers.append(("Vary", "Origin"))
    if exposed := cors.get("ExposeHeaders"):
        headers.append(("Access-Control-Expose-Headers", ",".join(exposed)))
    return headers
