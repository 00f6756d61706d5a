"""Where a problem stands in the body that was sent.

Recipes name their inputs as such (``photoAssetIds.0``). A route whose body holds them in a field
of its own says in which, so that the client finds every problem at the place it sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pydantic import BaseModel
from pydantic.alias_generators import to_camel

from darkroom.kernel.errors import InvalidInput


@contextmanager
def inputs_below(name: str, body: BaseModel) -> Iterator[None]:
    """Problems with what is no field of the body (nor was sent beside them) are below ``name``.

    Raises:
        InvalidInput: the same, with complete paths.
    """
    own = {*map(to_camel, type(body).model_fields), *(body.model_extra or ())}
    try:
        yield
    except InvalidInput as error:
        _move(error, lambda path: path if _first(path) in own else f"{name}.{path}")
        raise


@contextmanager
def renamed(name: str, to: str) -> Iterator[None]:
    """Problems with ``name`` are told of the field ``to``, which the client sent for it."""
    try:
        yield
    except InvalidInput as error:
        _move(error, lambda path: to + path[len(name) :] if _first(path) == name else path)
        raise


def _move(error: InvalidInput, moved: Callable[[str], str]) -> None:
    if "fields" in error.facts:
        fields = error.facts["fields"]
        error.facts["fields"] = [{**found, "path": moved(found["path"])} for found in fields]


def _first(path: str) -> str:
    return path.partition(".")[0]
