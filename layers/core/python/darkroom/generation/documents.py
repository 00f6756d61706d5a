"""JSON documents of ours, read and written by the shape of their dataclasses.

Owns what scripts and transcripts have in common: the types of their fields, and the way between
bytes and a dataclass. A shape checks types and the limits of single fields; rules over several
fields are the document's own.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any, Final, Protocol, TypeVar, dataclass_transform

from pydantic import BeforeValidator, ConfigDict, StrictInt, StrictStr, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

from darkroom.generation.ports import Artifact, GenerationRequest
from darkroom.kernel.errors import DarkroomError

_SHAPE: Final = ConfigDict(alias_generator=to_camel)

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True)
def document_shape(cls: type[T]) -> type[T]:
    """Make the class a frozen dataclass that is a document or a part of one.

    Fields are named in camelCase; those that are not known are left out.
    """
    cls.__pydantic_config__ = _SHAPE  # type: ignore[attr-defined]
    return dataclass(frozen=True, kw_only=True)(cls)


def _without_lone_surrogates(value: Any) -> Any:
    """The text without lone surrogates: JSON may hold them, and they are no characters."""
    return value.encode("utf-8", "ignore").decode() if isinstance(value, str) else value


Text = Annotated[StrictStr, BeforeValidator(_without_lone_surrogates)]
Milliseconds = StrictInt
"""No number with a point, and no true or false."""


def read_document(
    content: bytes, shape: TypeAdapter[T], *, limit_bytes: int, rejected: type[DarkroomError]
) -> T:
    """The document in ``content``.

    Raises:
        DarkroomError: ``rejected``; it is too large, no JSON, or of another shape.
    """
    if len(content) > limit_bytes:
        raise rejected(f"larger than {limit_bytes} bytes")
    try:
        found = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise rejected("no JSON") from error
    return read_value(found, shape, rejected=rejected)


def read_value(value: Any, shape: TypeAdapter[T], *, rejected: type[DarkroomError]) -> T:
    """A value from JSON as this shape.

    Raises:
        DarkroomError: ``rejected``; its detail says where, without the contents.
    """
    try:
        return shape.validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "document"
        # The cause would show the contents in a log.
        raise rejected(f"{place}: {first['msg']}") from None


def write_document(document: Any) -> bytes:
    """UTF-8 JSON; the same document gives the same bytes."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    # A lone surrogate has no UTF-8.
    return text.encode("utf-8", errors="replace")


class Narration(Protocol):
    """A script or a transcript."""

    @property
    def language(self) -> str: ...

    @property
    def duration_ms(self) -> int:
        """0 when unknown."""


def document_artifact(request: GenerationRequest, made: Narration, content: bytes) -> Artifact:
    """Write the document of a script or a transcript as the file of this request."""
    path = request.workdir / f"{request.key}.json"
    path.write_bytes(content)
    return Artifact(
        type="json",
        mime_type="application/json",
        path=path,
        duration_ms=made.duration_ms or None,
        extra={"language": made.language},
    )
