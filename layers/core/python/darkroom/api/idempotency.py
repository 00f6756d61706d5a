"""``Idempotency-Key``: the stored response for a repeated request, an error for a different one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from aws_lambda_powertools import Logger
from fastapi import Request
from fastapi.responses import Response

from darkroom.api.auth import Caller
from darkroom.api.json_response import json_response, to_json
from darkroom.api.rate_limits import SUBMISSIONS
from darkroom.api.strict_json import read_json
from darkroom.bootstrap.composition import App
from darkroom.db import are_writes_refused, commit_one
from darkroom.idempotency import store
from darkroom.idempotency.store import AlreadyCompleted, StoredResponse
from darkroom.kernel.command import Command, body_hash, new_command
from darkroom.kernel.errors import Conflict, InvalidInput
from darkroom.kernel.limits import IDEMPOTENCY_KEY_LIMIT_CHARS
from darkroom.kernel.problems import problem
from darkroom.views.base import ResponseBody

REPLAYED_HEADER = "Idempotent-Replayed"
_SERVER_FAULTS = frozenset({"INTERNAL", "UNAVAILABLE"})
logger = Logger()


async def read_command(
    request: Request, app: App, caller: Caller, *, key_required: bool
) -> tuple[Command, dict[str, Any]]:
    """The request as a command, and its body as a JSON value.

    Raises:
        InvalidInput: IDEMPOTENCY_KEY_REQUIRED; the key has a bad form; or the body is not JSON.
    """
    key = caller.idempotency_key
    if key is None and key_required:
        raise InvalidInput("a key is required", code="IDEMPOTENCY_KEY_REQUIRED")
    if key is not None and not (1 <= len(key) <= IDEMPOTENCY_KEY_LIMIT_CHARS and key.isprintable()):
        raise InvalidInput("bad key", fields=[problem("Idempotency-Key", "BAD_FORMAT")])
    raw = await request.body()
    body = read_json(raw) if raw else {}
    command = new_command(
        app.ids,
        account_id=caller.account_id,
        route=f"{request.method} {request.url.path}",
        language=caller.language,
        key=key,
        body=body,
        submissions=request.scope.get(SUBMISSIONS),
    )
    return command, body


def respond_once(
    app: App,
    command: Command,
    body: dict[str, Any],
    *,
    status: int,
    action: Callable[[], ResponseBody],
) -> Response:
    """Run the action, or return the stored response of an earlier request.

    Raises:
        Conflict: IN_PROGRESS; KeyReused; and the errors of the action, after which nothing is
        stored and the key can be used again.
    """
    if command.key is None or are_writes_refused():
        return json_response(action(), status=status)
    name = "\x1f".join((command.account_id, command.route, command.key))
    key = hashlib.sha256(name.encode()).hexdigest()
    hashed, lock_id = body_hash(body), app.ids.token()
    try:
        commit_one(store.begin_write(key, body_hash=hashed, operation=lock_id, now=app.clock.now()))
    except AlreadyCompleted as error:
        return _response(error.response, {REPLAYED_HEADER: "true"})
    try:
        content = action()
    except Exception:
        _quietly(lambda: commit_one(store.forget_write(key, operation=lock_id)))
        raise
    if _may_succeed_later(content):
        _quietly(lambda: commit_one(store.forget_write(key, operation=lock_id)))
        return json_response(content, status=status)
    response = StoredResponse(status, to_json(content))
    _store(key, hashed=hashed, lock_id=lock_id, response=response, now=app.clock.now())
    return _response(response)


def _may_succeed_later(content: ResponseBody) -> bool:
    """Whether an item of a bulk request failed on our side. A repeat with the same key then does
    what is missing, and finds the other items done."""
    return any(result.code in _SERVER_FAULTS for result in getattr(content, "results", ()))


def _store(key: str, *, hashed: str, lock_id: str, response: StoredResponse, now: datetime) -> None:
    """Store the response for repeats. If that fails, release the key: a repeat then finds its own
    writes and need not wait for the lock."""
    try:
        commit_one(
            store.complete_write(
                key, body_hash=hashed, operation=lock_id, response=response, now=now
            )
        )
    except Conflict:
        return
    except Exception:
        logger.exception("idempotency_record_lost")
        _quietly(lambda: commit_one(store.forget_write(key, operation=lock_id)))


def _response(response: StoredResponse, headers: Mapping[str, str] | None = None) -> Response:
    return Response(response.body, response.status, headers, media_type="application/json")


def _quietly(write: Callable[[], object]) -> None:
    """Run a write whose failure does not change the response: the lock of the record expires, and a
    repeat finds its own writes."""
    try:
        write()
    except Conflict:
        return
    except Exception:
        logger.exception("idempotency_record_lost")
