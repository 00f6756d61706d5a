"""An account is erased for good: refused at once, emptied step by step, its books kept unnamed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from darkroom.adapters.user_pool import User
from darkroom.api import mounts
from darkroom.api.openapi.document import full_openapi
from darkroom.kernel.limits import (
    ERASURE_CHECK_SECONDS,
    ERASURE_LAST_SECONDS,
    ERASURE_REMEMBERED_DAYS,
)
from darkroom.kernel.pseudonyms import pseudonym_of
from darkroom.usecases.accounts.erasure import continue_erasure
from darkroom.usecases.accounts.erasure.registry import LINES
from darkroom.usecases.accounts.erasure.steps import Left
from darkroom.usecases.credits.audit_accounts import audit_accounts
from darkroom.workers.sign_up import handle_trigger
from tests.support.builders import (
    REWRITE,
    a_balance,
    a_draft,
    a_photo,
    a_reference_photo,
    a_story,
    a_user,
    buy,
    confirm,
    owner_of,
)
from tests.support.moto_world import moto_world
from tests.support.world import World

UPLOAD = {"filename": "us.jpg", "mimeType": "image/jpeg", "sizeBytes": 3}
LARGE = {"filename": "us.mp4", "mimeType": "video/mp4", "sizeBytes": 200_000_000}


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with moto_world() as world:
        world.use_previews()
        yield world


def furnish(world: World, user: str) -> str:
    """Give the account something of each kind; returns the id of a finished job."""
    buy(world, 30, user)
    job_id = confirm(world, user=user, key="made").body["jobId"]
    world.drain()
    [output, *_] = world.call("GET", f"/api/jobs/{job_id}", user=user).body["outputs"]
    world.call("POST", f"/api/jobs/{job_id}/share", {}, user=user, key="share")
    album = world.call("POST", "/api/albums", {"name": "Us"}, user=user, key="album").body
    path = f"/api/albums/{album['albumId']}/outputs"
    world.call("POST", path, {"outputIds": [output["outputId"]]}, user=user, key="add")
    a_draft(world, user=user, genre="noir", rewriteEnabled=True, rewrite=REWRITE)
    a_reference_photo(world, user)
    gone = confirm(world, user=user, key="gone").body["jobId"]
    world.drain()
    world.call("DELETE", f"/api/jobs/{gone}", user=user)
    world.call("POST", "/api/uploads/session", UPLOAD, user=user, key="upload")
    world.call("POST", "/api/uploads/session", LARGE, user=user, key="large")
    world.drain()
    return str(job_id)


def erase(world: World, user: str) -> None:
    response = world.call("DELETE", "/api/account", user=user)
    assert (response.status, response.body) == (202, {"status": "erasing"})


def to_the_end(world: World) -> None:
    """Let time pass until the list of erasures has nothing due."""
    world.erase()
    world.drain()
    for seconds in (ERASURE_CHECK_SECONDS, ERASURE_LAST_SECONDS, ERASURE_CHECK_SECONDS):
        world.advance_time(seconds=seconds)
        world.erase()
        world.drain()


def stored(world: World) -> dict[str, str]:
    """Every table's items but those of the operator, and the keys of all files, as text."""
    tables = {
        name: json.dumps(
            [item for item in world.scan(name) if item.get("accountId") != {"S": "root"}],
            default=str,
        )
        for name in world.settings.tables
        # What is stored of requests expires within minutes or a day.
        if name not in ("idempotency", "limits")
    }
    objects = world.client("s3").list_objects_v2(Bucket=world.settings.media_bucket)
    keys = [found["Key"] for found in objects.get("Contents", [])]
    return {**tables, "files": json.dumps(keys)}


def naming(world: World, user: str) -> list[str]:
    """The tables in which the account is named."""
    return [name for name, text in stored(world).items() if user in text]


@dataclass(frozen=True)
class Erased:
    """An account that had something of each kind, and what is left of it."""

    user: str
    backup: Mapping[str, list[dict[str, Any]]]
    """All tables but the list of erasures, as they were before."""
    balance: tuple[int, int]
    entries: int


@pytest.fixture(scope="module")
def erased(world: World) -> Erased:
    user = a_user()
    furnish(world, user)
    before = Erased(
        user,
        {name: world.scan(name) for name in world.settings.tables if name != "erasures"},
        a_balance(world, user),
        audit_accounts(world.app, user).entries_checked,
    )
    erase(world, user)
    to_the_end(world)
    return before


