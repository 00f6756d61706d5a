"""The paths of problems in the body of a request.

Recipes report problems by the names of their inputs (``photoAssetIds.0``). A route whose
body has the inputs in a field adds that field, so that every path leads to the value sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pydantic import BaseModel
from pydantic.alias_generators import to_camel

from darkroom.kernel.errors import InvalidInput


@contextmanager
def inputs_below(name: str, body: BaseModel) -> Iterator[None]:
    """Move problems to paths below ``name``, unless they are about a field of the body itself.

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
    """Report problems of the field ``name`` under ``to``, the field that the client sent."""
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
