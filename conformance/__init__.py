"""A conformance kit for the Agent Client Protocol: judges any agent and any client from outside, by what they write.

It imports nothing of `agent_server`, so that what it says of that agent is what it would say of any other.
"""
