"""Sign-up: which mailboxes may open accounts, how often, and which have had the welcome bonus."""
