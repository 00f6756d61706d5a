"""Prices: the suggestion for an account without enough credits, and the used share of a price."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.credits.pricing import costs, get_pack, packs, suggest
from darkroom.kernel.errors import InvalidInput
from darkroom.kernel.money import PricePart, total_credits

PROMISED = ("clip_1", "clip_2", "clip_3", "film")


def named(shortfall: int) -> list[str]:
    return [suggestion["pack"] for suggestion in suggest(shortfall, packs())]


@pytest.mark.parametrize(
    ("shortfall", "expected"),
    [
        (1, ["Starter", "Value"]),
        (10, ["Starter", "Value"]),
        (11, ["Value", "Pro"]),
        (50, ["Value", "Pro"]),
        (51, ["Pro"]),
        (120, ["Pro"]),
        (121, ["Pro"]),
    ],
)
def test_up_to_two_sufficient_packs_are_suggested_smallest_first(
    shortfall: int, expected: list[str]
) -> None:
    assert named(shortfall) == expected


def test_suggestions_do_not_depend_on_the_order_of_the_offer() -> None:
    assert suggest(11, packs()) == suggest(11, tuple(reversed(packs())))
    assert suggest(1, packs())[0] == {"pack": "Starter", "credits": 10}


def test_without_packs_there_is_no_suggestion() -> None:
    assert suggest(1, ()) == []


def test_packs_and_costs_are_those_of_the_specification() -> None:
    assert [(pack.name, pack.credits) for pack in packs()] == [
        ("Starter", 10),
        ("Value", 50),
        ("Pro", 120),
    ]
    known = ("quick", "story", "trailer", "rewrite", "regenerate")
    assert [costs()[name] for name in known] == [0, 2, 5, 1, 1]
    assert all(type(cost) is int for cost in costs().values())


def test_money_is_decimal_and_credits_are_whole() -> None:
    for pack in packs():
        assert type(pack.credits) is int
        assert all(isinstance(price, Decimal) for price in pack.prices.values())


def test_an_unknown_pack_is_refused_by_its_field() -> None:
    with pytest.raises(InvalidInput) as refusal:
        get_pack("value")

    assert refusal.value.facts["fields"][0]["path"] == "pack"
    assert get_pack("Value").credits == 50


@pytest.mark.parametrize(
    ("made", "used"),
    [
        (set(), 0),
        ({"clip_1"}, 0),
        ({"clip_1", "clip_2"}, 1),
        ({"clip_1", "clip_2", "clip_3"}, 1),
        (set(PROMISED), 2),
        ({"kf_1", "kf_2", "kf_3"}, 0),
    ],
)
def test_a_part_is_used_in_proportion_rounded_down(made: set[str], used: int) -> None:
    part = PricePart(name="base", credits=2, promised=PROMISED)

    assert part.used(made) == used


@given(
    credits=st.integers(min_value=0, max_value=10_000),
    promised=st.sets(st.integers(0, 30), min_size=1),
    made=st.sets(st.integers(0, 40)),
)
def test_a_receipt_never_charges_more_than_was_delivered(
    credits: int, promised: set[int], made: set[int]
) -> None:
    part = PricePart(name="base", credits=credits, promised=tuple(map(str, sorted(promised))))
    delivered = len(made & promised)

    used = part.used({str(key) for key in made})

    assert 0 <= used <= credits
    assert used * len(promised) <= credits * delivered < (used + 1) * len(promised)
    assert (used == credits) or delivered < len(promised)


@pytest.mark.parametrize(
    ("credits", "made", "used"),
    [
        (2, set(), 0),
        (2, {"kf_1"}, 0),
        (2, {"clip_1"}, 1),
        (2, set(PROMISED[:3]), 1),
        (2, set(PROMISED), 2),
        (1, {"film"}, 1),
        (0, {"film"}, 0),
        (40, {"film"}, 10),
    ],
)
def test_a_started_part_of_a_canceled_job_costs_at_least_a_credit(
    credits: int, made: set[str], used: int
) -> None:
    part = PricePart(name="base", credits=credits, promised=PROMISED)

    assert part.used(made, is_canceled=True) == used


def test_a_part_without_promises_is_used_as_a_whole() -> None:
    assert PricePart(name="fee", credits=3, promised=()).used(()) == 3


def test_a_price_is_the_sum_of_its_parts() -> None:
    parts = (
        PricePart(name="base", credits=5, promised=PROMISED),
        PricePart(name="rewrite", credits=1, promised=("clip_3",)),
    )

    assert total_credits(parts) == 6
    assert sum(part.used({"clip_3"}) for part in parts) == 2
