"""Which spellings of an address are one mailbox, and which domains are refused."""

from __future__ import annotations

import pytest

from darkroom.kernel import catalog
from darkroom.signup.model import (
    SignUpRefused,
    is_disposable,
    is_of_mail_service,
    mailbox_of,
)

GMAIL = "annlee@gmail.com"


@pytest.mark.parametrize(
    ("email", "mailbox"),
    [
        ("annlee@gmail.com", GMAIL),
        ("Ann.Lee@Gmail.com", GMAIL),
        ("a.n.n.lee+shop@googlemail.com", GMAIL),
        (" annlee@gmail.com. ", GMAIL),
        ("ａｎｎｌｅｅ＠ｇｍａｉｌ．ｃｏｍ", GMAIL),
        # Other services deliver dots to another mailbox.
        ("ann.lee@outlook.com", "ann.lee@outlook.com"),
        ("ann.lee+a+b@outlook.com", "ann.lee@outlook.com"),
        ("ann-lee@pm.me", "annlee@proton.me"),
        # A name of its own, and a tag on it.
        ("ann@studio.example", "ann@studio.example"),
        ("ann+1@studio.example", "ann@studio.example"),
        ("ann@bücher.example", "ann@xn--bcher-kva.example"),
        ("ann@XN--bcher-kva.example", "ann@xn--bcher-kva.example"),
        # Nothing would be left.
        ("+@gmail.com", "+@gmail.com"),
        ("...@gmail.com", "...@gmail.com"),
    ],
)
def test_spellings_of_one_mailbox_are_the_same(email: str, mailbox: str) -> None:
    assert mailbox_of(email).address == mailbox


@pytest.mark.parametrize(
    "email",
    ["", "ann", "@gmail.com", "ann@", "ann@gmail", "ann@a..b", "a" * 250 + "@b.example",
     "ann@" + "a" * 64 + ".example", "\ud800@gmail.com"],
)  # fmt: skip
def test_what_is_no_address_is_refused(email: str) -> None:
    with pytest.raises(SignUpRefused) as refusal:
        mailbox_of(email)
    assert refusal.value.error_code == "EMAIL_INVALID"


@pytest.mark.parametrize(
    ("email", "disposable"),
    [
        ("x@mailinator.com", True),
        ("x@MAILINATOR.com.", True),
        ("x@eu.mailinator.com", True),
        ("x@notmailinator.com", False),
        ("x@mailinator.com.example", False),
        ("x@gmail.com", False),
    ],
)
def test_a_disposable_domain_is_known_with_its_subdomains(email: str, disposable: bool) -> None:
    assert is_disposable(mailbox_of(email)) is disposable


def test_a_mail_service_is_not_limited_as_a_domain_and_another_is() -> None:
    assert is_of_mail_service(mailbox_of("ann@googlemail.com"))
    assert not is_of_mail_service(mailbox_of("ann@studio.example"))


def test_the_lists_are_normalized_and_have_nothing_in_common() -> None:
    listed = catalog.read("sign_up.json")
    services = [domain for service in listed["mailServices"] for domain in service["domains"]]
    disposable = listed["disposableDomains"]

    domains = services + disposable
    assert len(set(domains)) == len(domains)
    assert disposable == sorted(disposable)
    assert all(mailbox_of(f"x@{domain}").name == "x" for domain in domains)
    assert all(is_disposable(mailbox_of(f"x@{domain}")) for domain in disposable)
    assert not any(is_disposable(mailbox_of(f"x@{domain}")) for domain in services)
