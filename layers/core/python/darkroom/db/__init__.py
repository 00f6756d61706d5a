"""Access to the tables: the base item, ``Write``, and ``commit``, the only use of transactions."""

from darkroom.db.commit import (
    are_writes_refused,
    commit,
    commit_one,
    configure,
    is_outage,
    snapshot,
    writes_refused,
)
from darkroom.db.items import BaseItem, bind
from darkroom.db.writes import Write

__all__ = [
    "BaseItem",
    "Write",
    "are_writes_refused",
    "bind",
    "commit",
    "commit_one",
    "configure",
    "is_outage",
    "snapshot",
    "writes_refused",
]
