"""What a call needs beyond its method: capabilities that depend on what the params hold (promise P10). Pure.

Each function takes params that are models (or read like them) and gives dotted paths into the capabilities of the
side that answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

UPDATE_CAPABILITIES: Final[Mapping[str, str]] = {
    "notice": "session.notices",
    "compaction_update": "session.compaction",
    "compaction_summary_chunk": "session.compaction",
    "plan_update": "plan",
    "plan_removed": "plan",
    "subagent_update": "subagents",
    "session_message": "subagents",
    "session_message_chunk": "subagents",
}
"""The kinds of update that only clients with this capability may be sent. Spec: initialization, session/update."""

_CONTENT_CAPABILITIES: Final[Mapping[str, str]] = {
    "image": "promptCapabilities.image",
    "audio": "promptCapabilities.audio",
    "resource": "promptCapabilities.embeddedContext",
}

BOOLEAN_OPTIONS: Final = "session.configOptions.boolean"


def needs_of_update(params: Any) -> Iterator[str]:
    """``session/update``: some kinds of update, and switches among the config options."""
    update = params.update
    capability = UPDATE_CAPABILITIES.get(update.session_update)
    if capability is not None:
        yield capability
    elif update.session_update == "config_option_update" and any(o.type == "boolean" for o in update.config_options):
        yield BOOLEAN_OPTIONS


def needs_of_prompt(params: Any) -> Iterator[str]:
    """``session/prompt``: content besides text and links."""
    for block in params.prompt:
        capability = _CONTENT_CAPABILITIES.get(block.type)
        if capability is not None:
            yield capability


def needs_of_setup(params: Any) -> Iterator[str]:
    """``session/new`` and its relatives: further roots, MCP transports besides stdio, a system prompt."""
    if params.additional_directories:
        yield "sessionCapabilities.additionalDirectories"
    for server in params.mcp_servers:
        if server.type in ("http", "sse", "acp"):
            yield f"mcpCapabilities.{server.type}"
    if params.system_prompt is not None:
        yield "sessionCapabilities.systemPrompt"
        if params.system_prompt.mode != "append":
            yield f"sessionCapabilities.systemPrompt.mode.{params.system_prompt.mode}"


def needs_of_list(params: Any) -> Iterator[str]:
    """``session/list`` with its unstable parameter: the filter of archived sessions."""
    if params.archived is not None:
        yield "sessionCapabilities.archive"


def needs_of_elicitation(params: Any) -> Iterator[str]:
    """``elicitation/create``: the way of asking."""
    yield f"elicitation.{params.mode}"
