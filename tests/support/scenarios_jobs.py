"""Crash scenarios of what is done with jobs besides confirming them: quoted, changed, canceled,
retried, run again, deleted, picked, shared, many at once, and how their tasks take turns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from darkroom.assets import reference_store
from darkroom.assets import store as assets_store
from darkroom.assets.model import Asset, AssetStatus, ReferencePhoto
from darkroom.db import commit
from darkroom.generation.ports import (
    GenerationRequest,
    PermanentProviderError,
    TransientProviderError,
)
from darkroom.kernel.object_keys import clean_key, output_key
from darkroom.kernel.signing import sign, verify
from darkroom.recipes import get_recipe
from darkroom.usecases.jobs import quote_job
from tests.support.builders import owner_of
from tests.support.crash import (
    Actor,
    Client,
    End,
    Scenario,
    Scene,
    find_message,
    queue_of,
    remove_message,
    run_to_completion,
    settle,
)
from tests.support.scenarios import (
    CLIENTS,
    DONE,
    KEYFRAMES,
    LEASE_SECONDS,
    MESSAGES,
    SCHEDULE,
    STREAMS,
    USER,
    Refusal,
    arrange_begin,
    ask,
    buy,
    confirm_story,
    expect,
    meanwhile,
    open_account,
    run_worker,
    set_provider,
    stream_only,
    upload_photo,
    work,
)

DEVICE = (Client(),)
"""For requests that mean something else a day later: a quote is old by then, a job has ended."""


def _is_gone(status: int, body: Any) -> str:
    return "gone" if status in (204, 404) else f"{status} {body}"


def _is_changed(status: int, body: Any) -> str:
    return "changed" if status in (200, 412) else f"{status} {body}"


def _as_it_was(status: int, body: Any) -> Any:
    """Each result without the current state of its job."""
    names = ("jobId", "ok", "code", "retryJobId")
    return status, [{name: each.get(name) for name in names} for each in body["results"]]


def _is_picked(status: int, body: Any) -> Any:
    """Without the link to the file, which has a new signature each time."""
    return status, body["outputId"], body["selected"]


PICKER = tuple(Client(late=late, outcome=_is_picked) for late in (False, True))


def _is_created(status: int, body: Any) -> Any:
    """The ids of the jobs, and which of them lack credits; their states change meanwhile."""
    return status, [(job["jobId"], job.get("code")) for job in body["jobs"]]


def _is_moved(status: int, body: Any) -> Any:
    return status, body["plan"]


OPERATOR = tuple(Client(late=late, outcome=_is_moved) for late in (False, True))
CREATORS = tuple(Client(late=late, outcome=_is_created) for late in (False, True))
CROWD = tuple(Client(late=late, outcome=_as_it_was) for late in (False, True))
DELETER = (Client(outcome=_is_gone),)
"""A client that lost the response to its first DELETE gets 404 for the second."""
EDITOR = (Client(outcome=_is_changed),)
"""A client that lost the response to its first PATCH with If-Match gets 412 for the second."""


# Steps of arrangements


def upload_recording(scene: Scene, *, minutes: int = 1) -> str:
    """A sound file that has been checked, as ingest leaves it."""
    app, now = scene.world.app, scene.world.clock.now()
    asset_id = app.ids.new("ast")
    key = clean_key(USER, asset_id, "media.mp3")
    recording = Asset(
        account_id=USER,
        asset_id=asset_id,
        filename="talk.mp3",
        kind="audio",
        status=AssetStatus.UPLOADED,
        declared_mime_type="audio/mpeg",
        declared_size_bytes=3,
        created_at=now,
        updated_at=now,
        duration_ms=minutes * 60_000,
        clean_key=key,
        clean_mime_type="audio/mpeg",
    )
    commit([assets_store.create_write(recording, operation=app.ids.token())])
    app.storage.write(key, b"mp3", mime_type="audio/mpeg")
    settle(scene)
    return asset_id


def register_photo(scene: Scene) -> str:
    """An active reference photo of the checked picture; returns its id."""
    upload_photo(scene)
    app, asset_id = scene.world.app, scene.facts["photo"]
    photo = ReferencePhoto(
        account_id=USER,
        reference_photo_id=app.ids.new(reference_store.REFERENCE_PREFIX),
        asset_id=asset_id,
        role="self",
        is_active=True,
        created_at=scene.world.clock.now(),
        clean_key=clean_key(USER, asset_id, "image.jpg"),
        mime_type="image/jpeg",
    )
    commit([reference_store.create_write(photo, operation=app.ids.token())])
    settle(scene)
    return photo.reference_photo_id


def draft_story(scene: Scene, key: str = "drafted", **changes: Any) -> str:
    """An account with a photo, and a draft of a story."""
    if "photo" not in scene.facts:
        open_account(scene)
        upload_photo(scene)
    inputs = {"stage": "spark", "genre": "romance", "photoAssetIds": [scene.facts["photo"]]}
    body = {"recipe": "story", "inputs": inputs | changes, "status": "draft"}
    made = expect(scene, 201, method="POST", path="/api/jobs", body=body, key=key)
    settle(scene)
    job_id: str = made["jobs"][0]["jobId"]
    scene.facts["job"] = job_id
    return job_id


def draft_captions(scene: Scene, key: str, *, minutes: int = 1) -> str:
    recording = upload_recording(scene, minutes=minutes)
    body = {"recipe": "captions", "inputs": {"assetIds": [recording]}, "status": "draft"}
    made = expect(scene, 201, method="POST", path="/api/jobs", body=body, key=key)
    settle(scene)
    return made["jobs"][0]["jobId"]


def create(scene: Scene, recipe: str, inputs: dict[str, Any], key: str = "arranged") -> str:
    """A queued job of any recipe that is not planned yet."""
    body = {"recipe": recipe, "inputs": inputs, "status": "queued"}
    made = expect(scene, 201, method="POST", path="/api/jobs", body=body, key=key)
    job_id: str = made["jobs"][0]["jobId"]
    scene.facts["job"] = job_id
    return job_id


def portraits_of(photo_id: str, count: int = 3) -> dict[str, Any]:
    styles = ["CLASSIC", "MODERN"]
    return {
        "mode": "batch",
        "referencePhotoIds": [photo_id],
        "styles": styles,
        "totalImages": count,
    }


def refusing_first(task: str, error: Callable[[], Exception]) -> Callable[[Scene], Refusal]:
    """A provider that fails a task of the first job only."""

    def of(scene: Scene) -> Refusal:
        first = scene.facts.setdefault("first", [])

        def refuse(request: GenerationRequest) -> None:
            if request.key == task and (not first or request.job_id == first[0]):
                first[:] = [request.job_id]
                raise error()

        return refuse

    return of


def cancel(scene: Scene, job_id: str) -> None:
    expect(scene, 200, method="POST", path=f"/api/jobs/{job_id}/cancel", key="arranged cancel")


def end_partial(scene: Scene, key: str = "arranged") -> str:
    """A story whose third clip failed; the clip's keyframe exists."""
    set_provider(scene, refusing_first("clip_3", lambda: TransientProviderError("not now")))
    job_id = confirm_story(scene, key)
    run_to_completion(scene)
    return job_id


