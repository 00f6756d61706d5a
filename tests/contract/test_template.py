"""Rules for `template.yaml`, checked without a deployment."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from darkroom.api.mounts import BY_FUNCTION
from darkroom.kernel.limits import (
    CHECKED_BYTES_PER_SECOND,
    CHECKING_LIMIT_SECONDS,
    CHECKS_LIMIT,
    MULTIPART_LIMIT_SECONDS,
    UPLOAD_LIMIT_BYTES,
)
from darkroom.uploads.inspection.media_reader import MEMORY_LIMIT_BYTES
from layers.finish_build import SERVICES
from local.settings import ROOT
from local.template import expand, folder_of, parse

PATH = ROOT / "template.yaml"
MANAGED_POLICIES_LIMIT = 10
"""Of a role, by the default quotas of IAM."""
MONEY_TABLES = {
    "WalletsTable",
    "LedgerTable",
    "PurchasesTable",
    "SubscriptionsTable",
    "JobsTable",
}
HEAVY_FUNCTIONS = {"IngestMediaFunction", "StudioFunction", "GenerateFunction"}
PUBLIC_READS = {
    "/api/health",
    "/api/jobs/stream",  # The function verifies a ticket or a token itself.
    "/api/plans",
    "/api/pricing",
    "/api/recipes",
    "/api/shares/{token}",
    "/api/templates",
    "/docs",
    "/openapi.json",
    "/s/{token}",
    "/s/{token}/{number}",
}
PUBLIC_ROUTES = {
    *(f"{method} {path}" for method in ("GET", "HEAD") for path in PUBLIC_READS),
    "POST /api/webhooks/stripe",
    "POST /api/webhooks/{provider}",
}
# SAM gives every role these two of AWS: write its own logs, write its own traces.
MANAGED_BY_AWS = {
    "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole",
    "arn:aws:iam::aws:policy/AWSXrayWriteOnlyAccess",
}
DAY_SECONDS = 24 * 3600
OWN_PROCESS_BYTES = 200 << 20  # The memory of a worker without the reader that it starts.
VISIBILITY_FACTOR = 6  # AWS recommends this for queues that trigger functions.
LONGEST_HTTP_SECONDS = 29  # API Gateway times out after 30.


@pytest.fixture(scope="module")
def source() -> dict[str, Any]:
    return parse(PATH)


@pytest.fixture(scope="module")
def resources() -> dict[str, dict[str, Any]]:
    expanded = expand(PATH, {"Stage": "prod"})["Resources"]
    assert isinstance(expanded, dict)
    return expanded


def of_type(resources: dict[str, dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    return {
        name: resource["Properties"]
        for name, resource in resources.items()
        if resource["Type"] == kind
    }


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements_of(policy: dict[str, Any]) -> list[dict[str, Any]]:
    return as_list(policy["PolicyDocument"]["Statement"])


# --- Roles ------------------------------------------------------------------------------------


def test_every_function_has_its_own_role(resources: dict[str, Any]) -> None:
    roles = [
        function["Role"]["Fn::GetAtt"][0]
        for function in of_type(resources, "AWS::Lambda::Function").values()
    ]

    assert len(set(roles)) == len(roles)


# Their resources have no ARN, or are models that the configuration names.
WITHOUT_RESOURCES = (
    "bedrock:",
    "comprehend:",
    "polly:",
    "rekognition:",
    "transcribe:",
    "translate:",
)


def test_no_role_allows_every_action_or_every_resource(resources: dict[str, Any]) -> None:
    granted = [
        (name, statement)
        for name, role in of_type(resources, "AWS::IAM::Role").items()
        for policy in role.get("Policies", [])
        for statement in statements_of(policy)
    ] + [
        (name, statement)
        for name, policy in of_type(resources, "AWS::IAM::ManagedPolicy").items()
        for statement in statements_of(policy)
    ]

    assert granted
    for name, statement in granted:
        actions = as_list(statement["Action"])
        for action in actions:
            assert "*" not in action, f"{name}: {action}"
        if all(action.startswith(WITHOUT_RESOURCES) for action in actions):
            continue
        for resource in as_list(statement["Resource"]):
            assert resource != "*", name
            text = resource if isinstance(resource, str) else json.dumps(resource)
            assert "Ref" in text or "Fn::" in text, f"{name}: {text} is not of this stack"


def test_roles_have_only_the_listed_managed_policies(resources: dict[str, Any]) -> None:
    ours = of_type(resources, "AWS::IAM::ManagedPolicy").keys()

    for name, role in of_type(resources, "AWS::IAM::Role").items():
        for arn in role["ManagedPolicyArns"]:
            if isinstance(arn, dict):
                _, wanted, _ = arn.get("Fn::If", (None, arn, None))
                assert wanted["Ref"] in ours, name
            else:
                assert arn in MANAGED_BY_AWS, name
        deployed = [arn for arn in role["ManagedPolicyArns"] if "Fn::If" not in arn]
        assert len(deployed) <= MANAGED_POLICIES_LIMIT, name


def test_no_role_may_change_a_ledger_entry_and_only_erasures_may_move_one(
    resources: dict[str, Any],
) -> None:
    policies = [
        *of_type(resources, "AWS::IAM::ManagedPolicy").items(),
        *(
            (name, policy)
            for name, role in of_type(resources, "AWS::IAM::Role").items()
            for policy in role.get("Policies", [])
        ),
    ]

    granted = {
        (name, action)
        for name, policy in policies
        for statement in statements_of(policy)
        if "LedgerTable" in json.dumps(statement["Resource"])
        for action in as_list(statement["Action"])
    }

    changing = {"dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:BatchWriteItem"}
    assert {(name, action) for name, action in granted if action in changing} == {
        ("EraseFunctionRole", "dynamodb:BatchWriteItem")
    }


# --- Functions --------------------------------------------------------------------------------


def test_each_function_of_the_template_has_its_folder_and_each_folder_its_function(
    resources: dict[str, Any],
) -> None:
    declared = {
        folder_of({"Properties": function})
        for function in of_type(resources, "AWS::Lambda::Function").values()
    }

    written = {
        f"functions/{path.parent.name}" for path in (ROOT / "functions").glob("*/handler.py")
    }

    assert declared == written


def test_heavy_wheels_load_only_where_pixels_are_touched(source: dict[str, Any]) -> None:
    functions = of_type(source["Resources"], "AWS::Serverless::Function")

    heavy = {name for name, item in functions.items() if {"Ref": "MediaLayer"} in item["Layers"]}

    assert heavy == HEAVY_FUNCTIONS


def test_every_function_logs_to_a_group_that_expires(
    source: dict[str, Any], resources: dict[str, Any]
) -> None:
    groups = of_type(resources, "AWS::Logs::LogGroup")

    for name, function in of_type(source["Resources"], "AWS::Serverless::Function").items():
        group = groups[function["LoggingConfig"]["LogGroup"]["Ref"]]
        folder = function["CodeUri"].strip("/").split("/")[-1]
        assert group["RetentionInDays"] == {"Ref": "LogRetentionDays"}, name
        assert group["LogGroupName"]["Fn::Sub"].endswith(f"/{folder}"), name


def test_functions_behind_the_api_time_out_before_the_gateway(
    source: dict[str, Any],
) -> None:
    for name, function in of_type(source["Resources"], "AWS::Serverless::Function").items():
        kinds = {event["Type"] for event in function.get("Events", {}).values()}
        if "HttpApi" in kinds:
            assert function["Timeout"] <= LONGEST_HTTP_SECONDS, name


def test_a_new_layer_is_published_with_its_functions(tmp_path: Path) -> None:
    def versions(text: str) -> set[str]:
        path = tmp_path / "template.yaml"
        path.write_text(text)
        return set(of_type(expand(path, {})["Resources"], "AWS::Lambda::Version"))

    text = PATH.read_text()
    before = versions(text)

    # SAM names packages by their content: changed content has another location.
    after = versions(text.replace("ContentUri: layers/core", "ContentUri: layers/changed"))

    assert len(before) == len(BY_FUNCTION)
    assert not before & after


def test_test_hooks_are_off_and_stay_local(source: dict[str, Any]) -> None:
    assert source["Parameters"]["TestHooks"]["Default"] == "false"
    assert source["Rules"]["TestHooksStayLocal"]["RuleCondition"] == {
        "Fn::Not": [{"Fn::Equals": [{"Ref": "Stage"}, "local"]}]
    }


# --- Routes -----------------------------------------------------------------------------------


def test_only_the_public_routes_can_be_called_without_a_token(resources: dict[str, Any]) -> None:
    paths = resources["Api"]["Properties"]["Body"]["paths"]

    public = {
        f"{method.upper()} {path}"
        for path, methods in paths.items()
        for method, operation in methods.items()
        if {"BearerToken": []} not in operation.get("security", [])
    }

    assert public == PUBLIC_ROUTES


def test_every_get_route_has_a_head_route(resources: dict[str, Any]) -> None:
    for path, methods in resources["Api"]["Properties"]["Body"]["paths"].items():
        assert ("get" in methods) == ("head" in methods), path


def test_the_gateways_permissions_fit_into_a_functions_policy(source: dict[str, Any]) -> None:
    """SAM adds a statement of up to 450 bytes for each route; Lambda takes 20 KB in all."""
    for name, resource in source["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            assert len(resource["Properties"].get("Events", {})) * 450 < 20_480, name


def test_shared_links_need_a_permanent_address_in_prod(source: dict[str, Any]) -> None:
    rule = source["Rules"]["SharedLinksLast"]

    assert rule["RuleCondition"] == {"Fn::Equals": [{"Ref": "Stage"}, "prod"]}
    assert rule["Assertions"][0]["Assert"] == {
        "Fn::Not": [{"Fn::Equals": [{"Ref": "ConsoleUrl"}, ""]}]
    }


def test_the_console_may_use_the_media_bucket_as_an_allowed_origin_may(
    resources: dict[str, Any],
) -> None:
    condition, cors, _ = resources["MediaBucket"]["Properties"]["CorsConfiguration"]["Fn::If"]
    frontends, console = (rule["Fn::If"] for rule in cors["CorsRules"])

    assert condition == "HasFrontend"
    assert (frontends[0], console[0]) == ("HasOrigins", "HasConsole")
    assert console[1]["AllowedOrigins"] == [{"Ref": "ConsoleUrl"}]
    assert frontends[1]["AllowedOrigins"] == {"Fn::Split": [",", {"Ref": "AllowedOrigins"}]}
    assert {**console[1], "AllowedOrigins": []} == {**frontends[1], "AllowedOrigins": []}


def test_there_is_no_catch_all_route(resources: dict[str, Any]) -> None:
    for path in resources["Api"]["Properties"]["Body"]["paths"]:
        assert "$default" not in path
        assert "+}" not in path


# --- Tables and storage -----------------------------------------------------------------------


def test_every_table_is_encrypted_and_recoverable(resources: dict[str, Any]) -> None:
    for name, table in of_type(resources, "AWS::DynamoDB::Table").items():
        assert table["SSESpecification"]["SSEEnabled"] is True, name
        recovery = table["PointInTimeRecoverySpecification"]
        assert recovery["PointInTimeRecoveryEnabled"] is True, name


def test_tables_with_money_are_protected_against_deletion(resources: dict[str, Any]) -> None:
    for name in MONEY_TABLES:
        table = resources[name]
        assert table["DeletionPolicy"] == "RetainExceptOnCreate", name
        assert table["UpdateReplacePolicy"] == "Retain", name
        assert table["Properties"]["DeletionProtectionEnabled"] == {
            "Fn::If": ["IsProtected", True, False]
        }, name


def test_the_bucket_is_private_and_encrypted(resources: dict[str, Any]) -> None:
    bucket = resources["MediaBucket"]["Properties"]

    assert all(bucket["PublicAccessBlockConfiguration"].values())
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    assert bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]


# --- Queues -----------------------------------------------------------------------------------


def test_uploaded_objects_expire_after_the_longest_upload_and_its_check(
    resources: dict[str, Any],
) -> None:
    """S3 dates an object that was sent in parts by the beginning of its upload."""
    rules = resources["MediaBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    days = {rule["Id"]: rule for rule in rules}
    queued_seconds = resources["IngestMediaQueue"]["Properties"]["MessageRetentionPeriod"]
    largest_seconds = CHECKING_LIMIT_SECONDS + UPLOAD_LIMIT_BYTES // CHECKED_BYTES_PER_SECOND
    needed_seconds = MULTIPART_LIMIT_SECONDS + queued_seconds + (CHECKS_LIMIT + 1) * largest_seconds

    aborted = days["AbortAbandonedUploads"]["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"]

    assert days["EmptyQuarantine"]["ExpirationInDays"] * DAY_SECONDS >= needed_seconds
    assert aborted * DAY_SECONDS > MULTIPART_LIMIT_SECONDS


def test_the_media_reader_stops_before_its_function_is_out_of_memory(
    resources: dict[str, Any],
) -> None:
    function = resources["IngestMediaFunction"]["Properties"]

    assert function["MemorySize"] << 20 >= MEMORY_LIMIT_BYTES + OWN_PROCESS_BYTES


def queue_mappings(resources: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Queue, function and mapping of every function that a queue triggers."""
    return [
        (mapping["EventSourceArn"]["Fn::GetAtt"][0], mapping["FunctionName"]["Ref"], mapping)
        for mapping in of_type(resources, "AWS::Lambda::EventSourceMapping").values()
        if mapping["EventSourceArn"]["Fn::GetAtt"][1] == "Arn"
    ]


