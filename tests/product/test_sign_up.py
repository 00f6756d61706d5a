"""The sign-up hook: who may sign up, how often, and one welcome bonus for each mailbox."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from darkroom.kernel.errors import Unavailable
from darkroom.kernel.limits import SIGN_UPS_PER_MAILBOX_LIMIT
from darkroom.signup import store
from darkroom.signup.model import SignUpRefused, mailbox_of
from darkroom.usecases.accounts import admit_sign_up as admitting
from darkroom.usecases.accounts import claim_bonus as claiming
from darkroom.usecases.accounts.admit_sign_up import hash_of
from darkroom.usecases.accounts.open_account import open_account
from darkroom.usecases.credits.audit_accounts import audit_accounts
from darkroom.usecases.credits.rebuild_wallet import rebuild_wallet
from darkroom.workers.sign_up import handle_trigger
from tests.support.builders import a_balance, a_story, a_user, buy
from tests.support.laws import check_laws
from tests.support.moto_world import moto_world
from tests.support.world import World


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with moto_world() as world:
        yield world
        # This world's studio writes no files, which L6 is about.
        breaches = check_laws(world, at_rest=False)
        assert [breach for breach in breaches if breach.law != "L6"] == []


def event(source: str, **attributes: str) -> dict[str, Any]:
    return {
        "triggerSource": source,
        "userName": "u1",
        "request": {"userAttributes": attributes},
        "response": {},
    }


def sign_up(world: World, email: str, source: str = "PreSignUp_SignUp") -> str:
    """What Cognito receives: `admitted`, or the code of the refusal."""
    sent = event(source, email=email)
    try:
        returned = handle_trigger(world.app, sent)
    except SignUpRefused as refusal:
        # All that Cognito passes on.
        return str(refusal).partition(":")[0]
    return "admitted" if returned is sent else "changed"


def confirm(world: World, email: str) -> str:
    """The account of a user who has just entered the code."""
    account = a_user()
    handle_trigger(world.app, event("PostConfirmation_ConfirmSignUp", sub=account, email=email))
    return account


def test_a_mailbox_signs_up_a_few_times_a_day_however_it_is_spelled(world: World) -> None:
    spellings = [f"m.a.x+{n}@gmail.com" for n in range(SIGN_UPS_PER_MAILBOX_LIMIT)]

    assert {sign_up(world, email) for email in spellings} == {"admitted"}
    assert sign_up(world, "MAX@googlemail.com") == "SIGN_UPS_LIMITED"
    assert sign_up(world, "maxine@gmail.com") == "admitted"

    world.clock.move(days=1)
    assert sign_up(world, "max@gmail.com") == "admitted"


def test_a_domain_signs_up_so_often_a_day_unless_it_is_a_mail_service(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = 3
    monkeypatch.setattr(admitting, "SIGN_UPS_PER_DOMAIN_LIMIT", limit)

    assert {sign_up(world, f"u{n}@own.example") for n in range(limit)} == {"admitted"}
    assert sign_up(world, "last@own.example") == "SIGN_UPS_LIMITED"
    assert sign_up(world, "first@other.example") == "admitted"
    assert {sign_up(world, f"u{n}@naver.com") for n in range(limit + 1)} == {"admitted"}


@pytest.mark.parametrize("source", ["PreSignUp_SignUp", "PreSignUp_ExternalProvider"])
def test_disposable_addresses_are_refused_also_from_another_provider(
    world: World, source: str
) -> None:
    assert sign_up(world, "x@mailinator.com", source) == "EMAIL_DISPOSABLE"
    assert sign_up(world, "", source) == "EMAIL_INVALID"
    assert handle_trigger(world.app, event("PreSignUp_AdminCreateUser", email="x@mailinator.com"))


def test_one_mailbox_has_one_bonus(world: World) -> None:
    first = confirm(world, "Zoe@gmail.com")
    again = confirm(world, "z.o.e+2@googlemail.com")
    other = confirm(world, "zoe2@gmail.com")

    assert a_balance(world, first) == (5, 0)
    assert a_balance(world, again) == (0, 0)
    assert a_balance(world, other) == (5, 0)


def test_an_account_without_a_bonus_begins_with_an_entry_of_zero_and_has_whole_books(
    world: World,
) -> None:
    confirm(world, "kim@naver.com")
    returning = confirm(world, "kim@naver.com")

    wallet = world.call("GET", "/api/credits", user=returning).body

    [entry] = wallet["transactions"]
    assert (wallet["grants"], entry["type"], entry["amount"]) == ([], "BONUS", 0)
    buy(world, 10, returning)
    a_story(world, returning)
    assert audit_accounts(world.app, returning).breaches == ()
    before = a_balance(world, returning)
    rebuild_wallet(world.app, returning)
    assert a_balance(world, returning) == before


def test_an_account_that_opens_before_its_hook_has_run_has_only_an_unclaimed_bonus(
    world: World,
) -> None:
    early, late = a_user(), a_user()
    for account, email in ((early, "ana@naver.com"), (late, "ana+2@naver.com")):
        sent = event("PreSignUp_SignUp", email=email) | {"userName": account}
        handle_trigger(world.app, sent)

    # Cognito confirms a user a moment before it calls the hook, and a claim may fail.
    assert a_balance(world, early) == (5, 0)
    assert a_balance(world, late) == (0, 0)
    for account, email in ((late, "ana+2@naver.com"), (early, "ana@naver.com")):
        confirmed = event("PostConfirmation_ConfirmSignUp", sub=account, email=email)
        handle_trigger(world.app, confirmed)
    assert (a_balance(world, early), a_balance(world, late)) == ((5, 0), (0, 0))


def test_of_accounts_that_race_to_open_one_has_the_bonus(world: World) -> None:
    accounts = [a_user() for _ in range(4)]
    for number, account in enumerate(accounts):
        sent = event("PreSignUp_SignUp", email=f"eva+{number}@naver.com") | {"userName": account}
        handle_trigger(world.app, sent)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda account: open_account(world.app, account), accounts))

    assert sorted(a_balance(world, account)[0] for account in accounts) == [0, 0, 0, 5]


def test_a_repeated_confirmation_keeps_its_bonus(world: World) -> None:
    sent = event("PostConfirmation_ConfirmSignUp", sub=a_user(), email="twice@naver.com")

    for _ in range(3):
        handle_trigger(world.app, sent)

    assert a_balance(world, sent["request"]["userAttributes"]["sub"]) == (5, 0)


def test_of_racing_confirmations_one_has_the_bonus(world: World) -> None:
    with ThreadPoolExecutor(4) as pool:
        accounts = list(pool.map(lambda n: confirm(world, f"race+{n}@naver.com"), range(4)))

    assert sorted(a_balance(world, account)[0] for account in accounts) == [0, 0, 0, 5]


def test_other_triggers_and_a_user_without_an_address_claim_nothing(world: World) -> None:
    recovered = event("PostConfirmation_ConfirmForgotPassword", sub="s", email="lost@naver.com")

    handle_trigger(world.app, recovered)
    handle_trigger(world.app, event("PostConfirmation_ConfirmSignUp", sub=a_user()))

    assert a_balance(world, confirm(world, "lost@naver.com")) == (5, 0)


def test_a_failed_claim_does_not_fail_the_confirmation(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise Unavailable("no table")

    monkeypatch.setattr(claiming, "commit_one", fails)

    assert a_balance(world, confirm(world, "unlucky@naver.com")) == (5, 0)


def test_no_address_is_stored_with_the_counts(world: World) -> None:
    sign_up(world, "secret.name@gmail.com")
    confirm(world, "secret.name@gmail.com")

    stored = str(world.scan("usage")).casefold()

    assert "secret" not in stored
    assert "secretname" not in stored


def test_counts_expire_and_bonuses_do_not(world: World) -> None:
    sign_up(world, "ages@gmail.com")
    confirm(world, "ages@gmail.com")

    items = world.scan("usage")

    counts = [item for item in items if item["counter"]["S"].startswith("signups#")]
    bonuses = [item for item in items if item["counter"]["S"] == "bonus"]
    now = world.clock.now().timestamp()
    assert counts
    assert all(float(item["expiresAt"]["N"]) > now - 86_400 for item in counts)
    assert bonuses
    assert not any("expiresAt" in item for item in bonuses)


def test_a_damaged_count_refuses_only_its_mailbox_and_only_for_its_day(world: World) -> None:
    mailbox = hash_of(world.app, mailbox_of("damaged@gmail.com"))
    day = f"signups#{world.clock.now().date().isoformat()}"
    store.SignUpsItem(f"mailbox#{mailbox}", day, total=10**9, expires_at=0).save()

    assert sign_up(world, "damaged@gmail.com") == "SIGN_UPS_LIMITED"
    assert sign_up(world, "other@gmail.com") == "admitted"

    world.clock.move(days=1)
    assert sign_up(world, "damaged@gmail.com") == "admitted"
