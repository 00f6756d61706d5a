"""What the emulator leaves out of a deployed template, done through the calls AWS has for it."""

from typing import Any


def close_gaps(clients: Any, template: dict[str, Any], physical_ids: dict[str, str]) -> None:
    """Complete tables, mappings and aliases of a stack that was just deployed; idempotent.

    clients: a function from a service's name to its client.
    """
    for name, resource in template["Resources"].items():
        if name not in physical_ids:
            continue  # Its condition is false here.
        properties = resource.get("Properties", {})
        match resource["Type"]:
            case "AWS::DynamoDB::Table":
                _complete_table(clients("dynamodb"), physical_ids[name], properties)
            case "AWS::S3::Bucket":
                _complete_bucket(clients("s3"), physical_ids[name], properties)
            case "AWS::Lambda::EventSourceMapping":
                _complete_mapping(clients("lambda"), physical_ids[name])
            case "AWS::Lambda::Alias":
                _follow_latest(clients("lambda"), physical_ids[name], properties["Name"])


def _complete_table(dynamodb: Any, table: str, properties: dict[str, Any]) -> None:
    """Expiry and point-in-time recovery are not taken from the template."""
    expiry = properties.get("TimeToLiveSpecification")
    if expiry:
        described = dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
        if described["TimeToLiveStatus"] != "ENABLED":
            dynamodb.update_time_to_live(TableName=table, TimeToLiveSpecification=expiry)
    recovery = properties.get("PointInTimeRecoverySpecification")
    if recovery:
        dynamodb.update_continuous_backups(
            TableName=table, PointInTimeRecoverySpecification=recovery
        )


def _complete_bucket(s3: Any, bucket: str, properties: dict[str, Any]) -> None:
    """Lifecycle rules are not taken from the template."""
    rules = []
    for declared in properties["LifecycleConfiguration"]["Rules"]:
        rule = {
            "ID": declared["Id"],
            "Status": declared["Status"],
            "Filter": {"Prefix": declared.get("Prefix", "")},
        }
        if "ExpirationInDays" in declared:
            rule["Expiration"] = {"Days": declared["ExpirationInDays"]}
        if "AbortIncompleteMultipartUpload" in declared:
            rule["AbortIncompleteMultipartUpload"] = declared["AbortIncompleteMultipartUpload"]
        rules.append(rule)
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})


def _complete_mapping(functions: Any, mapping_id: str) -> None:
    """A concurrency that came from a parameter stays text, on which the emulator's poller stumbles.

    It then polls no queue at all, so this must be fixed before any message is sent.
    """
    scaling = functions.get_event_source_mapping(UUID=mapping_id).get("ScalingConfig")
    if scaling:  # Read as a number here, whatever is stored.
        functions.update_event_source_mapping(UUID=mapping_id, ScalingConfig=scaling)


def _follow_latest(functions: Any, alias_arn: str, alias: str) -> None:
    """On AWS an alias names a published version; here it follows the code that is being edited."""
    function_arn = alias_arn.removesuffix(f":{alias}")
    functions.update_alias(FunctionName=function_arn, Name=alias, FunctionVersion="$LATEST")
