"""The values that the studio draws and plays with: JSON files in ``catalog/studio/``.

Owns how such a file becomes frozen dataclasses: names in camelCase, every number within its
bounds, nothing missing and nothing unknown. A file is read when it is first needed and once per
process. Knows nothing of what the values mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar, dataclass_transform

from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.alias_generators import to_camel

from darkroom.kernel import catalog

_VALUES: Final = ConfigDict(extra="forbid", alias_generator=to_camel)

Share = Annotated[float, Field(ge=0, le=1)]
Signed = Annotated[float, Field(ge=-1, le=1)]
Stops = Annotated[float, Field(ge=-3, le=3)]
"""Photographic stops: +1 is twice the light."""
Pixels = Annotated[float, Field(ge=0, le=200)]
GrainLevels = Annotated[float, Field(ge=0, le=16)]
"""The standard deviation of film grain in 8-bit levels."""
Rgb = tuple[Share, Share, Share]
"""An sRGB color."""

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True)
def catalog_values(cls: type[T]) -> type[T]:
    """Make the class a frozen dataclass of values that ``read_values`` reads."""
    cls.__pydantic_config__ = _VALUES  # type: ignore[attr-defined]
    return dataclass(frozen=True, kw_only=True)(cls)


def read_values(name: str, shape: type[T]) -> T:
    """The file ``catalog/studio/<name>`` as ``shape``.

    Raises:
        pydantic.ValidationError: a value is missing, unknown or out of its bounds.
    """
    adapter: TypeAdapter[Any] = TypeAdapter(shape)
    return adapter.validate_python(catalog.read(f"studio/{name}"))
