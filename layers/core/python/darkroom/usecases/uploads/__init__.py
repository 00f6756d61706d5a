"""An upload from its session to its checked asset."""
