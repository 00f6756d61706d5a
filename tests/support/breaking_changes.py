"""What in a new OpenAPI document breaks a client that was written for an old one.

``python -m tests.support.breaking_changes``: compares docs/openapi.json with that of the last
release; one line for each change, exit status 1 if there are any. With ``keep``, it keeps
docs/openapi.json as that of a release.

A client breaks if something that it sends is refused, or something that it relies on in a response
is gone. So requests may ask for less and accept more, and responses may promise more. Three things
may be added to responses, although strict clients notice: fields, values of a list of words, and
codes of errors; docs/http.md says that clients must expect them.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Schema = Mapping[str, Any]
ROOT = Path(__file__).resolve().parents[2]
CURRENT = ROOT / "docs" / "openapi.json"
RELEASES = ROOT / "docs" / "releases"
METHODS = ("get", "post", "patch", "put", "delete")
DEPTH_LIMIT = 24
LOWER_BOUNDS = ("minimum", "exclusiveMinimum", "minLength", "minItems")
UPPER_BOUNDS = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")


def breaking_changes(old: Schema, new: Schema) -> list[str]:
    """The changes, as sentences that begin with the place."""
    return sorted(set(Comparison(old, new).operations()))


@dataclass(frozen=True)
class Comparison:
    old: Schema
    new: Schema

    def operations(self) -> Iterator[str]:
        for path, methods in self.old["paths"].items():
            for method in METHODS:
                if method not in methods:
                    continue
                where = f"{method.upper()} {path}"
                after = self.new["paths"].get(path, {}).get(method)
                if after is None:
                    yield f"{where}: the operation is gone"
                else:
                    yield from self._operation(where, methods[method], after)

    def _operation(self, where: str, before: Schema, after: Schema) -> Iterator[str]:
        if before.get("operationId") != after.get("operationId"):
            yield f"{where}: the operationId is another"
        if not before.get("security") and after.get("security"):
            yield f"{where}: a token is needed"
        yield from self._parameters(where, before, after)
        yield from self._request_body(where, before, after)
        yield from self._responses(where, before, after)

    def _parameters(self, where: str, before: Schema, after: Schema) -> Iterator[str]:
        known = self._named(self.old, before.get("parameters", ()))
        current = self._named(self.new, after.get("parameters", ()))
        for key, parameter in known.items():
            place = f"{where}: parameter {key[1]}"
            if key not in current:
                yield f"{place} is gone"
                continue
            yield from self._request(place, parameter["schema"], current[key]["schema"])
        for key, parameter in current.items():
            was_required = known.get(key, {}).get("required", False)
            if parameter.get("required") and not was_required:
                yield f"{where}: parameter {key[1]} is required now"

    def _named(
        self, document: Schema, parameters: Iterable[Schema]
    ) -> dict[tuple[str, str], Schema]:
        resolved = (resolve(document, parameter) for parameter in parameters)
        return {(each["in"], each["name"]): each for each in resolved}

    def _request_body(self, where: str, before: Schema, after: Schema) -> Iterator[str]:
        old_body, new_body = before.get("requestBody"), after.get("requestBody")
        if new_body is None:
            if old_body is not None:
                yield f"{where}: the body is gone"
            return
        if old_body is None:
            if new_body.get("required"):
                yield f"{where}: a body is required now"
            return
        if new_body.get("required") and not old_body.get("required"):
            yield f"{where}: the body is required now"
        for media_type, content in old_body["content"].items():
            if media_type not in new_body["content"]:
                yield f"{where}: bodies of {media_type} are gone"
                continue
            shape = new_body["content"][media_type]
            yield from self._request(f"{where}: body", content["schema"], shape["schema"])

    def _responses(self, where: str, before: Schema, after: Schema) -> Iterator[str]:
        for status, declared in before["responses"].items():
            place = f"{where}: {status}"
            if status not in after["responses"]:
                # A client that handles an error which no longer comes still works.
                if status < "400":
                    yield f"{place} is gone"
                continue
            old = resolve(self.old, declared)
            new = resolve(self.new, after["responses"][status])
            for name in old.get("headers", {}):
                if name not in new.get("headers", {}):
                    yield f"{place}: header {name} is gone"
            for media_type, content in old.get("content", {}).items():
                if media_type not in new.get("content", {}):
                    yield f"{place}: {media_type} is gone"
                    continue
                shape = new["content"][media_type]
                if status >= "400" and content.get("schema") in shape["schema"].get("anyOf", ()):
                    # Another code beside the earlier error.
                    continue
                if "schema" in content:
                    yield from self._response(place, content["schema"], shape.get("schema", {}))
        for status in after["responses"]:
            # 304 comes only to clients that send a condition.
            if status < "400" and status not in (*before["responses"], "304"):
                yield f"{where}: {status} is new"

    def _request(self, place: str, before: Schema, after: Schema, depth: int = 0) -> Iterator[str]:
        """What a client may send by ``before`` and may not by ``after``."""
        yield from self._compare(place, before, after, is_request=True, depth=depth)

    def _response(self, place: str, before: Schema, after: Schema, depth: int = 0) -> Iterator[str]:
        """What a client may rely on by ``before`` and may not by ``after``."""
        yield from self._compare(place, before, after, is_request=False, depth=depth)

    def _compare(
        self, place: str, before: Schema, after: Schema, *, is_request: bool, depth: int
    ) -> Iterator[str]:
        old, new = resolve(self.old, before), resolve(self.new, after)
        if depth > DEPTH_LIMIT:
            return
        yield from _types(place, old, new, is_request=is_request)
        yield from _words(place, old, new, is_request=is_request)
        if is_request:
            yield from _bounds(place, old, new)
            if _is_closed(new) and not _is_closed(old):
                yield f"{place}: unknown fields are refused now"
        yield from self._properties(place, old, new, is_request=is_request, depth=depth)
        for part in ("items", "additionalProperties"):
            if isinstance(old.get(part), Mapping) and isinstance(new.get(part), Mapping):
                inner = f"{place}[]" if part == "items" else f"{place}.*"
                yield from self._compare(
                    inner, old[part], new[part], is_request=is_request, depth=depth + 1
                )
        yield from self._options(place, old, new, is_request=is_request, depth=depth)

    def _properties(
        self, place: str, old: Schema, new: Schema, *, is_request: bool, depth: int
    ) -> Iterator[str]:
        known, current = old.get("properties", {}), new.get("properties", {})
        for name, shape in known.items():
            if name not in current:
                yield f"{place}.{name} is gone"
                continue
            yield from self._compare(
                f"{place}.{name}", shape, current[name], is_request=is_request, depth=depth + 1
            )
        required, now_required = set(old.get("required", ())), set(new.get("required", ()))
        if is_request:
            for name in sorted(now_required - required):
                yield f"{place}.{name} is required now"
        else:
            for name in sorted((required - now_required) & set(current)):
                yield f"{place}.{name} may be missing now"

    def _options(
        self, place: str, old: Schema, new: Schema, *, is_request: bool, depth: int
    ) -> Iterator[str]:
        """Alternatives: each old one of a request must fit a new one; each new one of a response an
        old one, unless it has a name of its own, as a new code of an error has."""
        before, after = _options_of(old), _options_of(new)
        if not before and not after:
            return
        old_names, new_names = (_by_name(options) for options in (before, after))
        for name in sorted(old_names.keys() & new_names.keys()):
            yield from self._compare(
                place, old_names[name], new_names[name], is_request=is_request, depth=depth + 1
            )
        gone = sorted(old_names.keys() - new_names.keys())
        if is_request:
            yield from (f"{place}: {name} is not accepted any more" for name in gone)
        elif "null" in new_names and "null" not in old_names:
            yield f"{place} may be null now"


def resolve(document: Schema, node: Schema) -> Schema:
    """What a reference leads to, with the keywords beside it."""
    for _ in range(DEPTH_LIMIT):
        if "$ref" not in node:
            return node
        kind, name = node["$ref"].split("/")[2:]
        beside = {key: value for key, value in node.items() if key != "$ref"}
        node = {**document["components"][kind][name], **beside}
    raise AssertionError(f"references in a circle: {node}")


def _is_closed(schema: Schema) -> bool:
    return False in (schema.get("additionalProperties"), schema.get("unevaluatedProperties"))


def _types(place: str, old: Schema, new: Schema, *, is_request: bool) -> Iterator[str]:
    before, after = _types_of(old), _types_of(new)
    if not before or not after:
        if is_request and not before and after and not _options_of(old):
            yield f"{place} must be {'/'.join(sorted(after))} now"
        return
    lost = before - after if is_request else after - before
    if "integer" in lost and "number" in (after if is_request else before):
        lost = lost - {"integer"}
    if lost:
        yield f"{place} was {'/'.join(sorted(before))} and is {'/'.join(sorted(after))}"


def _types_of(schema: Schema) -> set[str]:
    kind = schema.get("type", [])
    return {kind} if isinstance(kind, str) else set(kind)


def _words(place: str, old: Schema, new: Schema, *, is_request: bool) -> Iterator[str]:
    """A request must accept all old words; a response may have new ones."""
    before, after = _words_of(old), _words_of(new)
    if is_request and after is not None:
        if before is None:
            if not _options_of(old):
                yield f"{place} accepts only some words now"
            return
        yield from (f"{place}: {word!r} is not accepted any more" for word in before - after)
    if not is_request and before is not None and after is None and not _options_of(new):
        yield f"{place} may be any text now"


def _words_of(schema: Schema) -> set[Any] | None:
    if "const" in schema:
        return {schema["const"]}
    return set(schema["enum"]) if "enum" in schema else None


def _bounds(place: str, old: Schema, new: Schema) -> Iterator[str]:
    for name in LOWER_BOUNDS:
        # A length is never below zero.
        least = 0 if name in ("minLength", "minItems") else -math.inf
        if name in new and new[name] > old.get(name, least):
            yield f"{place}: {name} is {new[name]} now"
    for name in UPPER_BOUNDS:
        if name in new and (name not in old or new[name] < old[name]):
            yield f"{place}: {name} is {new[name]} now"
    if "pattern" in new and new["pattern"] != old.get("pattern"):
        yield f"{place}: the pattern is another"


def _options_of(schema: Schema) -> list[Schema]:
    return [*schema.get("anyOf", ()), *schema.get("oneOf", ())]


def _by_name(options: Iterable[Schema]) -> dict[str, Schema]:
    return {
        option["$ref"].rpartition("/")[2]
        if "$ref" in option
        else str(option.get("type", "")): option
        for option in options
    }


def version(document: Schema) -> tuple[int, ...]:
    return tuple(map(int, document["info"]["version"].split(".")))


def last_release() -> Schema | None:
    """The document of the newest release."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in RELEASES.glob("*.json")]
    return max(found, key=version, default=None)


def keep(document: Schema) -> Path:
    """Keep the document as that of its version."""
    RELEASES.mkdir(exist_ok=True)
    file = RELEASES / f"openapi-{document['info']['version']}.json"
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    file.write_text(text + "\n", encoding="utf-8")
    return file


def main(*arguments: str) -> int:
    current = json.loads(CURRENT.read_text(encoding="utf-8"))
    if arguments == ("keep",):
        print(f"kept as {keep(current).relative_to(ROOT)}")
        return 0
    released = last_release()
    if released is None:
        print("nothing was released yet")
        return 0
    found = breaking_changes(released, current)
    for line in found:
        print(line)
    return 1 if found and version(current)[0] <= version(released)[0] else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
