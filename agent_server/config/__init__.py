"""Settings: what the user, the environment and a project may choose."""
