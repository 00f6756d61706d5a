"""One verb per file: each loads, decides with pure code, and commits once."""
