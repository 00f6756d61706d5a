"""A signed-in user of the local cloud's API, as a frontend would call it."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count
from typing import Any

import httpx

from local.stack import LocalStack
from tests.support.declared import check_declared

WAIT_SECONDS = 90
_keys = count(1)


class Client:
    """One signed-in user."""

    def __init__(self, stack: LocalStack, user: str, role: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {stack.token(user, role=role)}"}
        self._api = httpx.Client(base_url=stack.api_url, headers=headers, timeout=40)

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        response = self._api.request(
            method, path, json=body, headers={"Idempotency-Key": f"verbs-{next(_keys)}", **headers}
        )
        check_declared(
            method, response.url.path, response.status_code, response.headers, response.text
        )
        return response

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        response = self.send(method, path, body, **headers)
        assert response.status_code < 300, (
            f"{method} {path}: {response.status_code} {response.text}"
        )
        return response.json() if response.content else None

    def upload(self, name: str, mime_type: str, content: bytes) -> str:
        body = {"filename": name, "mimeType": mime_type, "sizeBytes": len(content)}
        session = self.call("POST", "/api/uploads/session", body)
        [link] = session["uploadUrls"]
        httpx.put(link["url"], content=content, headers=session["headers"]).raise_for_status()
        asset_id = session["assetId"]
        self.wait(
            lambda: self.call("GET", f"/api/assets/{asset_id}")["status"] in ("uploaded", "failed")
        )
        return asset_id

    def wait(self, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while not ready():
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(0.3)

    def job(self, job_id: str) -> dict[str, Any]:
        return self.call("GET", f"/api/jobs/{job_id}")

    def finished(self, job_id: str) -> dict[str, Any]:
        final = ("succeeded", "partial", "failed", "canceled")
        self.wait(lambda: self.job(job_id)["status"] in final)
        return self.job(job_id)

    def balance(self) -> tuple[int, int]:
        wallet = self.call("GET", "/api/credits")
        return wallet["balance"], wallet["held"]
