"""Pictures from text on the deployed template, with its roles: made, stored, read, deleted."""

from __future__ import annotations

import uuid
from typing import Any

import httpx

from local.stack import LocalStack
from tests.integration.test_files import Files, eventually


def test_a_picture_is_made_from_text_and_becomes_a_file(stack: LocalStack) -> None:
    alice = Files(stack, "images-alice")
    token = {"Authorization": f"Bearer {stack.token('images-alice')}"}
    body = {"prompt": "등대와 노을", "count": 2, "style": "CLASSIC", "aspectRatio": "4:3"}

    ordered = httpx.post(
        f"{stack.api_url}/api/assets/generate-image",
        json=body,
        headers={**token, "Idempotency-Key": uuid.uuid4().hex},
        timeout=30,
    )

    assert ordered.status_code == 201, ordered.text
    job_id = ordered.json()["jobs"][0]["jobId"]

    def files() -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = alice.call("GET", "/api/assets?search=등대", 200)["items"]
        return items

    eventually(lambda: len(files()) == 2)
    eventually(lambda: alice.call("GET", f"/api/jobs/{job_id}", 200)["status"] == "succeeded")
    first, second = files()
    assert (first["isAiGenerated"], first["generationPrompt"]) == (True, "등대와 노을")
    assert (first["width"], first["height"], first["mimeType"]) == (1280, 960, "image/jpeg")
    content = httpx.get(first["downloadUrl"]).raise_for_status().content
    assert content.startswith(b"\xff\xd8") and len(content) == first["sizeBytes"]

    # Its faces are not counted yet; the first reference photo of it starts the count.
    photo = {"assetId": first["assetId"], "role": "self"}
    alice.call("POST", "/api/reference-photos", 503, photo)
    eventually(lambda: "faces" in alice.call("GET", f"/api/assets/{first['assetId']}", 200))

    alice.call("DELETE", f"/api/jobs/{job_id}", 204)
    ids = [first["assetId"], second["assetId"], "ast_x"]
    done = alice.call("POST", "/api/assets/bulk/delete", 200, {"assetIds": ids})["results"]
    assert [result["ok"] for result in done] == [True, True, False]
    eventually(lambda: httpx.get(first["downloadUrl"]).status_code == 404)
    assert files() == []
