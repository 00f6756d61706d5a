"""Commands that only operators use."""
