"""Problems of fields: stable codes, each with a sentence in English and Korean.

A problem is ``{path, code, message}`` with the ``params`` of its sentence; ``shown`` makes the form
that clients receive. Codes never change; sentences may.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

Problem = dict[str, Any]

SENTENCES: dict[str, tuple[str, str]] = {
    "BAD_FORMAT": ("The format is not valid.", "형식이 올바르지 않습니다."),
    "BAD_ID": ("This is not a valid id.", "올바른 ID가 아닙니다."),
    "BAD_TEXT": (
        "This is not valid Unicode text.",
        "올바른 유니코드 텍스트가 아닙니다.",
    ),
    "BAD_TIME": (
        "This must be an ISO 8601 date or time.",
        "ISO 8601 형식의 날짜 또는 시각이어야 합니다.",
    ),
    "CONTROL_CHARACTERS": (
        "This must not contain control characters.",
        "제어 문자를 쓸 수 없습니다.",
    ),
    "DUPLICATE": ("{value} appears twice.", "같은 값이 두 번 있습니다: {value}."),
    "EXACTLY_ONE": ("Send exactly one of: {fields}.", "다음 중 하나만 보내 주세요: {fields}."),
    "FIXED": ("This cannot be changed.", "변경할 수 없는 항목입니다."),
    "INACTIVE": ("This reference photo is no longer active.", "해제된 참고 사진입니다."),
    "INVALID": ("This value cannot be used.", "사용할 수 없는 값입니다."),
    "INVALID_JSON": ("The body is not valid JSON.", "요청 본문이 올바른 JSON이 아닙니다."),
    "NEEDS": ("This requires {field}.", "{field} 항목이 필요합니다."),
    "NOTHING_TO_CHANGE": (
        "Send at least one field to change.",
        "변경할 항목을 하나 이상 보내 주세요.",
    ),
    "NOT_ALLOWED": ("This must be one of: {allowed}.", "다음 중 하나여야 합니다: {allowed}."),
    "NOT_A_QUOTE": ("This is not a valid quote.", "올바른 견적이 아닙니다."),
    "NOT_A_NUMBER": ("This number cannot be used.", "사용할 수 없는 숫자입니다."),
    "NOT_IN_ALBUM": (
        "This must be a picture in the album.",
        "앨범에 있는 사진이어야 합니다.",
    ),
    "NOT_PUBLIC": (
        "This must be an https URL of a public host, without a port, user or password.",
        "공개된 호스트의 https 주소여야 하며, 포트나 사용자 정보를 포함할 수 없습니다.",
    ),
    "NOT_NULL": ("This must not be null.", "null 값은 쓸 수 없습니다."),
    "NOT_SUPPORTED": ("{recipe} does not support this.", "{recipe}에서 지원하지 않는 항목입니다."),
    "NOT_WITH": ("This cannot be combined with {field}.", "{field} 항목과 함께 쓸 수 없습니다."),
    "NO_DURATION": ("The duration of this file is unknown.", "길이를 알 수 없는 파일입니다."),
    "NO_TEXT": ("This contains no usable text.", "사용할 수 있는 글자가 없습니다."),
    "ONLY_ONE": ("Specify exactly one.", "하나만 지정해야 합니다."),
    "ONLY_THESE_SORTS": (
        "Search results can only be sorted by: {allowed}.",
        "검색 결과는 다음 순서로만 정렬할 수 있습니다: {allowed}.",
    ),
    "PHOTO_NEEDED": (
        "The role {role} needs an active reference photo.",
        "{role} 역할의 참고 사진이 필요합니다.",
    ),
    "REQUIRED": ("This is required.", "필수 항목입니다."),
    "REQUIRED_WITH": ("This is required with {field}.", "{field} 항목을 쓸 때 필요합니다."),
    "SAME_AS_SOURCE": ("This is the same as the source language.", "원본 언어와 같습니다."),
    "TEST_ONLY": (
        "This is only available in test environments.",
        "테스트 환경에서만 쓸 수 있습니다.",
    ),
    "TIME_NOT_AHEAD": (
        "Set this only when credits are given, and to a time in the future.",
        "크레딧을 지급할 때만, 미래 시각으로 지정할 수 있습니다.",
    ),
    "TOO_DEEP": ("This is nested too deeply.", "너무 깊게 중첩되어 있습니다."),
    "TOO_FEW": ("Specify at least {limit}.", "{limit}개 이상이어야 합니다."),
    "TOO_LARGE": ("This must be at most {limit}.", "{limit} 이하여야 합니다."),
    "TOO_LONG": ("Use at most {limit} characters.", "최대 {limit}자까지 쓸 수 있습니다."),
    "TOO_MANY": ("Specify at most {limit}.", "최대 {limit}개까지 지정할 수 있습니다."),
    "TOO_MUCH": ("This is more than the amount left.", "남아 있는 것보다 많습니다."),
    "TOO_SHORT": ("Use at least {limit} characters.", "{limit}자 이상이어야 합니다."),
    "TOO_SMALL": ("This must be at least {limit}.", "{limit} 이상이어야 합니다."),
    "UNKNOWN_FIELD": ("This field does not exist.", "없는 항목입니다."),
    "UNKNOWN_TASK": ("This job has no such task.", "작업에 없는 단계입니다."),
    "WRONG_KIND": (
        "This must be a file of one of these types: {kinds}.",
        "다음 종류의 파일이어야 합니다: {kinds}.",
    ),
    "WRONG_TYPE": ("This must be {expected}.", "{expected} 값이어야 합니다."),
}
_TYPES: dict[str, tuple[str, str]] = {
    "boolean": ("true or false", "true 또는 false"),
    "integer": ("a whole number", "정수"),
    "list": ("a list", "목록"),
    "null": ("null", "null"),
    "number": ("a number", "숫자"),
    "object": ("an object", "객체"),
    "text": ("text", "텍스트"),
}
_BODY = "body"
"""The path of a problem with the body as a whole."""
# pydantic's error type → our code, and the names of our parameters → pydantic's.
_CODES: dict[str, tuple[str, Mapping[str, str]]] = {
    "enum": ("NOT_ALLOWED", {"allowed": "expected"}),
    "extra_forbidden": ("UNKNOWN_FIELD", {}),
    "greater_than": ("TOO_SMALL", {"limit": "gt"}),
    "greater_than_equal": ("TOO_SMALL", {"limit": "ge"}),
    "json_invalid": ("INVALID_JSON", {}),
    "less_than": ("TOO_LARGE", {"limit": "lt"}),
    "less_than_equal": ("TOO_LARGE", {"limit": "le"}),
    "literal_error": ("NOT_ALLOWED", {"allowed": "expected"}),
    "missing": ("REQUIRED", {}),
    "string_pattern_mismatch": ("BAD_FORMAT", {}),
    "string_too_long": ("TOO_LONG", {"limit": "max_length"}),
    "string_too_short": ("TOO_SHORT", {"limit": "min_length"}),
    "too_long": ("TOO_MANY", {"limit": "max_length"}),
    "too_short": ("TOO_FEW", {"limit": "min_length"}),
}
_EXPECTED = {
    "bool": "boolean",
    "dict": "object",
    "float": "number",
    "int": "integer",
    "list": "list",
    "mapping": "object",
    "model": "object",
    "none": "null",
    "string": "text",
}
"""The first word of pydantic's error type → the expected type."""


