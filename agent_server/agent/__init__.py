"""The ACP agent side: the only place that knows both the protocol and the sessions."""
