"""What people call models: ``PROVIDER:MODEL``, a provider's word, or the id of a model that is known."""

from __future__ import annotations

from collections.abc import Collection, Container
from typing import Final, NamedTuple

OFFLINE: Final = "offline"

MAX_MODELS: Final = 300
"""How many of one provider are offered: the first that it names."""

EXPECTED: Final = "offline, scenario:FILE.json, PROVIDER:MODEL, a provider's word, or the id of a model that is known"


class UnknownModel(ValueError):
    """A text names no model that could be asked."""


class Choice(NamedTuple):
    """A provider, and its model by the server's own id; None: the one that it begins with."""

    provider: str
    model: str | None = None


def chosen(text: str, providers: Container[str], configured: Collection[str] = ()) -> Choice:
    """What a text names. ``providers`` are known; the ``configured`` ones are preferred where several have a model.

    Raises:
        UnknownModel: it names nothing.
    """
    provider, colon, model = text.strip().partition(":")
    if provider in providers and (model or not colon):
        return Choice(provider, model or None)
    from agent_server.providers.model_table import providers_of

    having = providers_of(text.strip())
    if not having:
        raise UnknownModel(f"expected {EXPECTED}")
    return Choice(next((name for name in having if name in configured), having[0]), text.strip())
