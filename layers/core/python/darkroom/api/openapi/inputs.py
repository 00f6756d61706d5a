"""The inputs of a recipe in the document, in three forms made of its own model.

``sent`` is what a client sends, ``patch`` a merge patch of it (RFC 7396), and ``stored`` what
responses have. The model validates inputs, so the document cannot differ from the validator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from darkroom.api.openapi.properties import NULL, OWN_TEXTS, Schema, options_of, reference, without
from darkroom.kernel.described import STORED_AS
from darkroom.recipes.base import Recipe

_PART = "part:"
"""References inside the schemas of pydantic, until a form of their part is made."""


@dataclass(frozen=True)
class Form:
    """What becomes of the schema of inputs, and of each schema it refers to."""

    changed: Callable[[Schema], Schema]
    named: str
    """The name of a changed schema, from its own name."""


class RecipeSchemas:
    """The schemas of one recipe. Each is added to ``schemas`` when it is first named."""

    def __init__(self, recipe: Recipe, schemas: Schema) -> None:
        self.recipe = recipe
        self._name = recipe.name.capitalize()
        self._schemas = schemas
        self._wide = recipe.inputs_model.model_json_schema(ref_template=_PART + "{model}")
        self._parts: Schema = self._wide.pop("$defs", {})
        self._whole = {**self._wide, "properties": recipe.narrowed(self._wide["properties"])}

    def sent(self) -> str:
        return self._add(f"{self._name}Inputs", self._whole, SENT)

    def patch(self) -> str:
        return self._add(f"{self._name}InputsPatch", self._whole, PATCH)

    def stored(self) -> str:
        return self._add(f"Stored{self._name}Inputs", self._whole, STORED)

    def options_patch(self) -> str:
        """A merge patch of what clients call the job's options."""
        options = self._whole["properties"].get(self.recipe.options_field, {})
        return self._part_of(options, PATCH) or self.patch()

    def retry_options(self) -> str:
        """The same for a retry, which may change less."""
        if self.recipe.options_field:
            return self.options_patch()
        whole = self._whole["properties"]
        properties = {name: whole[name] for name in sorted(self.recipe.changeable)}
        return self._add(
            f"{self._name}RetryOptions", {**self._whole, "properties": properties}, PATCH
        )

    def all_fields(self, form: Form) -> Schema:
        """The properties of its model, also where the recipe accepts less."""
        properties: Schema = self._complete(form.changed(self._wide), form)["properties"]
        return properties

    def request(self) -> str:
        """The part of a request that depends on the recipe."""
        return self._with_inputs(f"{self._name}Request", self.sent())

    def job(self) -> str:
        """The part of a job that depends on its recipe."""
        return self._with_inputs(f"{self._name}Job", self.stored())

    def _with_inputs(self, name: str, inputs: str) -> str:
        recipe = {"type": "string", "const": self.recipe.name, "description": "Kind of job."}
        given = {**reference(inputs), "description": "What the job is made from."}
        self._schemas[name] = {
            "type": "object",
            "properties": {"recipe": recipe, "inputs": given},
            "required": ["recipe", "inputs"],
        }
        return name

    def _add(self, name: str, schema: Schema, form: Form) -> str:
        made = self._complete(form.changed(schema), form)
        assert self._schemas.setdefault(name, made) == made, f"two schemas are called {name}"
        return name

    def _complete(self, part: Any, form: Form) -> Any:
        """The part with references to schemas of the same form."""
        if isinstance(part, list):
            return [self._complete(each, form) for each in part]
        if not isinstance(part, dict):
            return part
        target = self._part_of(part, form)
        if target is not None:
            part = {**part, **reference(target)}
        # Generated titles repeat the names of fields and models.
        kept = {name: each for name, each in part.items() if not _is_title(name, each)}
        return {name: self._complete(each, form) for name, each in kept.items()}

    def _part_of(self, shape: Schema, form: Form) -> str | None:
        """The schema that a shape refers to, in this form."""
        _, is_part, part = str(shape.get("$ref", "")).partition(_PART)
        return self._add(form.named.format(part), self._parts[part], form) if is_part else None


def _is_title(name: str, value: Any) -> bool:
    return name == "title" and isinstance(value, str)


def _sent(schema: Schema) -> Schema:
    properties = {name: without(shape, STORED_AS) for name, shape in _of(schema)}
    return {**schema, "properties": properties}


def _patch(schema: Schema) -> Schema:
    """Every field may be left out, and null removes one that need not be there."""
    required = schema.get("required", ())
    properties = {}
    for name, shape in _of(schema):
        patched = without(shape, STORED_AS, "default")
        properties[name] = patched if name in required else _or_null(patched)
    return {**without(schema, "required"), "properties": properties}


def _stored(schema: Schema) -> Schema:
    """A field that may be null is left out if it is; others are there, if only by default."""
    properties, required = {}, []
    for name, shape in _of(schema):
        form = shape.get(STORED_AS, {"name": name})
        kept = without(shape, STORED_AS, "default")
        held = [option for option in options_of(kept) if option.get("type") != "null"]
        if form is None or not held:
            continue
        if len(held) == len(options_of(kept)):
            required.append(form["name"])
        elif len(held) == 1:
            kept = {**held[0], **without(kept, "anyOf")}
        properties[form["name"]] = {**kept, **without(form, "name")}
    kept = without(schema, "additionalProperties")
    return {**kept, "properties": properties, "required": required}


def _of(schema: Schema) -> Iterable[tuple[str, Schema]]:
    properties: Schema = schema["properties"]
    return properties.items()


def _or_null(shape: Schema) -> Schema:
    if any(option.get("type") == "null" for option in options_of(shape)):
        return shape
    texts = {name: shape[name] for name in OWN_TEXTS if name in shape}
    return {"anyOf": [without(shape, *OWN_TEXTS), NULL], **texts}


SENT = Form(_sent, "{}")
PATCH = Form(_patch, "{}Patch")
STORED = Form(_stored, "Stored{}")
