"""From what was said and when, to captions: pure text and numbers, nothing else."""
