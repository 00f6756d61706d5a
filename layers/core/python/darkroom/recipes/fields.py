"""What the inputs of several recipes have in common: strict fields, and how refusals are told."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from darkroom.kernel.errors import InvalidInput
from darkroom.kernel.ids import is_id


class Inputs(BaseModel):
    """Strict in: unknown fields and values of another JSON type are refused."""

    model_config = ConfigDict(
        extra="forbid", strict=True, alias_generator=to_camel, validate_by_name=False
    )


def _is_asset_id(value: str) -> str:
    if not is_id(value, "ast"):
        raise ValueError("is not an asset id")
    return value


def _is_reference_photo_id(value: str) -> str:
    if not is_id(value, "ref"):
        raise ValueError("is not a reference photo id")
    return value


AssetId = Annotated[str, AfterValidator(_is_asset_id)]
ReferencePhotoId = Annotated[str, AfterValidator(_is_reference_photo_id)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Faults = dict[str, Literal["transient", "permanent", "moderation", "hang"]]
InputsT = TypeVar("InputsT", bound=Inputs)


def parse(model: type[InputsT], inputs: Mapping[str, Any]) -> InputsT:
    """The inputs as ``model``.

    Raises:
        InvalidInput: with ``fields``.
    """
    try:
        return model.model_validate(dict(inputs))
    except ValidationError as error:
        raise InvalidInput("invalid inputs", fields=field_errors(error)) from error


def dump(parsed: Inputs) -> dict[str, Any]:
    """The stored form: camelCase, without what was not given."""
    return parsed.model_dump(by_alias=True, exclude_none=True)


def check_faults(stored: Mapping[str, Any], keys: Collection[str]) -> None:
    """Faults of a test may name only tasks that the job will have."""
    unknown = sorted(set(stored.get("testFaults", {})) - set(keys))
    if unknown:
        raise InvalidInput(
            "unknown task keys",
            fields=[
                {"path": f"testFaults.{key}", "message": "is not a task of this job"}
                for key in unknown
            ],
        )


def field_errors(error: ValidationError) -> list[dict[str, str]]:
    """pydantic's complaints as ``{path, message}``, the shape that clients are told."""
    return [
        {
            "path": ".".join(str(part) for part in problem["loc"]),
            "message": problem["msg"].removeprefix("Value error, "),
        }
        for problem in error.errors(include_url=False, include_context=False)
    ]


def merge_patch(target: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """JSON Merge Patch, RFC 7396: objects merge, null removes, anything else replaces."""
    merged = dict(target)
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, Mapping):
            old = merged.get(name)
            merged[name] = merge_patch(old if isinstance(old, Mapping) else {}, value)
        else:
            merged[name] = value
    return merged
