"""The commands of accounts on jobs, and the steps by which jobs advance to their end."""
