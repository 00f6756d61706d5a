"""Albums: their outputs, the order of these, and repeated and concurrent requests."""

from __future__ import annotations

from typing import Any

import pytest

from darkroom.albums import store
from darkroom.albums.model import POSITION_STEP
from darkroom.jobs import store as jobs_store
from darkroom.jobs.model import Output
from darkroom.kernel.ids import job_of_output, output_id
from darkroom.kernel.limits import ALBUM_CHUNK_LIMIT
from darkroom.usecases.albums import add_to_album
from darkroom.usecases.albums.add_to_album import add_outputs_to_album
from darkroom.usecases.albums.delete_album import delete_album
from darkroom.usecases.albums.remove_from_album import forget_job_in_albums
from tests.support.builders import a_story, an_output
from tests.support.world import Response, World

NO_ALBUM = "alb_01KAH3T5B1C3D5E7F9G1H3J400"
NO_OUTPUT = "out_01KAH3T5B1C3D5E7F9G1H3J401"


def an_album(world: World, name: str = "Wedding", user: str = "alice") -> str:
    response = world.call("POST", "/api/albums", {"name": name}, user=user)
    assert response.status == 201, response.body
    return response.body["albumId"]


def outputs_of(job_id: str) -> list[Output]:
    family = jobs_store.find_family(job_id)
    assert family is not None
    return list(family.outputs)


def put(world: World, album_id: str, *output_ids: str, **body: Any) -> Response:
    path = f"/api/albums/{album_id}/outputs"
    return world.call("POST", path, {"outputIds": list(output_ids), **body})


def shown(world: World, album_id: str) -> list[str]:
    response = world.call("GET", f"/api/albums/{album_id}?limit=100")
    assert response.status == 200, response.body
    return [output["outputId"] for output in response.body["outputs"]]


@pytest.fixture
def story(world: World) -> list[Output]:
    return outputs_of(a_story(world))


def test_a_new_album_is_empty_and_listed_first(world: World) -> None:
    first = an_album(world, "First")
    world.clock.move(seconds=1)
    second = an_album(world, "  우리 결혼  ")

    items = world.call("GET", "/api/albums").body["items"]

    assert [item["albumId"] for item in items] == [second, first]
    assert items[0]["name"] == "우리 결혼" and items[0]["outputCount"] == 0
    assert shown(world, first) == []


def test_albums_are_listed_page_by_page(world: World) -> None:
    made = []
    for _ in range(3):
        world.clock.move(seconds=1)
        made.append(an_album(world))

    first = world.call("GET", "/api/albums?limit=2").body
    second = world.call("GET", f"/api/albums?limit=2&cursor={first['nextCursor']}").body

    seen = [item["albumId"] for item in first["items"] + second["items"]]
    assert seen == made[::-1] and second["nextCursor"] is None


def test_outputs_are_shown_in_the_order_they_were_added(world: World, story: list[Output]) -> None:
    album_id = an_album(world)
    ids = [output.output_id for output in story][::-1]

    response = put(world, album_id, *ids, group="day one")

    assert (response.status, response.body["outputCount"]) == (200, len(ids))
    assert shown(world, album_id) == ids
    [first, *_] = world.call("GET", f"/api/albums/{album_id}").body["outputs"]
    assert first["group"] == "day one" and first["position"] == POSITION_STEP
    assert (first["selected"], first["tags"]) == (False, [])
    assert first["type"] == story[-1].type and first["downloadUrl"]


def test_adding_again_changes_nothing(world: World, story: list[Output]) -> None:
    album_id = an_album(world)
    ids = [output.output_id for output in story]
    put(world, album_id, *ids, group="one")

    again = put(world, album_id, *ids, *ids, group="two")

    assert again.body["outputCount"] == len(ids)
    groups = {o["group"] for o in world.call("GET", f"/api/albums/{album_id}").body["outputs"]}
    assert groups == {"one"}


def test_the_first_picture_is_the_cover_until_another_is_chosen(
    world: World, story: list[Output]
) -> None:
    album_id = an_album(world)
    path = f"/api/albums/{album_id}"
    pictures = [o.output_id for o in story if o.mime_type.startswith("image/")]
    film = next(o.output_id for o in story if o.mime_type.startswith("video/"))
    put(world, album_id, film, *pictures)

    first = world.call("GET", path).body
    chosen = world.call("PATCH", path, {"coverOutputId": pictures[1]}).body
    none = world.call("PATCH", path, {"coverOutputId": None}).body
    no_picture = world.call("PATCH", path, {"coverOutputId": film})
    not_in = world.call("PATCH", path, {"coverOutputId": NO_OUTPUT})

    assert first["coverOutputId"] == pictures[0] and first["coverUrl"]
    assert chosen["coverOutputId"] == pictures[1]
    assert "coverOutputId" not in none
    assert (no_picture.status, not_in.status) == (400, 400)


