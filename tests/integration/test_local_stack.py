"""The local cloud matches `template.yaml` and behaves as its users expect.

The emulator leaves parts of a template out and still reports success; here everything the product
rests on is read back from the running stack and compared.
"""

import http.client
import io
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.errors import AlreadyRunning, NotRunning, PortInUse
from local.gateway import routes_of
from local.settings import DEPLOYMENT_BUCKET, ROOT
from local.stack import LocalStack, RunningStack

# Generous: a cold start takes a second alone, and many when the machine is busy.
PATIENCE_SECONDS = 60
CONCURRENT_CLIENTS = 16
WEB = httpx.Client(timeout=PATIENCE_SECONDS)


def declared(stack: LocalStack, kind: str) -> dict[str, dict[str, Any]]:
    """Resources of a type by logical name, those left out whose condition is false here."""
    return {
        name: resource["Properties"]
        for name, resource in stack.template["Resources"].items()
        if resource["Type"] == kind and name in stack.physical_ids
    }


def eventually(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"not within {PATIENCE_SECONDS} s: {what}"
        time.sleep(0.1)


def queue_arn(stack: LocalStack, url: str) -> str:
    response = stack.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    arn: str = response["Attributes"]["QueueArn"]
    return arn


# --- The running stack equals the template ----------------------------------------------------


def test_routes_and_their_authorizers_are_those_of_the_template(stack: LocalStack) -> None:
    gateway = stack.client("apigatewayv2")
    wanted = {
        route.key: bool(route.authorizer) for route in routes_of(stack.api_body(stack.physical_ids))
    }

    routes = gateway.get_routes(ApiId=stack.facts.api_id, MaxResults="500")["Items"]

    assert len(wanted) > 20
    assert {item["RouteKey"]: "AuthorizerId" in item for item in routes} == wanted
    assert all((item["AuthorizationType"] == "JWT") == wanted[item["RouteKey"]] for item in routes)


def test_each_route_leads_to_its_function(stack: LocalStack) -> None:
    gateway = stack.client("apigatewayv2")
    wanted = {
        route.key: route.function_uri for route in routes_of(stack.api_body(stack.physical_ids))
    }

    integrations = {
        item["IntegrationId"]: item["IntegrationUri"]
        for item in gateway.get_integrations(ApiId=stack.facts.api_id, MaxResults="500")["Items"]
    }
    routes = gateway.get_routes(ApiId=stack.facts.api_id, MaxResults="500")["Items"]

    assert {
        item["RouteKey"]: integrations[item["Target"].removeprefix("integrations/")]
        for item in routes
    } == wanted


def test_the_authorizer_trusts_the_stack_s_own_pool_and_client(stack: LocalStack) -> None:
    authorizers = stack.client("apigatewayv2").get_authorizers(ApiId=stack.facts.api_id)["Items"]

    (authorizer,) = authorizers
    assert authorizer["JwtConfiguration"] == {
        "Audience": [stack.outputs["UserPoolClientId"]],
        "Issuer": f"https://cognito-idp.us-east-1.amazonaws.com/{stack.outputs['UserPoolId']}",
    }


def test_functions_have_the_template_s_limits_and_environment(stack: LocalStack) -> None:
    functions = declared(stack, "AWS::Lambda::Function")

    for name, wanted in functions.items():
        running = stack.client("lambda").get_function_configuration(
            FunctionName=stack.physical_ids[name]
        )
        assert running["Timeout"] == wanted["Timeout"], name
        assert running["MemorySize"] == wanted["MemorySize"], name
        assert running["Handler"] == "handler.handler", name
        values = running["Environment"]["Variables"]
        assert values.keys() == wanted["Environment"]["Variables"].keys(), name
        assert values["STAGE"] == "local"
        assert values["TEST_HOOKS"] == "true"
        assert values["TABLE_WALLETS"] == stack.outputs["WalletsTable"]
        assert values["SIGNING_SECRET_ARN"].startswith("arn:")
    assert len(functions) == len(stack.functions)


def test_mappings_are_those_of_the_template(stack: LocalStack) -> None:
    for name, wanted in declared(stack, "AWS::Lambda::EventSourceMapping").items():
        running = stack.client("lambda").get_event_source_mapping(UUID=stack.physical_ids[name])
        source, _ = wanted["EventSourceArn"]["Fn::GetAtt"]
        function = stack.physical_ids[wanted["FunctionName"]["Ref"]]
        assert running["FunctionArn"].endswith(f":function:{function}"), name
        assert running["BatchSize"] == wanted["BatchSize"], name
        assert running["FunctionResponseTypes"] == wanted["FunctionResponseTypes"], name
        if "ScalingConfig" in wanted:
            concurrency = wanted["ScalingConfig"]["MaximumConcurrency"]
            if isinstance(concurrency, dict):
                concurrency = stack.template["Parameters"][concurrency["Ref"]]["Default"]
            assert running["ScalingConfig"]["MaximumConcurrency"] == concurrency, name
            assert running["EventSourceArn"] == queue_arn(stack, stack.physical_ids[source])
        else:
            table = stack.client("dynamodb").describe_table(TableName=stack.physical_ids[source])
            assert running["EventSourceArn"] == table["Table"]["LatestStreamArn"], name
            assert running["StartingPosition"] == wanted["StartingPosition"], name


def test_queues_redrive_and_hide_messages_as_the_template_says(stack: LocalStack) -> None:
    for name, wanted in declared(stack, "AWS::SQS::Queue").items():
        running = stack.client("sqs").get_queue_attributes(
            QueueUrl=stack.physical_ids[name], AttributeNames=["All"]
        )["Attributes"]
        assert running["MessageRetentionPeriod"] == str(wanted["MessageRetentionPeriod"]), name
        if "VisibilityTimeout" in wanted:
            assert running["VisibilityTimeout"] == str(wanted["VisibilityTimeout"]), name
        if "RedrivePolicy" in wanted:
            target, _ = wanted["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"]
            assert json.loads(running["RedrivePolicy"]) == {
                "deadLetterTargetArn": queue_arn(stack, stack.physical_ids[target]),
                "maxReceiveCount": wanted["RedrivePolicy"]["maxReceiveCount"],
            }, name
        else:
            assert "RedrivePolicy" not in running, name


def test_tables_have_the_template_s_keys_indexes_streams_and_recovery(stack: LocalStack) -> None:
    dynamodb = stack.client("dynamodb")
    for name, wanted in declared(stack, "AWS::DynamoDB::Table").items():
        table = stack.physical_ids[name]
        running = dynamodb.describe_table(TableName=table)["Table"]
        assert running["KeySchema"] == wanted["KeySchema"], name
        indexes = {index["IndexName"]: index for index in running.get("GlobalSecondaryIndexes", [])}
        assert indexes.keys() == {
            index["IndexName"] for index in wanted.get("GlobalSecondaryIndexes", [])
        }, name
        for index in wanted.get("GlobalSecondaryIndexes", []):
            found = indexes[index["IndexName"]]
            assert found["KeySchema"] == index["KeySchema"], name
            assert found["Projection"]["ProjectionType"] == index["Projection"]["ProjectionType"]
        stream = wanted.get("StreamSpecification", {}).get("StreamViewType")
        assert running.get("StreamSpecification", {}).get("StreamViewType") == stream, name
        recovery = dynamodb.describe_continuous_backups(TableName=table)
        assert (
            recovery["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"][
                "PointInTimeRecoveryStatus"
            ]
            == "ENABLED"
        ), name


def test_items_expire_where_the_template_says(stack: LocalStack) -> None:
    for name, wanted in declared(stack, "AWS::DynamoDB::Table").items():
        expiry = stack.client("dynamodb").describe_time_to_live(TableName=stack.physical_ids[name])
        running = expiry["TimeToLiveDescription"]
        if "TimeToLiveSpecification" in wanted:
            assert running["TimeToLiveStatus"] == "ENABLED", name
            assert running["AttributeName"] == wanted["TimeToLiveSpecification"]["AttributeName"]
        else:
            assert running["TimeToLiveStatus"] == "DISABLED", name


def test_the_packaged_core_layer_holds_the_product_with_its_catalog(stack: LocalStack) -> None:
    s3 = stack.client("s3")
    packages = [
        zipfile.ZipFile(
            io.BytesIO(s3.get_object(Bucket=DEPLOYMENT_BUCKET, Key=item["Key"])["Body"].read())
        )
        for item in s3.list_objects_v2(Bucket=DEPLOYMENT_BUCKET)["Contents"]
        if not item["Key"].endswith(".template")
    ]

    (core,) = [
        package for package in packages if "python/darkroom/__init__.py" in package.namelist()
    ]

    # The catalog is linked into the layer: SAM must pack what the link points to.
    assert "python/darkroom/catalog/packs.json" in core.namelist()
    assert json.loads(core.read("python/darkroom/catalog/packs.json"))


def test_the_bucket_is_private_reports_uploads_and_cleans_up(stack: LocalStack) -> None:
    s3, bucket = stack.client("s3"), stack.outputs["MediaBucket"]

    blocked = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    notices = s3.get_bucket_notification_configuration(Bucket=bucket)["QueueConfigurations"]
    rules = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]

    assert all(blocked.values())
    queues = ("IngestQueueUrl", "IngestMediaQueueUrl")
    assert {notice["QueueArn"] for notice in notices} == {
        queue_arn(stack, stack.outputs[name]) for name in queues
    }
    assert all(notice["Events"] == ["s3:ObjectCreated:*"] for notice in notices)
    assert {rule["ID"] for rule in rules} == {
        "AbortAbandonedUploads",
        "EmptyQuarantine",
        "ForgetExports",
    }


