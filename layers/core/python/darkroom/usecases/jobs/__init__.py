"""What accounts do with jobs, and how jobs move to their end."""
