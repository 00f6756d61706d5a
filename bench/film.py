"""From confirm to film on the whole local cloud: the real gateway, functions, queues and studio.

Two stories on a fresh cloud: the first starts every function, the second finds them running.
"""

from __future__ import annotations

import contextlib
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from statistics import median
from time import monotonic
from typing import Any

from bench.table import Row
from local.run_demo import PHOTO, Demo
from local.stack import LocalStack

SECTION = "film"
STORY = {"mode": "story", "stage": "spark", "genre": "romance"}
STORIES = ("first, cold", "second, warm")


def run(progress: Callable[[str], None]) -> list[Row]:
    if not PHOTO.exists():
        progress("film: skipped, because the demo's photo is missing")
        return []
    progress("film: two stories on a local cloud of their own")
    with LocalStack() as stack, Path(os.devnull).open("w") as nowhere:
        demo = Demo(stack.api_url, stack.token("bench"))
        # The demo's client prints its progress; here only the table is printed.
        with contextlib.redirect_stdout(nowhere):
            photo = demo.upload(PHOTO)
            films = [make_film(demo, photo, name) for name in STORIES]
    return [
        row
        for (job, seconds), name in zip(films, STORIES, strict=True)
        for row in rows_of(job, seconds, name)
    ]


def make_film(demo: Demo, photo: str, name: str) -> tuple[Mapping[str, Any], float]:
    """The finished job, and the seconds from the confirm request to the client seeing it."""
    started = monotonic()
    confirmed = demo.call(
        "POST",
        "/api/jobs/confirm",
        json={**STORY, "photoAssetIds": [photo]},
        headers={"Idempotency-Key": f"bench {name}"},
    )
    job = demo.watch(confirmed["jobId"])
    if job["status"] != "succeeded":
        raise RuntimeError(f"the story ended as {job['status']}")
    return job, monotonic() - started


def rows_of(job: Mapping[str, Any], seconds: float, name: str) -> Iterator[Row]:
    whole = seconds_between(job["createdAt"], job["finishedAt"])
    yield Row(
        section=SECTION,
        what=f"{name}: confirm to film",
        ours=seconds,
        unit="s",
        how=f"as the client sees it, polling; {whole:.1f} s by the job's own times",
    )
    took: dict[str, list[float]] = defaultdict(list)
    for task in job["tasks"]:
        took[task["kind"]].append(seconds_between(task["startedAt"], task["finishedAt"]))
    for kind, times in took.items():
        yield Row(
            section=SECTION,
            what=f"{name}: {kind}",
            ours=median(times),
            unit="s",
            how=f"median of {len(times)}, claim to completion",
        )


def seconds_between(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
