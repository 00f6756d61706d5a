"""Crash points of tasks that wait for a provider: submit, callback, poll, give up.

The job is one portrait, which the cloud makes.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from darkroom.generation.ports import (
    GenerationRequest,
    PermanentProviderError,
    ResponseLost,
    TransientProviderError,
)
from darkroom.generation.routing.routes import LATER, LOCAL_STUDIO
from darkroom.jobs.model import JobFamily, Task
from darkroom.kernel.limits import (
    DISPATCH_CHECK_SECONDS,
    LEASE_SECONDS,
    POLL_BASE_SECONDS,
    WAITING_GRACE_SECONDS,
    WAITING_LIMIT_SECONDS,
)
from darkroom.usecases.sweeps import sweep_due
from darkroom.usecases.tasks import run_task
from darkroom.usecases.tasks.call_provider import callback_url_of
from darkroom.usecases.tasks.receive_provider_callback import receive_provider_callback
from tests.support.builders import a_reference_photo
from tests.support.cloud import SIGNATURE, FakeRun
from tests.support.crash import (
    Actor,
    Client,
    Fault,
    Message,
    Scenario,
    Scene,
    Schedule,
)
from tests.support.planted import Plant, Planted
from tests.support.scenarios import (
    CLIENTS,
    MESSAGES,
    STREAMS,
    USER,
    ask,
    expect,
    open_account,
    run_worker,
    stream_only,
    work,
)

STYLE = "CLASSIC"
Arrange = Callable[[Scene], None]


KEY = "img_01"


def order_portrait(scene: Scene) -> None:
    """A portrait is sent to the cloud; its message waits."""
    world = scene.world
    world.use_cloud()
    open_account(scene)
    photo = a_reference_photo(world, USER)
    wanted = {"mode": "single", "referencePhotoIds": [photo], "styles": [STYLE], "totalImages": 1}
    body = {"recipe": "portraits", "inputs": wanted, "status": "queued"}
    made = expect(scene, 201, method="POST", path="/api/jobs", body=body, key="arranged")
    scene.facts |= {"job": made["jobs"][0]["jobId"], "task": KEY}
    stream_only(scene)


def order_slow(scene: Scene) -> None:
    """The cloud works on it, and the message of the first poll waits."""
    scene.world.cloud.is_slow = True
    order_portrait(scene)
    work(scene, KEY)


def call_back(scene: Scene, run: FakeRun) -> str:
    """The cloud calls back, in another process."""
    query = dict(parse_qsl(urlsplit(run.callback_url).query))
    return receive_provider_callback(
        scene.world.app,
        provider=scene.world.cloud.name,
        job_id=query["job"],
        key=query["key"],
        attempt=int(query["attempt"]),
        nonce=query["nonce"],
        body=json.dumps({"id": run.ref}).encode(),
        headers=SIGNATURE,
    )


# Submitting


def arrange_lost_response(scene: Scene) -> None:
    """The cloud takes the request, but its response never comes."""
    order_portrait(scene)

    def lose(request: GenerationRequest, run: FakeRun) -> None:
        raise ResponseLost("timeout")

    scene.facts["cloud"] = lambda scene: setattr(scene.world.cloud, "took", lose)


def arrange_early_callback(scene: Scene) -> None:
    """The cloud calls back before it responds to the request."""
    order_portrait(scene)

    def call(scene: Scene) -> None:
        def early(request: GenerationRequest, run: FakeRun) -> None:
            with scene.wire.bypassed():
                scene.facts["callback"] = call_back(scene, run)

        scene.world.cloud.took = early

    scene.facts["cloud"] = call


def arrange_refusal(scene: Scene) -> None:
    order_portrait(scene)

    def refuse(request: GenerationRequest) -> None:
        raise PermanentProviderError("no")

    scene.facts["cloud"] = lambda scene: setattr(scene.world.cloud, "refuse", refuse)


# Callbacks


def arrange_callback(scene: Scene) -> None:
    """The cloud repeats its callback until it gets a response."""
    order_slow(scene)
    scene.world.cloud.end()
    scene.facts["request"] = scene.world.cloud.last.call


def arrange_callback_of_canceled(scene: Scene) -> None:
    """The owner cancels the job while its portrait is submitted; the callback ends it."""
    scene.world.cloud.is_slow = True
    order_portrait(scene)

    class Died(BaseException):
        pass

    def die(request: GenerationRequest, run: FakeRun) -> None:
        raise Died

    scene.world.cloud.took = die
    with contextlib.suppress(Died):
        run_worker(scene.world, KEY)
    scene.world.cloud.took = lambda request, run: None
    scene.world.call("POST", f"/api/jobs/{scene.facts['job']}/cancel", user="alice")
    scene.facts["request"] = scene.world.cloud.last.call


# Polling


def arrange_poll(scene: Scene) -> None:
    """The run is finished without a callback, and the first poll is due."""
    order_slow(scene)
    scene.world.cloud.end()
    scene.world.clock.move(seconds=POLL_BASE_SECONDS)


def arrange_early_poll(scene: Scene) -> None:
    """The first poll finds the run unfinished, the others find it finished."""
    order_slow(scene)
    scene.world.clock.move(seconds=POLL_BASE_SECONDS)

    def finish_after_first(scene: Scene) -> None:
        cloud = scene.world.cloud

        def seen(run: FakeRun) -> None:
            if cloud.polls > 1:
                cloud.end()

        cloud.seen = seen

    scene.facts["cloud"] = finish_after_first


def arrange_failure(scene: Scene) -> None:
    order_slow(scene)
    scene.world.cloud.end(PermanentProviderError("no"))
    scene.world.clock.move(seconds=POLL_BASE_SECONDS)


def arrange_passing_failure(scene: Scene) -> None:
    order_slow(scene)
    scene.world.cloud.end(TransientProviderError("broken"))
    scene.world.clock.move(seconds=POLL_BASE_SECONDS)


def arrange_deadline(scene: Scene) -> None:
    """After half an hour, the poll that is due gives the run up, and the next run succeeds."""
    order_slow(scene)
    scene.world.clock.move(seconds=WAITING_LIMIT_SECONDS)


# The schedule, the stream, the client


def arrange_lost_poll(scene: Scene) -> None:
    """Both the callback and the message of the poll are lost."""
    arrange_poll(scene)
    url = scene.world.settings.generate_queue_url
    scene.world.client("sqs").purge_queue(QueueUrl=url)
    scene.world.clock.move(seconds=DISPATCH_CHECK_SECONDS + 1)


def arrange_lost_worker(scene: Scene) -> None:
    """The worker died after the submit, before it recorded the run, and its lease is over."""
    order_portrait(scene)

    class Died(BaseException):
        pass

    def die(request: GenerationRequest, run: FakeRun) -> None:
        raise Died

    scene.world.cloud.took = die
    with contextlib.suppress(Died):
        run_worker(scene.world, KEY)
    scene.world.clock.move(seconds=LEASE_SECONDS + 1)


def arrange_given_up(scene: Scene) -> None:
    """No poll ran for so long that the sweeper gives the run up."""
    order_slow(scene)
    scene.world.clock.move(seconds=WAITING_LIMIT_SECONDS + WAITING_GRACE_SECONDS)


def arrange_stream(scene: Scene) -> None:
    """The task waits, and the stream has not delivered its record yet."""
    order_portrait(scene)
    run_worker(scene.world, KEY)


def arrange_cancel(scene: Scene) -> None:
    order_slow(scene)
    ask(scene, "POST", f"/api/jobs/{scene.facts['job']}/cancel")


def arrange_stop(scene: Scene) -> None:
    """The job was canceled, and the message to stop the cloud's run waits."""
    order_slow(scene)
    url = scene.world.settings.generate_queue_url
    scene.world.client("sqs").purge_queue(QueueUrl=url)
    expect(scene, 200, method="POST", path=f"/api/jobs/{scene.facts['job']}/cancel")
    stream_only(scene)


