"""Pictures from Replicate on the deployed template, with a stand-in where the vendor would be.

The emulator enforces every role, so what works here also proves that generate, hooks, relay and
sweep may do what they have to, and that the template's parameters reach them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from local.run_demo import PHOTO
from local.stack import LocalStack, RunningStack
from tests.integration.test_main_job import Frontend
from tests.support.replicate_stand_in import ReplicateStandIn

# Minutes; the same rules are held to by unit tests that run always.
pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Place:
    """The running stack, its Replicate, and a customer with a photo."""

    replicate: ReplicateStandIn
    alice: Frontend
    photo: str

    def order(self) -> tuple[str, str]:
        """Our job, and the prediction for its keyframe."""
        known = set(self.replicate.predictions)
        job_id = self.alice.confirm(self.photo, mode="quick")
        self.alice.wait(lambda: set(self.replicate.predictions) > known)
        [ref] = set(self.replicate.predictions) - known
        self.alice.wait(lambda: self.status(job_id, "kf_1") == "waiting")
        return job_id, ref

    def status(self, job_id: str, key: str) -> str:
        tasks = self.alice.job(job_id)["tasks"]
        return next((task["status"] for task in tasks if task["key"] == key), "")

    def call_back(self, ref: str, **changes: Any) -> httpx.Response:
        address = urlsplit(self.replicate.predictions[ref]["webhook"])
        call = self.replicate.call_of(ref, datetime.now(UTC)) | changes
        path = f"{address.path}?{address.query}"
        url = self.alice.stack.api_url + path
        return httpx.post(url, content=call["body"], headers=call["headers"])


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with ReplicateStandIn() as replicate:

        def parameters(stack: RunningStack) -> dict[str, str]:
            secret = stack.client("secretsmanager").create_secret(
                Name="replicate", SecretString=replicate.secret_text
            )
            return {
                "ImageProvider": "replicate",
                "ReplicateSecretArn": secret["ARN"],
                "ReplicateApiBase": replicate.api_base,
                "CallbackBaseUrl": "https://api.example",
            }

        with LocalStack(parameters=parameters) as stack:
            alice = Frontend(stack, "replicate-alice")
            yield Place(replicate, alice, alice.upload(PHOTO))


def test_a_signed_call_brings_the_picture_home_and_the_studio_goes_on_from_it(
    place: Place,
) -> None:
    job_id, ref = place.order()
    place.replicate.succeed(ref)

    forged = place.call_back(ref, headers={"webhook-signature": "v1,AAAA"})
    answers = [place.call_back(ref).json() for _ in range(2)]
    place.alice.wait(lambda: place.status(job_id, "clip_1") == "succeeded")

    assert (forged.status_code, forged.json()["code"]) == (401, "BAD_SIGNATURE")
    assert answers == [{"outcome": "heard"}, {"outcome": "known"}]
    job = place.alice.job(job_id)
    assert (job["status"], job["tasks"][0]["provider"]) == ("succeeded", "replicate")
    [picture] = [output for output in job["outputs"] if output["key"] == "kf_1"]
    stored = httpx.get(picture["downloadUrl"]).raise_for_status().content
    assert stored == place.replicate.results[f"/out/{ref}.png"][2]


def test_without_any_call_it_is_looked_at_until_it_is_done(place: Place) -> None:
    job_id, ref = place.order()
    place.replicate.succeed(ref)

    place.alice.wait(lambda: place.alice.job(job_id)["status"] == "succeeded", limit_seconds=90)

    assert len(place.alice.job(job_id)["outputs"]) == 2


def test_a_canceled_job_ends_at_once_and_stops_its_prediction(place: Place) -> None:
    job_id, ref = place.order()

    answer = place.alice.call("POST", f"/api/jobs/{job_id}/cancel")
    place.alice.wait(lambda: place.replicate.predictions[ref]["status"] == "canceled")

    assert answer["outcome"] == "canceled"
    assert place.alice.job(job_id)["status"] == "canceled"
