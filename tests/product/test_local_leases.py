"""The local cloud knows which processes have ended, and frees only what they held."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from darkroom.jobs.model import Task
from darkroom.jobs.task_store import find_task
from darkroom.kernel.settings import Settings
from darkroom.usecases.tasks.claim_task import claim_task
from local.emulator import WORKER_FOLDER
from local.leases import LeaseWatcher, living
from tests.support.builders import confirm
from tests.support.world import World


@pytest.fixture
def process(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process started as the emulator starts functions; its log stream is `stream-1`."""
    started = subprocess.Popen(
        [sys.executable, "-c", "print('lives', flush=True); import time; time.sleep(600)"],
        env={
            "PYTHONPATH": str(WORKER_FOLDER),
            "DARKROOM_WORKERS": str(tmp_path),
            "AWS_LAMBDA_LOG_STREAM_NAME": "stream-1",
        },
        stdout=subprocess.PIPE,
    )
    assert started.stdout
    started.stdout.readline()
    yield started
    started.kill()
    started.wait()


def test_a_process_is_alive_until_it_is_killed(
    process: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    (tmp_path / "stream-of-an-earlier-one").touch()
    before = living(tmp_path)

    os.kill(process.pid, signal.SIGKILL)
    process.wait()

    assert before == {"stream-1"}
    assert living(tmp_path) == set()


def test_a_child_process_of_a_function_does_not_hold_its_lock(tmp_path: Path) -> None:
    """Media files are opened in a child process of the function."""
    nested = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'pass'], check=True)"

    subprocess.run(
        [sys.executable, "-c", nested],
        env={
            "PYTHONPATH": str(WORKER_FOLDER),
            "DARKROOM_WORKERS": str(tmp_path),
            "AWS_LAMBDA_LOG_STREAM_NAME": "stream-1",
        },
        timeout=60,
        check=True,
    )


@pytest.fixture
def watcher(world: World, tmp_path: Path) -> LeaseWatcher:
    watcher = LeaseWatcher(
        tmp_path,
        world.client("dynamodb"),
        jobs_table=world.settings.tables["jobs"],
        sweep=world.sweep,
        report=lambda message: None,
    )
    watcher.stop()  # The tests call it themselves.
    return watcher


def a_claimed_task(world: World, *, log_stream: str) -> Task:
    """A keyframe that the process with this log stream works on."""
    settings = replace(world.settings, log_stream=log_stream)
    job_id = confirm(world, mode="quick", key=log_stream or "none").body["jobId"]
    world.pump_stream()
    world.pump_stream()
    task = claim_task(replace(world.app, settings=settings), job_id=job_id, key="kf_1", attempt=1)
    assert task is not None
    return task


def status_of(task: Task) -> str:
    stored = find_task(task.job_id, task.key)
    assert stored is not None
    return stored.status.value


def test_the_tasks_of_an_ended_process_are_swept_at_once(
    world: World, watcher: LeaseWatcher
) -> None:
    lost, kept = (a_claimed_task(world, log_stream=name) for name in ("ended", "alive"))

    with (watcher.folder / "alive").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        freed = watcher.free(world.clock.now())
    done = world.sweep()

    assert (freed, done["lease_lost"]) == (1, 1)
    assert (status_of(lost), status_of(kept)) == ("ready", "running")


def test_a_task_of_an_unknown_process_keeps_its_lease(world: World, watcher: LeaseWatcher) -> None:
    task = a_claimed_task(world, log_stream="")

    freed = watcher.free(world.clock.now())

    assert freed == 0
    assert status_of(task) == "running"


def test_a_lease_is_freed_once(world: World, watcher: LeaseWatcher) -> None:
    a_claimed_task(world, log_stream="ended")

    freed = [watcher.free(world.clock.now()) for _ in range(2)]

    assert freed == [1, 0]


def test_a_function_knows_its_log_stream_from_lambda() -> None:
    assert Settings.from_env({"AWS_LAMBDA_LOG_STREAM_NAME": "2026/11/30/[3]ab"}).log_stream == (
        "2026/11/30/[3]ab"
    )
    assert Settings.from_env({}).log_stream == ""


def test_a_process_that_starts_during_the_check_does_not_count_as_ended(
    world: World, watcher: LeaseWatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its claim becomes visible only after its start, so live processes are listed last."""
    real, held = watcher._leased, (watcher.folder / "new").open("w")

    def meanwhile() -> Iterator[dict[str, Any]]:
        found = list(real())
        fcntl.flock(held, fcntl.LOCK_EX)
        yield from found

    task = a_claimed_task(world, log_stream="new")
    monkeypatch.setattr(watcher, "_leased", meanwhile)

    with held:
        freed = watcher.free(world.clock.now())

    assert freed == 0
    assert status_of(task) == "running"
