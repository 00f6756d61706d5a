"""The arithmetic of the benchmarks: counts, their table, and the peer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.__main__ import main
from bench.confirm import rows_of
from bench.counting import bill_of, size_bytes
from bench.crash import breaches_after
from bench.peers import naive_confirm
from bench.table import Row, render, save
from tests.support.world import World


def test_a_ratio_is_ours_divided_by_the_peers_unless_pairs_were_measured() -> None:
    plain = Row(section="s", what="w", ours=3, peer=6, unit="calls")
    paired = Row(section="s", what="w", ours=3, peer=6, ratio=0.4, unit="calls")
    alone = Row(section="s", what="w", ours=3, unit="calls")

    assert [row.shown_ratio for row in (plain, paired, alone)] == [0.5, 0.4, None]


def test_the_saved_figures_are_those_in_the_table(tmp_path: Path) -> None:
    rows = [Row(section="confirm", what="calls", ours=2, peer=8, unit="calls")]

    save(rows, tmp_path / "bench.json")

    saved = json.loads((tmp_path / "bench.json").read_text())
    assert [(row["ours"], row["peer"], row["ratio"]) for row in saved] == [(2, 8, 0.25)]
    assert "0.25" in render(rows)


def test_the_size_of_an_item_counts_names_and_values() -> None:
    assert size_bytes({"pk": {"S": "ä"}, "n": {"N": "-1200"}, "b": {"BOOL": True}}) == 9


def test_an_unknown_section_is_refused() -> None:
    with pytest.raises(SystemExit):
        main(["nonsense"])


def test_the_idempotency_record_is_counted_apart_from_the_step(world: World) -> None:
    bill = bill_of(lambda: world.call("POST", "/api/credits/purchase", {"pack": "Value"}, key="k"))

    calls = next(rows_of("purchase", bill))

    assert calls.ours == len(bill.calls) - 2
    assert "+2 for the idempotency record" in calls.how


def test_the_peer_makes_eight_calls_and_a_crash_breaks_its_books(world: World) -> None:
    dynamodb, sqs = world.client("dynamodb"), world.client("sqs")
    peer = naive_confirm.deploy(dynamodb, sqs, "peer")
    photo = naive_confirm.add_account(peer, "alice", credits=10)

    bill = bill_of(
        lambda: peer.confirm("alice", mode="story", stage="spark", genre="noir", asset_id=photo)
    )

    assert len(bill.calls) == naive_confirm.CALLS
    broken = [stop for stop in range(1, naive_confirm.CALLS) if list(breaches_after(peer, stop))]
    assert broken == [4, 5, 6, 7]
