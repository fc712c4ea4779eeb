"""The system prompt that a client gives a session. Spec: client system prompt."""

from __future__ import annotations

from agent_server.protocol.v1.content import TextContent
from agent_server.protocol.v1.system_prompt import SystemPrompt


def system_prompt_of(given: SystemPrompt | str | None) -> SystemPrompt | None:
    """The system prompt to send; a plain text is put behind the agent's own.

    Raises:
        ValueError: it is empty, or holds more than text.
    """
    if given is None:
        return None
    prompt = SystemPrompt(mode="append", content=[TextContent(text=given)]) if isinstance(given, str) else given
    texts = [block.text for block in prompt.content if isinstance(block, TextContent)]
    if len(texts) != len(prompt.content):
        raise ValueError("a system prompt holds nothing but text")
    if not any(text.strip() for text in texts):
        raise ValueError("a system prompt must not be empty")
    return prompt
