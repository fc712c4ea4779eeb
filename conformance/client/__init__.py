"""Judging a client: it is started once for each scene, against an agent that plays the scene and records all of it."""
