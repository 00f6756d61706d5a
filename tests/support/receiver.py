"""A server of an account's own that receives webhooks."""

from __future__ import annotations

import json
from typing import Any

from tests.support.http_stand_in import HttpStandIn, Request, Response


class Receiver(HttpStandIn):
    """Responds with ``status``, or first with those of ``statuses``."""

    def __init__(self) -> None:
        super().__init__()
        self.status = 204
        self.statuses: list[int] = []
        self.body = ""
        self.headers: dict[str, str] = {}

    @property
    def url(self) -> str:
        return f"{self.api_base}/hook"

    @property
    def events(self) -> list[dict[str, Any]]:
        """The bodies of all webhooks, in the order in which they came."""
        return [json.loads(request.body) for request in self.requests]

    def respond(self, request: Request) -> Response:
        status = self.statuses.pop(0) if self.statuses else self.status
        return Response(status, self.body, self.headers)
