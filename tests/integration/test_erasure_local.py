"""An account is exported and erased on the deployed template, with its roles, stream and pool."""

from __future__ import annotations

import io
import json
import time
import zipfile

import httpx
import pytest

from local.run_demo import PHOTO
from local.stack import LocalStack
from tests.support.api_client import Client

USER = "leaver"
WAIT_SECONDS = 150
"""A run every minute: the first cancels the running job, a later one moves the books."""


@pytest.mark.slow
def test_an_account_takes_its_files_along_leaves_and_returns_without_a_bonus(
    stack: LocalStack,
) -> None:
    client = Client(stack, USER)
    photo = client.upload("harbor walk.jpg", "image/jpeg", PHOTO.read_bytes())
    inputs = {"photoAssetIds": [photo], "stage": "spark", "genre": "romance"}
    running = client.call("POST", "/api/jobs/confirm", {"mode": "story", **inputs})["jobId"]
    client.call("POST", "/api/albums", {"name": "Us"})
    account = stack.account_id(USER)

    export_id = client.call("POST", "/api/account/export")["exportId"]
    path = f"/api/account/export/{export_id}"
    client.wait(lambda: client.call("GET", path)["status"] != "building")
    content = httpx.get(client.call("GET", path)["downloadUrl"]).raise_for_status().content
    erased = client.send("DELETE", "/api/account")
    refused = client.send("GET", f"/api/jobs/{running}")
    until = time.monotonic() + WAIT_SECONDS
    while naming(stack, account) != {"erasures"} and time.monotonic() < until:
        time.sleep(3)

    names = zipfile.ZipFile(io.BytesIO(content)).namelist()
    assert f"files/{photo}-harbor walk.jpg" in names
    assert {"jobs.json", "ledger.json", "user.json"} <= set(names)
    assert (erased.status_code, erased.json()) == (202, {"status": "erasing"})
    assert naming(stack, account) == {"erasures"}
    assert (refused.status_code, refused.json()["code"]) == (410, "ACCOUNT_ERASED")
    returned = Client(stack, USER)
    assert stack.account_id(USER) != account
    assert returned.balance() == (0, 0)


def naming(stack: LocalStack, account: str) -> set[str]:
    """The tables that name the account."""
    dynamodb = stack.client("dynamodb")
    found = set()
    for output, table in stack.outputs.items():
        if output.endswith("Table"):
            pages = dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
            text = json.dumps([page["Items"] for page in pages], default=str)
            if account in text:
                found.add(output.removesuffix("Table").lower())
    return found
