"""``Idempotency-Key``: the stored response for a repeated request, an error for a different one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from aws_lambda_powertools import Logger
from fastapi import Request
from fastapi.responses import JSONResponse

from darkroom.api.auth import Caller
from darkroom.api.json_response import EscapingJSONResponse
from darkroom.api.strict_json import read_json
from darkroom.bootstrap.composition import App
from darkroom.db import commit_one
from darkroom.idempotency import store
from darkroom.idempotency.store import AlreadyCompleted, StoredResponse
from darkroom.kernel.command import Command, body_hash, new_command
from darkroom.kernel.errors import Conflict, InvalidInput
from darkroom.kernel.words import is_unicode

REPLAYED_HEADER = "Idempotent-Replayed"
_SERVER_FAULTS = frozenset({"INTERNAL", "UNAVAILABLE"})
logger = Logger()


async def read_command(
    request: Request, app: App, caller: Caller, *, key_required: bool
) -> tuple[Command, dict[str, Any]]:
    """The request as a command, and its body as a JSON value.

    Raises:
        InvalidInput: IDEMPOTENCY_KEY_REQUIRED; or the body is not JSON.
    """
    if key_required and caller.idempotency_key is None:
        raise InvalidInput("a key is required", code="IDEMPOTENCY_KEY_REQUIRED")
    raw = await request.body()
    body = read_json(raw) if raw else {}
    command = new_command(
        app.ids,
        account_id=caller.account_id,
        route=f"{request.method} {request.url.path}",
        language=caller.language,
        key=caller.idempotency_key,
        body=body,
    )
    return command, body


def respond_once(
    app: App,
    command: Command,
    body: dict[str, Any],
    *,
    status: int,
    action: Callable[[], dict[str, Any]],
) -> JSONResponse:
    """Run the action, or return the stored response of an earlier request.

    Raises:
        Conflict: IN_PROGRESS; KeyReused; and the errors of the action, after which nothing is
        stored and the key can be used again.
    """
    if command.key is None:
        return EscapingJSONResponse(action(), status_code=status)
    name = "\x1f".join((command.account_id, command.route, command.key))
    key = hashlib.sha256(name.encode()).hexdigest()
    hashed, lock_id = body_hash(body), app.ids.token()
    try:
        commit_one(store.begin_write(key, body_hash=hashed, operation=lock_id, now=app.clock.now()))
    except AlreadyCompleted as error:
        return _replayed(error.response)
    try:
        content = action()
    except Exception:
        _quietly(lambda: commit_one(store.forget_write(key, operation=lock_id)))
        raise
    if _may_succeed_later(content):
        _quietly(lambda: commit_one(store.forget_write(key, operation=lock_id)))
        return EscapingJSONResponse(content, status_code=status)
    response = StoredResponse(status, _text(content))
    _store(key, hashed=hashed, lock_id=lock_id, response=response, now=app.clock.now())
    return EscapingJSONResponse(content, status_code=status)


def _may_succeed_later(content: dict[str, Any]) -> bool:
    """Whether an item of a bulk request failed on our side. A repeat with the same key then does
    what is missing, and finds the other items done."""
    results = content.get("results", ())
    return any(result.get("code") in _SERVER_FAULTS for result in results)


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


def _replayed(response: StoredResponse) -> JSONResponse:
    return EscapingJSONResponse(
        json.loads(response.body), status_code=response.status, headers={REPLAYED_HEADER: "true"}
    )


def _text(content: dict[str, Any]) -> str:
    """JSON, escaped only if it must be: lone surrogates cannot be stored."""
    plain = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return plain if is_unicode(plain) else json.dumps(content, separators=(",", ":"))


def _quietly(write: Callable[[], object]) -> None:
    """Run a write whose failure does not change the response: the lock of the record expires, and a
    repeat finds its own writes."""
    try:
        write()
    except Conflict:
        return
    except Exception:
        logger.exception("idempotency_record_lost")
