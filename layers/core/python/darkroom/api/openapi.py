"""``python -m darkroom.api.openapi`` prints what ``docs/openapi.json`` keeps."""

from __future__ import annotations

import json
import sys

from darkroom.api.routers.docs import full_openapi


def main() -> None:
    json.dump(full_openapi(), sys.stdout, indent=2, ensure_ascii=False, sort_keys=True)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
