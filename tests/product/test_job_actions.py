"""``actions`` of a job: exactly the requests that would be accepted now, at the price they state.

Every possible request is sent for jobs in random states, and compared with what the job lists.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from darkroom.assets.model import AssetStatus
from darkroom.bootstrap.composition import App
from darkroom.jobs import engine
from darkroom.jobs.model import Failure, Job, JobFamily
from darkroom.jobs.states import TaskStatus
from darkroom.jobs.store import find_family
from darkroom.kernel.command import new_command
from darkroom.kernel.errors import DarkroomError
from darkroom.kernel.limits import SHARE_SECRET_BYTES
from darkroom.recipes.base import Target
from darkroom.usecases.archives.request_archive import allowance, request_archive
from darkroom.usecases.jobs import (
    advance_job,
    confirm_job,
    delete_job,
    regenerate_job,
    submit_child,
)
from darkroom.usecases.jobs.advance_job import advance
from darkroom.usecases.jobs.cancel_job import cancel_job
from darkroom.usecases.jobs.plan_job import plan_job
from darkroom.usecases.jobs.retry_job import rerun_job, retry_job
from darkroom.usecases.limits import limit_jobs
from darkroom.usecases.shares import share_job
from tests.support.builders import (
    REWRITE,
    _made,
    a_draft,
    a_job,
    a_photo,
    a_recording,
    a_reference_photo,
    a_story,
    a_user,
    an_asset,
    buy,
    cancel,
    confirm,
    regenerate,
    running,
    scene_inputs,
)
from tests.support.moto_world import moto_world
from tests.support.world import World

Name = tuple[Any, ...]
"""(action, target, clip number, key)"""
TARGETS = [
    *(Target(name="story_clip", clip_no=number) for number in range(5)),
    *(Target(name="trailer_scene", clip_no=number) for number in range(7)),
    *(Target(name="image", key=f"img_0{number}") for number in range(4)),
    Target(name="rewrite_only"),
    Target(name="rewrite_only", clip_no=3),
    Target(name="film"),
    Target(name="story_clip", clip_no=1, key="img_01"),
]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with moto_world() as world:
        yield world


class Accepted(BaseException):
    """A use case was about to write what the request wants."""

    def __init__(self, credits: int = 0) -> None:
        super().__init__(credits)
        self.credits = credits


@pytest.fixture
def nothing_is_written(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From its call on, use cases stop where they would write."""

    def submit(*_: Any, job: Job, **__: Any) -> None:
        raise Accepted(job.reserved)

    def commit(*_: Any) -> None:
        raise Accepted

    def begin() -> None:
        monkeypatch.setattr(confirm_job, "submit", submit)
        monkeypatch.setattr(submit_child, "submit", submit)
        for module in (advance_job, delete_job, limit_jobs, share_job):
            monkeypatch.setattr(module, "commit", commit)

    return begin


def listed(world: World, job_id: str, user: str) -> dict[Name, int]:
    return {
        (each["action"], each.get("target"), each.get("clipNo"), each.get("key")): each["credits"]
        for each in a_job(world, job_id, user)["actions"]
    }


def accepted(world: World, job_id: str, user: str) -> dict[Name, int]:
    """Every request about the job that is accepted in its present state, and what it costs."""
    found = {}
    for name, send in requests(world.app, job_id, user):
        try:
            outcome = send()
        except DarkroomError:
            continue
        except Accepted as error:
            found[name] = error.credits
        else:
            # Downloading writes nothing, and canceling an ended job has no effect.
            if name[0] == "download":
                found[name] = 0
            else:
                assert name[0] == "cancel", outcome
    return found


def requests(app: App, job_id: str, user: str) -> Iterator[tuple[Name, Callable[[], object]]]:
    """Every possible request about a job."""
    command = new_command(app.ids, account_id=user, route="", language="en", key=None, body={})

    def name(action: str) -> Name:
        return (action, None, None, None)

    yield (
        name("confirm"),
        lambda: confirm_job.confirm_draft(app, command, draft_job_id=job_id, overrides={}),
    )
    yield name("cancel"), lambda: cancel_job(app, account_id=user, job_id=job_id)
    yield name("retry"), lambda: retry_job(app, command, parent_job_id=job_id, options={})
    yield name("rerun"), lambda: rerun_job(app, command, job_id=job_id)
    for target in TARGETS:
        yield (
            ("regenerate", target.name, target.clip_no, target.key),
            partial(regenerate_job.regenerate, app, command, parent_job_id=job_id, target=target),
        )
    yield (
        name("share"),
        lambda: share_job.share_job(
            app, command, job_id=job_id, secret=bytes(SHARE_SECRET_BYTES), expires_in_days=None
        ),
    )
    yield (
        name("download"),
        lambda: request_archive(app, account_id=user, job_id=job_id, allowed=allowance(app)),
    )
    yield (
        name("delete"),
        lambda: delete_job.delete_job(app, account_id=user, job_id=job_id, cascade=False),
    )


def some_inputs(world: World, user: str, rng: random.Random) -> tuple[str, dict[str, Any]]:
    recipe = rng.choice(["quick", "story", "story", "trailer", "portraits", "captions", "images"])
    if recipe == "portraits":
        photos = [a_reference_photo(world, user)]
        return recipe, {
            "mode": "batch",
            "referencePhotoIds": photos,
            "styles": ["CLASSIC", "MODERN"],
            "totalImages": rng.randint(1, 3),
        }
    if recipe == "captions":
        talk = a_recording(world, user, seconds=rng.choice([20, 100, 200]))
        options = {"translate": True, "targetLangs": ["ko"], "outputFormats": ["srt", "vtt"]}
        return recipe, {"assetIds": [talk], "options": rng.choice([{}, options])}
    if recipe == "images":
        return recipe, {"prompt": "A lake at dawn", "count": rng.randint(1, 3)}
    rewrite = {"rewriteEnabled": True, "rewrite": REWRITE}
    has_rewrite = recipe != "quick" and rng.random() < 0.5
    return recipe, scene_inputs(a_photo(world, user), **(rewrite if has_rewrite else {}))