def test_the_visibility_timeout_is_longer_than_the_workers_timeout(
    resources: dict[str, Any],
) -> None:
    mappings = queue_mappings(resources)

    assert len(mappings) == 13
    for queue, function, _ in mappings:
        visibility = resources[queue]["Properties"]["VisibilityTimeout"]
        timeout = resources[function]["Properties"]["Timeout"]
        assert visibility >= VISIBILITY_FACTOR * timeout, queue


def test_every_queue_worker_reports_single_failures_and_is_bounded(
    resources: dict[str, Any],
) -> None:
    for queue, _, mapping in queue_mappings(resources):
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"], queue
        assert mapping["ScalingConfig"]["MaximumConcurrency"], queue


def test_every_dead_letter_is_handled_and_watched(resources: dict[str, Any]) -> None:
    consumed = {queue for queue, _, _ in queue_mappings(resources)}
    watched = json.dumps(of_type(resources, "AWS::CloudWatch::Alarm"))

    for name, queue in of_type(resources, "AWS::SQS::Queue").items():
        assert queue["SqsManagedSseEnabled"] is True, name
        redrive = queue.get("RedrivePolicy")
        if redrive:
            dead_letters = redrive["deadLetterTargetArn"]["Fn::GetAtt"][0]
            assert dead_letters in consumed
            assert f'"{dead_letters}", "QueueName"' in watched
        elif name in consumed:
            assert "DeadLetters" in name, f"{name} has no dead-letter queue"


