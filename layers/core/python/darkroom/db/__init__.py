"""Access to the tables: the base item, ``Write``, and ``commit``, the only use of transactions."""

from darkroom.db.commit import commit, commit_one, configure, is_outage, snapshot
from darkroom.db.items import BaseItem, bind
from darkroom.db.writes import Write

__all__ = [
    "BaseItem",
    "Write",
    "bind",
    "commit",
    "commit_one",
    "configure",
    "is_outage",
    "snapshot",
]
