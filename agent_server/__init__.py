"""An Agent Client Protocol (ACP) agent server, and both sides of the protocol as a library."""

__version__ = "0.1.0"
