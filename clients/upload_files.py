"""``python -m clients.upload_files FILE…``: send many files at once, and no arrived part twice.

Calls the API as any client would, over HTTPS with a bearer token. A state file records the started
uploads. If the command is stopped at any point (also by ``kill -9``), the same command continues:
it gets the list of arrived parts from the API, has the links of the others signed again, completes
the uploads and waits for the checks. Nothing here knows the product's code.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from local.errors import LocalCloudError
from local.settings import ROOT

MIME_TYPES = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".heic": "image/heic",
    ".heif": "image/heic",
    ".avif": "image/avif",
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".3gp": "video/3gpp",
    ".mov": "video/quicktime",
    ".webm": "video/webm",
    ".mp3": "audio/mpeg",
    ".wav": "audio/wav",
    ".m4a": "audio/mp4",
    ".aac": "audio/aac",
    ".weba": "audio/webm",
}
FILES_A_SESSION = 100
PARTS_A_PAGE = 100
FILES_AT_ONCE = 4
TRIES_LIMIT = 6
BACKOFF_LIMIT_SECONDS = 20.0
POLL_SECONDS = 1.0
CHECK_LIMIT_SECONDS = 1800
SESSIONS_LIMIT = 3
"""How often a file that has expired meanwhile is begun again."""


class Refused(Exception):
    """The API refused the request, and repeating would not help."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        self.status, self.body = status, body
        self.code = body.get("code", "")
        super().__init__(f"{status} {self.code} {body.get('error', '')}")