def test_sweeps_and_erasures_run_every_minute_and_the_auditor_every_day(
    stack: LocalStack,
) -> None:
    events = stack.client("events")
    called = {}
    for rule in events.list_rules()["Rules"]:
        for target in events.list_targets_by_rule(Rule=rule["Name"])["Targets"]:
            called[target["Arn"].split(":")[-1]] = (rule["ScheduleExpression"], rule["State"])

    assert called == {
        stack.functions["sweep"]: ("rate(1 minute)", "ENABLED"),
        stack.functions["erase"]: ("rate(1 minute)", "ENABLED"),
        stack.functions["audit"]: ("rate(1 day)", "ENABLED"),
    }


# --- The gateway in front of the functions ----------------------------------------------------


def test_an_unknown_route_gets_the_gateway_s_404(stack: LocalStack) -> None:
    response = WEB.get(f"{stack.api_url}/api/nothing-here")

    assert (response.status_code, response.json()) == (404, {"message": "Not Found"})


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer abc"}, {"Authorization": "x"}])
def test_without_a_valid_token_the_gateway_returns_401(
    stack: LocalStack, header: dict[str, str]
) -> None:
    response = WEB.get(f"{stack.api_url}/api/jobs", headers=header)

    assert (response.status_code, response.json()) == (401, {"message": "Unauthorized"})


