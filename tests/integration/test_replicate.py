"""Pictures from Replicate and clips from fal on the deployed template, with stand-ins where the
vendors would be.

The emulator enforces every role, so what works here also proves that generate, hooks, relay and
sweep may do what they have to, and that the template's parameters reach them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from local.run_demo import PHOTO
from local.settings import STACK_NAME
from local.stack import LocalStack, RunningStack
from tests.integration.test_main_job import Frontend
from tests.support.fal_stand_in import FalStandIn, content_of
from tests.support.media_files import write_media
from tests.support.replicate_stand_in import ReplicateStandIn
from tests.support.stack import without_denials

# It takes minutes; unit tests that always run check the same rules.
pytestmark = pytest.mark.slow

LOOKS_LIMIT_SECONDS = 180


@dataclass(frozen=True)
class Place:
    """The running stack, its vendors, and a customer with a photo."""

    replicate: ReplicateStandIn
    fal: FalStandIn
    alice: Frontend
    photo: str
    film: bytes

    def order(self) -> tuple[str, str]:
        """Our job, and the prediction for its keyframe."""
        known = set(self.replicate.predictions)
        job_id = self.alice.confirm(self.photo, mode="quick")
        ref = self.appeared(lambda: set(self.replicate.predictions) - known)
        self.alice.wait(lambda: self.status(job_id, "kf_1") == "waiting")
        return job_id, ref

    def appeared(self, new: Callable[[], set[str]]) -> str:
        self.alice.wait(lambda: bool(new()), limit_seconds=LOOKS_LIMIT_SECONDS)
        [ref] = new()
        return ref

    def status(self, job_id: str, key: str) -> str:
        tasks = self.alice.job(job_id)["tasks"]
        return next((task["status"] for task in tasks if task["key"] == key), "")

    def call_back(self, webhook: str, call: dict[str, Any]) -> httpx.Response:
        address = urlsplit(webhook)
        url = f"{self.alice.stack.api_url}{address.path}?{address.query}"
        return httpx.post(url, content=call["body"], headers=call["headers"])

    def replicate_calls(self, ref: str, **changes: Any) -> httpx.Response:
        call = self.replicate.call_of(ref, datetime.now(UTC)) | changes
        return self.call_back(self.replicate.predictions[ref]["webhook"], call)

    def fal_calls(self, request_id: str, **changes: Any) -> httpx.Response:
        call = self.fal.call_of(request_id, datetime.now(UTC)) | changes
        return self.call_back(self.fal.runs[request_id].webhook, call)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    path = tmp_path_factory.mktemp("film") / "a.mp4"
    film = write_media(path, "mp4", video="libx264", size=(72, 128)).read_bytes()
    with ReplicateStandIn() as replicate, FalStandIn() as fal:

        def parameters(stack: RunningStack) -> dict[str, str]:
            secrets = stack.client("secretsmanager")
            config = {}
            for name, vendor in (("replicate", replicate), ("fal", fal)):
                secret_name = f"{STACK_NAME}/providers/{name}"
                secrets.create_secret(Name=secret_name, SecretString=vendor.secret_text)
                config[name] = {"apiBase": vendor.api_base}
            routes = {"image": ["replicate"], "clip": ["fal"]}
            return {
                "ProviderConfig": json.dumps(config),
                "ProviderRoutes": json.dumps(routes),
                "CallbackBaseUrl": "https://api.example",
            }

        with LocalStack(parameters=parameters) as stack, without_denials(stack):
            alice = Frontend(stack, "replicate-alice")
            yield Place(replicate, fal, alice, alice.upload(PHOTO), film)


def test_signed_callbacks_finish_a_picture_and_then_its_clip(place: Place) -> None:
    job_id, ref = place.order()
    known = set(place.fal.runs)
    place.replicate.succeed(ref)

    forged = [place.replicate_calls(ref, headers={"webhook-signature": "v1,AAAA"})]
    responses = [place.replicate_calls(ref).json() for _ in range(2)]
    request_id = place.appeared(lambda: set(place.fal.runs) - known)
    place.fal.succeed(request_id, content=place.film)
    stranger = place.fal.call_of(request_id, datetime.now(UTC), key=FalStandIn().signing_key)
    forged.append(place.fal_calls(request_id, **stranger))
    responses += [place.fal_calls(request_id).json() for _ in range(2)]
    place.alice.wait(lambda: place.alice.job(job_id)["status"] == "succeeded")

    assert [response.status_code for response in forged] == [401, 401]
    assert responses == [{"outcome": "heard"}, {"outcome": "known"}] * 2
    job = place.alice.job(job_id)
    assert [task["provider"] for task in job["tasks"]] == ["replicate", "fal"]
    made = {output["key"]: output["downloadUrl"] for output in job["outputs"]}
    stored = {key: httpx.get(url).raise_for_status().content for key, url in made.items()}
    picture = place.replicate.results[f"/out/{ref}.png"][2]
    assert stored == {"kf_1": picture, "clip_1": place.film}
    assert content_of(place.fal.runs[request_id].inputs["image_url"]) == picture


def test_without_callbacks_a_task_is_polled_until_it_is_done(place: Place) -> None:
    job_id, ref = place.order()
    known = set(place.fal.runs)

    place.replicate.succeed(ref)
    request_id = place.appeared(lambda: set(place.fal.runs) - known)
    place.fal.succeed(request_id, content=place.film)
    place.alice.wait(
        lambda: place.alice.job(job_id)["status"] == "succeeded",
        limit_seconds=LOOKS_LIMIT_SECONDS,
    )

    assert len(place.alice.job(job_id)["outputs"]) == 2


def test_a_canceled_job_ends_at_once_and_stops_its_prediction(place: Place) -> None:
    job_id, ref = place.order()

    response = place.alice.call("POST", f"/api/jobs/{job_id}/cancel")
    place.alice.wait(lambda: place.replicate.predictions[ref]["status"] == "canceled")

    assert response["outcome"] == "canceled"
    assert place.alice.job(job_id)["status"] == "canceled"
