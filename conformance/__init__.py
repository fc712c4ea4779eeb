"""A black box that judges ACP agents and clients; it knows nothing of the package beside it."""
