"""Lazy boto3 clients: a function pays only for the services it calls."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from darkroom.kernel.settings import Settings

CONNECT_TIMEOUT_SECONDS = 2
READ_TIMEOUT_SECONDS = 20
SDK_ATTEMPTS_LIMIT = 3


class Clients:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def _open(self, service: str, **config: Any) -> Any:
        import boto3
        from botocore.config import Config

        client: Any = boto3.client  # its stubs name every service; this is any of them
        return client(
            service,
            region_name=self._settings.region,
            endpoint_url=self._settings.endpoint_url,
            config=Config(
                connect_timeout=CONNECT_TIMEOUT_SECONDS,
                read_timeout=READ_TIMEOUT_SECONDS,
                retries={"total_max_attempts": SDK_ATTEMPTS_LIMIT, "mode": "standard"},
                **config,
            ),
        )

    @cached_property
    def s3(self) -> Any:
        # An emulator serves buckets by path only; AWS signs for the regional host.
        style = "path" if self._settings.endpoint_url else "virtual"
        return self._open("s3", signature_version="s3v4", s3={"addressing_style": style})

    @cached_property
    def sqs(self) -> Any:
        return self._open("sqs")

    @cached_property
    def secrets(self) -> Any:
        return self._open("secretsmanager")