def test_a_changed_token_is_refused(stack: LocalStack) -> None:
    head, payload, signature = stack.token("mallory").split(".")
    forged = ".".join([head, payload, ("B" if signature[0] == "A" else "A") + signature[1:]])

    response = WEB.get(f"{stack.api_url}/api/jobs", headers={"Authorization": f"Bearer {forged}"})

    assert response.status_code == 401


def test_the_gateway_responds_to_a_preflight(stack: LocalStack) -> None:
    response = WEB.options(
        f"{stack.api_url}/api/jobs/confirm",
        headers={
            "Origin": "http://localhost:5173",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,idempotency-key",
        },
    )

    assert response.status_code == 204
    assert response.headers["access-control-allow-origin"] == "*"
    assert "POST" in response.headers["access-control-allow-methods"]
    allowed = response.headers["access-control-allow-headers"].lower().split(",")
    assert {"authorization", "idempotency-key", "if-match"} <= set(allowed)


@pytest.mark.parametrize("path", ["/api/jobs", "/api/nothing-here"], ids=["401", "404"])
def test_a_page_can_read_what_the_gateway_refuses(stack: LocalStack, path: str) -> None:
    page = {"Origin": "http://localhost:5173"}

    response = WEB.get(f"{stack.api_url}{path}", headers=page)

    assert response.status_code in (401, 404)
    assert response.headers["access-control-allow-origin"] == "*"


# --- With stub functions: what reaches them, and what survives --------------------------------


