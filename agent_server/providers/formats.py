"""The wire formats by their names, each loaded when it is first used."""

from __future__ import annotations

from importlib import import_module
from typing import Final, cast

from agent_server.providers.wire import WireFormat

_WHERE: Final = {
    "anthropic": ("agent_server.providers.anthropic", "AnthropicFormat"),
    "gemini": ("agent_server.providers.gemini", "GeminiFormat"),
    "openai-chat": ("agent_server.providers.openai_chat", "OpenAIChatFormat"),
    "openai-responses": ("agent_server.providers.openai_responses", "OpenAIResponsesFormat"),
}


def module_of(name: str) -> str:
    """The module of a format, to be loaded early.

    Raises:
        KeyError: there is no such format.
    """
    return _WHERE[name][0]


def format_named(name: str) -> WireFormat:
    """A format, one of `FORMATS`.

    Raises:
        KeyError: there is no such format.
    """
    module, kind = _WHERE[name]
    return cast("WireFormat", getattr(import_module(module), kind)())
