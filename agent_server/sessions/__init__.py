"""The living things: sessions, their turns, and the supervisor that owns them."""
