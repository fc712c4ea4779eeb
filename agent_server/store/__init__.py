"""The durable log of every session, behind one port."""
