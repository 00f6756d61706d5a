"""Words of names and tags: every accepted word is found, and every key fits its table."""

from __future__ import annotations

import unicodedata
from dataclasses import replace

from hypothesis import example, given, settings
from hypothesis import strategies as st

from darkroom.assets.lists import facets
from darkroom.assets.model import Asset, begin_upload
from darkroom.kernel.clock import from_iso
from darkroom.kernel.errors import InvalidInput
from darkroom.kernel.limits import ASSET_WORDS_LIMIT, TAG_LIMIT_CHARS, TAGS_LIMIT, WORD_LIMIT_CHARS
from darkroom.kernel.words import folded, has_words, words_of
from darkroom.uploads.policy import FILE_NAME_LIMIT_CHARS, clean_name

HASH_KEY_LIMIT_BYTES, SORT_KEY_LIMIT_BYTES = 2048, 1024
GROWING = "ﷺİŉﬃ㌀ẞǰΐ"
"""Each becomes up to 18 times longer by case folding."""
ASSET = begin_upload(
    account_id="a" * 64, asset_id="ast_01KE6P4YM0FGWFNMB77QGBKW00", filename="x", kind="image",
    mime_type="image/jpeg", size_bytes=1, now=from_iso("2026-01-05T09:00:00.000Z"),
)  # fmt: skip
letters = st.one_of(
    st.characters(exclude_categories=("Cs", "Cc")), st.sampled_from(GROWING + "iI\u0307ıß ")
)
names = st.text(letters, min_size=1, max_size=40)
labels = st.lists(st.text(letters, min_size=1, max_size=20), max_size=4)
quick = settings(max_examples=40, deadline=None)


def an_asset(filename: str, tags: list[str]) -> Asset:
    try:
        name = clean_name(filename)
    except InvalidInput:
        name = "x.jpg"
    composed = (unicodedata.normalize("NFC", tag)[:TAG_LIMIT_CHARS] for tag in tags)
    return replace(ASSET, filename=name, tags=tuple(composed))


@quick
@given(names, labels)
@example("ﷺ" * FILE_NAME_LIMIT_CHARS, ["ﷺ" * TAG_LIMIT_CHARS] * TAGS_LIMIT)
@example("🂡" * FILE_NAME_LIMIT_CHARS, ["𠀀" * TAG_LIMIT_CHARS])
def test_every_key_of_an_asset_fits_its_table(filename: str, tags: list[str]) -> None:
    for entry in facets.entries_of(an_asset(filename, tags)):
        assert 0 < len(entry.list.encode()) <= HASH_KEY_LIMIT_BYTES
        assert 0 < len(entry.place.encode()) <= SORT_KEY_LIMIT_BYTES
        assert facets.asset_of(entry.place) == ASSET.asset_id


@quick
@given(names, labels)
@example("İSTANBUL.jpg", [])
@example("i\u0307\u0307\u0323", ["\u0323İ\u0307"])
def test_a_name_and_each_tag_are_found_by_any_beginning_of_their_words(
    filename: str, tags: list[str]
) -> None:
    asset = an_asset(filename, tags)
    listed = {
        entry.place for entry in facets.entries_of(asset)
        if entry.list == facets.words_listing(asset.account_id)
    }  # fmt: skip
    known = facets.words_of(asset.filename, *asset.tags)

    for text in (asset.filename, *asset.tags):
        own = words_of([text], limit=ASSET_WORDS_LIMIT)
        # A file with more words than the limit is listed by the first words of each text.
        for word in own if len(known) < ASSET_WORDS_LIMIT else own[:1]:
            for length in {1, len(word) // 2 or 1, len(word)}:
                searched = facets.words_of(word[:length])
                assert has_words(searched, known)
                longest = max(searched, key=len)
                assert any(place.startswith(longest) for place in listed)


@quick
@given(names, labels)
def test_a_tag_is_found_by_itself_in_any_case(filename: str, tags: list[str]) -> None:
    asset = an_asset(filename, tags)
    places = {entry.place for entry in facets.entries_of(asset)}

    for tag in asset.tags:
        wanted = unicodedata.normalize("NFD", tag)
        assert facets.tag_place(wanted) + asset.asset_id in places


@quick
@given(st.text(letters, max_size=80))
def test_folding_again_changes_nothing(text: str) -> None:
    assert folded(folded(text)) == folded(text)


def test_a_text_of_many_words_does_not_crowd_out_the_others() -> None:
    crowd = " ".join(f"w{number}" for number in range(200))

    words = words_of([crowd, "beach house", "2024"], limit=6)

    assert words == ("w0", "beach", "2024", "w1", "house", "w2")


def test_a_long_word_is_indexed_by_its_beginning() -> None:
    assert words_of(["x" * 300], limit=5) == ("x" * WORD_LIMIT_CHARS,)
    assert has_words(words_of(["x" * 200], limit=5), words_of(["x" * 300], limit=5))
