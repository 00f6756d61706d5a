"""Edits of a stored file, and the parts in which it is copied with them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from darkroom.kernel.edits import Edits, parts_of
from darkroom.kernel.limits import (
    COPY_PART_BYTES,
    EDITED_PART_BYTES,
    PARTS_LIMIT,
    UPLOAD_LIMIT_BYTES,
)

SIZE = 120
S3_PART_LIMIT_BYTES = 5_000_000_000


def pairs(limit: int) -> st.SearchStrategy[list[tuple[int, int]]]:
    """Sorted ranges without overlap."""
    points = st.lists(st.integers(0, SIZE), unique=True, max_size=2 * limit).map(sorted)
    return points.map(lambda p: list(zip(p[::2], p[1::2], strict=False)))


@st.composite
def any_edits(draw: st.DrawFn) -> Edits:
    patches = [(start, bytes([200 + start % 50]) * (end - start)) for start, end in draw(pairs(8))]
    return Edits(erased=draw(pairs(8)), patches=patches)


def edited_at_once(content: bytes, edits: Edits) -> bytes:
    changed = bytearray(content)
    for start, end in edits.erased:
        changed[start:end] = bytes(end - start)
    for at, patch in edits.patches:
        changed[at : at + len(patch)] = patch
    return bytes(changed)


@given(edits=any_edits(), cell_bytes=st.integers(1, 50), cells=st.integers(1, 5))
def test_editing_in_parts_gives_the_same_file_as_editing_at_once(
    edits: Edits, cell_bytes: int, cells: int
) -> None:
    content = bytes(range(1, SIZE + 1))

    parts = parts_of(SIZE, edits, cell_bytes=cell_bytes, copied_bytes=cell_bytes * cells)

    copied = b"".join(
        edits.apply(content[p.start : p.end], p.start) if p.is_edited else content[p.start : p.end]
        for p in parts
    )
    assert copied == edited_at_once(content, edits)
    assert [p.start for p in parts] == [0, *(p.end for p in parts[:-1])]
    assert all(cell_bytes <= p.end - p.start <= cell_bytes * cells for p in parts[:-1])


@given(edits=any_edits())
def test_edits_can_be_passed_between_processes(edits: Edits) -> None:
    assert Edits.from_json(edits.to_json()) == edits


def test_the_largest_upload_fits_into_the_part_limit_of_the_storage() -> None:
    everything = Edits(erased=[(0, UPLOAD_LIMIT_BYTES)])

    parts = parts_of(
        UPLOAD_LIMIT_BYTES, everything, cell_bytes=EDITED_PART_BYTES, copied_bytes=COPY_PART_BYTES
    )

    assert len(parts) <= PARTS_LIMIT
    assert EDITED_PART_BYTES >= 5 << 20 and COPY_PART_BYTES <= S3_PART_LIMIT_BYTES
