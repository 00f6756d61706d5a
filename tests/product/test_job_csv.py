"""The CSV export of jobs: its rows, its pages, and no formula in its cells."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.views.job_lists import BYTE_ORDER_MARK, COLUMNS, safe_cell
from tests.support.builders import JOB_ID, a_draft, a_story, a_user, an_asset
from tests.support.moto_world import moto_world
from tests.support.world import Response, World


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with moto_world() as world:
        yield world


@pytest.fixture
def user() -> str:
    return a_user()


def export(world: World, user: str | None, query: str = "") -> Response:
    return world.call("GET", f"/api/jobs.csv{query}", user=user)


def rows_of(response: Response) -> list[dict[str, str]]:
    assert response.status == 200, response.body
    assert response.body.startswith(BYTE_ORDER_MARK)
    return list(
        csv.DictReader(io.StringIO(response.body.removeprefix(BYTE_ORDER_MARK), newline=""))
    )


def test_the_export_has_a_header_and_a_row_for_each_job(world: World, user: str) -> None:
    empty = export(world, user)
    job_id = a_story(world, user, failing=["clip_2"])

    response = export(world, user)

    assert empty.body == BYTE_ORDER_MARK + ",".join(f'"{name}"' for name in COLUMNS) + "\r\n"
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert response.headers["content-disposition"] == 'attachment; filename="jobs-2026-01-05.csv"'
    assert "link" not in response.headers
    job = world.call("GET", f"/api/jobs/{job_id}", user=user).body
    assert rows_of(response) == [
        {
            "jobId": job_id,
            "recipe": "story",
            "status": "partial",
            "created": job["createdAt"],
            "started": job["startedAt"],
            "finished": job["finishedAt"],
            "durationSeconds": "0.0",
            "creditsReserved": "2",
            "creditsUsed": str(job["receipt"]["used"]),
            "creditsRefunded": str(job["receipt"]["refunded"]),
            "progress": "100",
            "fileNames": "us.jpg",
            "errorCode": "UNDELIVERABLE",
        }
    ]


def test_the_row_of_a_draft_has_empty_cells(world: World, user: str) -> None:
    a_draft(world, user)

    [row] = rows_of(export(world, user))

    assert {name for name, cell in row.items() if cell == ""} == {
        "started", "finished", "durationSeconds", "errorCode"
    }  # fmt: skip


def test_the_export_has_the_filters_of_the_list(world: World, user: str) -> None:
    draft, story = a_draft(world, user), a_story(world, user)
    world.pump_stream()

    def ids(query: str) -> list[str]:
        return [row["jobId"] for row in rows_of(export(world, user, query))]

    assert ids("?status=draft") == [draft]
    assert ids("?status=succeeded&recipe=story") == [story]
    assert sorted(ids("?search=us")) == sorted([draft, story])
    assert ids("?dateTo=2026-01-05") == []
    assert export(world, user, "?status=x").status == 400


def test_the_next_links_lead_through_all_rows(world: World, user: str) -> None:
    jobs = {a_draft(world, user) for _ in range(5)}

    seen, path, count = [], "/api/jobs.csv?limit=2&status=draft", 0
    while path:
        response = world.call("GET", path, user=user)
        seen += [row["jobId"] for row in rows_of(response)]
        count += 1
        link = re.fullmatch(r'<(.+)>; rel="next"', response.headers.get("link", ""))
        path = link[1] if link else ""

    assert (set(seen), len(seen), count) == (jobs, 5, 3)


def test_the_limit_is_a_thousand_rows(world: World, user: str) -> None:
    for limit in ("0", "1001", "x"):
        response = export(world, user, f"?limit={limit}")
        assert (response.status, response.body["fields"][0]["path"]) == (400, "limit")


def test_chosen_jobs_keep_their_order_and_leave_out_other_accounts(world: World, user: str) -> None:
    first, second = a_draft(world, user), a_draft(world, user)
    foreign = a_draft(world, a_user())

    ids = ",".join([second, foreign, JOB_ID, "nonsense", first, second])
    rows = rows_of(export(world, user, f"?jobIds={ids}"))

    assert [row["jobId"] for row in rows] == [second, first]


@pytest.mark.parametrize("query", ["?jobIds=", "?jobIds=,", "?jobIds=" + ",".join(["a"] * 101)])
def test_one_to_a_hundred_jobs_can_be_chosen(query: str, world: World, user: str) -> None:
    response = export(world, user, query)

    assert (response.status, response.body["fields"][0]["path"]) == (400, "jobIds")


def test_chosen_jobs_are_not_filtered(world: World, user: str) -> None:
    response = export(world, user, f"?jobIds={JOB_ID}&status=draft")

    assert (response.status, response.body["fields"][0]["path"]) == (400, "jobIds")


# Formulas


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "\tharmless",
        "  =1",
        "\u3000=1",
        "\u00a0@x",
        "\ufeff=1",
        "\u200b=1",
        '"=1',
        "'=1",
        "“=1",
        "＝1",
        "＋1",
        "－1",
        "＠x",
        "﹦1",
    ],
)
def test_a_possible_formula_is_marked_as_text(text: str) -> None:
    assert safe_cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "a=1", "us.jpg", "2-1.png", "한글", "(=1)", "1", "#1"])
def test_a_cell_that_is_no_formula_is_unchanged(text: str) -> None:
    assert safe_cell(text) == text


@given(st.text(alphabet=st.sampled_from("=+-@＝＋ \t\r\n\"'“\u200ba1,;"), max_size=6))
def test_no_cell_begins_with_a_formula(text: str) -> None:
    first = unicodedata.normalize("NFKC", safe_cell(text)).lstrip(' "“\u200b\u3000')[:1]

    assert first not in {"=", "+", "-", "@", "\t", "\r", "\n"}


@given(st.lists(st.text(max_size=8), min_size=1, max_size=5))
def test_a_cell_is_read_back_as_it_was_written(cells: list[str]) -> None:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerow([safe_cell(cell) for cell in cells])

    [read] = csv.reader(io.StringIO(text.getvalue(), newline=""))

    assert [cell.removeprefix("'") for cell in read] == [cell.removeprefix("'") for cell in cells]


def test_each_file_name_of_a_job_is_escaped(world: World, user: str) -> None:
    names = ("@first.jpg", '=HYPERLINK("http://x")', "two\r\nlines, and commas.jpg")
    photos = [an_asset(world, user, filename=name) for name in names]
    body: dict[str, Any] = {
        "recipe": "story",
        "inputs": {"photoAssetIds": photos, "stage": "spark", "genre": "noir"},
        "status": "draft",
    }
    assert world.call("POST", "/api/jobs", body, user=user).status == 201

    [row] = rows_of(export(world, user))

    assert row["fileNames"] == "; ".join((f"'{names[0]}", f"'{names[1]}", names[2]))
