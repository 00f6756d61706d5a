"""The process's connection to DynamoDB: one client for all tables.

pynamodb would create a client for each item class, and each takes as long as a whole first request
may: botocore reads the service's model and every region's endpoints for each client.
"""

from __future__ import annotations

from threading import Lock
from typing import Any

from botocore.config import Config
from pynamodb.connection import Connection

from darkroom.kernel.settings import USER_AGENT

CONNECT_TIMEOUT_SECONDS = 2
READ_TIMEOUT_SECONDS = 6
SDK_RETRIES_LIMIT = 2

_connections: dict[tuple[str, str | None], Connection] = {}
_lock = Lock()


def connection_to(region: str, *, endpoint_url: str | None) -> Connection:
    """The connection to a region or an emulator; the same for the life of the process."""
    with _lock:
        connection = _connections.get((region, endpoint_url))
        if connection is None:
            connection = Connection(
                region=region,
                host=endpoint_url,
                connect_timeout_seconds=CONNECT_TIMEOUT_SECONDS,
                read_timeout_seconds=READ_TIMEOUT_SECONDS,
                max_retry_attempts=SDK_RETRIES_LIMIT,
            )
            connection.session.set_default_client_config(Config(user_agent=USER_AGENT))
            _connections[region, endpoint_url] = connection
        return connection


def client_to(region: str, *, endpoint_url: str | None) -> Any:
    """The botocore client; created once, also if several threads need it first."""
    connection = connection_to(region, endpoint_url=endpoint_url)
    with _lock:
        return connection.client
