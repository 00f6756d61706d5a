"""Albums: what an account collects of the outputs of its jobs, in an order of its own."""
