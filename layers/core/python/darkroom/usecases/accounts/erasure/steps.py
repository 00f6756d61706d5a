"""The steps of an erasure: each erases a bounded part of one kind of data, and can be repeated.

A step is called until nothing is left. It may stop at any point: what it has not erased is found
again. So no progress is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from darkroom.bootstrap.composition import App
from darkroom.db.items import BaseItem
from darkroom.db.raw import delete_raw, page_raw
from darkroom.db.writes import RawItem
from darkroom.kernel.limits import ERASURE_BATCH
from darkroom.kernel.object_keys import owner_tag


class Left(Enum):
    """What is left after a step."""

    NOTHING = "nothing"
    """And nothing was found."""
    MORE = "more"
    """Something was erased, and there may be more."""
    BUSY = "busy"
    """Only what cannot be erased yet."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The account that is erased."""

    account_id: str
    pseudonym: str


Step = Callable[[App, Subject], Left]


def partition(item_class: type[BaseItem], *keys: Callable[[App, str], str]) -> Step:
    """A step that deletes all items under these partition keys of an account; by default, under
    its id."""
    return items_of(item_class, *keys, first=lambda app, subject, items: None)


def items_of(
    item_class: type[BaseItem],
    *keys: Callable[[App, str], str],
    first: Callable[[App, Subject, Sequence[RawItem]], None],
) -> Step:
    """The same, after ``first`` has erased what depends on these items."""

    def step(app: App, subject: Subject) -> Left:
        for key_of in keys or (account_key,):
            found = page_raw(item_class, key_of(app, subject.account_id), limit=ERASURE_BATCH)
            if found:
                first(app, subject, found)
                delete_raw(item_class, found)
                return Left.MORE
        return Left.NOTHING

    return step


def in_turn(*steps: Step) -> Step:
    """The steps one after the other."""

    def step(app: App, subject: Subject) -> Left:
        for each in steps:
            left = each(app, subject)
            if left is not Left.NOTHING:
                return left
        return Left.NOTHING

    return step


def account_key(_app: App, account_id: str) -> str:
    return account_id


def current_tag(app: App, account_id: str) -> str:
    """The owner in the keys of the account's files."""
    return owner_tag(app.signing_secret.value, account_id)
