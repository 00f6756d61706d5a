"""Lists of words in the API's document are those of the code and the catalog."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from darkroom.api.messages import MESSAGES
from darkroom.api.openapi.document import full_openapi
from darkroom.jobs.model import Job, Receipt
from darkroom.jobs.states import JobStatus, TaskStatus
from darkroom.kernel import catalog
from darkroom.kernel.money import PricePart
from darkroom.recipes import REGISTRY
from darkroom.studio.speech.captions import NO_SPEECH
from darkroom.views import jobs as views

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)


def schema(name: str) -> dict[str, Any]:
    found: dict[str, Any] = full_openapi()["components"]["schemas"][name]
    return found


def words(name: str) -> list[str]:
    found: list[str] = schema(name)["enum"]
    return found


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("modes", "Recipe"),
        ("stages", "Stage"),
        ("genres", "Genre"),
        ("distanceModes", "DistanceMode"),
        ("endings", "Ending"),
        ("portraitModes", "PortraitMode"),
        ("formats", "CaptionFormat"),
        ("styles", "Style"),
        ("languages", "SourceLanguage"),
    ],
)
def test_the_catalog_has_a_label_for_every_word(field: str, name: str) -> None:
    labels = schema("RecipesResponse")["properties"][field]["properties"]

    assert list(labels) == words(name)


def test_the_catalog_has_a_label_for_every_slider() -> None:
    labels = schema("RecipesResponse")["properties"]["sliders"]["properties"]

    assert list(labels) == list(schema("Sliders")["properties"])


def test_words_of_the_catalog_are_those_of_its_files() -> None:
    assert words("Style") == list(catalog.read("styles.json")["styles"])
    assert words("TargetLanguage") == list(catalog.read("languages.json")["languages"])


def test_words_of_states_are_those_of_the_state_machines() -> None:
    assert words("JobStatus") == [str(status) for status in JobStatus]
    assert words("TaskStatus") == [str(status) for status in TaskStatus]
    assert words("Recipe") == list(REGISTRY)
    assert words("Mode") == [name for name, recipe in REGISTRY.items() if recipe.is_mode]


def test_codes_are_those_of_the_code() -> None:
    assert words("ErrorCode") == list(MESSAGES)
    assert set(words("ShortfallCode")) <= set(MESSAGES)
    assert words("ReceiptNote") == [NO_SPEECH]


def test_a_word_that_has_left_its_list_is_still_shown() -> None:
    """What was stored under an earlier version never makes a response fail."""
    price = (PricePart(name="gone", credits=2, promised=("old_1",)),)
    job = Job(
        job_id="job_1",
        account_id="alice",
        recipe="gone",
        status=JobStatus.PARTIAL,
        inputs={"style": "GONE"},
        created_at=NOW,
        updated_at=NOW,
        price=price,
        receipt=Receipt(used=1, refunded=1, parts=(1,), reason="GONE", note="GONE"),
        regen_target="gone",
    )

    shown = views.job_summary(job, language="en").model_dump(by_alias=True)

    assert (shown["recipe"], shown["inputs"], shown["regenTarget"]) == (
        "gone",
        {"style": "GONE"},
        "gone",
    )
    assert (shown["receipt"]["reason"], shown["receipt"]["note"]) == ("GONE", "GONE")
