"""Secrets from AWS Secrets Manager, read once per process, or explicitly again."""

from __future__ import annotations

from darkroom.adapters.clients import Clients
from darkroom.kernel.redaction import register_secret


class Secret:
    """One secret by its ARN (or name)."""

    def __init__(self, clients: Clients, arn: str) -> None:
        self._clients = clients
        self._arn = arn
        self._text: str | None = None

    @property
    def text(self) -> str:
        # There is no lock: two threads may both read it, and neither waits for the other.
        if self._text is None:
            self._text = self.read()
        return self._text

    def read(self) -> str:
        """Read the current secret."""
        text: str = self._clients.secrets.get_secret_value(SecretId=self._arn)["SecretString"]
        register_secret(text)
        return text

    @property
    def value(self) -> bytes:
        return self.text.encode()
