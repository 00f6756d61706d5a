"""Ends the leases of dead processes at once.

A task is leased for five minutes to the process that runs it: on AWS, only a timeout detects a
dead process. Here it is known at once that a process was reloaded, killed or stopped with the
machine, so its tasks are made due and the sweeper runs. Only the times of these tasks are changed;
the product decides the rest, as it would five minutes later.
"""

import fcntl
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

WATCH_SECONDS = 0.5
# A call that was under way when its process died may still arrive a moment later.
LOOKS_AFTER_AN_END = 3


def living(folder: Path) -> set[str]:
    """Log streams of the functions' processes that run now."""
    return {path.name for path in folder.iterdir() if _is_locked(path)}


def _is_locked(path: Path) -> bool:
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


class LeaseWatcher:
    """Frees what processes held that have ended, until stopped.

    sweep: runs the sweeper once.
    """

    def __init__(
        self,
        folder: Path,
        dynamodb: Any,
        *,
        jobs_table: str,
        sweep: Callable[[], object],
        report: Callable[[str], None],
    ) -> None:
        self.folder = folder
        self.dynamodb = dynamodb
        self.jobs_table = jobs_table
        self.sweep, self.report = sweep, report
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._watch, name="watch-leases", daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.stopping.set()
        self.thread.join()

    def _watch(self) -> None:
        # What the state folder holds may be leased to processes of an earlier start.
        alive, looks_left = living(self.folder), 1
        while not self.stopping.wait(WATCH_SECONDS):
            before, alive = alive, living(self.folder)
            looks_left = LOOKS_AFTER_AN_END if before - alive else max(0, looks_left - 1)
            if not looks_left:
                continue
            try:
                if self.free(datetime.now(UTC)):
                    self.sweep()
            except Exception as error:  # noqa: BLE001 - the watcher outlives a failed poll
                if not self.stopping.is_set():
                    self.report(f"Could not free leases: {error}")

    def free(self, now: datetime) -> int:
        """Make due what is held by processes that do not live any more; returns how much."""
        leased = list(self._leased())
        # In this order: a process that began after the look would seem to be gone.
        alive = living(self.folder)
        lost = [item for item in leased if item["worker"]["S"] not in alive]
        freed = sum(self._end_lease(item, now) for item in lost)
        if freed:
            self.report(f"Freed {freed} tasks of processes that have ended")
        return freed

    def _end_lease(self, item: Mapping[str, Any], now: datetime) -> bool:
        """False if another writer has changed the task since it was read."""
        text = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        if item["leaseUntil"]["S"] <= text:
            return False
        try:
            self.dynamodb.update_item(
                TableName=self.jobs_table,
                Key={"pk": item["pk"], "sk": item["sk"]},
                UpdateExpression="SET leaseUntil = :now, nextCheckAt = :due",
                ConditionExpression="claim = :claim AND leaseUntil = :seen",
                ExpressionAttributeValues={
                    ":now": {"S": text},
                    ":due": {"N": str(int(now.timestamp()))},
                    ":claim": item["claim"],
                    ":seen": item["leaseUntil"],
                },
            )
        except self.dynamodb.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def _leased(self) -> Iterator[dict[str, Any]]:
        """All tasks under a lease whose holder is known."""
        pages = self.dynamodb.get_paginator("scan").paginate(
            TableName=self.jobs_table,
            FilterExpression="attribute_exists(leaseUntil) AND attribute_exists(worker)",
            ConsistentRead=True,
        )
        for page in pages:
            yield from page["Items"]
