"""``make demo``: the main job from a real photo to a film, on a local cloud of its own.

Speaks to the API exactly as a frontend would: HTTPS calls with a bearer token, a PUT straight
into the bucket, polling with ETags. Nothing here knows the product's code.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from local.errors import LocalCloudError
from local.settings import ROOT
from local.stack import LocalStack

PHOTO = ROOT / "local" / "demo" / "portrait.jpg"
OUTPUT = ROOT / "demo-output"
JOB_LIMIT_SECONDS = 240
CHECK_LIMIT_SECONDS = 60
STORY = {
    "mode": "story",
    "stage": "spark",
    "genre": "romance",
    "rewriteEnabled": True,
    "rewrite": {
        "rawText": "This time nobody leaves. The rocket waits.",
        "distanceMode": "close",
        "desiredEnding": "happy",
    },
}


class Demo:
    """One demo user at one running local cloud."""

    def __init__(self, api_url: str, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self._api = httpx.Client(base_url=api_url, headers=headers, timeout=30)
        self._storage = httpx.Client(timeout=60)

    def call(self, method: str, path: str, **options: Any) -> Any:
        response = self._api.request(method, path, **options)
        if response.is_error:
            raise SystemExit(f"{method} {path} → {response.status_code} {response.text}")
        return response.json()

    def upload(self, photo: Path) -> str:
        """Put a photo straight into the bucket and wait until it has been checked."""
        body = photo.read_bytes()
        session = self.call(
            "POST",
            "/api/uploads/session",
            json={"filename": photo.name, "sizeBytes": len(body), "mimeType": "image/jpeg"},
        )
        url = session["uploadUrls"][0]["url"]
        self._storage.put(url, content=body, headers=session["headers"]).raise_for_status()
        asset_id: str = session["assetId"]
        self.call("POST", "/api/uploads/complete", json={"assetId": asset_id})
        deadline = time.monotonic() + CHECK_LIMIT_SECONDS
        while time.monotonic() < deadline:
            asset = self.call("GET", f"/api/assets/{asset_id}")
            if asset["status"] == "uploaded":
                say(f"  checked: {asset['width']}×{asset['height']}, {asset['sizeBytes']} bytes")
                return asset_id
            if asset["status"] == "failed":
                raise SystemExit(f"The photo was refused: {asset['errorCode']}")
            time.sleep(0.2)
        raise SystemExit("The photo was not checked in time.")

    def watch(self, job_id: str) -> dict[str, Any]:
        """Poll with ETags, showing each task as it changes, until the job is final."""
        shown: dict[str, str] = {}
        tag = ""
        deadline = time.monotonic() + JOB_LIMIT_SECONDS
        while time.monotonic() < deadline:
            response = self._api.get(f"/api/jobs/{job_id}", headers={"If-None-Match": tag})
            if response.status_code == 304:
                time.sleep(0.3)
                continue
            response.raise_for_status()
            job: dict[str, Any] = response.json()
            tag = response.headers["ETag"]
            show_tasks(job, shown)
            if "finishedAt" in job:
                return job
            time.sleep(0.3)
        raise SystemExit(f"{job_id} did not finish in {JOB_LIMIT_SECONDS} s.")

    def download(self, job: Mapping[str, Any], names: Mapping[str, str]) -> list[Path]:
        """Save the outputs that ``names`` gives a file name to."""
        files = []
        for output in job["outputs"]:
            name = names.get(output["key"])
            if name is not None:
                path = OUTPUT / name
                response = self._storage.get(output["downloadUrl"])
                path.write_bytes(response.raise_for_status().content)
                files.append(path)
        return files


def say(text: str) -> None:
    print(text, flush=True)


def show_tasks(job: Mapping[str, Any], shown: dict[str, str]) -> None:
    for task in job["tasks"]:
        status = task["status"]
        if shown.get(task["key"]) != status and status not in ("blocked", "ready"):
            shown[task["key"]] = status
            say(f"  {job['progress']['percent']:3d} %  {task['key']:<7} {status}")


def main() -> int:
    shutil.rmtree(OUTPUT, ignore_errors=True)
    OUTPUT.mkdir()
    started = time.monotonic()
    say("Starting a local cloud and deploying template.yaml into it …")
    with LocalStack(port=0) as stack:
        say(f"  ready after {time.monotonic() - started:.0f} s at {stack.api_url}")
        run(Demo(stack.api_url, stack.token("demo")))
    say(f"Everything stopped. {time.monotonic() - started:.0f} s in all.")
    return 0


def run(demo: Demo) -> None:
    wallet = demo.call("GET", "/api/credits")
    say(f"Signed in: a new account has {wallet['balance']} credits.")
    say(f"Uploading {PHOTO.relative_to(ROOT)} straight into the bucket …")
    asset_id = demo.upload(PHOTO)
    confirmed = demo.call(
        "POST",
        "/api/jobs/confirm",
        json={**STORY, "photoAssetIds": [asset_id]},
        headers={"Idempotency-Key": "demo-story"},
    )
    say(
        f"Confirmed {confirmed['jobId']} with template {confirmed['templateId']}: "
        f"{confirmed['creditsReserved']} credits held, {confirmed['balance']} left."
    )
    began = time.monotonic()
    story = demo.watch(confirmed["jobId"])
    say(f"  {story['status']}: from confirm to film in {time.monotonic() - began:.1f} s")
    keys = [f"kf_{n}" for n in (1, 2, 3)]
    names = {key: f"{key}.png" for key in keys}
    names |= {f"clip_{n}": f"clip_{n}.mp4" for n in (1, 2, 3)} | {"film": "film.mp4"}
    files = demo.download(story, names)
    say("Regenerating clip 2 …")
    child = demo.call(
        "POST",
        f"/api/jobs/{story['jobId']}/regenerate",
        json={"target": "story_clip", "clipNo": 2},
        headers={"Idempotency-Key": "demo-regenerate"},
    )
    regenerated = demo.watch(child["retryJobId"])
    files += demo.download(
        regenerated, {"clip_2": "clip_2-regenerated.mp4", "film": "film-regenerated.mp4"}
    )
    summarize(demo, story, regenerated, files)
    if not story["status"] == regenerated["status"] == "succeeded":
        sys.exit("The demo's jobs did not succeed.")


def summarize(
    demo: Demo, story: Mapping[str, Any], child: Mapping[str, Any], files: list[Path]
) -> None:
    say("\nWhat was charged")
    for name, job in (("story", story), ("regenerate", child)):
        receipt = job["receipt"]
        say(
            f"  {name:<11} reserved {receipt['reserved']}, used {receipt['used']}, "
            f"refunded {receipt['refunded']}"
        )
    wallet = demo.call("GET", "/api/credits")
    say(f"\nThe ledger (balance {wallet['balance']}, held {wallet['held']})")
    say("  type      amount  balance  held  cause")
    for entry in reversed(wallet["transactions"]):
        say(
            f"  {entry['type']:<9} {entry['amount']:>5}  {entry['balanceAfter']:>6}"
            f"  {entry['heldAfter']:>4}  {entry['id']}"
        )
    say("\nWhat was made")
    for path in files:
        say(f"  {path.relative_to(ROOT)}  {path.stat().st_size / 1e6:.1f} MB")
    say("")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LocalCloudError as refusal:
        sys.exit(str(refusal))