# Quote, drafts


def arrange_confirm_as_quoted(scene: Scene) -> None:
    open_account(scene)
    upload_photo(scene)
    inputs = {"stage": "spark", "genre": "romance", "photoAssetIds": [scene.facts["photo"]]}
    body = {"recipe": "story", "inputs": inputs}
    quoted = expect(scene, 200, method="POST", path="/api/jobs/quote", body=body)
    sent = {"mode": "story", **inputs, "quoteId": quoted["quoteId"]}
    ask(scene, "POST", "/api/jobs/confirm", sent, "requested")


def arrange_confirm_too_late(scene: Scene) -> None:
    """The quote is older than a quarter of an hour."""
    arrange_confirm_as_quoted(scene)
    scene.world.clock.move(minutes=16)


def arrange_confirm_as_quoted_to_another(scene: Scene) -> None:
    """A quote that was signed for another account."""
    arrange_confirm_as_quoted(scene)
    secret = scene.world.app.signing_secret.value
    sent = scene.facts["request"]["body"]
    quoted = verify(secret, "quote", sent["quoteId"])
    inputs = {name: sent[name] for name in ("stage", "genre", "photoAssetIds")}
    stored = get_recipe("story").validate(inputs)
    quoted["of"] = quote_job._subject("bob", "story", stored)
    sent["quoteId"] = sign(secret, "quote", quoted)


