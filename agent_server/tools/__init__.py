"""What a model may do in a workspace."""
