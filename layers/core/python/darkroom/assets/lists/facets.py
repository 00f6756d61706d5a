"""The facets by which assets are found: state, kind, tags and words of the name. Pure.

For each combination of state and kind, an asset has an entry by date, by name and by length, so
that these lists are read page by page. One list of words and one of tags per account serve the
search, which collects a bounded number of assets and then reads these.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from darkroom.assets.model import Asset
from darkroom.kernel import words
from darkroom.kernel.limits import ASSET_WORDS_LIMIT
from darkroom.kernel.words import folded

CREATED, NAME, DURATION = "created", "name", "duration"
_PART: Final = "\x1f"
_TEXT_LIMIT_CHARS: Final = 100
"""The length of a folded name or tag in a place: at most 400 of the 1024 bytes of a sort key."""
_DURATION_DIGITS: Final = 12


@dataclass(frozen=True, order=True)
class Entry:
    """An asset's place in a list of its account."""

    list: str
    place: str


def listing(account_id: str, order: str, status: str | None, kind: str | None) -> str:
    """The name of the list of assets with this state and kind, in this order."""
    return _PART.join((account_id, "assets", order, status or "", kind or ""))


def words_listing(account_id: str) -> str:
    return _PART.join((account_id, "words"))


def tags_listing(account_id: str) -> str:
    return _PART.join((account_id, "tags"))


def place_in(order: str, asset: Asset) -> str:
    """The asset's place in lists of this order; places sort as text."""
    return f"{PLACES[order](asset)}{_PART}{asset.asset_id}"


def asset_of(place: str) -> str:
    return place.rpartition(_PART)[2]


def tag_place(tag: str) -> str:
    """The prefix of the places of all assets with this tag. The place contains only the beginning
    of a very long tag, so other assets may match by chance."""
    return folded(tag)[:_TEXT_LIMIT_CHARS] + _PART


PLACES: dict[str, Callable[[Asset], str]] = {
    CREATED: lambda asset: "",
    NAME: lambda asset: folded(asset.filename)[:_TEXT_LIMIT_CHARS],
    DURATION: lambda asset: f"{asset.duration_ms or 0:0{_DURATION_DIGITS}d}",
}


def entries_of(asset: Asset) -> set[Entry]:
    """All entries that the asset should have."""
    entries = set()
    for status in (None, asset.status.value):
        for kind in (None, asset.kind):
            for order in PLACES:
                name = listing(asset.account_id, order, status, kind)
                entries.add(Entry(name, place_in(order, asset)))
    for word in words_of(asset.filename, *asset.tags):
        place = f"{word}{_PART}{asset.asset_id}"
        entries.add(Entry(words_listing(asset.account_id), place))
    for tag in asset.tags:
        entries.add(Entry(tags_listing(asset.account_id), tag_place(tag) + asset.asset_id))
    # The assets table itself lists all assets by date.
    return entries - {
        Entry(listing(asset.account_id, CREATED, None, None), place_in(CREATED, asset))
    }


def words_of(*texts: str) -> tuple[str, ...]:
    """The search words of an asset."""
    return words.words_of(texts, limit=ASSET_WORDS_LIMIT)
