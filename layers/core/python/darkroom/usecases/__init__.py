"""Use cases, one verb per file: each loads items, decides with pure code and commits once."""