def test_a_function_gets_the_event_that_aws_sends(stub_stack: LocalStack) -> None:
    body = '{"name": "값", "escaped": "a\\/b"}'

    response = WEB.post(
        f"{stub_stack.api_url}/api/jobs/job_1%20x/regenerate?cursor=a%2Fb&empty=",
        content=body.encode(),
        headers={
            "Authorization": f"Bearer {stub_stack.token('alice', role='admin')}",
            "Content-Type": "application/json",
            "Idempotency-Key": "k-1",
        },
    )

    event = response.json()["event"]
    assert response.status_code == 200
    assert event["routeKey"] == "POST /api/jobs/{jobId}/regenerate"
    assert event["pathParameters"] == {"jobId": "job_1 x"}
    assert event["queryStringParameters"] == {"cursor": "a/b", "empty": ""}
    assert event["body"] == body
    assert event["headers"]["idempotency-key"] == "k-1"
    claims = event["requestContext"]["authorizer"]["jwt"]["claims"]
    assert claims["token_use"] == "access"
    assert claims["client_id"] == stub_stack.outputs["UserPoolClientId"]
    assert claims["cognito:groups"] == "[admin]"


def test_each_token_has_its_own_role(stub_stack: LocalStack) -> None:
    def groups(token: str) -> str | None:
        response = WEB.get(
            f"{stub_stack.api_url}/api/jobs", headers={"Authorization": f"Bearer {token}"}
        )
        claims = response.json()["event"]["requestContext"]["authorizer"]["jwt"]["claims"]
        found: str | None = claims.get("cognito:groups")
        return found

    assert groups(stub_stack.token("bob", role="admin")) == "[admin]"
    assert groups(stub_stack.token("bob")) is None


def test_many_concurrent_clients_get_their_own_responses(stub_stack: LocalStack) -> None:
    def ask(number: int) -> bool:
        response = WEB.get(f"{stub_stack.api_url}/api/health?number={number}")
        found: str = response.json()["event"]["queryStringParameters"]["number"]
        return found == str(number)

    with ThreadPoolExecutor(CONCURRENT_CLIENTS) as pool:
        assert all(pool.map(ask, range(4 * CONCURRENT_CLIENTS)))


def test_one_connection_carries_many_requests(stub_stack: LocalStack) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", stub_stack.facts.port)
    statuses, sockets = [], set()

    for path in ("/api/health", "/nowhere", "/api/jobs", "/api/health", "/api/health"):
        connection.request("GET", path)
        sockets.add(connection.sock)
        with connection.getresponse() as response:
            response.read()
            statuses.append(response.status)

    assert statuses == [200, 404, 401, 200, 200]
    assert len(sockets) == 1


def test_an_upload_reaches_its_worker_through_storage_and_queue(stub_stack: LocalStack) -> None:
    stub_stack.client("s3").put_object(
        Bucket=stub_stack.outputs["MediaBucket"], Key="quarantine/image/acc/ast_1", Body=b"photo"
    )
    stub_stack.client("s3").put_object(
        Bucket=stub_stack.outputs["MediaBucket"], Key="clean/acc/ast_2", Body=b"photo"
    )
    stub_stack.client("s3").put_object(
        Bucket=stub_stack.outputs["MediaBucket"], Key="quarantine/media/acc/ast_3", Body=b"film"
    )

    def received(worker: str, key: str) -> bool:
        return any(key in line for line in stub_stack.logs(worker))

    eventually(
        lambda: (
            received("ingest_image", "quarantine/image/acc/ast_1")
            and received("ingest_media", "quarantine/media/acc/ast_3")
        ),
        "each ingest worker receives the events of its pipeline",
    )
    assert not received("ingest_image", "clean/acc/ast_2")
    assert not received("ingest_image", "ast_3") and not received("ingest_media", "ast_1")


def test_a_task_reaches_the_studio_and_a_change_the_relay(stub_stack: LocalStack) -> None:
    stub_stack.client("sqs").send_message(
        QueueUrl=stub_stack.outputs["StudioQueueUrl"], MessageBody="task-7"
    )
    stub_stack.client("dynamodb").put_item(
        TableName=stub_stack.outputs["JobsTable"],
        Item={"pk": {"S": "job_7"}, "sk": {"S": "job"}},
    )

    eventually(
        lambda: any("task-7" in line for line in stub_stack.logs("studio")),
        "the studio receives the event",
    )
    eventually(
        lambda: any("job_7" in line for line in stub_stack.logs("relay")),
        "the relay receives the event",
    )