def arrange_confirm_of_draft_as_quoted(scene: Scene) -> None:
    draft = {"draftJobId": draft_story(scene)}
    quoted = expect(scene, 200, method="POST", path="/api/jobs/quote", body=draft)
    sent = draft | {"quoteId": quoted["quoteId"], "priority": 7}
    ask(scene, "POST", "/api/jobs/confirm", sent, "requested")


def arrange_record_of_draft(scene: Scene) -> None:
    open_account(scene)
    upload_photo(scene)
    inputs = {"stage": "spark", "genre": "noir", "photoAssetIds": [scene.facts["photo"]]}
    body = {"recipe": "story", "inputs": inputs, "status": "draft"}
    expect(scene, 201, method="POST", path="/api/jobs", body=body, key="drafted")


def arrange_patch(scene: Scene) -> None:
    job_id = draft_story(scene)
    ask(scene, "PATCH", f"/api/jobs/{job_id}", {"inputs": {"genre": "noir"}, "priority": 3})


def arrange_patch_of_what_was_read(scene: Scene) -> None:
    job_id = draft_story(scene)
    read = scene.world.call("GET", f"/api/jobs/{job_id}", user=USER)
    ask(scene, "PATCH", f"/api/jobs/{job_id}", {"inputs": {"genre": "noir"}})
    scene.facts["request"]["headers"] = {"if-match": read.headers["etag"]}


# Cancel


def arrange_cancel_of_draft(scene: Scene) -> None:
    ask(scene, "POST", f"/api/jobs/{draft_story(scene)}/cancel", key="requested")


def arrange_cancel_of_queued(scene: Scene) -> None:
    ask(scene, "POST", f"/api/jobs/{confirm_story(scene)}/cancel", key="requested")


def arrange_cancel_of_planned(scene: Scene) -> None:
    arrange_cancel_of_queued(scene)
    stream_only(scene)


def arrange_cancel_of_running(scene: Scene) -> None:
    """A worker that runs the first keyframe never reports again."""
    arrange_begin(scene)
    stream_only(scene)
    ask(scene, "POST", f"/api/jobs/{scene.facts['job']}/cancel", key="requested")


def arrange_record_of_cancel(scene: Scene) -> None:
    confirm_story(scene)
    work(scene, *KEYFRAMES, "clip_1")
    cancel(scene, scene.facts["job"])


def arrange_canceling_lost_lease(scene: Scene) -> None:
    arrange_begin(scene)
    stream_only(scene)
    cancel(scene, scene.facts["job"])
    stream_only(scene)
    scene.world.clock.move(seconds=LEASE_SECONDS + 1)


def canceling_while(task: str, error: Exception | None) -> Callable[[Scene], Refusal]:
    """The owner cancels the job during the task's first run, which then ends with this error."""

    def of(scene: Scene) -> Refusal:
        request = {"method": "POST", "path": f"/api/jobs/{scene.facts['job']}/cancel"}
        done: list[bool] = []

        def refuse(generation: GenerationRequest) -> None:
            if generation.key != task or done:
                return
            done.append(True)
            with scene.wire.bypassed():
                meanwhile(scene, **request, key="canceled")
            if error is not None:
                raise error

        return refuse

    return of


def arrange_canceled_under_way(error: Exception | None) -> Callable[[Scene], None]:
    def arrange(scene: Scene) -> None:
        # No other task may be ready, so that the duration does not matter.
        confirm_story(scene)
        work(scene, *KEYFRAMES, "clip_1", "clip_3")
        scene.facts["task"] = "clip_2"
        scene.facts["provider"] = canceling_while("clip_2", error)

    return arrange


# Retry, run again, regenerate


def arrange_retry_of_partial(scene: Scene) -> None:
    ask(scene, "POST", f"/api/jobs/{end_partial(scene)}/retry", {}, "requested")


def arrange_retry_of_canceled(scene: Scene) -> None:
    confirm_story(scene)
    work(scene, "kf_1")
    cancel(scene, scene.facts["job"])
    run_to_completion(scene)
    ask(scene, "POST", f"/api/jobs/{scene.facts['job']}/retry", {}, "requested")


