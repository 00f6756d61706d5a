"""Puts the code being edited into the running functions, and watches it for changes.

The emulator runs functions as its own child processes, with the core layer's folder on their path
(see `local.emulator`). So the deployed layers are detached, and a change of the layer needs nothing
but fresh processes: sending a function its code again ends the old ones.
"""

import io
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

WATCH_SECONDS = 0.4
SHARED_FOLDERS = ("layers/core", "catalog")
IGNORED = {"__pycache__"}

Snapshot = dict[Path, tuple[int, int]]


def packed(folder: Path) -> bytes:
    """A function's folder as the zip that Lambda takes; the same files give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(_files(folder)):
            entry = zipfile.ZipInfo(str(path.relative_to(folder)))
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes())
    return buffer.getvalue()


def publish(functions: Any, sources: dict[str, Path]) -> None:
    """Send each function its folder; processes that run the old code end.

    sources: physical function names to folders.
    """
    for name, folder in sources.items():
        functions.update_function_code(FunctionName=name, ZipFile=packed(folder))


def detach_layers(functions: Any, names: list[str]) -> None:
    for name in names:
        functions.update_function_configuration(FunctionName=name, Layers=[])


def snapshot(folder: Path) -> Snapshot:
    """Every file below a folder with its time and size, by which changes are detected."""
    found: Snapshot = {}
    for path in _files(folder):
        try:
            status = path.stat()
        except FileNotFoundError:
            continue  # An editor replaced it between the listing and now.
        found[path] = (status.st_mtime_ns, status.st_size)
    return found


class Watcher:
    """Publishes what changed below the code's folders, until stopped."""

    def __init__(
        self, code: Path, functions: Any, sources: dict[str, Path], report: Callable[[str], None]
    ) -> None:
        self.functions = functions
        self.sources = sources
        self.report = report
        self.shared = [code / name for name in SHARED_FOLDERS]
        self.stopping = threading.Event()
        self.seen = self._look()
        self.thread = threading.Thread(target=self._watch, name="watch-code", daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.stopping.set()
        self.thread.join()

    def _look(self) -> dict[Path, Snapshot]:
        return {folder: snapshot(folder) for folder in [*self.shared, *self.sources.values()]}

    def _watch(self) -> None:
        while not self.stopping.wait(WATCH_SECONDS):
            now = self._look()
            changed = {folder for folder, files in now.items() if files != self.seen[folder]}
            if not changed:
                continue
            if changed.intersection(self.shared):
                affected = self.sources
            else:
                affected = {n: f for n, f in self.sources.items() if f in changed}
            try:
                publish(self.functions, affected)
            except Exception as error:  # noqa: BLE001 - the watcher outlives a failed reload
                self.report(f"Could not reload: {error}")
                continue
            self.seen = now
            self.report(f"Reloaded {', '.join(sorted(f.name for f in affected.values()))}")


def _files(folder: Path) -> list[Path]:
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and not IGNORED.intersection(path.relative_to(folder).parts)
    ]