def _scenario(
    name: str, arrange: Arrange, actors: tuple[Actor, ...], status: str, balance: int
) -> Scenario:
    return Scenario(name=name, arrange=arrange, actors=actors, ends=((status,), balance))


DONE, FAILED, CANCELED = "succeeded", "failed", "canceled"
WAITING_SCENARIOS: tuple[Scenario, ...] = (
    _scenario("submit", order_portrait, MESSAGES, DONE, 4),
    _scenario("submit, response lost", arrange_lost_response, MESSAGES, DONE, 4),
    _scenario("submit, early callback", arrange_early_callback, MESSAGES, DONE, 4),
    _scenario("submit, refused", arrange_refusal, MESSAGES, FAILED, 5),
    _scenario("callback", arrange_callback, CLIENTS, DONE, 4),
    _scenario("callback of a canceled job", arrange_callback_of_canceled, CLIENTS, CANCELED, 5),
    _scenario("poll", arrange_poll, MESSAGES, DONE, 4),
    _scenario("early poll", arrange_early_poll, MESSAGES, DONE, 4),
    _scenario("poll of a failed run", arrange_failure, MESSAGES, FAILED, 5),
    _scenario("poll of a run that may be repeated", arrange_passing_failure, MESSAGES, DONE, 4),
    _scenario("poll at the deadline", arrange_deadline, MESSAGES, DONE, 4),
    _scenario("lost poll", arrange_lost_poll, (Schedule(),), DONE, 4),
    _scenario("lost worker", arrange_lost_worker, (Schedule(),), DONE, 4),
    _scenario("given up", arrange_given_up, (Schedule(),), DONE, 4),
    _scenario("stream of a waiting task", arrange_stream, STREAMS, DONE, 4),
    _scenario("stop", arrange_stop, MESSAGES, CANCELED, 5),
    _scenario("cancel of a waiting job", arrange_cancel, (Client(),), CANCELED, 5),
)


