"""Files of an account: uploads, the results of their checks, and their clean copies."""
