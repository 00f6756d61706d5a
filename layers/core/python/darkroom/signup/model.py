"""Mailboxes: which addresses deliver to the same one, and which may sign up. Pure.

``Ann.Lee+shop@GoogleMail.com`` and ``annlee@gmail.com`` are one mailbox. What a mail service
ignores in an address is data: ``catalog/sign_up.json``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from darkroom.kernel import catalog
from darkroom.kernel.errors import DarkroomError
from darkroom.kernel.limits import EMAIL_LIMIT_CHARS
from darkroom.kernel.words import folded

_TAG = "+"


class SignUpRefused(DarkroomError):
    """The sign-up hook fails with it; Cognito passes code and detail on to the client."""

    code = "SIGN_UP_REFUSED"


@dataclass(frozen=True)
class Mailbox:
    """A normalized address: the same for all spellings that one mailbox receives."""

    name: str
    domain: str

    @property
    def address(self) -> str:
        return f"{self.name}@{self.domain}"


def mailbox_of(email: str) -> Mailbox:
    """The mailbox that receives the address.

    Raises:
        SignUpRefused: it is not an address.
    """
    name, _, domain = folded(email).rpartition("@")
    try:
        name.encode()
        domain = domain.rstrip(".").encode("idna").decode()
    except UnicodeError:
        domain = ""
    if not name or "." not in domain or len(email) > EMAIL_LIMIT_CHARS:
        raise SignUpRefused("this is not an e-mail address", code="EMAIL_INVALID")
    service = _services().get(domain, {})
    kept = name.partition(_TAG)[0]
    for character in service.get("ignored", ""):
        kept = kept.replace(character, "")
    # A name of nothing but what is ignored stays as it is.
    return Mailbox(kept or name, service.get("domains", [domain])[0])


def is_disposable(mailbox: Mailbox) -> bool:
    """Whether the domain, or one above it, gives away mailboxes for some minutes."""
    labels = mailbox.domain.split(".")
    return any(".".join(labels[start:]) in _disposable() for start in range(len(labels)))


def is_of_mail_service(mailbox: Mailbox) -> bool:
    """Whether many unrelated people have mailboxes at the domain."""
    return mailbox.domain in _services()


@cache
def _services() -> Mapping[str, Mapping[str, Any]]:
    """Mail services by each of their domains."""
    listed = catalog.read("sign_up.json")["mailServices"]
    return {domain: service for service in listed for domain in service["domains"]}


@cache
def _disposable() -> frozenset[str]:
    return frozenset(catalog.read("sign_up.json")["disposableDomains"])