def some_job(world: World, user: str, rng: random.Random) -> str:
    """A job in a random state, perhaps with a child or with a deleted file."""
    recipe, inputs = some_inputs(world, user, rng)
    queued = rng.random() < 0.85
    body = {"recipe": recipe, "inputs": inputs, "status": "queued" if queued else "draft"}
    [made] = world.call("POST", "/api/jobs", body, user=user, key="make").body["jobs"]
    job_id: str = made["jobId"]
    if queued and rng.random() < 0.95:
        plan_job(world.app, job_id)
        steps = rng.choice([0, 1, 3, 100, 100, 100])
        advance(world.app, job_id, lambda family: some_steps(world, family, rng, steps))
    if rng.random() < 0.2:
        cancel(world, job_id, user)
    write_files(world, job_id)
    if rng.random() < 0.2 and (targets := [a for a in listed(world, job_id, user) if a[1]]):
        _, target, clip_no, key = rng.choice(targets)
        sent = {"target": target, "clipNo": clip_no, "key": key}
        given = {name: held for name, held in sent.items() if held is not None}
        regenerate(world, job_id, user, **given)
    if rng.random() < 0.15:
        for asset_id in [*inputs.get("photoAssetIds", ()), *inputs.get("assetIds", ())]:
            world.call("DELETE", f"/api/assets/{asset_id}", user=user)
    return job_id


def some_steps(world: World, family: JobFamily, rng: random.Random, steps: int) -> JobFamily:
    now, tasks_fail = world.clock.now(), rng.choice([0.0, 0.2, 0.6])
    for _ in range(steps):
        ready = [task for task in family.tasks if task.status is TaskStatus.READY]
        if family.job.is_final or not ready:
            break
        task = rng.choice(ready)
        family = running(family, task.key)
        if rng.random() < tasks_fail:
            failure = Failure(code="PROVIDER_REFUSED", refused=rng.random() < 0.5)
            family = engine.fail(family, task.key, failure, now)
        elif steps == 3 and rng.random() < 0.3:
            family = engine.begin(family, now)
        else:
            family = engine.succeed(family, task.key, [_made(task)], now)
    return family


def write_files(world: World, job_id: str) -> None:
    family = find_family(job_id)
    assert family is not None
    for output in family.outputs:
        world.app.storage.write(output.storage_key, b"file", mime_type=output.mime_type)


@pytest.mark.parametrize(
    "seed",
    [*range(10), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(10, 60))],
)
def test_a_job_lists_exactly_the_requests_that_are_accepted_at_their_price(
    world: World, seed: int, nothing_is_written: Callable[[], None]
) -> None:
    user = a_user()
    buy(world, 500, user)
    job_id = some_job(world, user, random.Random(seed))

    actions = listed(world, job_id, user)
    nothing_is_written()

    assert actions == accepted(world, job_id, user)


def names(world: World, job_id: str, user: str) -> list[str]:
    actions = world.call("GET", f"/api/jobs/{job_id}", user=user).body["actions"]
    return list(dict.fromkeys(each["action"] for each in actions))


def test_a_story_from_draft_to_end_offers_what_a_page_shows(world: World) -> None:
    user = a_user()
    draft = a_draft(world, user, rewriteEnabled=True, rewrite=REWRITE)
    queued = confirm(world, user, key="queued").body["jobId"]
    made = a_story(world, a_user())

    assert names(world, draft, user) == ["confirm", "cancel", "delete"]
    assert names(world, queued, user) == ["cancel"]
    assert a_job(world, draft, user)["actions"][0] == {"action": "confirm", "credits": 3}
    owner = find_family(made)
    assert owner is not None
    assert names(world, made, owner.job.account_id) == [
        "regenerate",
        "rerun",
        "share",
        "download",
        "delete",
    ]


def test_actions_do_not_depend_on_the_balance(world: World) -> None:
    user = a_user()
    poor = a_story(world, user, mode="trailer")

    actions = a_job(world, poor, user)["actions"]

    assert {"action": "rerun", "credits": 5} in actions
    assert {"action": "regenerate", "target": "trailer_scene", "clipNo": 5, "credits": 1} in actions


def test_a_draft_of_an_unchecked_file_can_be_confirmed_only_when_it_is_checked(
    world: World,
) -> None:
    user = a_user()
    photo = an_asset(world, user, status=AssetStatus.CHECKING)
    body = {"recipe": "story", "inputs": scene_inputs(photo), "status": "draft"}
    [draft] = world.call("POST", "/api/jobs", body, user=user).body["jobs"]

    assert names(world, draft["jobId"], user) == ["cancel", "delete"]


def test_an_unknown_target_is_refused_with_those_that_exist(world: World) -> None:
    user = a_user()
    story = a_story(world, user, rewriteEnabled=True, rewrite=REWRITE)

    response = regenerate(world, story, user, target="film")

    assert (response.status, response.body["code"]) == (400, "INVALID_TARGET")
    assert response.body["targets"] == [
        {"target": "story_clip", "clipNo": 1},
        {"target": "story_clip", "clipNo": 2},
        {"target": "story_clip", "clipNo": 3},
        {"target": "rewrite_only"},
    ]


def test_lists_have_no_actions(world: World) -> None:
    user = a_user()
    a_story(world, user)

    [item] = world.call("GET", "/api/jobs", user=user).body["items"]

    assert "actions" not in item
