"""Jobs and their tasks: states, the pure engine that advances them, and where they are stored."""
