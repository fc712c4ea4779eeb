"""The provider that is there when no model is configured.

It keeps no state: every call reads the last prompt and what has happened since, and says what comes next. What a call
does not need is not imported, because this provider is loaded at every start.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from functools import cache

from agent_server.conversation.content import TextPart
from agent_server.conversation.messages import AssistantMessage, ModelMessage, ToolResultMessage, UserMessage
from agent_server.providers.provider import (
    Command,
    Finished,
    ModelInfo,
    ModelRequest,
    PlanProposed,
    ProviderEvent,
    SimpleProvider,
    TextDelta,
    ToolCallRequested,
)

NOTICE = (
    "No model is configured; this is the built-in `offline` provider."
    " Give a provider's key with `agent-server login` or start Ollama; choose a model with `--model` or in"
    " `agent-server.toml`."
)

_MODELS = (ModelInfo("offline", "Offline (no model)", window_tokens=100_000, provider="offline"),)


class OfflineProvider(SimpleProvider):
    """Deterministic work without a model: slash commands, plain sentences, and test prompts for editors.

    It asks for tools like any model does, so permissions, diffs and terminals are the real ones. It reports usage for
    the prompt ``/test usage`` only, because no tokens are spent. Its first answer in a conversation ends with one line
    that says how to configure a model (Req: CR-04).
    """

    id = "offline"
    source = "builtin"
    self_tests = True

    def models(self) -> Sequence[ModelInfo]:
        """Return the one entry that stands for having no model."""
        return _MODELS

    def commands(self) -> Sequence[Command]:
        """Return the slash commands that users see; the test prompts are not among them (Req: SK-06)."""
        return _load_commands()

    def stream(self, request: ModelRequest) -> AsyncGenerator[ProviderEvent, None]:
        """Answer the last prompt, or go on after the tool results that followed it.

        Raises:
            ProviderError: only for the prompt ``/test error``, from the iterator.
        """
        messages = request.messages
        index = _prompt_index(messages)
        text = _first_text(messages[index]) if messages else ""
        # Test prompts may be tens of megabytes long and are timed: nothing else looks at them.
        if text.startswith("/test "):
            return _load_self_test()(text, request, answered=type(messages[-1]) is ToolResultMessage)
        if text.strip() == "wait_for_cancel":
            from agent_server.providers.offline.self_tests import wait

            return wait()
        return _answer(request, index)


# Remembered, because an import statement costs a short prompt and a new session a thirtieth each time.
@cache
def _load_commands() -> Sequence[Command]:
    from agent_server.providers.offline.menu import COMMANDS

    return COMMANDS


@cache
def _load_self_test() -> Callable[..., AsyncGenerator[ProviderEvent, None]]:
    from agent_server.providers.offline.self_tests import self_test

    return self_test


def _prompt_index(messages: Sequence[ModelMessage]) -> int:
    for index in range(len(messages) - 1, -1, -1):
        if type(messages[index]) is UserMessage:
            return index
    return 0


def _first_text(message: ModelMessage) -> str:
    if type(message) is not UserMessage:
        return ""
    for part in message.parts:
        if type(part) is TextPart:
            return part.text
    return ""


async def _answer(request: ModelRequest, index: int) -> AsyncGenerator[ProviderEvent, None]:
    from agent_server.providers.offline.history import next_call_number, rounds_since
    from agent_server.providers.offline.steps import play
    from agent_server.providers.offline.understanding import understand

    step = play(understand(request.messages, index), rounds_since(request.messages, index))
    offered = {spec.name for spec in request.tools}
    missing = [call.name for call in step.calls if call.name not in offered]
    text = f"This needs the tool `{missing[0]}`, which this session does not offer." if missing else step.text
    if not _has_spoken(request.messages):
        text = f"{text}\n\n{NOTICE}" if text else NOTICE  # behind it: the first line becomes the title
    if text:
        yield TextDelta(text)
    if missing:
        yield Finished("end_turn")
        return
    if step.plan:
        yield PlanProposed(step.plan)
    number = next_call_number(request.messages) if step.calls else 0
    for offset, call in enumerate(step.calls):
        yield ToolCallRequested(f"offline-{number + offset}", call.name, call.arguments)
    yield Finished("tool_use" if step.calls else "end_turn")


def _has_spoken(messages: Sequence[ModelMessage]) -> bool:
    return any(type(message) is AssistantMessage and message.text for message in messages)
