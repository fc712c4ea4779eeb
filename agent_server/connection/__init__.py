"""A transport at one end, handlers at the other: one class for both sides of the protocol."""