def test_every_queue_with_workers_has_an_alarm_on_the_age_of_its_messages(
    resources: dict[str, Any],
) -> None:
    watched = {
        alarm["Dimensions"][0]["Value"]["Fn::GetAtt"][0]
        for alarm in of_type(resources, "AWS::CloudWatch::Alarm").values()
        if alarm.get("MetricName") == "ApproximateAgeOfOldestMessage"
    }

    working = {
        name
        for name, queue in of_type(resources, "AWS::SQS::Queue").items()
        if "RedrivePolicy" in queue
    }

    assert watched == working


def test_every_function_s_errors_raise_an_alarm(resources: dict[str, Any]) -> None:
    watched = {
        metric["MetricStat"]["Metric"]["Dimensions"][0]["Value"]["Ref"]
        for name in ("ApiErrorsAlarm", "WorkerErrorsAlarm", "SignUpErrorsAlarm")
        for metric in resources[name]["Properties"]["Metrics"]
        if "MetricStat" in metric
    }

    assert watched == of_type(resources, "AWS::Lambda::Function").keys()


def test_streams_continue_after_a_batch_that_always_fails(resources: dict[str, Any]) -> None:
    streams = [
        mapping
        for mapping in of_type(resources, "AWS::Lambda::EventSourceMapping").values()
        if mapping["EventSourceArn"]["Fn::GetAtt"][1] == "StreamArn"
    ]

    assert len(streams) == 6
    for mapping in streams:
        is_of_erasures = mapping["EventSourceArn"]["Fn::GetAtt"][0] == "ErasuresTable"
        function = "EraseFunction" if is_of_erasures else "RelayFunction"
        assert mapping["FunctionName"] == {"Ref": function}
        assert mapping["StartingPosition"] == "TRIM_HORIZON"
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert mapping["BisectBatchOnFunctionError"] is True
        assert 0 < mapping["MaximumRetryAttempts"] <= 10
        assert mapping["DestinationConfig"]["OnFailure"]["Destination"]["Fn::GetAtt"] == [
            "RelayFailures",
            "Arn",
        ]


