"""Ids: prefixed ULIDs, random or derived from their cause; output ids contain their job's id."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.kernel.ids import (
    MAX_OUTPUTS_PER_JOB,
    Ids,
    derived_id,
    is_id,
    job_of_output,
    output_id,
)
from tests.support.world import ManualClock

DERIVED = "job_6T1HWKX2CSVSH8Z27T42QPZH00"
words = st.text(min_size=1, max_size=12)


def test_new_ids_sort_by_their_creation_time() -> None:
    clock = ManualClock()
    ids = Ids(clock)

    earlier = ids.new("job")
    clock.move(seconds=0.001)
    later = ids.new("job")

    assert earlier < later
    assert is_id(earlier, "job")


def test_new_ids_of_the_same_millisecond_differ() -> None:
    ids = Ids(ManualClock())

    assert len({ids.new("job") for _ in range(500)}) == 500


def test_ids_encode_their_time_as_the_ulid_specification_says() -> None:
    ids = Ids(ManualClock(), random_bytes=lambda size: b"\x00" * size)

    # 2026-01-05T09:00:00Z is 1767603600000 ms; ten characters of base 32 hold 48 bits.
    number = 0
    for character in ids.new("job").removeprefix("job_")[:10]:
        number = number * 32 + "0123456789ABCDEFGHJKMNPQRSTVWXYZ".index(character)
    assert number == 1_767_603_600_000


def test_tokens_have_the_requested_size() -> None:
    ids = Ids(ManualClock())

    assert len(bytes.fromhex(ids.token())) == 16
    assert len(bytes.fromhex(ids.token(32))) == 32


@given(cause=st.lists(words, min_size=1, max_size=4))
def test_the_same_cause_always_has_the_same_id(cause: list[str]) -> None:
    assert derived_id("job", *cause) == derived_id("job", *cause)
    assert is_id(derived_id("job", *cause), "job")


def test_derived_ids_do_not_change_between_releases() -> None:
    # A request repeated after a deploy must find what it created before.
    assert derived_id("job", "alice", "POST /api/jobs/confirm", "k1") == DERIVED


def test_different_causes_have_different_ids() -> None:
    causes = [("a", "b", "c"), ("ab", "c"), ("a", "bc"), ("abc",), ("c", "b", "a")]

    assert len({derived_id("job", *cause) for cause in causes}) == len(causes)


@given(number=st.integers(1, MAX_OUTPUTS_PER_JOB), cause=words)
def test_an_output_id_gives_the_id_of_its_job(number: int, cause: str) -> None:
    job = derived_id("job", cause)

    output = output_id(job, number)

    assert is_id(output, "out")
    assert job_of_output(output) == job


def test_output_ids_of_new_jobs_differ_and_give_the_job_too() -> None:
    job = Ids(ManualClock()).new("job")
    outputs = [output_id(job, number) for number in range(1, 100)]

    assert len(set(outputs)) == len(outputs)
    assert {job_of_output(output) for output in outputs} == {job}


@pytest.mark.parametrize("number", [0, -1, MAX_OUTPUTS_PER_JOB + 1])
def test_an_output_number_out_of_range_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match="outside"):
        output_id(derived_id("job", "x"), number)


GOOD = "01KE6P4YM0DW25PDBDE1K4KS00"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ast_",
        GOOD,
        f"job_{GOOD}",
        f"ast_{GOOD[:-1]}",
        f"ast_{GOOD}0",
        f"ast_{GOOD.lower()}",
        f"ast_8{GOOD[1:]}",
        f"ast_{GOOD[:-1]}I",
        f"ast_{GOOD[:-1]}L",
        f"ast_{GOOD[:-1]}U",
        f" ast_{GOOD}",
        f"ast_{GOOD}\n",
        f"ast_{GOOD[:-2]}/.",
    ],
)
def test_an_invalid_id_is_recognized(text: str) -> None:
    assert is_id(f"ast_{GOOD}", "ast")
    assert not is_id(text, "ast")
