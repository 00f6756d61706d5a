"""The recipe of captions: what it accepts, costs and plans, and how one request is many jobs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.credits.pricing import costs
from darkroom.jobs.lists import facets
from darkroom.kernel import catalog
from darkroom.kernel.errors import Conflict, InvalidInput
from darkroom.kernel.ids import derived_id
from darkroom.kernel.limits import (
    CAPTION_TARGETS_LIMIT,
    MAX_OUTPUTS_PER_TASK,
    MEDIA_LIMIT_SECONDS,
    TRANSACTION_ITEMS_LIMIT,
)
from darkroom.kernel.money import PricePart
from darkroom.recipes import REGISTRY, get_recipe
from darkroom.recipes.base import Blueprint, Material, Target, TaskSpec
from darkroom.recipes.captions import CAPTIONS, FORMATS, source_languages, target_languages

FILES = [derived_id("ast", str(number)) for number in range(101)]
TARGETS = list(target_languages())
DEFAULTS = {
    "sourceLang": "auto",
    "translate": False,
    "outputFormats": ["srt"],
    "diarization": False,
}


def captions(*files: str, **options: Any) -> dict[str, Any]:
    return {"assetIds": list(files or FILES[:1]), "options": options}


def translated(*languages: str, **options: Any) -> dict[str, Any]:
    return {"translate": True, "targetLangs": list(languages), **options}


def a_film(duration_ms: int | None = 61_000, kind: str = "video") -> Material:
    return Material(
        id=FILES[0],
        kind=kind,
        storage_key="clean/alice/film",
        mime_type="video/mp4",
        duration_ms=duration_ms,
    )


def refused(inputs: Mapping[str, Any]) -> list[str]:
    """Paths of the fields that a refusal names."""
    with pytest.raises(InvalidInput) as refusal:
        CAPTIONS.validate(inputs)
    assert refusal.value.error_code == "VALIDATION_FAILED"
    fields = refusal.value.facts["fields"]
    assert all(field["message"] for field in fields)
    return [field["path"] for field in fields]


# Validation


def test_the_recipe_is_found_by_its_name() -> None:
    assert get_recipe("captions") is CAPTIONS


def test_a_file_alone_is_enough() -> None:
    stored = CAPTIONS.validate({"assetIds": FILES[:1]})

    assert stored == {"assetIds": FILES[:1], "options": DEFAULTS}


def test_all_accepted_fields_are_stored() -> None:
    options = {
        "sourceLang": "en",
        "translate": True,
        "targetLangs": ["ko", "zh-TW"],
        "outputFormats": ["json", "txt", "vtt", "srt"],
        "diarization": True,
    }
    inputs = captions(**options) | {"seed": 1, "testFaults": {"translate_zh-TW": "transient"}}

    assert CAPTIONS.validate(inputs) == inputs


def test_one_target_language_is_stored_like_several() -> None:
    one = CAPTIONS.validate(captions(translate=True, targetLang="ko"))

    assert one == CAPTIONS.validate(captions(**translated("ko")))
    assert one["options"] == {**DEFAULTS, "translate": True, "targetLangs": ["ko"]}


def test_an_empty_list_of_targets_is_none() -> None:
    assert CAPTIONS.validate(captions(targetLangs=[]))["options"] == DEFAULTS


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"speed": 1}, "speed"),
        ({"source_lang": "en"}, "source_lang"),
        ({"sourceLang": "xx"}, "sourceLang"),
        ({"sourceLang": "EN"}, "sourceLang"),
        ({"sourceLang": ""}, "sourceLang"),
        ({"sourceLang": None}, "sourceLang"),
        ({"translate": "true"}, "translate"),
        ({"translate": 1}, "translate"),
        ({"translate": True}, "targetLangs"),
        ({"translate": True, "targetLangs": []}, "targetLangs"),
        ({"targetLangs": ["ko"]}, "targetLangs"),
        ({"translate": False, "targetLangs": ["ko"]}, "targetLangs"),
        ({"targetLang": "ko"}, "targetLang"),
        (translated("xx"), "targetLangs.0"),
        (translated("ko", "auto"), "targetLangs.1"),
        (translated("ko", "ko"), "targetLangs"),
        (translated(*TARGETS[: CAPTION_TARGETS_LIMIT + 1]), "targetLangs"),
        (translated("ko", "en", sourceLang="en"), "targetLangs"),
        ({"translate": True, "targetLangs": "ko"}, "targetLangs"),
        ({"translate": True, "targetLang": ["ko"]}, "targetLang"),
        ({"translate": True, "targetLang": "auto"}, "targetLang"),
        ({"translate": True, "targetLang": "en", "sourceLang": "en"}, "targetLang"),
        (translated("ko", targetLang="ja"), "targetLang"),
        ({"outputFormats": []}, "outputFormats"),
        ({"outputFormats": "srt"}, "outputFormats"),
        ({"outputFormats": ["srt", "srt"]}, "outputFormats"),
        ({"outputFormats": ["srt", "ass"]}, "outputFormats.1"),
        ({"outputFormats": ["SRT"]}, "outputFormats.0"),
        ({"outputFormats": None}, "outputFormats"),
        ({"diarization": "no"}, "diarization"),
    ],
)
def test_each_option_is_checked_and_named(options: dict[str, Any], path: str) -> None:
    assert refused(captions(**options)) == [f"options.{path}"]


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"unknown": 1}, "unknown"),
        ({"options": None}, "options"),
        ({"options": []}, "options"),
        ({"assetIds": []}, "assetIds"),
        ({"assetIds": FILES}, "assetIds"),
        ({"assetIds": FILES[:1] * 2}, "assetIds"),
        ({"assetIds": FILES[0]}, "assetIds"),
        ({"assetIds": ["../etc"]}, "assetIds.0"),
        ({"assetIds": [FILES[0], derived_id("ref", "1")]}, "assetIds.1"),
        ({"seed": -1}, "seed"),
        ({"testFaults": {"srt_en": "hang"}}, "testFaults.srt_en"),
        ({"testFaults": {"vtt_auto": "hang"}}, "testFaults.vtt_auto"),
        ({"testFaults": {"translate_ko": "hang"}}, "testFaults.translate_ko"),
        ({"testFaults": {"srt_auto": "explode"}}, "testFaults.srt_auto"),
    ],
)
def test_each_field_is_checked_and_named(changes: dict[str, Any], path: str) -> None:
    assert refused(captions() | changes) == [path]


def test_all_contradictions_are_reported_together() -> None:
    assert refused(captions(sourceLang="ko", targetLang="ko", targetLangs=["ja"])) == [
        "options.targetLang",
        "options.targetLang",
        "options.targetLang",
    ]
    assert refused({"x": 1}) == ["assetIds", "x"]


# One request, many jobs


def test_each_file_becomes_a_job_with_the_same_options() -> None:
    stored = CAPTIONS.validate(captions(*FILES[:100], **translated("ko")))

    jobs = CAPTIONS.split(stored)

    assert [job["assetIds"] for job in jobs] == [[file] for file in FILES[:100]]
    assert all(job["options"] == stored["options"] for job in jobs)
    assert all(CAPTIONS.material_ids(job) == tuple(job["assetIds"]) for job in jobs)


def test_an_existing_job_keeps_one_file() -> None:
    [stored] = CAPTIONS.split(CAPTIONS.validate(captions()))

    assert CAPTIONS.patch(stored, {"assetIds": [FILES[1]]})["assetIds"] == [FILES[1]]
    for change in (CAPTIONS.patch, CAPTIONS.revise):
        with pytest.raises(InvalidInput) as refusal:
            change(stored, {"assetIds": FILES[:2]})

        assert refusal.value.facts["fields"][0]["path"] == "assetIds"


# Revising what is stored

STORED = CAPTIONS.validate(captions(sourceLang="en", **translated("ko", "ja")))


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        ({}, {}),
        ({"diarization": True}, {"diarization": True}),
        ({"translate": True}, {}),
        ({"translate": False}, {"translate": False, "targetLangs": None}),
        ({"translate": None}, {"translate": False, "targetLangs": None}),
        ({"targetLang": "fr"}, {"targetLangs": ["fr"]}),
        ({"targetLangs": ["fr", "de"]}, {"targetLangs": ["fr", "de"]}),
        ({"targetLang": None}, {}),
        ({"translate": False, "targetLangs": []}, {"translate": False, "targetLangs": None}),
        ({"sourceLang": None}, {"sourceLang": "auto"}),
        ({"outputFormats": ["vtt"]}, {"outputFormats": ["vtt"]}),
        ({"outputFormats": None}, {}),
        ({"sourceLang": "ko", "targetLang": "en"}, {"sourceLang": "ko", "targetLangs": ["en"]}),
    ],
)
def test_a_patch_of_options_removes_contradicting_options(
    patch: dict[str, Any], expected: dict[str, Any]
) -> None:
    options = STORED["options"] | expected
    options = {name: value for name, value in options.items() if value is not None}

    assert CAPTIONS.patch(STORED, {"options": patch}) == {**STORED, "options": options}


@pytest.mark.parametrize(
    ("patch", "path"),
    [
        ({"sourceLang": "ko"}, "options.targetLangs"),
        ({"targetLangs": None}, "options.targetLangs"),
        ({"targetLangs": []}, "options.targetLangs"),
        ({"translate": False, "targetLang": "ko"}, "options.targetLang"),
        ({"targetLang": "fr", "targetLangs": ["de"]}, "options.targetLang"),
        ({"translate": "no"}, "options.translate"),
        ({"targetLang": "en"}, "options.targetLang"),
        ({"x": 1}, "options.x"),
    ],
)
def test_a_patch_that_contradicts_the_stored_options_is_refused(
    patch: dict[str, Any], path: str
) -> None:
    with pytest.raises(InvalidInput) as refusal:
        CAPTIONS.patch(STORED, {"options": patch})

    assert [field["path"] for field in refusal.value.facts["fields"]] == [path]


def test_bulk_and_retry_options_follow_the_rules_of_the_inputs() -> None:
    patch = CAPTIONS.patch_of({"targetLang": "fr"})

    assert set(patch) <= CAPTIONS.changeable
    assert CAPTIONS.patch(STORED, patch)["options"]["targetLangs"] == ["fr"]


def test_options_can_be_removed_or_replaced() -> None:
    assert CAPTIONS.patch(STORED, {"options": None})["options"] == DEFAULTS
    replaced = CAPTIONS.revise(STORED, {"options": {"sourceLang": "ko"}})
    assert replaced["options"] == {**DEFAULTS, "sourceLang": "ko"}
    assert CAPTIONS.revise(STORED, {}) == STORED


def test_reopening_does_not_change_the_stored_inputs() -> None:
    before = {**STORED, "options": dict(STORED["options"])}

    CAPTIONS.patch(STORED, {"options": {"translate": False}})

    assert before == STORED


# Materials


@pytest.mark.parametrize("kind", ["video", "audio"])
def test_anything_with_sound_can_be_captioned(kind: str) -> None:
    CAPTIONS.check(STORED, [a_film(1, kind)])


@pytest.mark.parametrize("material", [a_film(kind="image"), a_film(None), a_film(None, "image")])
def test_a_picture_or_a_file_without_a_duration_cannot_be_captioned(material: Material) -> None:
    with pytest.raises(InvalidInput) as refusal:
        CAPTIONS.check(STORED, [material])

    assert [field["path"] for field in refusal.value.facts["fields"]] == ["assetIds.0"]


def test_a_job_of_several_files_is_never_queued() -> None:
    with pytest.raises(InvalidInput):
        CAPTIONS.check(CAPTIONS.validate(captions(*FILES[:2])), [a_film(), a_film()])


# Prices


@pytest.mark.parametrize(
    ("duration_ms", "minutes"),
    [(0, 1), (1, 1), (59_999, 1), (60_000, 1), (60_001, 2), (120_000, 2), (43_200_000, 720)],
)
def test_every_started_minute_costs(duration_ms: int, minutes: int) -> None:
    parts = CAPTIONS.price(STORED, costs(), [a_film(duration_ms)])

    assert [part.credits for part in parts] == [minutes, minutes, minutes]


def test_minutes_have_the_prices_of_the_catalog() -> None:
    prices = {"captionsPerMinute": 2, "translationPerMinute": 5}

    parts = CAPTIONS.price(STORED, prices, [a_film(61_000)])

    assert [part.credits for part in parts] == [4, 10, 10]


def test_each_language_is_a_part_that_promises_its_files() -> None:
    inputs = CAPTIONS.validate(captions(**translated("ko", outputFormats=["vtt", "json"])))

    assert CAPTIONS.price(inputs, costs(), [a_film()]) == (
        PricePart(name="base", credits=2, promised=("vtt_auto", "json_auto")),
        PricePart(name="translate_ko", credits=2, promised=("vtt_ko", "json_ko")),
    )


# Plans


def plan(*only: str, of: Material | None = None, **options: Any) -> dict[str, TaskSpec]:
    [stored] = CAPTIONS.split(CAPTIONS.validate(captions(**options)))
    blueprint = Blueprint(
        inputs=stored,
        template=None,
        language="en",
        materials=(of or a_film(),),
        only_keys=frozenset(only),
    )
    return {spec.key: spec for spec in CAPTIONS.plan(blueprint)}


def test_speech_is_transcribed_once_translated_per_language_and_written_per_format() -> None:
    specs = plan(**translated("ko", "ja", sourceLang="en", outputFormats=["srt", "txt"]))

    assert {key: spec.needs for key, spec in specs.items()} == {
        "transcribe": (),
        "translate_ko": ("transcribe",),
        "translate_ja": ("transcribe",),
        "srt_en": ("transcribe",),
        "txt_en": ("transcribe",),
        "srt_ko": ("translate_ko",),
        "txt_ko": ("translate_ko",),
        "srt_ja": ("translate_ja",),
        "txt_ja": ("translate_ja",),
    }
    assert [spec.kind for spec in specs.values()] == [
        "transcribe", "translate", "translate", *["captions"] * 6
    ]  # fmt: skip


def test_tasks_have_languages_and_format() -> None:
    specs = plan(**translated("ko", sourceLang="en", diarization=True))

    assert {key: spec.params for key, spec in specs.items()} == {
        "transcribe": {"sourceLang": "en", "diarization": True},
        "translate_ko": {"sourceLang": "en", "targetLang": "ko"},
        "srt_en": {"format": "srt", "language": "en"},
        "srt_ko": {"format": "srt", "language": "ko"},
    }


def test_a_language_to_detect_is_called_auto() -> None:
    specs = plan(**translated("ko"))

    assert list(specs) == ["transcribe", "translate_ko", "srt_auto", "srt_ko"]
    assert specs["srt_auto"].params["language"] == "auto"
    assert specs["translate_ko"].params["sourceLang"] == "auto"


def test_only_the_transcription_works_on_the_file() -> None:
    specs = plan(**translated("ko"))

    assert {key: spec.materials for key, spec in specs.items() if spec.materials} == {
        "transcribe": (FILES[0],)
    }


def test_a_child_plans_only_its_keys() -> None:
    assert list(plan("srt_ko", "translate_ko", **translated("ko"))) == ["translate_ko", "srt_ko"]


def test_the_largest_job_fits_in_one_transaction_and_its_outputs_have_numbers() -> None:
    most = translated(*TARGETS[:CAPTION_TARGETS_LIMIT], outputFormats=list(FORMATS))

    tasks = len(plan(**most))

    assert tasks + 5 < TRANSACTION_ITEMS_LIMIT
    assert tasks * MAX_OUTPUTS_PER_TASK < 1024


# Long recordings

MINUTE, HOUR = 60_000, 3_600_000


def a_recording(duration_ms: int, size_bytes: int = 1) -> Material:
    return replace(a_film(duration_ms, "audio"), size_bytes=size_bytes)


def parts_of(specs: Mapping[str, TaskSpec]) -> list[TaskSpec]:
    return [spec for spec in specs.values() if spec.kind == "extract"]


@pytest.mark.parametrize(
    ("recording", "diarization", "parts"),
    [
        (a_recording(30 * MINUTE), False, 0),
        (a_recording(30 * MINUTE + 1), False, 2),
        (a_recording(12 * HOUR), False, 25),
        (a_recording(30 * MINUTE + 1), True, 0),
        (a_recording(4 * HOUR), True, 0),
        (a_recording(4 * HOUR + 1), True, 2),
        (a_recording(12 * HOUR), True, 4),
        # A file that is too large to transcribe is small enough as sound alone.
        (a_recording(MINUTE, 2_000_000_000), False, 0),
        (a_recording(MINUTE, 2_000_000_001), False, 1),
        # Recordings of phones and AAC without a container are converted first.
        (replace(a_film(MINUTE), mime_type="video/quicktime"), False, 1),
        (replace(a_recording(MINUTE), mime_type="audio/aac"), False, 1),
    ],
)
def test_a_long_or_large_recording_is_transcribed_in_parts(
    recording: Material, diarization: bool, parts: int
) -> None:
    specs = plan(of=recording, diarization=diarization)

    assert len(parts_of(specs)) == parts
    assert specs["transcribe"].kind == ("merge" if parts else "transcribe")


def test_parts_are_cut_transcribed_and_merged_under_the_old_key() -> None:
    specs = plan(of=a_recording(40 * MINUTE), **translated("ko", sourceLang="en"))

    assert {key: (spec.kind, spec.needs, spec.materials) for key, spec in specs.items()} == {
        "media_01": ("extract", (), (FILES[0],)),
        "media_02": ("extract", (), (FILES[0],)),
        "transcribe_01": ("transcribe", ("media_01",), ()),
        "transcribe_02": ("transcribe", ("media_02",), ()),
        "transcribe": ("merge", ("transcribe_01", "transcribe_02"), ()),
        "translate_ko": ("translate", ("transcribe",), ()),
        "srt_en": ("captions", ("transcribe",), ()),
        "srt_ko": ("captions", ("translate_ko",), ()),
    }
    half = 20 * MINUTE
    assert specs["media_01"].params == {"fromMs": 0, "toMs": half, "windowMs": 10_000}
    assert specs["media_02"].params == {"fromMs": half, "windowMs": 10_000}
    assert specs["transcribe_02"].params == {"sourceLang": "en", "diarization": False}
    offsets = {"transcribe_01": 0, "transcribe_02": half - 10_000}
    assert specs["transcribe"].params == {"offsetsMs": offsets}


@pytest.mark.parametrize("diarization", [False, True])
def test_parts_are_consecutive_and_none_is_too_long(diarization: bool) -> None:
    most_ms = 4 * HOUR if diarization else 30 * MINUTE
    for duration_ms in (most_ms + 1, most_ms + MINUTE, 5 * HOUR - 7, 12 * HOUR):
        specs = plan(of=a_recording(duration_ms), diarization=diarization)
        spans = [spec.params for spec in parts_of(specs)]

        if not spans:
            continue
        assert [span["fromMs"] for span in spans[1:]] == [span["toMs"] for span in spans[:-1]]
        assert (spans[0]["fromMs"], spans[-1].get("toMs")) == (0, None)
        for span in spans:
            length_ms = span.get("toMs", duration_ms) - span["fromMs"]
            assert length_ms + 2 * span["windowMs"] <= most_ms


def test_the_longest_recording_with_the_most_files_still_fits_in_one_transaction() -> None:
    most = translated(*TARGETS[:CAPTION_TARGETS_LIMIT], outputFormats=list(FORMATS))

    specs = plan(of=a_recording(MEDIA_LIMIT_SECONDS * 1000), **most)

    assert len(specs) + 5 < TRANSACTION_ITEMS_LIMIT
    assert len(specs) * MAX_OUTPUTS_PER_TASK < 1024
    # Three quarters of an hour of speech take half of what an attempt may take.
    assert specs["media_01"].params["toMs"] <= 45 * MINUTE


def test_a_long_recording_has_the_usual_promises_and_price() -> None:
    inputs = CAPTIONS.validate(captions(**translated("ko")))
    price = CAPTIONS.price(inputs, costs(), [a_recording(12 * HOUR)])

    assert [(part.credits, part.promised) for part in price] == [
        (720, ("srt_auto",)),
        (720, ("srt_ko",)),
    ]
    assert {key for part in price for key in part.promised} <= set(
        plan(of=a_recording(12 * HOUR), **translated("ko"))
    )


def test_a_child_of_a_long_recording_makes_only_the_parts_it_lacks() -> None:
    recording = a_recording(40 * MINUTE)

    assert list(plan("transcribe_02", "transcribe", "srt_auto", of=recording)) == [
        "transcribe_02", "transcribe", "srt_auto"
    ]  # fmt: skip


def test_captions_cannot_be_regenerated() -> None:
    for target in (Target(name="image", key="srt_en"), Target(name="story_clip", clip_no=1)):
        with pytest.raises(Conflict) as refusal:
            CAPTIONS.regenerate(STORED, frozenset(), target)

        assert refusal.value.error_code == "NOT_REGENERABLE"


# For any inputs

formats = st.lists(st.sampled_from(FORMATS), min_size=1, unique=True)


@st.composite
def any_request(draw: st.DrawFn) -> dict[str, Any]:
    source = draw(st.sampled_from(list(source_languages())))
    others = [language for language in TARGETS if language != source]
    targets = draw(st.lists(st.sampled_from(others), max_size=CAPTION_TARGETS_LIMIT, unique=True))
    options: dict[str, Any] = {"sourceLang": source, "outputFormats": draw(formats)}
    if len(targets) == 1 and draw(st.booleans()):
        options |= {"translate": True, "targetLang": targets[0]}
    elif targets:
        options |= translated(*targets)
    files = draw(st.lists(st.sampled_from(FILES[:5]), min_size=1, unique=True))
    return {"assetIds": files, "options": options}


@given(any_request(), st.integers(min_value=0, max_value=10**8))
def test_any_job_is_planned_as_it_is_priced(request: dict[str, Any], duration_ms: int) -> None:
    for stored in CAPTIONS.split(CAPTIONS.validate(request)):
        material = a_film(duration_ms)
        CAPTIONS.check(stored, [material])
        blueprint = Blueprint(inputs=stored, template=None, language="en", materials=(material,))

        specs = CAPTIONS.plan(blueprint)
        parts = CAPTIONS.price(stored, costs(), [material])

        seen: set[str] = set()
        for spec in specs:
            assert set(spec.needs) <= seen
            assert spec.key not in seen
            seen.add(spec.key)
        promised = [key for part in parts for key in part.promised]
        assert sorted(promised) == sorted(spec.key for spec in specs if spec.kind == "captions")
        assert all(part.credits > 0 for part in parts)


@given(any_request())
def test_stored_inputs_are_accepted_unchanged(request: dict[str, Any]) -> None:
    for stored in CAPTIONS.split(CAPTIONS.validate(request)):
        assert CAPTIONS.validate(CAPTIONS.reopen(stored, {})) == stored
        assert CAPTIONS.split(stored) == [stored]
        assert CAPTIONS.patch(stored, {}) == CAPTIONS.revise(stored, {}) == stored


@given(any_request(), any_request())
def test_all_options_of_another_job_can_be_patched_in(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    [stored] = CAPTIONS.split(CAPTIONS.validate(one | {"assetIds": FILES[:1]}))
    wanted = CAPTIONS.validate(other | {"assetIds": FILES[:1]})
    sent = {"translate": False, **other["options"]}

    assert CAPTIONS.patch(stored, {"options": sent}) == wanted


# The catalog's languages and formats


def test_languages_have_codes_and_labels() -> None:
    assert len(TARGETS) >= 20
    assert {"en", "ko", "ja", "zh"} <= set(TARGETS)
    assert set(source_languages()) - set(TARGETS) == {"auto"}
    for code, label in source_languages().items():
        assert code == "auto" or re.fullmatch("[a-z]{2}(-[A-Z]{2})?", code)
        assert set(label) == {"en", "ko"}
        assert re.search("[가-힣]", label["ko"])
        assert label["en"].isascii()


def test_every_format_has_a_label() -> None:
    assert tuple(catalog.read("recipes.json")["formats"]) == FORMATS


def test_the_lists_of_jobs_know_which_recipes_translate() -> None:
    translating = {
        name for name, recipe in REGISTRY.items() if "translationPerMinute" in recipe.cost_names
    }

    assert set(facets.TRANSLATABLE) == translating != set()