def pseudonym_in(world: World, user: str) -> str:
    return pseudonym_of(world.app.signing_secret.value, user)


def test_only_the_books_are_left_and_they_name_no_account(world: World, erased: Erased) -> None:
    named_before = json.dumps(erased.backup["jobs"], default=str).count(erased.user)

    assert named_before > 5
    # Until the list forgets the account, it says that a restored one has to be erased again.
    assert naming(world, erased.user) == ["erasures"]
    assert owner_of(world, erased.user) not in stored(world)["files"]


def test_the_auditor_proves_the_books_under_the_pseudonym(world: World, erased: Erased) -> None:
    pseudonym = pseudonym_in(world, erased.user)

    report = audit_accounts(world.app, pseudonym)

    assert (report.breaches, report.entries_checked) == ((), erased.entries)
    assert wallet_of(world, pseudonym) == erased.balance
    assert audit_accounts(world.app).breaches == ()


def wallet_of(world: World, account: str) -> tuple[int, int]:
    [wallet] = [item for item in world.scan("wallets") if item["accountId"]["S"] == account]
    return int(wallet["balance"]["N"]), int(wallet["held"]["N"])


def test_a_table_that_fails_keeps_only_the_books_waiting(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = a_user()
    a_story(world, user)
    world.call("POST", "/api/albums", {"name": "Us"}, user=user, key="album")
    erase(world, user)

    def fail(*_: Any) -> Left:
        raise RuntimeError("planted")

    lines = [replace(line, erase=fail) if line.table == "albums" else line for line in LINES]
    with monkeypatch.context() as patch:
        patch.setattr(continue_erasure, "LINES", lines)
        world.erase()
    left = naming(world, user)
    to_the_end(world)

    assert {"albums", "ledger", "wallets"} <= set(left)
    assert not {"assets", "assetlists", "usage"} & set(left)
    assert naming(world, user) == ["erasures"]


def test_repeating_an_erasure_changes_nothing(world: World, erased: Erased) -> None:
    before = stored(world)

    again = world.call("DELETE", "/api/account", user=erased.user)
    by_operator = world.call(
        "DELETE", f"/api/admin/accounts/{erased.user}", user="root", groups="admin"
    )
    world.erase()

    assert (again.status, by_operator.status) == (410, 202)
    assert stored(world) == before


def test_an_account_that_returns_with_a_backup_is_erased_again_and_then_forgotten(
    world: World, erased: Erased
) -> None:
    for name, items in erased.backup.items():
        for item in items:
            world.client("dynamodb").put_item(TableName=world.settings.tables[name], Item=item)
    returned = naming(world, erased.user)

    repeated = world.call("POST", "/api/admin/erasures/repeat", {}, user="root", groups="admin")
    to_the_end(world)

    assert len(returned) > 8
    assert (repeated.status, repeated.body) == (200, {"restarted": 1, "nextCursor": None})
    assert naming(world, erased.user) == ["erasures"]
    pseudonym = pseudonym_in(world, erased.user)
    assert audit_accounts(world.app, pseudonym).breaches == ()
    assert wallet_of(world, pseudonym) == erased.balance
    world.clock.move(days=ERASURE_REMEMBERED_DAYS)
    assert dict(world.erase()) == {"forgotten": 1}
    assert naming(world, erased.user) == []


def test_a_running_job_is_canceled_and_settled_before_the_books_move(world: World) -> None:
    user = a_user()
    buy(world, 10, user)
    confirm(world, user=user, key="running")
    world.pump_stream()
    world.pump_stream()
    erase(world, user)

    done = world.erase()

    assert done["continued"] == 1
    to_the_end(world)
    pseudonym = pseudonym_in(world, user)
    assert audit_accounts(world.app, pseudonym).breaches == ()
    assert wallet_of(world, pseudonym) == (15, 0)


def test_an_operator_erases_an_account_that_exists(world: World) -> None:
    user = a_user()
    a_photo(world, user)
    path = f"/api/admin/accounts/{user}"

    refused = world.call("DELETE", path, user="someone")
    unknown = world.call("DELETE", "/api/admin/accounts/unknown", user="root", groups="admin")
    accepted = world.call("DELETE", path, user="root", groups="admin")

    assert (refused.status, unknown.status, accepted.status) == (403, 404, 202)
    assert world.call("GET", "/api/credits", user=user).status == 410
    for method, below in (("GET", ""), ("POST", "/export"), ("POST", "/rebuild-wallet")):
        found = world.call(method, path + below, {}, user="root", groups="admin")
        assert (found.status, found.body["code"]) == (410, "ACCOUNT_ERASED")


def test_an_account_is_refused_with_one_read_and_then_with_none(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, calls = a_user(), []
    erase(world, user)
    world.app.known_erased.clear()
    from botocore.client import BaseClient

    real = BaseClient._make_api_call  # type: ignore[attr-defined]

    def counted(client: Any, operation: str, params: Any) -> Any:
        calls.append((operation, params.get("ConsistentRead")))
        return real(client, operation, params)

    monkeypatch.setattr(BaseClient, "_make_api_call", counted)
    world.call("GET", "/api/credits", user=user)
    world.call("GET", "/api/credits", user=user)

    assert calls == [("GetItem", True)]


class FakeUserPool:
    """Users by their account."""

    def __init__(self) -> None:
        self.users: dict[str, User] = {}

    def find(self, account_id: str) -> User | None:
        return self.users.get(account_id)

    def delete(self, user: User) -> None:
        self.users.pop(user.name, None)


def sign_up(world: World, pool: FakeUserPool, email: str) -> str:
    """A user of the pool who has confirmed the address; returns the account."""
    account = a_user()
    pool.users[account] = User(account, {"sub": account, "email": email})
    trigger(world, "PostConfirmation_ConfirmSignUp", account, email)
    return account


def trigger(world: World, source: str, account: str, email: str) -> None:
    attributes = {"sub": account, "email": email}
    event = {"triggerSource": source, "userName": account}
    handle_trigger(world.app, {**event, "request": {"userAttributes": attributes}})


def test_an_erased_account_that_returns_gets_no_second_bonus(world: World) -> None:
    pool, email = FakeUserPool(), "returning@naver.com"
    first = sign_up(world, pool, email)
    bonus = a_balance(world, first)
    world.app = replace(world.app, users=pool)  # type: ignore[arg-type]
    erase(world, first)
    to_the_end(world)
    world.app = replace(world.app, users=None)

    returned = sign_up(world, pool, email.upper())
    by_operator = a_user()
    trigger(world, "PreSignUp_AdminCreateUser", by_operator, email)
    other = a_user()
    trigger(world, "PreSignUp_AdminCreateUser", other, "another@naver.com")

    assert bonus == (5, 0)
    assert set(pool.users) == {returned}
    assert a_balance(world, returned) == a_balance(world, by_operator) == (0, 0)
    assert a_balance(world, other) == (5, 0)
    assert first not in json.dumps(world.scan("usage"))


def test_late_requests_of_an_erased_account_open_no_wallet(world: World) -> None:
    from darkroom.kernel.errors import Gone
    from darkroom.usecases.accounts.open_account import open_account

    user = a_user()
    erase(world, user)

    with pytest.raises(Gone):
        open_account(world.app, user)


def test_shared_links_of_an_erased_account_end_at_once(world: World) -> None:
    user = a_user()
    buy(world, 10, user)
    job_id = confirm(world, user=user, key="made").body["jobId"]
    world.drain()
    url = world.call("POST", f"/api/jobs/{job_id}/share", {}, user=user, key="s").body["url"]
    token = url.rpartition("/")[2]
    before = world.call("GET", f"/api/shares/{token}", user=None).status

    erase(world, user)

    assert before == 200
    assert world.call("GET", f"/api/shares/{token}", user=None).status == 404


def every_operation() -> list[tuple[str, str]]:
    """Every route that an account may call, with ids of nothing in its path."""
    return [
        (method.upper(), path.replace("{", "").replace("}", ""))
        for path, operations in full_openapi()["paths"].items()
        if path not in mounts.PUBLIC_PATHS and path != "/api/jobs/stream"
        for method in operations
    ]


def test_an_erased_account_is_refused_by_every_route_from_the_next_request_on(
    world: World,
) -> None:
    user = a_user()
    ticket = world.call("POST", "/api/jobs/stream-ticket", user=user).body["ticket"]
    erase(world, user)

    refused = {
        (method, path): world.call(method, path, {}, user=user, groups="admin", key="k")
        for method, path in every_operation()
    }
    stream = world.call("GET", f"/api/jobs/stream?ticket={ticket}", user=None)

    assert len(refused) > 60
    assert {(found.status, found.body["code"]) for found in refused.values()} == {
        (410, "ACCOUNT_ERASED")
    }
    assert (stream.status, stream.body["code"]) == (410, "ACCOUNT_ERASED")