def test_a_change_of_the_layer_or_of_a_function_is_seen_at_once(stub_stack: LocalStack) -> None:
    def read_both() -> tuple[str | None, str | None]:
        # A file that is read half written makes the function fail until the next reload.
        body = WEB.get(f"{stub_stack.api_url}/api/health").json()
        return body.get("word"), body.get("layer")

    layer = stub_stack.source / "layers/core/python/darkroom/__init__.py"
    handler = stub_stack.source / "functions/api/handler.py"
    assert read_both() == ("one", "first")

    layer.write_text('VALUE = "second"\n')
    eventually(lambda: read_both() == ("one", "second"), "the layer's change shows")
    handler.write_text(handler.read_text().replace('"one"', '"two"'))
    eventually(lambda: read_both() == ("two", "second"), "the function's change shows")


def test_stored_data_survives_stop_and_start(stub_stack: LocalStack) -> None:
    def subject() -> str:
        token = stub_stack.token("carol")
        response = WEB.get(
            f"{stub_stack.api_url}/api/jobs", headers={"Authorization": f"Bearer {token}"}
        )
        claims = response.json()["event"]["requestContext"]["authorizer"]["jwt"]["claims"]
        found: str = claims["sub"]
        return found

    key = {"accountId": {"S": "acc"}}
    table, bucket = stub_stack.outputs["WalletsTable"], stub_stack.outputs["MediaBucket"]
    stub_stack.client("dynamodb").put_item(TableName=table, Item={**key, "balance": {"N": "7"}})
    stub_stack.client("s3").put_object(Bucket=bucket, Key="clean/kept", Body=b"kept")
    before = subject()

    stub_stack.stop()
    with pytest.raises(NotRunning):
        RunningStack.attach(stub_stack.places.state)
    stub_stack.start()

    item = stub_stack.client("dynamodb").get_item(TableName=table, Key=key)["Item"]
    kept = stub_stack.client("s3").get_object(Bucket=bucket, Key="clean/kept")["Body"].read()
    assert item["balance"] == {"N": "7"}
    assert kept == b"kept"
    assert subject() == before
    stub_stack.client("sqs").send_message(
        QueueUrl=stub_stack.outputs["StudioQueueUrl"], MessageBody="after-restart"
    )

    def feeds_the_relay() -> bool:
        # The emulator reads a stream from the moment when it finds its reader, so a first record
        # can come too early.
        stub_stack.client("dynamodb").put_item(
            TableName=stub_stack.outputs["JobsTable"],
            Item={"pk": {"S": f"job_after_restart_{time.monotonic()}"}, "sk": {"S": "job"}},
        )
        return any("job_after_restart" in line for line in stub_stack.logs("relay"))

    eventually(
        lambda: any("after-restart" in line for line in stub_stack.logs("studio")),
        "queues feed their workers again",
    )
    eventually(feeds_the_relay, "streams feed the relay again")


def test_queues_still_work_when_the_emulator_has_to_move(stub_stack: LocalStack) -> None:
    port = stub_stack.facts.emulator_port
    stub_stack.stop()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        stub_stack.start()

    stub_stack.client("sqs").send_message(
        QueueUrl=stub_stack.outputs["StudioQueueUrl"], MessageBody="moved"
    )

    assert stub_stack.facts.emulator_port != port
    assert str(port) not in stub_stack.env["QUEUE_STUDIO_URL"]
    eventually(
        lambda: any('"moved"' in line for line in stub_stack.logs("studio")),
        "the studio receives the event",
    )


