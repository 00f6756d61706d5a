"""SQS: task messages and their versions."""

from __future__ import annotations

import json
from typing import Any

from darkroom.adapters.clients import Clients

MESSAGE_VERSION = 1
DELAY_LIMIT_SECONDS = 900


class Queue:
    def __init__(self, clients: Clients, url: str) -> None:
        self._clients = clients
        self._url = url

    @property
    def name(self) -> str:
        return self._url.rpartition("/")[2]

    def resend(self, body: str) -> None:
        """Send a message again, unchanged."""
        self._clients.sqs.send_message(QueueUrl=self._url, MessageBody=body)

    def retry_after(self, receipt_handle: str, seconds: int) -> None:
        """Make a failed message visible again before its visibility timeout ends."""
        self._clients.sqs.change_message_visibility(
            QueueUrl=self._url, ReceiptHandle=receipt_handle, VisibilityTimeout=seconds
        )

    def send(self, message: dict[str, Any], *, delay_seconds: int = 0) -> None:
        """Send one message; its consumer must tolerate duplicates."""
        self._clients.sqs.send_message(
            QueueUrl=self._url,
            MessageBody=json.dumps({"schemaVersion": MESSAGE_VERSION, **message}),
            DelaySeconds=max(0, min(DELAY_LIMIT_SECONDS, delay_seconds)),
        )
