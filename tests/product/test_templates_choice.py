"""The variant that an account gets and keeps."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.jobs.model import Job
from darkroom.kernel import catalog
from darkroom.kernel.command import new_command
from darkroom.kernel.errors import InvalidInput
from darkroom.templates.choice import choose, get_template, list_templates, templates_of
from darkroom.usecases.jobs import confirm_job
from darkroom.usecases.jobs.price_job import JobSnapshot, read_snapshot
from tests.support.builders import a_photo, buy, confirm, scene_inputs
from tests.support.world import World

MODES, STAGES = ("quick", "story", "trailer"), ("spark", "together", "apart")
GENRES = ("romance", "comedy", "noir")
IDS = ["story-spark-romance-1", "story-spark-romance-2", "story-spark-romance-3"]
COMBINATION = ("story", "spark", "romance")
FILE = "templates/story/spark-romance.json"
text = st.text(st.characters(codec="utf-8"), max_size=20)


def pick(ids: list[str], *, account: str = "alice", device: str = "") -> str:
    return choose(ids, account_id=account, device_id=device, combination=COMBINATION)


# The hash


@given(
    account=text,
    device=text,
    stage=st.sampled_from(STAGES),
    genre=st.sampled_from(GENRES),
    count=st.integers(1, 7),
)
def test_the_variant_is_the_documented_hash(
    account: str, device: str, stage: str, genre: str, count: int
) -> None:
    ids = [f"t{number}" for number in range(count)]
    digest = hashlib.sha256(f"{account}|{device}|{stage}|{genre}|story".encode())
    expected = ids[int(digest.hexdigest()[0:8], 16) % count]

    chosen = choose(
        list(reversed(ids)),
        account_id=account,
        device_id=device,
        combination=("story", stage, genre),
    )

    assert chosen == expected


def test_known_accounts_keep_their_variants_between_releases() -> None:
    # sha256("alice||spark|romance|story") begins with these digits; 0x… modulo 3 is the index.
    digits = hashlib.sha256(b"alice||spark|romance|story").hexdigest()[:8]

    assert pick(IDS) == IDS[int(digits, 16) % 3] == "story-spark-romance-2"


def test_the_order_of_the_ids_does_not_matter() -> None:
    assert pick(IDS) == pick(IDS[::-1]) == pick([IDS[1], IDS[0], IDS[2]])


def test_every_variant_has_its_share() -> None:
    given_out = Counter(pick(IDS, account=f"user-{number}") for number in range(3000))

    assert set(given_out) == set(IDS)
    assert all(900 < count < 1100 for count in given_out.values())


def test_no_templates_has_its_own_error() -> None:
    with pytest.raises(InvalidInput) as refusal:
        pick([])

    assert refusal.value.error_code == "NO_TEMPLATES"


# The catalog


def test_every_combination_has_three_variants_in_order() -> None:
    for mode in MODES:
        for stage in STAGES:
            for genre in GENRES:
                ids = [template["templateId"] for template in templates_of(mode, stage, genre)]
                assert ids == [f"{mode}-{stage}-{genre}-{number}" for number in (1, 2, 3)]


def test_filters_narrow_the_list_and_keep_its_order() -> None:
    everything = [template["templateId"] for template in list_templates()]

    assert len(everything) == 81
    assert everything == sorted(everything)
    assert len(list_templates(mode="story")) == 27
    assert [t["templateId"] for t in list_templates("story", "spark", "romance")] == IDS
    assert list_templates(genre="western") == []


def test_an_unknown_combination_has_no_templates() -> None:
    assert templates_of("story", "spark", "western") == []


def test_a_removed_template_is_an_error() -> None:
    assert get_template(IDS[0], *COMBINATION)["templateId"] == IDS[0]
    with pytest.raises(InvalidInput) as refusal:
        get_template("story-spark-romance-9", *COMBINATION)

    assert refusal.value.error_code == "NO_TEMPLATES"


# Assignments


def catalog_with(patch: pytest.MonkeyPatch, templates: list[Mapping[str, Any]]) -> None:
    """The catalog after a deploy that changed one file of templates."""
    read = catalog.read
    changed = {FILE: {"templates": templates}}
    patch.setattr(catalog, "read", lambda name: changed.get(name) or read(name))


def five_variants() -> list[Mapping[str, Any]]:
    templates = list(templates_of(*COMBINATION))
    return templates + [{**templates[0], "templateId": f"{IDS[0][:-1]}{n}"} for n in (4, 5)]


def test_an_account_keeps_its_variant_when_templates_are_added(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    pinned = [confirm(world, user).body["templateId"] for user in ("alice", "bob")]
    world.pump_stream()
    more = five_variants()
    ids = [template["templateId"] for template in more]
    assert [pick(ids, account=user) for user in ("alice", "bob")] != pinned
    catalog_with(monkeypatch, more)

    later = [confirm(world, user, key="later") for user in ("alice", "bob")]
    newcomer = confirm(world, "carol").body["templateId"]

    assert [response.body["templateId"] for response in later] == pinned
    assert newcomer == pick(ids, account="carol")


def test_a_removed_variant_is_replaced_by_the_hash(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    confirm(world)
    world.pump_stream()
    left = [template for template in templates_of(*COMBINATION) if template["variant"] != 2]
    assert len(left) == 2
    catalog_with(monkeypatch, left)

    response = confirm(world, key="later")

    assert response.body["templateId"] == pick([template["templateId"] for template in left])


def test_a_device_brings_its_variant_to_an_account_that_has_none(world: World) -> None:
    device, first, second = devices_that_differ()
    first_variant = confirm(world, "guest", deviceId=device).body["templateId"]
    world.pump_stream()

    taken_over = confirm(world, first, deviceId=device).body["templateId"]
    world.pump_stream()
    kept = confirm(world, first, deviceId=second, key="later").body["templateId"]

    alone = pick(IDS, account=first, device=device)
    assert first_variant == taken_over == kept
    assert alone != first_variant


def test_the_next_confirm_keeps_the_variant_with_or_without_stream_records(
    world: World,
) -> None:
    phone, tablet = two_devices_that_differ("alice")

    first = confirm(world, deviceId=phone).body["templateId"]
    second = confirm(world, deviceId=tablet, key="later").body["templateId"]

    assert first == second


def test_two_devices_that_confirm_at_once_agree(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone, tablet = two_devices_that_differ("alice")
    buy(world, 20)
    inputs = scene_inputs(a_photo(world))
    read, others = read_snapshot, list[str | None]()

    def read_and_be_overtaken(job: Job) -> JobSnapshot:
        facts = read(job)
        if not others:
            others.append("")
            others[0] = confirmed(world, inputs, tablet)
        return facts

    monkeypatch.setattr(confirm_job, "read_snapshot", read_and_be_overtaken)

    assert confirmed(world, inputs, phone) == others[0]

    stored = [item for item in world.scan("templates") if item["subject"]["S"] == "account#alice"]
    assert [item["templateId"]["S"] for item in stored] == others


def test_a_variant_costs_its_write_once(world: World) -> None:
    buy(world, 20)
    confirm(world)
    before = world.scan("templates")

    confirm(world, key="later")
    world.drain()

    assert world.scan("templates") == before


def test_an_accounts_own_variant_has_priority_over_its_devices(world: World) -> None:
    device, account, _ = devices_that_differ()
    confirm(world, "guest", deviceId=device)
    own = confirm(world, account).body["templateId"]
    world.pump_stream()

    later = confirm(world, account, deviceId=device, key="later").body["templateId"]

    assert later == own


def devices_that_differ() -> tuple[str, str, str]:
    """A device of ``guest``, an account that alone would get another variant, its next device."""
    device = "phone"
    of_guest = pick(IDS, account="guest", device=device)
    for number in range(100):
        account = f"user-{number}"
        alone = {pick(IDS, account=account, device=d) for d in (device, "tablet", "")}
        if of_guest not in alone:
            return device, account, "tablet"
    raise AssertionError("no such account")


def confirmed(world: World, inputs: dict[str, Any], device_id: str) -> str | None:
    """The variant of a story that alice confirmed on this device."""
    call = new_command(
        world.app.ids, account_id="alice", route="confirm", language="en", key=device_id, body={}
    )
    done = confirm_job.confirm_new(
        world.app, call, recipe_name="story", inputs=inputs, device_id=device_id
    )
    return done.job.template_id


def two_devices_that_differ(account: str) -> tuple[str, str]:
    """Two devices of which each alone would get the account another variant."""
    phone = "phone"
    for number in range(100):
        tablet = f"tablet-{number}"
        if pick(IDS, account=account, device=tablet) != pick(IDS, account=account, device=phone):
            return phone, tablet
    raise AssertionError("no such devices")