def arrange_retry_of_captions(scene: Scene) -> None:
    """Transcribed and written, but not translated; the child translates the transcript."""
    open_account(scene)
    options = {"translate": True, "targetLangs": ["ko"], "outputFormats": ["srt", "txt"]}
    set_provider(scene, refusing_first("translate_ko", lambda: TransientProviderError("not now")))
    create(scene, "captions", {"assetIds": [upload_recording(scene)], "options": options})
    run_to_completion(scene)
    ask(scene, "POST", f"/api/jobs/{scene.facts['job']}/retry", {}, "requested")


def arrange_plan_of_retry(scene: Scene) -> None:
    arrange_retry_of_partial(scene)
    expect(scene, 202, **{n: v for n, v in scene.facts["request"].items() if n != "user"})


def arrange_rerun(scene: Scene) -> None:
    job_id = confirm_story(scene)
    run_to_completion(scene)
    ask(scene, "POST", f"/api/jobs/{job_id}/rerun", key="requested")


def arrange_regenerate_image(scene: Scene) -> None:
    open_account(scene)
    job_id = create(scene, "portraits", portraits_of(register_photo(scene)))
    run_to_completion(scene)
    ask(
        scene,
        "POST",
        f"/api/jobs/{job_id}/regenerate",
        {"target": "image", "key": "img_02"},
        "requested",
    )


# Delete


def a_family(scene: Scene) -> str:
    """A story, a child of it, and a child of that."""
    root = parent = confirm_story(scene)
    run_to_completion(scene)
    for number in (1, 2):
        body = {"target": "story_clip", "clipNo": number}
        path = f"/api/jobs/{parent}/regenerate"
        made = expect(scene, 202, method="POST", path=path, body=body, key=f"child {number}")
        scene.facts["last"] = parent = made["retryJobId"]
        run_to_completion(scene)
    return root


def arrange_delete_of_draft(scene: Scene) -> None:
    ask(scene, "DELETE", f"/api/jobs/{draft_story(scene)}")


def arrange_delete(scene: Scene) -> None:
    job_id = confirm_story(scene)
    run_to_completion(scene)
    ask(scene, "DELETE", f"/api/jobs/{job_id}")


def arrange_delete_of_child(scene: Scene) -> None:
    """Its parent stays, and may be deleted as well after that."""
    a_family(scene)
    ask(scene, "DELETE", f"/api/jobs/{scene.facts['last']}")


def arrange_delete_of_family(scene: Scene) -> None:
    ask(scene, "DELETE", f"/api/jobs/{a_family(scene)}?cascade=true")


def arrange_delete_at_the_end(scene: Scene) -> None:
    """A job is deleted right after it ended, before the stream delivered its end."""
    confirm_story(scene)
    work(scene, *KEYFRAMES, "clip_1", "clip_2", "clip_3")
    run_worker(scene.world, "film")
    ask(scene, "DELETE", f"/api/jobs/{scene.facts['job']}")


def arrange_erase(scene: Scene) -> None:
    arrange_delete(scene)
    path = scene.facts["request"]["path"]
    expect(scene, 204, method="DELETE", path=path)


def arrange_erase_at_the_end(scene: Scene) -> None:
    arrange_delete_at_the_end(scene)
    expect(scene, 204, method="DELETE", path=scene.facts["request"]["path"])


def arrange_lost_erase(scene: Scene) -> None:
    """The stream record of the deletion is lost: the sweeper erases the job."""
    arrange_erase(scene)
    scene.world.take_changes()
    scene.world.clock.move(minutes=1)


def arrange_late_file(scene: Scene) -> None:
    """A late worker writes its file after the job was erased."""
    arrange_erase(scene)
    settle(scene)
    late = output_key(
        owner_of(scene.world, USER), scene.facts["job"], key="clip_1", attempt=2, suffix=".mp4"
    )
    scene.world.app.storage.write(late, b"late", mime_type="video/mp4")
    scene.world.clock.move(minutes=16)


# Many at once


def arrange_bulk_run(scene: Scene) -> None:
    """Three drafts of two credits each, and five credits."""
    drafts = [draft_story(scene, key) for key in ("one", "two", "three")]
    ask(scene, "POST", "/api/jobs/bulk/run", {"jobIds": drafts}, "requested")


def arrange_bulk_cancel(scene: Scene) -> None:
    done = confirm_story(scene, "done")
    run_to_completion(scene)
    draft = draft_story(scene)
    jobs = [confirm_story(scene, "queued"), draft, done]
    ask(scene, "POST", "/api/jobs/bulk/cancel", {"jobIds": jobs}, "requested")


