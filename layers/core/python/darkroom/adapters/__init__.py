"""boto3 behind small nouns: storage, queues, secrets. Clients are opened at their first use."""
