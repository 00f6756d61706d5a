"""Finishes what `sam build` made, so that functions are smaller and start sooner.

`make build` runs it with the runtime's own Python, and nothing else, on the folder of the build:
compiled code fits only the version that compiled it.

- Every module is compiled. Lambda cannot write compiled code, so each start would compile all of a
  function's modules again, which takes three times as long as all the rest of it.
- botocore describes more than 400 services. Only those that Darkroom calls are kept, without the
  texts of their documentation, because a client reads the whole description of its service.
"""

import compileall
import gzip
import json
import shutil
import sys
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Any

SERVICES = (
    "bedrock-runtime",
    "cognito-idp",
    "dynamodb",
    "polly",
    "rekognition",
    "s3",
    "secretsmanager",
    "sqs",
    "sts",
    "transcribe",
    "translate",
)
"""What Darkroom calls, and what credentials may need."""


def finish(build: Path) -> None:
    """Finish the build in this folder. A second run changes nothing."""
    for data in build.glob("*/python/botocore/data"):
        prune_services(data)
    for folder in sorted(path for path in build.iterdir() if path.is_dir()):
        compile_modules(folder, "/opt" if folder.name.endswith("Layer") else "/var/task")


def prune_services(data: Path) -> None:
    for folder in data.iterdir():
        if folder.is_dir() and folder.name not in SERVICES:
            shutil.rmtree(folder)
    for examples in data.rglob("examples-*"):
        examples.unlink()
    for description in data.rglob("service-2.json.gz"):
        texts = json.loads(gzip.decompress(description.read_bytes()))
        description.with_suffix("").write_text(_json(_without_documentation(texts)))
        description.unlink()
    endpoints = data / "endpoints.json"
    regions = json.loads(endpoints.read_text())
    for partition in regions["partitions"]:
        services = partition["services"]
        partition["services"] = {name: services[name] for name in SERVICES if name in services}
    endpoints.write_text(_json(regions))


def _without_documentation(part: Any) -> Any:
    if isinstance(part, list):
        return [_without_documentation(each) for each in part]
    if not isinstance(part, dict):
        return part
    # A text: a shape or a member may be called documentation too.
    return {
        name: _without_documentation(each)
        for name, each in part.items()
        if not (name == "documentation" and isinstance(each, str))
    }


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def compile_modules(folder: Path, place: str) -> None:
    """``place`` is where Lambda mounts the folder, for tracebacks."""
    compiled = compileall.compile_dir(
        folder,
        maxlevels=64,
        quiet=1,
        stripdir=str(folder),
        prependdir=place,
        # Packaging changes the times of files, and nobody changes the files themselves.
        invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
    )
    if not compiled:
        raise SystemExit(f"A module in {folder} cannot be compiled.")


if __name__ == "__main__":
    finish(Path(sys.argv[1]))