# --- Beside the template ----------------------------------------------------------------------


def test_there_is_an_example_event_for_every_function(source: dict[str, Any]) -> None:
    folders = {
        function["CodeUri"].strip("/").split("/")[-1]
        for function in of_type(source["Resources"], "AWS::Serverless::Function").values()
    }

    events = {path.stem for path in (ROOT / "events").glob("*.json")}

    assert folders <= events


@pytest.mark.parametrize("path", sorted((ROOT / "events").glob("*.json")), ids=lambda p: p.stem)
def test_an_example_event_is_of_a_trigger_that_the_template_has(
    path: Path, source: dict[str, Any]
) -> None:
    event = json.loads(path.read_text())
    functions = of_type(source["Resources"], "AWS::Serverless::Function")
    routes = {
        f"{trigger['Properties']['Method']} {trigger['Properties']['Path']}"
        for function in functions.values()
        for trigger in function.get("Events", {}).values()
        if trigger["Type"] == "HttpApi"
    }

    cognito_triggers = {
        name
        for function in functions.values()
        for trigger in function.get("Events", {}).values()
        if trigger["Type"] == "Cognito"
        for name in as_list(trigger["Properties"]["Trigger"])
    }

    if "routeKey" in event:
        assert event["routeKey"] in routes
        assert event["version"] == "2.0"
    elif "Records" in event:
        arn = event["Records"][0]["eventSourceARN"]
        found = re.search(r"darkroom-dev-(\w+)-", arn)
        assert found and found[1] in source["Resources"]
    elif "triggerSource" in event:
        assert event["triggerSource"].partition("_")[0] in cognito_triggers
    else:
        assert event["source"] == "aws.events"


