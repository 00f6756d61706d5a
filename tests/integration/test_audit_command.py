"""``python -m local audit``: its report for operators, and its exit code for scripts."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import httpx

from local.settings import ROOT
from local.stack import LocalStack


def audit(stack: LocalStack, account: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "local", "audit", "--state", str(stack.places.state)]
    return subprocess.run(
        [*command, "--account", account], cwd=ROOT, capture_output=True, text=True, timeout=120
    )


def test_the_audit_command_names_each_breach_and_fails_on_one(stack: LocalStack) -> None:
    token = stack.token("audited")
    httpx.get(
        f"{stack.api_url}/api/credits", headers={"Authorization": f"Bearer {token}"}, timeout=60
    ).raise_for_status()
    table, client = stack.outputs["WalletsTable"], stack.client("dynamodb")
    account = stack.account_id("audited")
    key = {"accountId": {"S": account}}

    sound = audit(stack, account)
    _add_to_balance(client, table, key, 1)
    spoiled = audit(stack, account)
    _add_to_balance(client, table, key, -1)

    assert (sound.returncode, sound.stdout) == (0, "1 accounts, 1 entries, 0 breaches\n")
    assert spoiled.returncode == 1
    assert f"L1  {account}: balance is 6, its entries make 5" in spoiled.stdout.splitlines()
    assert spoiled.stdout.endswith("1 accounts, 1 entries, 3 breaches\n")


def test_the_audit_of_an_unknown_account_reports_it_and_fails(stack: LocalStack) -> None:
    done = audit(stack, "unknown-account")

    assert (done.returncode, done.stdout) == (1, "")
    assert "There is no account unknown-account" in done.stderr


def _add_to_balance(client: Any, table: str, key: Any, credits: int) -> None:
    client.update_item(
        TableName=table,
        Key=key,
        UpdateExpression="ADD balance :credits",
        ExpressionAttributeValues={":credits": {"N": str(credits)}},
    )
