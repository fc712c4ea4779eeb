"""ACP version 1."""