class State:
    """The started uploads, in a file that is replaced atomically."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._files: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}

    def of(self, file: Path) -> dict[str, Any]:
        """The entry of the file; empty if its content has changed."""
        name, facts = str(file.resolve()), file.stat()
        known = self._files.get(name, {})
        same = {"sizeBytes": facts.st_size, "modifiedAt": facts.st_mtime_ns}
        return known if same.items() <= known.items() else same

    def save(self, entries: Mapping[Path, Mapping[str, Any]]) -> None:
        with self._lock:
            self._files.update({str(file.resolve()): dict(e) for file, e in entries.items()})
            beside = self._path.with_suffix(".new")
            beside.write_text(json.dumps(self._files, indent=1))
            beside.replace(self._path)


class Api:
    """The API; calls are retried when it or the connection fails."""

    def __init__(self, url: str, token: Callable[[], str]) -> None:
        self._token = token
        self._client = httpx.Client(base_url=url, timeout=60)
        self._authorization = f"Bearer {token()}"

    def call(self, method: str, path: str, body: Any = None, *, key: str | None = None) -> Any:
        """The response's body.

        Raises:
            Refused; ConnectionError: it did not respond to any attempt.
        """
        for wait_seconds in _waits():
            headers = {"Authorization": self._authorization}
            if key is not None:
                headers["Idempotency-Key"] = key
            try:
                response = self._client.request(method, path, json=body, headers=headers)
            except httpx.TransportError:
                time.sleep(wait_seconds)
                continue
            if response.status_code == 401:
                self._authorization = f"Bearer {self._token()}"
            elif response.status_code not in (429, 500, 502, 503, 504) and not _in_progress(
                response
            ):
                if response.is_error:
                    raise Refused(response.status_code, _json(response))
                return _json(response)
            time.sleep(float(response.headers.get("Retry-After", wait_seconds)))
        raise ConnectionError(f"{method} {path}: no response")


def _waits() -> Iterator[float]:
    return (min(BACKOFF_LIMIT_SECONDS, 0.3 * 2**number) for number in range(TRIES_LIMIT))


def _in_progress(response: httpx.Response) -> bool:
    return response.status_code == 409 and _json(response).get("code") == "IN_PROGRESS"


def _json(response: httpx.Response) -> Any:
    return response.json() if response.content else {}


class Uploader:
    def __init__(
        self,
        api: Api,
        state: State,
        *,
        parts_at_once: int,
        max_mbps: float | None,
        say: Callable[[str], None],
    ) -> None:
        self._api, self._state, self._say = api, state, say
        self._parts_at_once = parts_at_once
        self._seconds_a_byte = 0.0 if max_mbps is None else 8 / (max_mbps * 1_000_000)
        self._storage = httpx.Client(timeout=300)

    def upload(self, files: Sequence[Path]) -> bool:
        """Send all that has not arrived; True if in the end every file is usable."""
        left, good = list(files), True
        while left:
            begun = self._begin(left)
            left = left[len(begun) :]
            with ThreadPoolExecutor(FILES_AT_ONCE) as workers:
                good = all(list(workers.map(self._finish, begun))) and good
        return good

    def _begin(self, files: Sequence[Path]) -> Sequence[Path]:
        """Open sessions for as many of the first files as the account may; returns these."""
        files = files[:FILES_A_SESSION]
        while True:
            new = [file for file in files if "assetId" not in self._state.of(file)]
            try:
                if new:
                    self._open(new)
                return files
            except Refused as refused:
                capacity = refused.body.get("limit", 0) - refused.body.get("used", 0)
                if refused.body.get("name") != "concurrentUploads" or len(files) == 1:
                    raise
                files = files[: max(1, min(capacity, len(files) // 2))]

    def _open(self, files: Sequence[Path]) -> None:
        """Open sessions. The key is saved before it is used, so that a repeated request finds
        sessions that were opened but not saved."""
        entries = {file: self._state.of(file) for file in files}
        keys = {entry.get("key") for entry in entries.values()}
        key = keys.pop() if len(keys) == 1 and None not in keys else str(uuid.uuid4())
        self._state.save({file: {**entry, "key": key} for file, entry in entries.items()})
        body = {"files": [_declared(file) for file in files]}
        try:
            sessions = self._api.call("POST", "/api/uploads/session", body, key=key)["sessions"]
        except Refused as refused:
            self._state.save(_without(entries, "key"))
            if refused.code == "IDEMPOTENCY_MISMATCH":
                # It was interrupted earlier, and now runs for other files.
                self._open(files)
                return
            raise
        fields = ("assetId", "partSize", "headers")
        self._state.save(
            {
                file: {**self._state.of(file), **{name: session[name] for name in fields}}
                for file, session in zip(files, sessions, strict=True)
            }
        )

    def _finish(self, file: Path) -> bool:
        for _ in range(SESSIONS_LIMIT):
            try:
                status, reason = self._bring_over(file)
            except Refused as refused:
                status, reason = "failed", refused.code
            if reason not in ("UPLOAD_EXPIRED", "NOT_FOUND", "UPLOAD_INCOMPLETE", "UPLOAD_CLOSED"):
                self._say(f"{status:9} {file.name} {reason}".rstrip())
                return status == "uploaded"
            # A failed file is started again: its storage was freed.
            self._say(f"again     {file.name} {reason}")
            self._state.save(_without({file: self._state.of(file)}, "assetId", "key"))
            self._open([file])
        return False

    def _bring_over(self, file: Path) -> tuple[str, str]:
        entry = self._state.of(file)
        asset_id = entry["assetId"]
        upload = self._api.call("GET", f"/api/uploads/{asset_id}")
        if upload["status"] == "uploading":
            etags = self._send_missing(file, entry, upload["parts"])
            self._complete(file, entry, etags)
        return self._wait(asset_id)

    def _send_missing(
        self, file: Path, entry: Mapping[str, Any], parts: Sequence[Mapping[str, Any]]
    ) -> dict[int, str]:
        """Send the parts that have not arrived, or differ; returns the ETags of all parts."""
        arrived = {part["partNumber"]: part for part in parts}
        count = -(-entry["sizeBytes"] // entry["partSize"])
        etags: dict[int, str] = {}
        missing = []
        for number in range(1, count + 1):
            digest = "" if number not in arrived else _digest(file, entry, number)
            if digest and arrived[number]["etag"].strip('"') == digest:
                etags[number] = digest
            else:
                missing.append(number)
        if arrived:
            self._say(f"resumed   {file.name}: {len(etags)} of {count} parts had arrived")
        for start in range(0, len(missing), PARTS_A_PAGE):
            etags |= self._send(file, entry, missing[start : start + PARTS_A_PAGE])
        return etags

    def _send(self, file: Path, entry: Mapping[str, Any], numbers: list[int]) -> dict[int, str]:
        path = f"/api/uploads/{entry['assetId']}/urls"
        links = self._api.call("POST", path, {"partNumbers": numbers})["uploadUrls"]
        with ThreadPoolExecutor(self._parts_at_once) as senders:
            sent = senders.map(
                lambda link: (link["partNumber"], self._put(file, entry, link)), links
            )
            return dict(sent)

    def _put(self, file: Path, entry: Mapping[str, Any], link: Mapping[str, Any]) -> str:
        """Send one part until the storage has the same content; an expired link is replaced."""
        number, url = link["partNumber"], link["url"]
        content = _part(file, entry, number)
        digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
        for wait_seconds in _waits():
            try:
                response = self._storage.put(url, content=content, headers=entry["headers"])
            except httpx.TransportError:
                time.sleep(wait_seconds)
                continue
            if response.status_code == 200 and response.headers["ETag"].strip('"') == digest:
                time.sleep(len(content) * self._seconds_a_byte)
                return digest
            if response.status_code == 403:
                path = f"/api/uploads/{entry['assetId']}/urls"
                [fresh] = self._api.call("POST", path, {"partNumbers": [number]})["uploadUrls"]
                url = fresh["url"]
            time.sleep(wait_seconds)
        raise Refused(0, {"code": "UPLOAD_INCOMPLETE", "error": f"part {number} does not arrive"})

    def _complete(self, file: Path, entry: Mapping[str, Any], etags: dict[int, str]) -> None:
        for _ in range(TRIES_LIMIT):
            listed = [{"partNumber": n, "etag": etag} for n, etag in sorted(etags.items())]
            body = {"assetId": entry["assetId"], "etags": listed}
            try:
                self._api.call("POST", "/api/uploads/complete", body)
                return
            except Refused as refused:
                missing = refused.body.get("missingParts")
                if not missing:
                    raise
            for start in range(0, len(missing), PARTS_A_PAGE):
                etags |= self._send(file, entry, missing[start : start + PARTS_A_PAGE])

    def _wait(self, asset_id: str) -> tuple[str, str]:
        """How the check ended."""
        deadline = time.monotonic() + CHECK_LIMIT_SECONDS
        while time.monotonic() < deadline:
            asset = self._api.call("GET", f"/api/assets/{asset_id}")
            if asset["status"] in ("uploaded", "failed"):
                return asset["status"], asset.get("errorCode", "")
            time.sleep(POLL_SECONDS)
        return "checking", ""


def _without(entries: Mapping[Path, Mapping[str, Any]], *names: str) -> dict[Path, dict[str, Any]]:
    return {
        file: {name: value for name, value in entry.items() if name not in names}
        for file, entry in entries.items()
    }


def _declared(file: Path) -> dict[str, Any]:
    mime_type = MIME_TYPES[file.suffix.lower()]
    return {"filename": file.name, "sizeBytes": file.stat().st_size, "mimeType": mime_type}


def _part(file: Path, entry: Mapping[str, Any], number: int) -> bytes:
    with file.open("rb") as content:
        content.seek((number - 1) * entry["partSize"])
        return content.read(entry["partSize"])


def _digest(file: Path, entry: Mapping[str, Any], number: int) -> str:
    return hashlib.md5(_part(file, entry, number), usedforsecurity=False).hexdigest()


def _local_stack(state: Path, user: str) -> tuple[str, Callable[[], str]]:
    from local.stack import RunningStack

    running = RunningStack.attach(state)
    return running.api_url, lambda: running.token(user)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m clients.upload_files", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--api", help="the API's address; without it, the local cloud")
    parser.add_argument(
        "--token", default=os.environ.get("DARKROOM_TOKEN"), help="or DARKROOM_TOKEN"
    )
    parser.add_argument("--user", default="demo", help="who uploads, in the local cloud")
    parser.add_argument("--name", default="main", help="which local cloud")
    parser.add_argument("--state", type=Path, default=Path("uploads.json"))
    parser.add_argument("--parts-at-once", type=int, default=3, help="of each file")
    parser.add_argument("--max-mbps", type=float, help="of each part's sender")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    unknown = [
        str(f) for f in options.files if f.suffix.lower() not in MIME_TYPES or not f.is_file()
    ]
    if unknown:
        print(f"cannot be sent: {', '.join(unknown)}", file=sys.stderr)
        return 2
    if options.api is None:
        try:
            url, token = _local_stack(ROOT / ".darkroom" / options.name, options.user)
        except LocalCloudError as error:
            print(error, file=sys.stderr)
            return 1
    elif options.token:
        url, token = options.api, lambda: options.token
    else:
        print("--api needs --token", file=sys.stderr)
        return 2
    uploader = Uploader(
        Api(url, token),
        State(options.state),
        parts_at_once=options.parts_at_once,
        max_mbps=options.max_mbps,
        say=lambda line: print(line, flush=True),
    )
    try:
        return 0 if uploader.upload(options.files) else 1
    except (Refused, ConnectionError) as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