def problem(path: str, code: str, **params: Any) -> Problem:
    """A problem at this path of the request; ``params`` fill its sentence."""
    params = {name: _text(value) for name, value in params.items()}
    english = _sentence(code, params, "en")
    return {"path": path, "code": code, "message": english, "params": params}


def shown(found: Mapping[str, Any], language: str) -> dict[str, str]:
    """The problem as clients receive it. One without a code keeps its message, in English only."""
    path, code = found["path"], found.get("code")
    if code is None or code not in SENTENCES:
        message = found["message"] if language == "en" else _sentence("INVALID", {}, language)
        return {"path": path, "code": code or "INVALID", "message": message}
    message = _sentence(code, found.get("params", {}), language)
    return {"path": path, "code": code, "message": message}


def problems_of(errors: Iterable[Mapping[str, Any]], *, skip: int = 0) -> list[Problem]:
    """Problems for pydantic's errors; ``skip`` drops this many first parts of their paths."""
    return [found for error in errors for found in _problems_of(error, skip)]


def _problems_of(error: Mapping[str, Any], skip: int) -> Iterator[Problem]:
    kind, context = error["type"], error.get("ctx") or {}
    place = [str(part) for part in error["loc"][skip:]]
    if kind == "json_invalid":
        place = []
    if kind in SENTENCES:  # A rule of ours; one about several fields names their paths.
        params = {name: value for name, value in context.items() if name != "paths"}
        for path in context.get("paths", ("",)):
            yield problem(_joined([*place, *([path] if path else [])]), kind, **params)
        return
    code, names = _CODES.get(kind, ("INVALID", {}))
    params = {name: context.get(theirs, "") for name, theirs in names.items()}
    expected = _EXPECTED.get(kind.partition("_")[0])
    if code == "INVALID" and expected is not None:
        code, params = "WRONG_TYPE", {"expected": expected}
    yield problem(_joined(place), code, **params)


def _joined(place: Collection[str]) -> str:
    return ".".join(place) or _BODY


def _sentence(code: str, params: Mapping[str, str], language: str) -> str:
    column = 1 if language == "ko" else 0
    words = dict(params)
    if code == "WRONG_TYPE":
        words["expected"] = _TYPES[params["expected"]][column]
    return SENTENCES[code][column].format(**words)


def _text(value: Any) -> str:
    if isinstance(value, str):
        # pydantic lists what it expects as 'a', 'b' or 'c'.
        return value.replace("' or '", "', '").replace("', '", ", ").strip("'")
    if isinstance(value, Collection):
        return ", ".join(map(str, value))
    return str(value)
