"""Lists of an account's files: by state and kind in three orders, and by words and tags.

Without search and tag, a page is one query of one list. With them, a limited number of assets is
read by the lists of words and tags, then filtered and sorted in memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from darkroom.assets import store as assets_store
from darkroom.assets.lists import facets
from darkroom.assets.lists import store as list_store
from darkroom.assets.lists.facets import CREATED, DURATION, NAME
from darkroom.assets.model import Asset
from darkroom.kernel.ids import is_id
from darkroom.kernel.limits import ASSET_SEARCH_LIMIT
from darkroom.kernel.words import folded, has_words

Sort = Literal["newest", "oldest", "name", "duration"]
ORDERS: dict[Sort, tuple[str, bool]] = {
    "newest": (CREATED, True),
    "oldest": (CREATED, False),
    "name": (NAME, False),
    "duration": (DURATION, True),
}
"""Sort → the order of the list, and whether it is read in reverse."""


@dataclass(frozen=True, kw_only=True)
class AssetFilters:
    status: str | None = None
    kind: str | None = None
    search: str | None = None
    tag: str | None = None
    sort: Sort = "newest"

    @property
    def text(self) -> str:
        """All filters as text; a cursor is valid only for the same filters."""
        parts = (self.status, self.kind, self.search, self.tag, self.sort)
        return "\x1f".join(part or "" for part in parts)

    def admits(self, asset: Asset) -> bool:
        return (
            self.status in (None, asset.status.value)
            and self.kind in (None, asset.kind)
            and (self.tag is None or folded(self.tag) in map(folded, asset.tags))
        )


def list_assets(
    account_id: str, filters: AssetFilters, *, limit: int, after: str | None
) -> tuple[list[Asset], str | None]:
    """A page of the account's assets, and the place after which the next page starts, if any."""
    if filters.search is not None or filters.tag is not None:
        return _gathered(account_id, filters, limit=limit, after=after)
    order, descending = ORDERS[filters.sort]
    if order == CREATED and filters.status is None and filters.kind is None:
        return assets_store.list_assets(account_id, limit=limit, after=after, descending=descending)
    name = facets.listing(account_id, order, filters.status, filters.kind)
    places = list_store.list_places(name, limit=limit + 1, after=after, descending=descending)
    assets = assets_store.find_assets(account_id, map(facets.asset_of, places[:limit]))
    page = (assets.get(facets.asset_of(place)) for place in places[:limit])
    # The lists are updated a moment after the assets.
    fitting = [asset for asset in page if asset is not None and filters.admits(asset)]
    return fitting, (places[limit - 1] if len(places) > limit else None)


def _gathered(
    account_id: str, filters: AssetFilters, *, limit: int, after: str | None
) -> tuple[list[Asset], str | None]:
    words: tuple[str, ...] = ()
    if filters.search is not None and is_id(filters.search.strip(), assets_store.ASSET_PREFIX):
        ids = [filters.search.strip()]
    elif filters.search is not None:
        words = facets.words_of(filters.search)
        ids = _with_word(account_id, max(words, key=len)) if words else []
    else:
        assert filters.tag is not None
        ids = list_store.list_ids(
            facets.tags_listing(account_id), facets.tag_place(filters.tag), limit=ASSET_SEARCH_LIMIT
        )
    order, descending = ORDERS[filters.sort]
    found = sorted(
        (
            (facets.place_in(order, asset), asset)
            for asset in assets_store.find_assets(account_id, ids).values()
            if filters.admits(asset)
            and has_words(words, facets.words_of(asset.filename, *asset.tags))
        ),
        key=lambda placed: placed[0],
        reverse=descending,
    )
    if after is not None:
        found = [p for p in found if (p[0] < after if descending else p[0] > after)]
    page = found[:limit]
    return [asset for _, asset in page], (page[-1][0] if len(found) > limit else None)


def _with_word(account_id: str, beginning: str) -> list[str]:
    name = facets.words_listing(account_id)
    return list_store.list_ids(name, beginning, limit=ASSET_SEARCH_LIMIT)
