"""Lists of jobs: what they are listed by, the indexes, and the pages."""
