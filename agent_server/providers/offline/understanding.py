"""From a prompt to the work it asks for: a slash command, a plain sentence, or neither."""

from __future__ import annotations

from collections.abc import Sequence

from agent_server.conversation.content import text_of
from agent_server.conversation.messages import ModelMessage, UserMessage
from agent_server.providers.offline.steps import Flow, Step

NOT_UNDERSTOOD = """\
The offline provider does not understand this. Three examples of what it does:

- `what is in src?`
- `replace "a" with "b" in notes.txt`
- `run the tests`

`/help` lists the rest."""


def understand(messages: Sequence[ModelMessage], index: int) -> Flow | Step:
    """Return the work that the prompt at ``index`` asks for."""
    message = messages[index] if messages else None
    if not isinstance(message, UserMessage):
        return Step(NOT_UNDERSTOOD)
    text = text_of(message.parts).strip()
    if text.startswith("/"):
        from agent_server.providers.offline.commands import slash_command

        work = slash_command(text)
        if work is not None:
            return work
    return _sentence(text, message) or Step(NOT_UNDERSTOOD)


def _sentence(text: str, message: UserMessage) -> Flow | Step | None:
    from agent_server.providers.offline.history import attached_paths, inlined_text
    from agent_server.providers.offline.sentences import interpret

    attached = attached_paths(message.parts)
    work = interpret(text, attached)
    # Editors put a mention into the middle of the text as a part of its own.
    return work or (interpret(inlined_text(message.parts), attached) if attached else None)
