"""ACP's vocabulary: the base model, one typed constant per method, models by protocol version. Pure."""
