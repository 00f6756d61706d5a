"""Lazy boto3 clients: a function creates only the clients that it uses."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from darkroom.adapters.presigning import Credentials
from darkroom.kernel.settings import USER_AGENT, Settings

CONNECT_TIMEOUT_SECONDS = 2
READ_TIMEOUT_SECONDS = 20
SDK_ATTEMPTS_LIMIT = 3
PROVIDER_TIMEOUT_SECONDS = 120


class Clients:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._of_providers: dict[str, Any] = {}

    def _open(
        self, service: str, *, endpoint_url: str | None, region: str | None = None, **config: Any
    ) -> Any:
        import boto3
        from botocore.config import Config

        client: Any = boto3.client  # its stubs have an overload per service; this is any of them
        usual: dict[str, Any] = {
            "user_agent": USER_AGENT,
            "connect_timeout": CONNECT_TIMEOUT_SECONDS,
            "read_timeout": READ_TIMEOUT_SECONDS,
            "retries": {"total_max_attempts": SDK_ATTEMPTS_LIMIT, "mode": "standard"},
        }
        return client(
            service,
            region_name=region or self._settings.region,
            endpoint_url=endpoint_url,
            config=Config(**(usual | config)),
        )

    def _own(self, service: str, **config: Any) -> Any:
        """A client for one of our own resources, which an emulator may provide."""
        return self._open(service, endpoint_url=self._settings.endpoint_url, **config)

    def of_provider(
        self, service: str, *, endpoint_url: str | None = None, region: str | None = None
    ) -> Any:
        """A client for a generative AWS service, without retries and with a long timeout.

        An emulator does not provide these services, so its endpoint is never used.
        """
        client = self._of_providers.get(service)
        if client is None:
            client = self._open(
                service,
                endpoint_url=endpoint_url,
                region=region,
                read_timeout=PROVIDER_TIMEOUT_SECONDS,
                retries={"total_max_attempts": 1, "mode": "standard"},
            )
            self._of_providers[service] = client
        return client

    @property
    def region(self) -> str:
        return self._settings.region

    def credentials(self) -> Credentials:
        """The credentials of this process, as its clients use them; temporary ones are renewed."""
        import boto3

        session: Any = boto3.DEFAULT_SESSION or boto3.session.Session()
        found = session.get_credentials().get_frozen_credentials()
        return Credentials(found.access_key, found.secret_key, found.token)

    @cached_property
    def s3(self) -> Any:
        # An emulator serves buckets only by path; AWS signs for the regional host.
        style = "path" if self._settings.endpoint_url else "virtual"
        return self._own("s3", signature_version="s3v4", s3={"addressing_style": style})

    @cached_property
    def sqs(self) -> Any:
        return self._own("sqs")

    @cached_property
    def users(self) -> Any:
        return self._own("cognito-idp")

    @cached_property
    def secrets(self) -> Any:
        return self._own("secretsmanager")
