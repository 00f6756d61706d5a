"""Files of an account: what was uploaded, what ingest found, where the clean copy is."""
