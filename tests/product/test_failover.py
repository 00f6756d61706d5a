"""Failing cloud providers: open circuits, failover and cost records; every job still ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from darkroom.generation.ports import (
    Artifact,
    GenerationRequest,
    ModerationRefused,
    PermanentProviderError,
    ResponseLost,
    TransientProviderError,
)
from darkroom.generation.routing import prices
from darkroom.generation.routing.health import FAILURES_LIMIT, OPEN_SECONDS
from darkroom.generation.routing.routes import BEDROCK, LOCAL_STUDIO, REPLICATE
from darkroom.generation.routing.store import CostItem, find_health, list_costs
from darkroom.kernel.limits import ERASE_AGAIN_SECONDS, PROJECTION_CHECK_SECONDS
from tests.support.builders import a_balance, a_job, a_reference_photo, confirm, delete_job
from tests.support.laws import check_laws
from tests.support.moto_world import moto_world
from tests.support.world import FakeStudio, World


class PaperBedrock(FakeStudio):
    """A cloud provider that returns at once; every call has these ``charges``."""

    name = BEDROCK

    def __init__(self) -> None:
        super().__init__()
        self.charges = [("image", 1.0)]

    def generate(self, request: GenerationRequest) -> list[Artifact]:
        for unit, quantity in self.charges:
            request.meter.charge(unit, quantity)
        request.meter.ref = f"call {len(self.requests) + 1}"
        return super().generate(request)


@pytest.fixture
def world() -> Iterator[World]:
    with moto_world() as world:
        yield world
        world.advance_time(seconds=PROJECTION_CHECK_SECONDS)
        world.advance_time(seconds=ERASE_AGAIN_SECONDS)
        assert check_laws(world) == []


@pytest.fixture
def bedrock(world: World) -> PaperBedrock:
    """Pictures are Bedrock's, and the studio's if that cannot."""
    provider = PaperBedrock()
    world.app = replace(world.app, providers={**world.app.providers, BEDROCK: provider})
    world.use_routes({"image": [BEDROCK, LOCAL_STUDIO]})
    return provider


def refuse_with(error: Exception) -> Any:
    def refuse(request: GenerationRequest) -> None:
        raise error

    return refuse


def a_keyframe(world: World, **changes: Any) -> dict[str, Any]:
    """The keyframe of a quick job that has run to its end."""
    job_id = confirm(world, mode="quick", **changes).body["jobId"]
    world.drain()
    job = a_job(world, job_id)
    return job["tasks"][0] | {"jobId": job_id, "jobStatus": job["status"]}


def costs_of(job_id: str) -> list[tuple[str, int, str, str]]:
    return [
        (item.task_key, int(item.attempt), item.provider, item.outcome)
        for item in list_costs(job_id)
    ]


def test_the_first_provider_in_order_is_used(world: World, bedrock: PaperBedrock) -> None:
    task = a_keyframe(world)

    assert (task["status"], task["provider"], task["attempts"]) == ("succeeded", BEDROCK, 1)


@pytest.mark.parametrize("code", ["PROVIDER_NOT_CONFIGURED", "PROVIDER_QUOTA", "UNSUPPORTED_KIND"])
def test_the_next_provider_is_used_at_once_for_what_the_first_cannot_do(
    world: World, bedrock: PaperBedrock, code: str
) -> None:
    bedrock.refuse = refuse_with(PermanentProviderError("no", code=code))

    task = a_keyframe(world)

    assert (task["status"], task["provider"], task["attempts"]) == ("succeeded", LOCAL_STUDIO, 2)
    assert costs_of(task["jobId"]) == [("kf_1", 1, BEDROCK, "failed")]


def test_refused_content_does_not_fail_over(world: World, bedrock: PaperBedrock) -> None:
    bedrock.refuse = refuse_with(ModerationRefused("no"))

    task = a_keyframe(world)

    assert (task["status"], task["error"]["code"]) == ("failed", "CONTENT_REJECTED")
    assert [request for request in world.studio.requests if request.kind == "keyframe"] == []


@pytest.mark.parametrize("error", [TransientProviderError("down"), ResponseLost("lost")])
def test_after_an_outage_the_last_attempt_uses_the_next_provider(
    world: World, bedrock: PaperBedrock, error: Exception
) -> None:
    bedrock.refuse = refuse_with(error)

    task = a_keyframe(world)

    assert (task["status"], task["provider"], task["attempts"]) == ("succeeded", LOCAL_STUDIO, 3)
    assert len(bedrock.requests) == 2


def test_a_single_transient_error_does_not_fail_over(world: World, bedrock: PaperBedrock) -> None:
    errors = [TransientProviderError("busy")]

    def refuse(request: GenerationRequest) -> None:
        if errors:
            raise errors.pop()

    bedrock.refuse = refuse

    task = a_keyframe(world)

    assert (task["provider"], task["attempts"]) == (BEDROCK, 2)
    assert find_health(BEDROCK).is_healthy


def test_a_provider_that_keeps_failing_opens_its_circuit(
    world: World, bedrock: PaperBedrock
) -> None:
    bedrock.refuse = refuse_with(TransientProviderError("down"))
    for number in range(FAILURES_LIMIT // 2 + 1):
        a_keyframe(world, key=f"before{number}")
    calls_before = len(bedrock.requests)

    meanwhile = a_keyframe(world, key="meanwhile")
    bedrock.refuse = lambda request: None
    world.clock.move(seconds=OPEN_SECONDS * 2)
    after = a_keyframe(world, key="after")

    assert (meanwhile["provider"], meanwhile["attempts"]) == (LOCAL_STUDIO, 1)
    assert calls_before == FAILURES_LIMIT
    assert (after["provider"], after["attempts"]) == (BEDROCK, 1)
    assert find_health(BEDROCK).is_healthy


def test_a_provider_without_quota_opens_its_circuit(world: World, bedrock: PaperBedrock) -> None:
    bedrock.refuse = refuse_with(PermanentProviderError("pay", code="PROVIDER_QUOTA"))
    a_keyframe(world, key="first")

    second = a_keyframe(world, key="second")

    assert (second["provider"], second["attempts"]) == (LOCAL_STUDIO, 1)
    assert len(bedrock.requests) == 1


def test_an_open_circuit_is_ignored_without_another_provider(
    world: World, bedrock: PaperBedrock
) -> None:
    world.use_routes({"image": [BEDROCK]})
    bedrock.refuse = refuse_with(PermanentProviderError("pay", code="PROVIDER_QUOTA"))
    first = a_keyframe(world, key="first")
    bedrock.refuse = lambda request: None

    second = a_keyframe(world, key="second")

    assert first["error"]["code"] == "PROVIDER_QUOTA"
    assert second["status"] == "succeeded"


def test_an_asynchronous_provider_is_replaced_as_well(world: World, bedrock: PaperBedrock) -> None:
    world.use_routes({"image": [REPLICATE, BEDROCK]})
    world.cloud.refuse = refuse_with(PermanentProviderError("no", code="PROVIDER_QUOTA"))

    task = a_keyframe(world)

    assert (task["status"], task["provider"]) == ("succeeded", BEDROCK)
    assert costs_of(task["jobId"]) == [
        ("kf_1", 1, REPLICATE, "failed"),
        ("kf_1", 2, BEDROCK, "succeeded"),
    ]


# Costs


def test_every_call_records_its_cost(
    world: World, bedrock: PaperBedrock, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = {BEDROCK: {"models": {"*": {"prices": {"image": "0.04"}, "currency": "USD"}}}}
    monkeypatch.setattr(prices, "vendors", lambda: listed)
    errors: list[Exception] = [TransientProviderError("busy")]

    def refuse(request: GenerationRequest) -> None:
        world.clock.move(seconds=2)
        if errors:
            raise errors.pop()

    bedrock.refuse = refuse

    task = a_keyframe(world)

    failed, made = list_costs(task["jobId"])
    assert facts_of(failed) | {"errorCode": failed.error_code} == {
        "accountId": "alice",
        "kind": "keyframe",
        "model": "model",
        "outcome": "failed",
        "lines": '[["image",1.0,"0.04"]]',
        "costNanos": 40_000_000,
        "currency": "USD",
        "latencyMs": 2000,
        "ref": "call 1",
        "errorCode": "PROVIDER_UNAVAILABLE",
    }
    assert (made.outcome, made.provider_ref) == ("succeeded", "call 2")


def facts_of(item: CostItem) -> dict[str, Any]:
    return {
        "accountId": item.account_id,
        "kind": item.kind,
        "model": item.model,
        "outcome": item.outcome,
        "lines": item.lines,
        "costNanos": item.cost_nanos,
        "currency": item.currency,
        "latencyMs": item.latency_ms,
        "ref": item.provider_ref,
    }


def test_a_waiting_run_is_recorded_when_it_begins_and_when_it_ends(world: World) -> None:
    world.use_cloud()
    world.cloud.is_slow = True
    job_id = confirm(world, mode="quick").body["jobId"]
    world.drain()
    [waiting] = list_costs(job_id)
    world.cloud.end()
    world.clock.move(seconds=30)

    world.call(**world.cloud.last.call)
    world.drain()

    [made] = list_costs(job_id)
    assert (waiting.outcome, waiting.cost_nanos) == ("waiting", 0)
    assert (made.outcome, made.cost_nanos) == ("succeeded", 40_000_000)
    assert made.provider_ref == world.cloud.last.ref
    assert made.latency_ms == 30_000


def test_the_built_in_provider_records_no_cost(world: World) -> None:
    task = a_keyframe(world)

    assert list_costs(task["jobId"]) == []


# Cache


@pytest.fixture
def caching(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "darkroom.usecases.tasks.call_provider.cache_seconds_of", lambda capability: 3600
    )


@pytest.mark.usefixtures("caching")
def test_the_same_picture_is_made_once_and_charged_twice(
    world: World, bedrock: PaperBedrock
) -> None:
    photo = a_reference_photo(world, "alice")
    first = a_portrait(world, photo, key="first")
    before = a_balance(world)[0]

    second = a_portrait(world, photo, key="second")

    assert len(bedrock.requests) == 1
    assert a_balance(world)[0] == before - 1
    assert costs_of(second["jobId"]) == [("img_01", 1, BEDROCK, "cached")]
    one, two = first["outputs"][0], second["outputs"][0]
    assert one["outputId"] != two["outputId"]
    assert stored(world, one) == stored(world, two)
    assert {one[name] == two[name] for name in ("sizeBytes", "width", "style", "role")} == {True}


@pytest.mark.usefixtures("caching")
def test_a_deleted_result_is_made_again(world: World, bedrock: PaperBedrock) -> None:
    photo = a_reference_photo(world, "alice")
    first = a_portrait(world, photo, key="first")
    assert delete_job(world, first["jobId"]).status == 204
    world.drain()

    a_portrait(world, photo, key="second")

    assert len(bedrock.requests) == 2


@pytest.mark.usefixtures("caching")
def test_no_account_gets_the_result_of_anothers_photo(world: World, bedrock: PaperBedrock) -> None:
    a_portrait(world, a_reference_photo(world, "alice"), key="first")

    a_portrait(world, a_reference_photo(world, "bob"), key="first", user="bob")

    assert len(bedrock.requests) == 2


def a_portrait(world: World, photo: str, *, key: str, user: str = "alice") -> dict[str, Any]:
    inputs = {
        "mode": "single",
        "referencePhotoIds": [photo],
        "styles": ["CLASSIC"],
        "totalImages": 1,
        "seed": 7,
    }
    body = {"recipe": "portraits", "inputs": inputs, "status": "queued"}
    response = world.call("POST", "/api/jobs", body, user=user, key=key)
    [job] = response.body["jobs"]
    world.drain()
    return a_job(world, job["jobId"], user=user)


def stored(world: World, output: dict[str, Any]) -> bytes:
    key = output["downloadUrl"].split("?")[0].split("-media/", 1)[-1].split(".com/", 1)[-1]
    return world.client("s3").get_object(Bucket=world.settings.media_bucket, Key=key)["Body"].read()
