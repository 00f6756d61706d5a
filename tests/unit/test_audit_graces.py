"""Names of grace grants in ledger entries of either version."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from darkroom.credits.audit import replay
from darkroom.credits.audit.facts import EntryFacts
from darkroom.credits.audit.replay import Grant

AT = datetime(2026, 1, 5, 10, tzinfo=UTC)


def an_entry(schema: int) -> EntryFacts:
    return EntryFacts(
        account_id="alice",
        cause="refund#job_B",
        type="REFUND",
        amount=3,
        held_change=-3,
        balance_after=3,
        held_after=0,
        version=4,
        reference_id="job_B",
        created_at=AT,
        schema=schema,
    )


def a_slice(grant_id: str, credits: int) -> Grant:
    return Grant(
        grant_id=grant_id,
        source="bonus",
        remaining=credits,
        priority=10,
        created_at=AT,
        expires_at=AT,
        merged={},
    )


@pytest.mark.parametrize(
    ("schema", "names"),
    [(1, {"gift~job_B": 1, "gift~job_A~job_B": 2}), (2, {"gift~job_B": 3})],
    ids=["a grace for each slice", "one grace, named after its root"],
)
def test_graces_of_an_entry_have_the_names_of_its_version(
    schema: int, names: dict[str, int]
) -> None:
    late = [a_slice("gift", 1), a_slice("gift~job_A", 2)]

    graces = replay._graces(an_entry(schema), late)

    assert {grace.grant_id: grace.remaining for grace in graces} == names
