"""Hostile input: frames, documents, floods and broken pipes, and what an agent makes of them."""
