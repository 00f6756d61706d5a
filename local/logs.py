"""Reads what the functions logged, and shows it as one readable line each."""

import json
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

FOLLOW_SECONDS = 0.5
# What Lambda itself writes around every call.
PLATFORM_PREFIXES = ("START RequestId", "END RequestId", "REPORT RequestId", "INIT_START")
# Said by the line's own form, or of no use on a screen.
HIDDEN_KEYS = {
    "level",
    "message",
    "timestamp",
    "service",
    "location",
    "function_arn",
    "function_memory_size",
    "function_name",
    "function_request_id",
    "xray_trace_id",
}


def events(client: Any, group: str, since_ms: int = 0) -> list[dict[str, Any]]:
    """The log events of a group from a time on, oldest first."""
    found: list[dict[str, Any]] = []
    try:
        pages = client.get_paginator("filter_log_events").paginate(
            logGroupName=group, startTime=since_ms
        )
        for page in pages:
            found += page["events"]
    except client.exceptions.ResourceNotFoundException:
        return []
    return sorted(found, key=lambda event: event["timestamp"])


def lines(client: Any, group: str) -> list[str]:
    """What a function logged itself."""
    return [
        event["message"].rstrip()
        for event in events(client, group)
        if not event["message"].startswith(PLATFORM_PREFIXES)
    ]


def readable(function: str, event: Mapping[str, Any]) -> str:
    moment = datetime.fromtimestamp(event["timestamp"] / 1000, UTC).astimezone()
    at = moment.strftime("%H:%M:%S.%f")[:-3]
    message = event["message"].rstrip()
    try:
        entry = json.loads(message)
    except ValueError:
        entry = None
    if isinstance(entry, dict) and "_aws" in entry:
        message = "metrics " + " ".join(
            f"{metric['Name']}={entry.get(metric['Name'])}"
            for directive in entry["_aws"].get("CloudWatchMetrics", [])
            for metric in directive.get("Metrics", [])
        )
    elif isinstance(entry, dict):
        rest = " ".join(f"{key}={value}" for key, value in entry.items() if key not in HIDDEN_KEYS)
        message = f"{entry.get('level', '')} {entry.get('message', '')} {rest}".strip()
    return f"{at} {function:<13} {message}"


def follow(client: Any, groups: Mapping[str, str], since_ms: int) -> Iterator[str]:
    """Readable lines of all groups as they come, without end.

    groups: function names to log groups.
    """
    seen: set[tuple[str, str, int, str]] = set()
    start = dict.fromkeys(groups.values(), since_ms)
    while True:
        fresh = []
        for function, group in groups.items():
            for event in events(client, group, start[group]):
                # The emulator gives events no id.
                at, message = event["timestamp"], event["message"]
                identity = (group, event["logStreamName"], at, message)
                if identity in seen:
                    continue
                seen.add(identity)
                start[group] = max(start[group], at)
                if not event["message"].startswith(PLATFORM_PREFIXES):
                    fresh.append((event["timestamp"], readable(function, event)))
        yield from (line for _, line in sorted(fresh))
        time.sleep(FOLLOW_SECONDS)
