"""``Idempotency-Key``: the first answer again for the same request, an error for another one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse

from darkroom.api.auth import Caller
from darkroom.api.bodies import read_json
from darkroom.bootstrap import App
from darkroom.db import commit_one
from darkroom.idempotency import store
from darkroom.idempotency.store import AlreadyAnswered, Answer
from darkroom.kernel.errors import Conflict, DarkroomError, InvalidInput
from darkroom.usecases.requests import Command, body_hash, command

REPLAYED_HEADER = "Idempotent-Replayed"


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
    call = command(
        app.ids,
        account_id=caller.account_id,
        route=f"{request.method} {request.url.path}",
        language=caller.language,
        key=caller.idempotency_key,
        body=body,
    )
    return call, body


def answer_once(
    app: App,
    call: Command,
    body: dict[str, Any],
    *,
    status: int,
    action: Callable[[], dict[str, Any]],
) -> JSONResponse:
    """Do the action, or repeat the answer it had.

    Raises:
        Conflict: IN_PROGRESS; Unprocessable: IDEMPOTENCY_MISMATCH; whatever the action raises,
        and then nothing is remembered.
    """
    if call.key is None:
        return JSONResponse(action(), status_code=status)
    name = "\x1f".join((call.account_id, call.route, call.key))
    key = hashlib.sha256(name.encode()).hexdigest()
    hashed, turn = body_hash(body), app.ids.token()
    try:
        commit_one(store.begin_write(key, hashed, turn, app.clock.now()))
    except AlreadyAnswered as done:
        return _replayed(done.answer)
    try:
        content = action()
    except DarkroomError:
        _quietly(lambda: commit_one(store.forget_write(key, turn)))
        raise
    answer = Answer(status, json.dumps(content, ensure_ascii=False, separators=(",", ":")))
    _quietly(lambda: commit_one(store.answer_write(key, hashed, turn, answer, app.clock.now())))
    return JSONResponse(content, status_code=status)


def _replayed(answer: Answer) -> JSONResponse:
    return JSONResponse(
        json.loads(answer.body), status_code=answer.status, headers={REPLAYED_HEADER: "true"}
    )


def _quietly(write: Callable[[], object]) -> None:
    """The action has happened; that its record was taken over meanwhile changes nothing."""
    try:
        write()
    except Conflict:
        return
