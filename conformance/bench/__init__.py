"""The benchmark: how fast an agent is, next to the official SDKs' and to the least that CPython can do."""