def test_renaming_keeps_everything_else(world: World, story: list[Output]) -> None:
    album_id = an_album(world)
    put(world, album_id, story[0].output_id)
    before = world.call("GET", f"/api/albums/{album_id}").body

    world.clock.move(seconds=5)
    after = world.call("PATCH", f"/api/albums/{album_id}", {"name": "Honeymoon"}).body

    assert after["name"] == "Honeymoon" and after["updatedAt"] > before["updatedAt"]
    assert after["outputCount"] == 1 and after["coverOutputId"] == before["coverOutputId"]


def test_an_output_is_grouped_tagged_selected_and_moved(world: World, story: list[Output]) -> None:
    album_id = an_album(world)
    ids = [output.output_id for output in story[:3]]
    put(world, album_id, *ids)
    path = f"/api/albums/{album_id}/outputs/{ids[2]}"

    response = world.call(
        "PATCH",
        path,
        {"group": "best", "tags": ["a", "b", "a"], "selected": True, "position": 1},
    )
    partly = world.call("PATCH", path, {"group": None})

    assert response.status == 200
    assert (response.body["group"], response.body["tags"]) == ("best", ["a", "b"])
    assert response.body["selected"] is True
    assert shown(world, album_id) == [ids[2], ids[0], ids[1]]
    assert "group" not in partly.body and partly.body["tags"] == ["a", "b"]


def test_pages_of_an_album_follow_its_order(world: World, story: list[Output]) -> None:
    album_id = an_album(world)
    ids = [output.output_id for output in story]
    put(world, album_id, *ids)

    seen, path = [], f"/api/albums/{album_id}?limit=2"
    while True:
        page = world.call("GET", path).body
        seen += [output["outputId"] for output in page["outputs"]]
        if page["nextCursor"] is None:
            break
        path = f"/api/albums/{album_id}?limit=2&cursor={page['nextCursor']}"

    other = world.call("GET", f"{path.replace(album_id, an_album(world))}")
    assert seen == ids
    assert (other.status, other.body["code"]) == (400, "BAD_CURSOR")


def test_a_removed_output_leaves_and_can_come_back_last(world: World, story: list[Output]) -> None:
    album_id = an_album(world)
    ids = [output.output_id for output in story[:3]]
    put(world, album_id, *ids)
    path = f"/api/albums/{album_id}/outputs/{ids[0]}"

    statuses = [world.call("DELETE", path).status for _ in range(2)]
    without = world.call("GET", f"/api/albums/{album_id}").body
    gone = world.call("PATCH", path, {"selected": True})
    put(world, album_id, ids[0])

    assert statuses == [204, 204]
    assert without["outputCount"] == 2 and without.get("coverOutputId") != ids[0]
    assert gone.status == 404
    assert shown(world, album_id) == [ids[1], ids[2], ids[0]]
    assert world.call("GET", f"/api/albums/{album_id}").body["outputCount"] == 3


def test_a_job_adds_its_outputs_only_once(world: World, story: list[Output]) -> None:
    album_id = an_album(world)

    first = add_outputs_to_album(world.app, "alice", album_id, outputs=story, group="g")
    world.call("DELETE", f"/api/albums/{album_id}/outputs/{story[0].output_id}")
    again = add_outputs_to_album(world.app, "alice", album_id, outputs=story, group="g")

    assert (first, again) == (len(story), 0)
    assert shown(world, album_id) == [output.output_id for output in story[1:]]


@pytest.mark.parametrize("kind", ["missing", "another account's", "no id", "deleted"])
def test_a_job_whose_album_is_gone_adds_nothing(
    world: World, story: list[Output], kind: str
) -> None:
    deleted = an_album(world)
    delete_album(world.app, account_id="alice", album_id=deleted)
    album_id = {
        "missing": NO_ALBUM,
        "another account's": an_album(world, user="bob"),
        "no id": "x",
        "deleted": deleted,
    }[kind]

    assert add_outputs_to_album(world.app, "alice", album_id, outputs=story) == 0