def arrange_bulk_retry(scene: Scene) -> None:
    """One job lacks a clip, one was canceled, and one is complete."""
    buy(scene, 5)
    done = confirm_story(scene, "done")
    run_to_completion(scene)
    partial = end_partial(scene, "partial")
    canceled = confirm_story(scene, "canceled")
    cancel(scene, canceled)
    run_to_completion(scene)
    body = {"jobIds": [partial, done, canceled]}
    ask(scene, "POST", "/api/jobs/bulk/retry", body, "requested")


def arrange_bulk_options(scene: Scene) -> None:
    open_account(scene)
    drafts = [draft_captions(scene, key) for key in ("one", "two")]
    body = {"jobIds": [*drafts, "no"], "optionsPartial": {"outputFormats": ["vtt"]}}
    ask(scene, "PATCH", "/api/jobs/bulk", body, "requested")


def arrange_captions_that_do_not_all_fit(scene: Scene) -> None:
    """Three files of two credits each, and five credits."""
    open_account(scene)
    files = [upload_recording(scene, minutes=2) for _ in range(3)]
    body = {"recipe": "captions", "inputs": {"assetIds": files}, "status": "queued"}
    ask(scene, "POST", "/api/jobs", body, "requested")


# Picks and links


def arrange_select(scene: Scene) -> None:
    job_id = confirm_story(scene)
    run_to_completion(scene)
    found = scene.world.call("GET", f"/api/jobs/{job_id}", user=USER).body["outputs"]
    ask(scene, "POST", f"/api/outputs/{found[1]['outputId']}/select", {})


def arrange_share(scene: Scene) -> None:
    job_id = confirm_story(scene)
    run_to_completion(scene)
    ask(scene, "POST", f"/api/jobs/{job_id}/share", {"expiresInDays": 3}, "requested")


def arrange_record_of_share(scene: Scene) -> None:
    arrange_share(scene)
    expect(scene, 201, **{n: v for n, v in scene.facts["request"].items() if n != "user"})


def arrange_lost_share(scene: Scene) -> None:
    arrange_record_of_share(scene)
    scene.world.take_changes()
    scene.world.clock.move(minutes=11)


def arrange_unshare(scene: Scene) -> None:
    """Two links, both of which are revoked."""
    arrange_share(scene)
    path = scene.facts["request"]["path"]
    for key in ("one", "two"):
        expect(scene, 201, method="POST", path=path, body={}, key=key)
    settle(scene)
    ask(scene, "DELETE", path)


# Turns


def arrange_turns(scene: Scene) -> None:
    """Two portraits run, as many as the plan allows; one ends, and a third may run."""
    open_account(scene)
    create(scene, "portraits", portraits_of(register_photo(scene)))
    stream_only(scene)
    run_worker(scene.world, "img_01")


def arrange_lost_message_of_free_slot(scene: Scene) -> None:
    """The account queue has a free slot, but the stream record is lost."""
    arrange_turns(scene)
    scene.world.take_changes()
    scene.world.clock.move(minutes=3)


def arrange_lost_message(scene: Scene) -> None:
    """A task was recorded as sent, and its message is lost."""
    open_account(scene)
    create(scene, "portraits", portraits_of(register_photo(scene)))
    stream_only(scene)
    url = queue_of(scene.world, "img_02")
    remove_message(scene.world, url, find_message(scene.world, url, "img_02"))
    scene.world.clock.move(minutes=3)


def portraits_for_an_album(scene: Scene) -> None:
    """A job whose portraits go into an album; it is not planned yet."""
    open_account(scene)
    made = expect(scene, 201, method="POST", path="/api/albums", body={"name": "Us"}, key="album")
    inputs = portraits_of(register_photo(scene)) | {"albumId": made["albumId"]}
    create(scene, "portraits", inputs)


def arrange_into_album(scene: Scene) -> None:
    portraits_for_an_album(scene)
    stream_only(scene)
    run_worker(scene.world, "img_01")


def arrange_lost_way_into_album(scene: Scene) -> None:
    """All portraits are made, but their stream records are lost before the album gets them."""
    portraits_for_an_album(scene)
    work(scene, "img_01", "img_02")
    run_worker(scene.world, "img_03")
    scene.world.take_changes()
    scene.world.clock.move(minutes=11)


