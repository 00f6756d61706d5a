"""Shared by the inputs of recipes: strict fields, and the errors of validation."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from darkroom.kernel.described import described
from darkroom.kernel.errors import InvalidInput
from darkroom.kernel.ids import id_pattern, is_id
from darkroom.kernel.problems import Problem, problem, problems_of


class Inputs(BaseModel):
    """Strict inputs: unknown fields and values of another JSON type are refused."""

    model_config = ConfigDict(
        extra="forbid", strict=True, alias_generator=to_camel, validate_by_name=False
    )


def broken(code: str, *paths: str, **params: Any) -> PydanticCustomError:
    """The error of one of our rules, for a validator to raise. A rule over several fields passes
    their ``paths``, because pydantic has no location for it."""
    context = {**params, **({"paths": paths} if paths else {})}
    return PydanticCustomError(code, "breaks a rule", context)


def _is_asset_id(value: str) -> str:
    if not is_id(value, "ast"):
        raise broken("BAD_ID")
    return value


def _is_reference_photo_id(value: str) -> str:
    if not is_id(value, "ref"):
        raise broken("BAD_ID")
    return value


AssetId = Annotated[
    str,
    AfterValidator(_is_asset_id),
    described("Id of a file.", "ast_01JGTQ4M9R8W3Z5K7N2P6X0B00", pattern=id_pattern("ast")),
]
ReferencePhotoId = Annotated[
    str,
    AfterValidator(_is_reference_photo_id),
    described(
        "Id of a reference photo.", "ref_01JGTQ4M9R8W3Z5K7N2P6X0D00", pattern=id_pattern("ref")
    ),
]
Seed = Annotated[
    int,
    Field(ge=0, lt=2**32),
    described(
        "Makes a run repeatable: the same inputs with the same seed give the same files. Without "
        "it, each job has a seed of its own.",
        7,
    ),
]
Faults = Annotated[
    dict[str, Literal["transient", "permanent", "moderation", "hang"]],
    described(
        "Makes tasks fail, by task key. Only where test hooks are enabled.",
        {"clip_1": "transient"},
    ),
]
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
    """The stored form: camelCase, without the fields that were not given."""
    return parsed.model_dump(by_alias=True, exclude_none=True)


def check_faults(stored: Mapping[str, Any], keys: Collection[str]) -> None:
    """Check that the injected faults name only tasks that the job will have."""
    unknown = sorted(set(stored.get("testFaults", {})) - set(keys))
    if unknown:
        raise InvalidInput(
            "unknown task keys",
            fields=[problem(f"testFaults.{key}", "UNKNOWN_TASK") for key in unknown],
        )


def field_errors(error: ValidationError) -> list[Problem]:
    """Convert pydantic's errors to problems of fields."""
    return problems_of(error.errors(include_url=False))


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
