"""Programs on the official SDKs: clients that drive an agent, and agents for clients."""