def arrange_erase_from_album(scene: Scene) -> None:
    portraits_for_an_album(scene)
    run_to_completion(scene)
    expect(scene, 204, method="DELETE", path=f"/api/jobs/{scene.facts['job']}")


def pictures_for_the_files(scene: Scene) -> None:
    """A job of two images, which become files; it is not planned yet."""
    open_account(scene)
    create(scene, "images", {"prompt": "The sea", "count": 2})


def arrange_into_files(scene: Scene) -> None:
    pictures_for_the_files(scene)
    stream_only(scene)
    run_worker(scene.world, "img_01")


def arrange_lost_way_into_files(scene: Scene) -> None:
    """All images are made, and their stream records are lost."""
    pictures_for_the_files(scene)
    stream_only(scene)
    run_worker(scene.world, "img_01")
    run_worker(scene.world, "img_02")
    scene.world.take_changes()
    scene.world.clock.move(minutes=11)


def arrange_erase_before_files(scene: Scene) -> None:
    """All images are made, their stream records are lost, and the job is deleted."""
    pictures_for_the_files(scene)
    stream_only(scene)
    run_worker(scene.world, "img_01")
    run_worker(scene.world, "img_02")
    scene.world.take_changes()
    expect(scene, 204, method="DELETE", path=f"/api/jobs/{scene.facts['job']}")


def arrange_change_of_plan(scene: Scene) -> None:
    open_account(scene)
    create(scene, "portraits", portraits_of(register_photo(scene)))
    stream_only(scene)
    ask(scene, "PATCH", f"/api/admin/accounts/{USER}", {"plan": "standard"})
    scene.facts["request"]["groups"] = "admin"


def arrange_picture(scene: Scene) -> None:
    open_account(scene)
    create(scene, "portraits", portraits_of(register_photo(scene)))
    stream_only(scene)
    scene.facts["task"] = "img_02"


def arrange_translation(scene: Scene) -> None:
    open_account(scene)
    options = {"translate": True, "targetLangs": ["ko"]}
    create(scene, "captions", {"assetIds": [upload_recording(scene)], "options": options})
    work(scene, "transcribe")
    scene.facts["task"] = "translate_ko"


def _scenario(
    name: str,
    arrange: Callable[[Scene], None],
    actors: tuple[Actor, ...],
    statuses: tuple[str, ...],
    balance: int,
    other_ends: tuple[End, ...] = (),
) -> Scenario:
    return Scenario(
        name=name, arrange=arrange, actors=actors, ends=(statuses, balance), other_ends=other_ends
    )


CANCELED = ("canceled",)
NOT_NOW, NEVER = TransientProviderError("not now"), PermanentProviderError("no")
NOT_RECORDED: End = (CANCELED, 4)
"""The worker died before it recorded its output."""

