"""What ACP is still trying out: methods, updates and fields that may change or go in any release of its schema.

Nothing here is used unless both sides want it. Fields of stable types are marked `agent_server.protocol.model.Unstable`
where they stand; everything else is in this package, and `methods` has the tables.

Not modelled, because no published schema fixes their shapes yet: ``session/options`` with initial config values on
session setup, prompt suggestions, and the ``speed`` category of config options (which any reader takes as a category
that it does not know).
"""
