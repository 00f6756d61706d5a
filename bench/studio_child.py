"""One step of the built-in studio in a process of its own: its time, processor time and memory.

Its modules are loaded before the clock starts, as a running function has them loaded.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from importlib import import_module
from pathlib import Path

from darkroom.generation.ports import GenerationRequest, SourceFile
from darkroom.studio.local_studio import MAKERS, LocalStudio


def main() -> None:
    arguments = json.loads(sys.argv[1])
    workdir = Path(arguments["workdir"])
    sources = tuple(
        SourceFile(key=key, mime_type="", path=Path(path))
        for key, path in arguments["sources"].items()
    )
    request = GenerationRequest(
        job_id="bench",
        key=arguments["key"],
        kind=arguments["kind"],
        attempt=1,
        seed=7,
        language="en",
        params=arguments["params"],
        sources=sources,
        workdir=workdir,
    )
    module, _ = MAKERS[arguments["kind"]]
    import_module(f"darkroom.studio.{module}")
    wall, own = time.perf_counter(), _cpu_seconds()
    [made, *_] = LocalStudio().generate(request)
    figures = {
        "path": str(made.path),
        "durationMs": made.duration_ms,
        "seconds": time.perf_counter() - wall,
        "cpuSeconds": _cpu_seconds() - own,
        "peakMb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(figures))


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


if __name__ == "__main__":
    main()