# fmt: off
JOB_SCENARIOS: tuple[Scenario, ...] = (
    _scenario("confirm as quoted", arrange_confirm_as_quoted, DEVICE, DONE, 3),
    _scenario("confirm of a draft as quoted", arrange_confirm_of_draft_as_quoted, DEVICE, DONE, 3),
    _scenario("confirm too late", arrange_confirm_too_late, DEVICE, (), 5),
    _scenario(
        "confirm as quoted to another", arrange_confirm_as_quoted_to_another, DEVICE, (), 5
    ),
    _scenario("record of a draft", arrange_record_of_draft, STREAMS, ("draft",), 5),
    _scenario("patch", arrange_patch, CLIENTS, ("draft",), 5),
    _scenario("patch of what was read", arrange_patch_of_what_was_read, EDITOR, ("draft",), 5),
    _scenario("cancel of a draft", arrange_cancel_of_draft, CLIENTS, CANCELED, 5),
    _scenario("cancel of a queued job", arrange_cancel_of_queued, DEVICE, CANCELED, 5),
    _scenario("cancel of a planned job", arrange_cancel_of_planned, DEVICE, CANCELED, 5),
    _scenario("cancel of a running job", arrange_cancel_of_running, DEVICE, CANCELED, 5),
    _scenario("record of a cancel", arrange_record_of_cancel, STREAMS, CANCELED, 4),
    _scenario("lost lease of a canceled job", arrange_canceling_lost_lease, SCHEDULE, CANCELED, 5),
    _scenario(
        "canceled, then done", arrange_canceled_under_way(None), MESSAGES, CANCELED, 4,
        other_ends=(NOT_RECORDED,),
    ),
    _scenario(
        "canceled, then failed", arrange_canceled_under_way(NEVER), MESSAGES, CANCELED, 4,
        other_ends=(NOT_RECORDED,),
    ),
    _scenario("canceled, then not now", arrange_canceled_under_way(NOT_NOW), MESSAGES, CANCELED, 4),
    _scenario("retry of a part", arrange_retry_of_partial, CLIENTS, ("partial", "succeeded"), 3),
    _scenario(
        "retry of a canceled job", arrange_retry_of_canceled, CLIENTS,
        ("canceled", "succeeded"), 3,
    ),
    _scenario(
        "retry of captions", arrange_retry_of_captions, CLIENTS, ("partial", "succeeded"), 3
    ),
    _scenario("plan of a retry", arrange_plan_of_retry, STREAMS, ("partial", "succeeded"), 3),
    _scenario("rerun", arrange_rerun, CLIENTS, DONE * 2, 1),
    _scenario("regenerate an image", arrange_regenerate_image, CLIENTS, DONE * 2, 1),
    _scenario("delete a draft", arrange_delete_of_draft, DELETER, ("draft",), 5),
    _scenario("delete", arrange_delete, DELETER, DONE, 3),
    _scenario("delete a child", arrange_delete_of_child, DELETER, DONE * 3, 1),
    _scenario("delete a family", arrange_delete_of_family, DELETER, DONE * 3, 1),
    _scenario("delete at the end", arrange_delete_at_the_end, DELETER, DONE, 3),
    _scenario("erase", arrange_erase, STREAMS, DONE, 3),
    _scenario("erase at the end", arrange_erase_at_the_end, STREAMS, DONE, 3),
    _scenario("lost erase", arrange_lost_erase, SCHEDULE, DONE, 3),
    _scenario("late file", arrange_late_file, SCHEDULE, DONE, 3),
    _scenario("bulk run", arrange_bulk_run, CROWD, ("draft", *DONE * 2), 1),
    _scenario(
        "bulk cancel", arrange_bulk_cancel, DEVICE, ("canceled", "canceled", "succeeded"), 3
    ),
    _scenario(
        "bulk retry", arrange_bulk_retry, CROWD,
        ("canceled", "partial", *DONE * 3), 4,
    ),
    _scenario("bulk options", arrange_bulk_options, CLIENTS, ("draft", "draft"), 5),
    _scenario(
        "captions that do not all fit", arrange_captions_that_do_not_all_fit, CREATORS,
        ("draft", *DONE * 2), 1,
    ),
    _scenario("select", arrange_select, PICKER, DONE, 3),
    _scenario("share", arrange_share, CLIENTS, DONE, 3),
    _scenario("record of a share", arrange_record_of_share, STREAMS, DONE, 3),
    _scenario("lost share", arrange_lost_share, SCHEDULE, DONE, 3),
    _scenario("unshare", arrange_unshare, CLIENTS, DONE, 3),
    _scenario("turns", arrange_turns, STREAMS, DONE, 2),
    _scenario("lost message of a free slot", arrange_lost_message_of_free_slot, SCHEDULE, DONE, 2),
    _scenario("lost message", arrange_lost_message, SCHEDULE, DONE, 2),
    _scenario("change of plan", arrange_change_of_plan, OPERATOR, DONE, 2),
    _scenario("into an album", arrange_into_album, STREAMS, DONE, 2),
    _scenario("lost way into an album", arrange_lost_way_into_album, SCHEDULE, DONE, 2),
    _scenario("erase from an album", arrange_erase_from_album, STREAMS, DONE, 2),
    _scenario("into the files", arrange_into_files, STREAMS, DONE, 3),
    _scenario("lost way into the files", arrange_lost_way_into_files, SCHEDULE, DONE, 3),
    _scenario("erase before the files", arrange_erase_before_files, STREAMS, DONE, 3),
    _scenario("picture", arrange_picture, MESSAGES, DONE, 2),
    _scenario("translation", arrange_translation, MESSAGES, DONE, 3),
)
# fmt: on