# Bugs that these scenarios must find


def resubmitting_sweeper(plant: Plant) -> None:
    """A lost lease begins the next attempt, even if the provider still runs the first."""
    real = sweep_due._lose_lease

    def lose(family: JobFamily, seen: Task, now: datetime) -> JobFamily | None:
        plant.acts(seen.provider in LATER)
        return real(family, replace(seen, provider=LOCAL_STUDIO), now)

    plant.replace(sweep_due, "_lose_lease", lose)


def resubmitting_worker(plant: Plant) -> None:
    """A response that was lost counts as a refusal."""

    def submit(app: Any, attempt: Any, provider: Any, request: Any) -> str | None:
        try:
            return provider.submit(request, callback_url_of(app, attempt.task))
        except ResponseLost as error:
            plant.acts()
            raise TransientProviderError("again") from error

    plant.replace(run_task, "_submit", submit)


def forgetful_sweeper(plant: Plant) -> None:
    """A waiting task is not polled when the message of its poll is lost."""

    def handle(app: Any, task: Task) -> str:
        plant.acts()
        return "unchanged"

    plant.replace(sweep_due, "_handle_waiting", handle)


WAITING_PLANTED: tuple[Planted, ...] = (
    Planted(
        name="resubmitting sweeper",
        bug=resubmitting_sweeper,
        scenario="submit",
        actor=Message(),
        fault=Fault.STOPPED_AFTER,
        sign="one was enough",
    ),
    Planted(
        name="resubmitting worker",
        bug=resubmitting_worker,
        scenario="submit",
        actor=Message(),
        fault=Fault.LOST,
        sign="one was enough",
    ),
    Planted(
        name="forgetful sweeper",
        bug=forgetful_sweeper,
        scenario="lost poll",
        actor=Schedule(),
        fault=None,
        sign="sweeper always finds something",
    ),
)
