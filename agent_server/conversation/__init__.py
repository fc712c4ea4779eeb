"""The domain's values: content, messages, tool calls, events, and what derives from them. Pure."""
