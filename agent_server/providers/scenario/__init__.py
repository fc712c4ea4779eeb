"""A model that plays a script, for people who test an editor, a client, or this server."""
