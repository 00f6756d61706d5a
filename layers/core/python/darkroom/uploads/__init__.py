"""Upload sessions: what may be uploaded, what a check finds, and why a file is refused."""
