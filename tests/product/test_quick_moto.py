"""The quicker moto of these tests does what moto does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from tests.support.builders import a_job, confirm
from tests.support.moto_world import moto_world
from tests.support.quick_moto import quick_moto
from tests.support.world import World

KEYS = {"hash": ("pk",), "hash and range": ("pk", "sk")}


@pytest.fixture(params=KEYS)
def keys(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return KEYS[request.param]


def outcomes(keys: tuple[str, ...], *, is_quick: bool) -> Iterator[Any]:
    """Every response and every state of a table, while transactions succeed and fail."""
    with mock_aws(), quick_moto() if is_quick else nullcontext():
        client = boto3.client(
            "dynamodb",
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            endpoint_url="https://dynamodb.us-east-1.amazonaws.com",
        )
        client.create_table(
            TableName="t",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[
                {"AttributeName": name, "KeyType": type_}
                for name, type_ in zip(keys, ("HASH", "RANGE"), strict=False)
            ],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in keys],
        )

        def key(number: int) -> dict[str, Any]:
            return {name: {"S": f"k{number if name == keys[-1] else 0}"} for name in keys}

        def call(name: str, **arguments: Any) -> Any:
            try:
                response = getattr(client, name)(**arguments)
            except ClientError as error:
                response = error.response
            return {name: held for name, held in response.items() if name != "ResponseMetadata"}

        def update(number: int, **more: Any) -> dict[str, Any]:
            values = {":one": {"N": "1"}, ":list": {"L": [{"S": ""}, {"NULL": True}]}}
            return {
                "TableName": "t",
                "Key": key(number),
                "UpdateExpression": "ADD n :one SET l = :list",
                "ExpressionAttributeValues": values,
                **more,
            }

        def state() -> Any:
            return sorted(call("scan", TableName="t")["Items"], key=repr)

        held = {"n": {"N": "1"}, "b": {"B": b"\x00\xff"}, "m": {"M": {"a": {"BOOL": False}}}}
        for number in (1, 2):
            yield call("put_item", TableName="t", Item={**key(number), **held})
        yield call("update_item", **update(1, ReturnValues="ALL_NEW"))
        put = {"TableName": "t", "Item": {**key(3), **held}}
        delete = {"TableName": "t", "Key": key(2)}
        refused = {
            "TableName": "t",
            "Key": key(4),
            "ConditionExpression": "attribute_exists(pk)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        changes: list[dict[str, Any]] = [{"Put": put}, {"Delete": delete}, {"Update": update(1)}]
        for last in ({"ConditionCheck": refused}, {"Put": put}, {"Update": update(4)}):
            yield call("transact_write_items", TransactItems=[*changes, last])
            yield state()
        condition = {"ConditionExpression": "attribute_not_exists(pk)"}
        yield call(
            "transact_write_items",
            TransactItems=[{"Put": {**put, "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                                    **condition}}, {"Update": update(1)}],
        )  # fmt: skip
        yield state()
        yield call("get_item", TableName="t", Key=key(1), ConsistentRead=True)
        yield call("get_item", TableName="t", Key=key(9))
        yield call("transact_get_items", TransactItems=[{"Get": {"TableName": "t", "Key": key(1)}}])
        yield call(
            "query",
            TableName="t",
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": key(1)["pk"]},
            Limit=1,
        )
        yield call("delete_item", TableName="t", Key=key(1), ReturnValues="ALL_OLD")
        yield call("update_item", **update(7, ReturnValues="ALL_OLD"))
        yield state()


def test_responses_and_states_are_those_of_moto(keys: tuple[str, ...]) -> None:
    quick, slow = (list(outcomes(keys, is_quick=is_quick)) for is_quick in (True, False))

    assert len(quick) > 15
    assert quick == slow


def test_a_world_reads_tables_as_dynamodb_returns_them() -> None:
    with moto_world() as world:
        a_job(world, confirm(world, "ann").body["jobId"], "ann")
        world.drain()

        for name in world.settings.tables:
            assert world.scan(name) == World.scan(world, name)
        assert len(world.scan("jobs")) > 3