@pytest.mark.slow
def test_a_changed_template_is_deployed_without_losing_data(stub_stack: LocalStack) -> None:
    key = {"accountId": {"S": "kept"}}
    wallets, pool = stub_stack.outputs["WalletsTable"], stub_stack.outputs["UserPoolId"]
    stub_stack.client("dynamodb").put_item(TableName=wallets, Item=key)
    template = stub_stack.source / "template.yaml"
    template.write_text(
        template.read_text()
        .replace("      Timeout: 55\n", "      Timeout: 44\n")
        .replace("Path: /api/recipes,", 'Path: "/api/recipes/{recipe}",')
    )

    stub_stack.stop()
    changed = LocalStack(
        stub_stack.places.state, source=stub_stack.source, port=stub_stack.facts.port, reload=True
    )
    with changed:
        sweep = changed.client("lambda").get_function_configuration(
            FunctionName=changed.functions["sweep"]
        )
        statuses = [
            WEB.get(f"{changed.api_url}/api/recipes{suffix}").status_code
            for suffix in ("/story", "")
        ]
        wallet = changed.client("dynamodb").get_item(TableName=wallets, Key=key)
    stub_stack.start()

    assert sweep["Timeout"] == 44
    assert statuses == [200, 404]
    assert "Item" in wallet
    assert (changed.outputs["WalletsTable"], changed.outputs["UserPoolId"]) == (wallets, pool)


def test_a_function_cannot_do_what_its_role_does_not_allow(stub_stack: LocalStack) -> None:
    handler = stub_stack.source / "functions/purchase/handler.py"
    original = handler.read_text()
    table = stub_stack.outputs["AssetsTable"]
    handler.write_text(
        textwrap.dedent(
            """
            import json, os
            import boto3
            from botocore.exceptions import ClientError

            def handler(event, context):
                print("reading")
                found = {}
                for name, key in (("WALLETS", "accountId"), ("ASSETS", "accountId")):
                    keys = {key: {"S": "a"}} | ({"assetId": {"S": "b"}} if name == "ASSETS" else {})
                    try:
                        boto3.client("dynamodb").get_item(
                            TableName=os.environ[f"TABLE_{name}"], Key=keys)
                        found[name] = "allowed"
                    except ClientError as error:
                        found[name] = error.response["Error"]["Code"]
                return {"statusCode": 200, "body": json.dumps(found)}
            """
        )
    )
    token = stub_stack.token("dave")

    def access() -> Any:
        return WEB.post(
            f"{stub_stack.api_url}/api/credits/purchase",
            headers={"Authorization": f"Bearer {token}"},
        ).json()

    eventually(lambda: "WALLETS" in access(), "the changed function responds")

    assert access() == {"WALLETS": "allowed", "ASSETS": "AccessDeniedException"}
    assert stub_stack.emulator is not None
    denied = f"dynamodb:GetItem on arn:aws:dynamodb:us-east-1:000000000000:table/{table}"
    assert any(denied in line for line in stub_stack.emulator.denials())
    handler.write_text(original)


# --- Processes, ports, folders ----------------------------------------------------------------


def test_a_port_in_use_is_refused_by_name(stub_stack: LocalStack, tmp_path: Path) -> None:
    second = LocalStack(tmp_path, port=stub_stack.facts.port, source=stub_stack.source)

    with pytest.raises(PortInUse, match=f"Port {stub_stack.facts.port} is in use"):
        second.start()


def test_two_local_clouds_never_share_a_folder(stub_stack: LocalStack) -> None:
    second = LocalStack(stub_stack.places.state, source=stub_stack.source)

    with pytest.raises(AlreadyRunning):
        second.start()
    assert WEB.get(f"{stub_stack.api_url}/api/health").status_code == 200


def test_nothing_keeps_running_when_the_owner_is_killed(tmp_path: Path) -> None:
    owner = subprocess.Popen(
        [
            sys.executable,
            "-c",
            textwrap.dedent(
                """
                import sys, time
                from pathlib import Path
                from local.emulator import Emulator, free_port
                from local.settings import DEPLOYMENT_BUCKET, ROOT, Places

                emulator = Emulator(Places(Path(sys.argv[1])), ROOT, free_port())
                emulator.start()
                print(emulator.process.pid, flush=True)
                time.sleep(600)
                """
            ),
            str(tmp_path / "state"),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert owner.stdout
    emulator_pid = int(owner.stdout.readline())

    owner.send_signal(signal.SIGKILL)
    owner.wait()

    def gone() -> bool:
        try:
            os.kill(emulator_pid, 0)
        except ProcessLookupError:
            return True
        # A zombie process has ended as well.
        state = Path(f"/proc/{emulator_pid}/stat")
        return state.exists() and state.read_text().rsplit(")", 1)[1].split()[0] == "Z"

    eventually(gone, "the emulator follows its owner")