def test_a_full_album_takes_no_more(
    world: World, story: list[Output], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(add_to_album, "ALBUM_OUTPUTS_LIMIT", 2)
    album_id = an_album(world)
    ids = [output.output_id for output in story]

    two, three = put(world, album_id, *ids[:2]), put(world, album_id, ids[2])

    assert two.status == 200
    assert (three.status, three.body["code"]) == (409, "ALBUM_FULL")
    assert add_outputs_to_album(world.app, "alice", album_id, outputs=story) == 0


def test_many_outputs_are_added_in_chunks_that_repeat_harmlessly(world: World) -> None:
    album_id = an_album(world)
    many = numbered_outputs(ALBUM_CHUNK_LIMIT * 2 + 5)

    interrupted = add_outputs_to_album(
        world.app, "alice", album_id, outputs=many[:ALBUM_CHUNK_LIMIT]
    )
    rest = add_outputs_to_album(world.app, "alice", album_id, outputs=many)

    assert (interrupted, rest) == (ALBUM_CHUNK_LIMIT, ALBUM_CHUNK_LIMIT + 5)
    album = store.get_album("alice", album_id)
    entries, _ = store.list_entries("alice", album_id, limit=1000)
    assert album.output_count == len(entries) == len(many)
    assert [entry.picture.output_id for entry in entries] == [o.output_id for o in many]


def numbered_outputs(number: int) -> list[Output]:
    job_id = "job_01KAH3T5B1C3D5E7F9G1H3J400"
    return [
        an_output(f"portrait_{n}", output_id=output_id(job_id, n)) for n in range(1, number + 1)
    ]


def test_two_concurrent_requests_add_an_output_once(
    world: World, story: list[Output], monkeypatch: pytest.MonkeyPatch
) -> None:
    album_id = an_album(world)
    find_entries, turns = store.find_entries, list[str]()

    def overtaken(*args: Any) -> Any:
        """Between our read and our commit, another request adds the same outputs."""
        found = find_entries(*args)
        if not turns:
            turns.append("taken")
            add_outputs_to_album(world.app, "alice", album_id, outputs=story)
        return found

    monkeypatch.setattr(store, "find_entries", overtaken)
    added = add_outputs_to_album(world.app, "alice", album_id, outputs=story)

    assert added == 0
    assert store.get_album("alice", album_id).output_count == len(story)


def test_a_deleted_album_is_gone_at_once_and_emptied_by_the_sweeper(
    world: World, story: list[Output]
) -> None:
    album_id = an_album(world)
    put(world, album_id, *(output.output_id for output in story))

    statuses = [world.call("DELETE", f"/api/albums/{album_id}").status for _ in range(2)]
    gone = world.call("GET", f"/api/albums/{album_id}")
    listed = world.call("GET", "/api/albums").body["items"]
    world.sweep()

    assert statuses == [204, 204]
    assert (gone.status, listed) == (404, [])
    assert world.scan("albums") == []
    assert world.call("DELETE", f"/api/albums/{album_id}").status == 404
    assert jobs_store.find_family(_job_of(story)) is not None


def test_emptying_an_album_resumes_after_a_crash(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    album_id = an_album(world)
    add_outputs_to_album(world.app, "alice", album_id, outputs=numbered_outputs(7))
    delete_album(world.app, account_id="alice", album_id=album_id)
    monkeypatch.setattr("darkroom.usecases.albums.delete_album.ALBUM_CHUNK_LIMIT", 2)
    monkeypatch.setattr("darkroom.usecases.albums.delete_album.SWEEP_ITEMS_LIMIT", 4)

    done = [world.sweep() for _ in range(3)]

    assert [sweep.get("album_emptying", 0) for sweep in done] == [1, 1, 0]
    assert world.scan("albums") == []


def test_outputs_of_a_deleted_job_leave_all_albums(world: World, story: list[Output]) -> None:
    first, second = an_album(world), an_album(world)
    kept = numbered_outputs(1)
    for album_id in (first, second):
        add_outputs_to_album(world.app, "alice", album_id, outputs=[*kept, *story])

    removed = forget_job_in_albums(world.app, "alice", _job_of(story))
    again = forget_job_in_albums(world.app, "alice", _job_of(story))

    assert (removed, again) == (2 * len(story), 0)
    assert shown(world, first) == shown(world, second) == [kept[0].output_id]
    assert add_outputs_to_album(world.app, "alice", first, outputs=story) == 0


def _job_of(outputs: list[Output]) -> str:
    return job_of_output(outputs[0].output_id)


def test_only_outputs_of_the_same_account_can_be_added(world: World, story: list[Output]) -> None:
    bobs = an_album(world, user="bob")
    mine = an_album(world)
    path = f"/api/albums/{bobs}/outputs"
    body = {"outputIds": [story[0].output_id]}

    responses = [
        world.call("POST", path, body, user="bob"),
        world.call("POST", path, body),
        put(world, mine, NO_OUTPUT),
        put(world, mine, story[0].output_id, NO_OUTPUT),
        put(world, mine, "x"),
        put(world, NO_ALBUM, story[0].output_id),
    ]

    assert [response.status for response in responses] == [404] * 6
    assert shown(world, mine) == []


BAD = [
    ("POST", "/api/albums", {}),
    ("POST", "/api/albums", {"name": " "}),
    ("POST", "/api/albums", {"name": "x" * 101}),
    ("POST", "/api/albums", {"name": "a\nb"}),
    ("POST", "/api/albums", {"name": 5}),
    ("POST", "/api/albums", {"name": "a", "accountId": "bob"}),
    ("PATCH", "/api/albums/{album}", {}),
    ("PATCH", "/api/albums/{album}", {"name": None}),
    ("POST", "/api/albums/{album}/outputs", {"outputIds": []}),
    ("POST", "/api/albums/{album}/outputs", {"outputIds": ["x"] * 101}),
    ("POST", "/api/albums/{album}/outputs", {"outputIds": "x"}),
    ("PATCH", "/api/albums/{album}/outputs/{output}", {}),
    ("PATCH", "/api/albums/{album}/outputs/{output}", {"position": -1}),
    ("PATCH", "/api/albums/{album}/outputs/{output}", {"position": 1.5}),
    ("PATCH", "/api/albums/{album}/outputs/{output}", {"position": 10**12 + 1}),
    ("PATCH", "/api/albums/{album}/outputs/{output}", {"selected": None}),
    ("PATCH", "/api/albums/{album}/outputs/{output}", {"selected": 1}),
    ("PATCH", "/api/albums/{album}/outputs/{output}", {"tags": ["a"] * 21}),
    ("PATCH", "/api/albums/{album}/outputs/{output}", {"tags": [""]}),
    ("PATCH", "/api/albums/{album}/outputs/{output}", {"group": "x" * 51}),
]


def test_invalid_requests_are_refused(world: World, story: list[Output]) -> None:
    album_id = an_album(world)
    put(world, album_id, story[0].output_id)
    before = world.scan("albums")

    for method, path, body in BAD:
        path = path.format(album=album_id, output=story[0].output_id)
        response = world.call(method, path, body)
        assert (response.status, response.body["code"]) == (400, "VALIDATION_FAILED"), (path, body)

    assert world.scan("albums") == before


ROUTES = [
    ("GET", "/api/albums", None),
    ("POST", "/api/albums", {"name": "a"}),
    ("GET", "/api/albums/{album}", None),
    ("PATCH", "/api/albums/{album}", {"name": "b"}),
    ("DELETE", "/api/albums/{album}", None),
    ("POST", "/api/albums/{album}/outputs", {"outputIds": [NO_OUTPUT]}),
    ("PATCH", "/api/albums/{album}/outputs/{output}", {"selected": True}),
    ("DELETE", "/api/albums/{album}/outputs/{output}", None),
]


def test_albums_need_a_token_and_belong_to_one_account(world: World, story: list[Output]) -> None:
    album_id = an_album(world)
    put(world, album_id, story[0].output_id)
    names = {"album": album_id, "output": story[0].output_id}
    before = world.scan("albums")

    anonymous = [world.call(m, p.format(**names), b, user=None).status for m, p, b in ROUTES]
    others = [world.call(m, p.format(**names), b, user="bob").status for m, p, b in ROUTES[2:]]

    assert anonymous == [401] * len(ROUTES)
    assert others == [404] * len(ROUTES[2:])
    assert world.scan("albums") == before
    assert world.call("GET", "/api/albums", user="bob").body["items"] == []


def test_the_same_key_makes_one_album(world: World) -> None:
    first, second = (
        world.call("POST", "/api/albums", {"name": "a"}, key="k").body for _ in range(2)
    )

    assert first == second
    assert len(world.call("GET", "/api/albums").body["items"]) == 1
