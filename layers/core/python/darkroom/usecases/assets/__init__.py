"""Files and reference photos of an account."""
