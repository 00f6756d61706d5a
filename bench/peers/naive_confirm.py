"""Confirm as eight calls, one after another: the way it is commonly written with plain boto3.

Get the user, the photo and the wallet; put the job; take the credits; put the ledger entry and
the event; send the message. Written kindly to itself: one low-level client of each service,
shared and warm; single writes cost half of transactional ones; no idempotency record, no
template assignment, and nothing is ever retried.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TABLES = ("users", "assets", "wallets", "jobs", "ledger", "events")
CALLS = 8
PRICES = {"quick": 0, "story": 2, "trailer": 5}


class NotEnough(Exception):
    """The balance that was read does not cover the price."""


@dataclass(frozen=True)
class NaiveConfirm:
    """One deployment of the peer: its clients, tables and queue."""

    dynamodb: Any
    sqs: Any
    tables: Mapping[str, str]
    queue_url: str

    def confirm(
        self, account_id: str, *, mode: str, stage: str, genre: str, asset_id: str
    ) -> dict[str, Any]:
        self._get("users", {"userId": {"S": account_id}})
        asset = self._get("assets", {"accountId": {"S": account_id}, "assetId": {"S": asset_id}})
        if asset["status"]["S"] != "uploaded":
            raise ValueError("the photo is not ready")
        wallet = self._get("wallets", {"accountId": {"S": account_id}})
        price, balance = PRICES[mode], int(wallet["balance"]["N"])
        if balance < price:
            raise NotEnough
        job_id, now = str(uuid.uuid4()), str(time.time())
        inputs = json.dumps({"stage": stage, "genre": genre, "photoAssetIds": [asset_id]})
        self._put_job(account_id, job_id, mode=mode, inputs=inputs, price=price, now=now)
        after = self._take(account_id, price)
        self._put_entry(account_id, job_id, price=price, after=after, now=now)
        self._put_event(account_id, job_id, mode, now)
        self.sqs.send_message(QueueUrl=self.queue_url, MessageBody=json.dumps({"jobId": job_id}))
        return {
            "jobId": job_id,
            "status": "queued",
            "templateId": f"{mode}-{stage}-{genre}-1",
            "creditsReserved": price,
            "balance": after,
        }

    def _get(self, table: str, key: dict[str, Any]) -> dict[str, Any]:
        found = self.dynamodb.get_item(TableName=self.tables[table], Key=key)
        item: dict[str, Any] = found["Item"]
        return item

    def _put(self, table: str, item: dict[str, Any]) -> None:
        self.dynamodb.put_item(TableName=self.tables[table], Item=item)

    def _put_job(
        self, account_id: str, job_id: str, *, mode: str, inputs: str, price: int, now: str
    ) -> None:
        self._put(
            "jobs",
            {
                "jobId": {"S": job_id},
                "accountId": {"S": account_id},
                "recipe": {"S": mode},
                "status": {"S": "queued"},
                "inputs": {"S": inputs},
                "credits": {"N": str(price)},
                "createdAt": {"S": now},
                "updatedAt": {"S": now},
            },
        )

    def _take(self, account_id: str, price: int) -> int:
        # The balance was checked when it was read; between the two anything may happen.
        response = self.dynamodb.update_item(
            TableName=self.tables["wallets"],
            Key={"accountId": {"S": account_id}},
            UpdateExpression="SET balance = balance - :price",
            ExpressionAttributeValues={":price": {"N": str(price)}},
            ReturnValues="UPDATED_NEW",
        )
        return int(response["Attributes"]["balance"]["N"])

    def _put_entry(self, account_id: str, job_id: str, *, price: int, after: int, now: str) -> None:
        self._put(
            "ledger",
            {
                "accountId": {"S": account_id},
                "entryId": {"S": str(uuid.uuid4())},
                "type": {"S": "DEDUCT"},
                "amount": {"N": str(-price)},
                "balanceAfter": {"N": str(after)},
                "referenceId": {"S": job_id},
                "createdAt": {"S": now},
            },
        )

    def _put_event(self, account_id: str, job_id: str, mode: str, now: str) -> None:
        self._put(
            "events",
            {
                "entityId": {"S": job_id},
                "eventId": {"S": f"{now}#job_confirmed"},
                "accountId": {"S": account_id},
                "name": {"S": "job_confirmed"},
                "props": {"S": json.dumps({"mode": mode})},
            },
        )


# What follows sets the peer up for a run; it is not part of what is measured.

_KEYS = {
    "users": ("userId", None),
    "assets": ("accountId", "assetId"),
    "wallets": ("accountId", None),
    "jobs": ("jobId", None),
    "ledger": ("accountId", "entryId"),
    "events": ("entityId", "eventId"),
}
# The lists that the product's indexes serve, so that the writes are billed alike.
_INDEXES = {"jobs": ("accountId", "createdAt"), "ledger": ("accountId", "createdAt")}


def deploy(dynamodb: Any, sqs: Any, prefix: str) -> NaiveConfirm:
    """Create the peer's tables and queue."""
    tables = {}
    for name in TABLES:
        tables[name] = f"{prefix}-{name}"
        dynamodb.create_table(TableName=tables[name], **_definition(name))
    queue_url = sqs.create_queue(QueueName=f"{prefix}-jobs")["QueueUrl"]
    return NaiveConfirm(dynamodb, sqs, tables, queue_url)


def add_account(peer: NaiveConfirm, account_id: str, *, credits: int) -> str:
    """A user with a wallet and a checked photo; returns the photo's id."""
    asset_id = str(uuid.uuid4())
    peer._put("users", {"userId": {"S": account_id}, "name": {"S": account_id}})
    peer._put("wallets", {"accountId": {"S": account_id}, "balance": {"N": str(credits)}})
    peer._put(
        "assets",
        {
            "accountId": {"S": account_id},
            "assetId": {"S": asset_id},
            "status": {"S": "uploaded"},
            "mimeType": {"S": "image/jpeg"},
        },
    )
    return asset_id


def balance_of(peer: NaiveConfirm, account_id: str) -> int:
    return int(peer._get("wallets", {"accountId": {"S": account_id}})["balance"]["N"])


def _definition(name: str) -> dict[str, Any]:
    hash_key, range_key = _KEYS[name]
    index = _INDEXES.get(name)
    used = sorted({name for name in (hash_key, range_key, *(index or ())) if name is not None})
    definition: dict[str, Any] = {
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [
            {"AttributeName": attribute, "AttributeType": "S"}
            for attribute in sorted(used, key=str)
        ],
        "KeySchema": _key_schema(hash_key, range_key),
    }
    if index is not None:
        definition["GlobalSecondaryIndexes"] = [
            {
                "IndexName": "byAccount",
                "KeySchema": _key_schema(*index),
                "Projection": {"ProjectionType": "ALL"},
            }
        ]
    return definition


def _key_schema(hash_key: str, range_key: str | None) -> list[dict[str, str]]:
    schema = [{"AttributeName": hash_key, "KeyType": "HASH"}]
    if range_key is not None:
        schema.append({"AttributeName": range_key, "KeyType": "RANGE"})
    return schema
