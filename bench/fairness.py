"""How long does one account's single job wait while another account has a thousand pictures?

Measured in tasks that were made before its first one. The peer is the same product without account
queues: every ready task's message is sent at once, and the queue delivers them in its order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from unittest.mock import patch

from bench import cloud
from bench.table import Row
from darkroom.kernel.limits import PURCHASE_LIMIT_CREDITS
from darkroom.plans.model import PlanLimits, limits_of
from darkroom.usecases.tasks import admit_tasks
from tests.support.builders import a_reference_photo
from tests.support.world import World

SECTION = "fairness"
PICTURES = 1_000
PICTURES_OF_A_JOB = 20
ROUNDS_LIMIT = 5_000
Say = Callable[[str], None]


def run(say: Say, pictures: int = PICTURES) -> list[Row]:
    say(f"fairness: one job beside {pictures} pictures")
    ours = _waited(pictures, limits_of("free"))
    say("fairness: the same without account queues")
    peer = _waited(pictures, replace(limits_of("free"), concurrent_tasks=PURCHASE_LIMIT_CREDITS))
    return [
        Row(
            section=SECTION,
            what="tasks made before the single job's first",
            ours=ours,
            peer=peer,
            unit="tasks",
            how=f"{pictures} pictures of another account are queued; peer: no account queues",
        )
    ]


def _waited(pictures: int, limits: PlanLimits) -> int:
    with (
        cloud.open_world() as world,
        patch.object(admit_tasks, "limits_of", lambda plan: limits),
    ):
        cloud.add_account(world, "many", credits=pictures)
        photo = cloud.add_account(world, "one", credits=1)
        _queue_pictures(world, pictures)
        _settle(world)
        body = {"mode": "quick", "photoAssetIds": [photo], **cloud.STORY}
        response = world.call("POST", "/api/jobs/confirm", body, user="one", key="one")
        single = cloud.body_of(response)["jobId"]
        _settle(world)
        for _ in range(ROUNDS_LIMIT):
            made = [request.job_id for request in world.studio.requests]
            if single in made:
                return made.index(single)
            world.pump_tasks()
            _settle(world)
    raise RuntimeError("the single job never ran")


def _queue_pictures(world: World, pictures: int) -> None:
    inputs = {
        "mode": "batch",
        "referencePhotoIds": [a_reference_photo(world, "many")],
        "styles": ["CLASSIC"],
        "totalImages": PICTURES_OF_A_JOB,
    }
    body = {"recipe": "portraits", "inputs": inputs, "status": "queued"}
    for number in range(pictures // PICTURES_OF_A_JOB):
        cloud.body_of(world.call("POST", "/api/jobs", body, user="many", key=f"batch{number}"))


def _settle(world: World) -> None:
    while world.pump_stream():
        pass