def test_cloudformation_can_read_the_template() -> None:
    # CloudFormation refuses YAML aliases, which every YAML library here would accept.
    tokens = yaml.scan(PATH.read_text())

    assert not any(isinstance(token, yaml.AliasToken | yaml.AnchorToken) for token in tokens)


def test_the_layer_keeps_the_descriptions_of_all_aws_services_that_are_called() -> None:
    called = {"dynamodb"}
    for module in (ROOT / "layers/core/python/darkroom").rglob("*.py"):
        opened = re.findall(r'(?:_own|_client|of_provider)\(\s*"([a-z0-9-]+)"', module.read_text())
        called.update(opened)

    assert {"s3", "sqs", "polly"} <= called
    assert called <= set(SERVICES)


# --- Limits -----------------------------------------------------------------------------------


def test_every_public_route_has_a_limit_of_its_own(source: dict[str, Any]) -> None:
    """But the live updates, which every open page asks for again and again."""
    api = source["Resources"]["Api"]["Properties"]
    default, limits = api["DefaultRouteSettings"], api["RouteSettings"]

    assert set(limits) == {route for route in PUBLIC_ROUTES if "/api/jobs/stream" not in route}
    for route, limit in limits.items():
        assert limit["ThrottlingRateLimit"] <= default["ThrottlingRateLimit"] / 10, route
        assert limit["ThrottlingBurstLimit"] <= default["ThrottlingBurstLimit"] / 10, route


def test_workers_cannot_take_the_concurrency_of_the_api(source: dict[str, Any]) -> None:
    """Each has a concurrency of its own, which its queues can use up but not exceed."""
    resources = source["Resources"]
    mappings = [
        resource["Properties"]
        for resource in resources.values()
        if resource["Type"] == "AWS::Lambda::EventSourceMapping"
        and "ScalingConfig" in resource["Properties"]
    ]
    used: dict[str, list[Any]] = {}
    for mapping in mappings:
        name = mapping["FunctionName"]["Ref"]
        used.setdefault(name, []).append(mapping["ScalingConfig"]["MaximumConcurrency"])

    assert used
    for name, most in used.items():
        reserved = resources[name]["Properties"]["ReservedConcurrentExecutions"]["Fn::If"]
        total = most[0] if len(most) == 1 else sum(most)
        assert reserved == ["IsProtected", total, {"Ref": "AWS::NoValue"}], name


def test_a_budget_warns_before_and_at_its_limit(source: dict[str, Any]) -> None:
    budget = source["Resources"]["Budget"]
    sent = budget["Properties"]["NotificationsWithSubscribers"]

    assert budget["Condition"] == "HasBudget"
    kinds = {each["Notification"]["NotificationType"] for each in sent}
    assert kinds == {"ACTUAL", "FORECASTED"}
    assert all(each["Subscribers"][0]["Address"] == {"Ref": "AlarmTopicArn"} for each in sent)
