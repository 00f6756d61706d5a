"""Creatomate, against a server that behaves as its documentation says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from darkroom.generation.ports import (
    AsyncProvider,
    Charge,
    PermanentProviderError,
    ResponseLost,
    SourceFile,
    TransientProviderError,
)
from darkroom.generation.vendors.creatomate import Creatomate
from darkroom.kernel.errors import InvalidInput
from tests.support.creatomate_stand_in import TEMPLATE, CreatomateStandIn
from tests.support.http_stand_in import Fault
from tests.support.vendor_requests import a_film_request as a_request
from tests.support.vendor_requests import clip_url, the_clips

CALLBACK = "https://api.example/api/webhooks/creatomate?job=j&key=film&attempt=1&nonce=n"
NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
PATIENCE_SECONDS = 30


@pytest.fixture
def stand_in() -> Iterator[CreatomateStandIn]:
    with CreatomateStandIn() as server:
        yield server


@pytest.fixture
def provider(stand_in: CreatomateStandIn) -> Creatomate:
    return Creatomate(lambda: stand_in.secret_text, api_base=stand_in.api_base)


def submitted(provider: Creatomate, tmp_path: Path, **changes: Any) -> str:
    return provider.submit(a_request(tmp_path, **changes), CALLBACK)


def the_film(stand_in: CreatomateStandIn) -> Any:
    return stand_in.requests[-1].json


def words_of(scene: Any) -> list[str]:
    return [element["text"] for element in scene["elements"] if element["type"] == "text"]


# The film


def test_it_is_an_asynchronous_provider(provider: Creatomate) -> None:
    assert isinstance(provider, AsyncProvider)


def test_the_story_is_the_hook_the_clips_in_order_and_the_ending(
    stand_in: CreatomateStandIn, provider: Creatomate, tmp_path: Path
) -> None:
    submitted(provider, tmp_path)

    film = the_film(stand_in)
    assert (film["width"], film["height"], film["output_format"]) == (720, 1280, "mp4")
    scenes = film["elements"]
    shown = [scene["elements"][0]["source"] for scene in scenes]
    assert shown == [clip_url(number) for number in (1, 1, 2, 10, 10)]
    assert [words_of(scene) for scene in scenes] == [
        ["One look."], ["우리가 처음 만난 날"], ["It rained."], ["And then?"],
        ["그리고 이번엔, 함께였다."],
    ]  # fmt: skip


def test_every_scene_fades_into_the_next_and_clips_play_to_their_end(
    stand_in: CreatomateStandIn, provider: Creatomate, tmp_path: Path
) -> None:
    stand_in.media_seconds = {clip_url(1): 3.0, clip_url(2): 5.0, clip_url(10): 4.2}

    ref = submitted(provider, tmp_path)

    # Two seconds of hook, 12.2 of clips, two and a half of ending, four times half a second shared.
    assert stand_in.renders[ref]["duration"] == pytest.approx(2 + 12.2 + 2.5 - 4 * 0.5)


def test_no_caption_is_visible_during_a_transition(
    stand_in: CreatomateStandIn, provider: Creatomate, tmp_path: Path
) -> None:
    submitted(provider, tmp_path, params={"captions": ["One.", "Two.", "Three."]})

    starts = [scene["elements"][1]["time"] for scene in the_film(stand_in)["elements"]]
    assert starts == [0, 0.5, 0.5]


def test_text_has_a_font_with_hangul_and_stays_within_the_picture(
    stand_in: CreatomateStandIn, provider: Creatomate, tmp_path: Path
) -> None:
    submitted(provider, tmp_path)

    for scene in the_film(stand_in)["elements"]:
        words = scene["elements"][1]
        assert words["font_family"] == "Noto Sans KR"
        middle, half = float(words["y"].rstrip("%")), float(words["height"].rstrip("%")) / 2
        assert 0 < middle - half < middle + half <= 88.3, "apps cover what is lower"


def test_a_film_without_text_consists_of_its_clips(
    stand_in: CreatomateStandIn, provider: Creatomate, tmp_path: Path
) -> None:
    submitted(provider, tmp_path, params={"captions": ["\x00", ""], "hook": " ", "ending": None})

    scenes = the_film(stand_in)["elements"]
    assert [len(scene["elements"]) for scene in scenes] == [1, 1, 1]


@pytest.mark.parametrize(
    ("transition", "seconds", "animations"),
    [("cut", 9.0, [0, 0, 0]), ("dip_to_black", 9.0, [1, 2, 1]), ("crossfade", 8.0, [0, 1, 1])],
)
def test_scenes_may_also_be_cut_or_dipped_to_black(
    stand_in: CreatomateStandIn, provider: Creatomate, tmp_path: Path,
    transition: str, seconds: float, animations: list[int],
) -> None:  # fmt: skip
    ref = submitted(provider, tmp_path, params={"transition": transition})

    scenes = the_film(stand_in)["elements"]
    assert [len(scene.get("animations", ())) for scene in scenes] == animations
    assert stand_in.renders[ref]["duration"] == pytest.approx(seconds)


def test_a_template_gets_values_for_its_elements(
    stand_in: CreatomateStandIn, tmp_path: Path
) -> None:
    provider = Creatomate(
        lambda: stand_in.secret_text, models={"film": TEMPLATE}, api_base=stand_in.api_base
    )

    submitted(provider, tmp_path)

    film = the_film(stand_in)
    assert film["template_id"] == provider.model_of("film") == TEMPLATE
    assert film["modifications"] == {
        "Clip-1": clip_url(1), "Clip-2": clip_url(2), "Clip-3": clip_url(10),
        "Caption-1": "우리가 처음 만난 날", "Caption-2": "It rained.", "Caption-3": "And then?",
        "Hook": "One look.", "Ending": "그리고 이번엔, 함께였다.",
    }  # fmt: skip


# Submitting


def test_the_vendor_gets_the_callback_address_and_nothing_about_the_account(
    stand_in: CreatomateStandIn, provider: Creatomate, tmp_path: Path
) -> None:
    request = a_request(tmp_path)

    ref = provider.submit(request, CALLBACK)

    render = stand_in.renders[ref]
    assert render["webhook_url"] == CALLBACK
    assert request.meter.ref == ref
    assert "job" not in render["metadata"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"kind": "clip"}, "UNSUPPORTED_KIND"),
        ({"sources": ()}, "BAD_SOURCE"),
        ({"sources": (SourceFile(key="clip_1", mime_type="video/mp4", path=Path("x")),)},
         "BAD_SOURCE"),
        ({"sources": (SourceFile(key="clip_1", mime_type="video/mp4", path=Path("x"),
                                 url="/tmp/clip.mp4"),)}, "BAD_SOURCE"),
        ({"sources": (SourceFile(key="photo_1", mime_type="image/png", path=Path("x"),
                                 url="https://x.example/p.png"),)}, "BAD_SOURCE"),
        ({"sources": the_clips(Path("x"), *range(1, 22))}, "BAD_SOURCE"),
    ],
)  # fmt: skip
def test_an_unsupported_request_is_not_submitted(
    stand_in: CreatomateStandIn, provider: Creatomate, tmp_path: Path, changes: Any, code: str
) -> None:
    with pytest.raises(PermanentProviderError) as caught:
        submitted(provider, tmp_path, **changes)

    assert caught.value.error_code == code
    assert stand_in.requests == []


def test_a_render_whose_response_was_lost_is_identified_by_its_callback(
    stand_in: CreatomateStandIn, tmp_path: Path
) -> None:
    provider = Creatomate(
        lambda: stand_in.secret_text, api_base=stand_in.api_base, timeout_seconds=1
    )
    stand_in.faults.append(Fault("lose"))

    with pytest.raises(ResponseLost):
        submitted(provider, tmp_path)
    assert stand_in.held.wait(PATIENCE_SECONDS)
    [ref] = stand_in.renders
    stand_in.succeed(ref)

    assert provider.find(CALLBACK, NOW) is None
    assert provider.read_callback(stand_in.call_of(ref), {}, NOW) == ref
    assert provider.poll(ref) is not None


def test_a_wrong_template_is_our_configuration(stand_in: CreatomateStandIn, tmp_path: Path) -> None:
    for film in ("latest", TEMPLATE[:-1] + "0"):
        provider = Creatomate(
            lambda: stand_in.secret_text, models={"film": film}, api_base=stand_in.api_base
        )
        with pytest.raises(PermanentProviderError) as caught:
            submitted(provider, tmp_path)
        assert caught.value.error_code == "PROVIDER_NOT_CONFIGURED"


# Polling


@pytest.mark.parametrize("status", ["planned", "waiting", "transcribing", "rendering"])
def test_a_render_in_progress_has_no_result_yet(
    stand_in: CreatomateStandIn, provider: Creatomate, tmp_path: Path, status: str
) -> None:
    ref = submitted(provider, tmp_path)
    stand_in.start(ref, status)

    assert provider.poll(ref) is None


def test_a_finished_film_is_fetched_and_costs_its_pixels(
    stand_in: CreatomateStandIn, provider: Creatomate, tmp_path: Path
) -> None:
    ref = submitted(provider, tmp_path)
    stand_in.succeed(ref, duration=15.0)

    result = provider.poll(ref)

    assert result is not None
    [file] = result.files
    assert (file.type, file.mime_type, file.suffix) == ("film", "video/mp4", ".mp4")
    assert file.url == f"https://cdn.creatomate.com/renders/{ref}.mp4"
    # 720 × 1280 × 24 × 15 = 332 million pixels.
    assert result.charges == (Charge(unit="credit", quantity=3.32),)


@pytest.mark.parametrize(
    ("changes", "charges"),
    [({"duration": 0.5}, (Charge(unit="credit", quantity=1.0),)), ({"duration": None}, ()),
     ({"width": "720"}, ())],
)  # fmt: skip
def test_a_film_costs_at_least_one_credit_and_unknown_sizes_are_not_guessed(
    stand_in: CreatomateStandIn, provider: Creatomate, tmp_path: Path, changes: Any, charges: Any
) -> None:
    ref = submitted(provider, tmp_path)
    stand_in.succeed(ref, **changes)

    result = provider.poll(ref)

    assert result is not None
    assert result.charges == charges


@pytest.mark.parametrize(
    ("url", "is_taken"),
    [
        ("https://f002.backblazeb2.com/file/creatomate-c8xg3hsxdu/a.mp4", True),
        ("https://f002.backblazeb2.com/file/another-customer/a.mp4", False),
        ("https://backblazeb2.com.evil.example/file/creatomate-x/a.mp4", True),
        (None, False),
    ],
)
def test_only_the_vendors_buckets_of_a_shared_store_are_accepted(
    stand_in: CreatomateStandIn, provider: Creatomate, tmp_path: Path, url: Any, is_taken: bool
) -> None:
    ref = submitted(provider, tmp_path)
    stand_in.succeed(ref, url=url)

    if is_taken:
        # Whether its host may be fetched from at all is checked when it is fetched.
        assert provider.poll(ref) is not None
    else:
        with pytest.raises(PermanentProviderError) as caught:
            provider.poll(ref)
        assert caught.value.error_code == "BAD_RESULT"


def test_a_render_that_failed_may_succeed_with_new_links(
    stand_in: CreatomateStandIn, provider: Creatomate, tmp_path: Path
) -> None:
    ref = submitted(provider, tmp_path)
    stand_in.fail(ref)

    with pytest.raises(TransientProviderError) as caught:
        provider.poll(ref)

    assert caught.value.error_code == "PROVIDER_FAILED"


def test_a_stopped_or_deleted_render_is_retryable(
    stand_in: CreatomateStandIn, provider: Creatomate, tmp_path: Path
) -> None:
    ref = submitted(provider, tmp_path)
    stand_in.start(ref, "cancelled")
    with pytest.raises(TransientProviderError) as stopped:
        provider.poll(ref)
    stand_in.forget(ref)
    with pytest.raises(TransientProviderError) as forgotten:
        provider.poll(ref)

    codes = (stopped.value.error_code, forgotten.value.error_code)
    assert codes == ("PROVIDER_CANCELED", "RESULT_EXPIRED")


def test_another_render_than_the_requested_one_concludes_nothing(
    stand_in: CreatomateStandIn, provider: Creatomate, tmp_path: Path
) -> None:
    ref = submitted(provider, tmp_path)
    another = {"id": "another-render", "status": "succeeded"}
    stand_in.faults.append(Fault("garble", body=another))

    with pytest.raises(ResponseLost):
        provider.poll(ref)


def test_an_unknown_status_concludes_nothing(
    stand_in: CreatomateStandIn, provider: Creatomate, tmp_path: Path
) -> None:
    ref = submitted(provider, tmp_path)
    stand_in.start(ref, "pondering")

    with pytest.raises(ResponseLost):
        provider.poll(ref)


def test_cancel_makes_no_call(
    stand_in: CreatomateStandIn, provider: Creatomate, tmp_path: Path
) -> None:
    ref = submitted(provider, tmp_path)

    provider.cancel(ref)

    assert len(stand_in.requests) == 1


# Callbacks


def test_a_repeated_callback_names_the_same_render(
    stand_in: CreatomateStandIn, provider: Creatomate, tmp_path: Path
) -> None:
    ref = submitted(provider, tmp_path)
    stand_in.succeed(ref)
    body = stand_in.call_of(ref)

    assert [provider.read_callback(body, {}, NOW) for _ in range(2)] == [ref, ref]


def test_the_render_in_a_callback_is_not_trusted(
    stand_in: CreatomateStandIn, provider: Creatomate, tmp_path: Path
) -> None:
    ref = submitted(provider, tmp_path)
    forged = {"id": ref, "status": "succeeded", "url": "https://evil.example/film.mp4"}

    ref_of_callback = provider.read_callback(json.dumps(forged).encode(), {}, NOW)

    assert provider.poll(ref_of_callback) is None


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b"null", b'{"id": 7}', b'{"id": "../x"}', b"\xff", b"[" * 100_000]
)
def test_a_callback_without_a_render_is_invalid(provider: Creatomate, body: bytes) -> None:
    with pytest.raises(InvalidInput):
        provider.read_callback(body, {}, NOW)
