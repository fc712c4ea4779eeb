"""The provider ``scenario:FILE.json``: a model that plays a script instead of thinking.

A scenario is a list of turns, each one response of the model::

    {"turns": [
        {"match": {"prompt": "(?i)read"}, "steps": [{"tool": "read_file", "arguments": {"path": "a.txt"}}]},
        {"match": {"tool_result": {"error": true}}, "steps": [{"text": "I could not read it."}]},
        {"steps": [{"text": "Hello!", "chunk_chars": 2}], "repeat": true}
    ]}

For each request the first unplayed turn whose match fits is played; if there is none, the first unplayed turn without
a match. ``repeat`` keeps a turn from being used up. ``schemas/scenario.schema.json`` describes every step.
"""

from __future__ import annotations

import copy
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import anyio

from agent_server.errors import ProviderError
from agent_server.providers.provider import (
    Command,
    ModelInfo,
    ModelRequest,
    ProviderEvent,
    SimpleProvider,
    ToolCallRequested,
)
from agent_server.providers.scenario.loading import checked_scenario, read_scenario
from agent_server.providers.scenario.position import Conversations
from agent_server.providers.scenario.script import CallTool, Crash, Emit, Fail, Scenario, ScriptedTurn, Wait


def load_scenario(path: str) -> ScenarioProvider:
    """The provider that plays a scenario file.

    Raises:
        InvalidScenario: the file cannot be read or is no scenario; the text says where and what was expected.
    """
    return ScenarioProvider(read_scenario(path))


class ScenarioProvider(SimpleProvider):
    """Plays one scenario, from its beginning in each conversation. It implements `Provider`."""

    id = "scenario"
    source = "builtin"
    self_tests = True
    system_prompts = True

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._conversations = Conversations(scenario.turns)

    @classmethod
    def from_dict(cls, data: Any, name: str = "scenario") -> ScenarioProvider:
        """The provider that plays a scenario given as the value of its JSON.

        Raises:
            InvalidScenario: it is no scenario; the text says where and what was expected.
        """
        return cls(checked_scenario(data, name))

    def models(self) -> Sequence[ModelInfo]:
        """The scenario's models, or one that is called as the scenario."""
        return self._scenario.models

    def commands(self) -> Sequence[Command]:
        """The scenario's commands."""
        return self._scenario.commands

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ProviderEvent, None]:
        """Play the next turn of the conversation.

        Raises:
            ProviderError: the scenario says so, or it holds no turn that answers this request.
            RuntimeError: the scenario says ``crash``.
        """
        conversation = self._conversations.of(request.messages, request.system)
        turn = conversation.next_turn()
        response = conversation.responses
        if turn is None:
            raise self._nothing_left(response)
        calls = 0
        for step in turn.steps:
            if isinstance(step, Emit):
                for event in step.events:
                    yield event
            elif isinstance(step, CallTool):
                calls += 1
                call_id = step.call_id or f"call_{response}_{calls}"
                yield ToolCallRequested(call_id, step.name, copy.deepcopy(step.arguments))
            else:
                await _suffer(step)
        yield turn.finish

    def _nothing_left(self, response: int) -> ProviderError:
        name, turns = self._scenario.name, self._scenario.turns
        unplayed = " that matches" if any(turn.match for turn in turns) else ""
        details = f'The scenario "{name}" has no turn left{unplayed} for response {response}; it holds {_count(turns)}.'
        return ProviderError("raw", details, provider=self.id)


async def _suffer(step: Wait | Fail | Crash) -> None:
    if isinstance(step, Wait):
        await (anyio.sleep_forever() if step.delay_s is None else anyio.sleep(step.delay_s))
    elif isinstance(step, Crash):
        raise RuntimeError(step.message)
    else:
        raise ProviderError(
            step.kind,
            step.details,
            retryable=step.retryable,
            provider=ScenarioProvider.id,
            http_status=step.http_status,
            retry_after_s=step.retry_after_s,
        )


def _count(turns: Sequence[ScriptedTurn]) -> str:
    return "1 turn" if len(turns) == 1 else f"{len(turns)} turns"
