"""Several models of two providers, as the tests of choosing and paying have them, and what those do again and again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from agent_server.providers.provider import KeyState, ModelInfo, Price
from tests.agent.puppets import PuppetModel
from tests.agent.scripted_client import Frame, ScriptedClient

OURS: Frame = {"_meta": {"agent_server": {}}}
NOTICES: Frame = {"session": {"notices": {}}}
PRICE = Price(2.0, 10.0, 0.2, 2.5)
SMALL = ModelInfo("a:small", "Small", None, 1000, price=PRICE, provider="a")
THINKER = ModelInfo("b:thinker", "Thinker", None, 2000, efforts=("low", "medium", "high"), provider="b")
OTHER = ModelInfo("b:other", "Other", provider="b")


class Choice(PuppetModel):
    """Several models, of two providers."""

    session_commands = True
    language_model = False
    configured = False

    def __init__(self, *models: ModelInfo) -> None:
        super().__init__()
        self.offered: Sequence[ModelInfo] = models or (SMALL, THINKER, OTHER)
        self.asked_with: list[tuple[str, str | None]] = []
        self._watchers: list[Callable[[], None]] = []

    def models(self) -> Sequence[ModelInfo]:
        return self.offered

    def offer(self, *models: ModelInfo) -> None:
        self.offered = models
        for watcher in self._watchers:
            watcher()

    def watch(self, on_changed: Callable[[], None]) -> Callable[[], None]:
        self._watchers.append(on_changed)
        return lambda: self._watchers.remove(on_changed)

    def key_states(self) -> Sequence[KeyState]:
        return (KeyState("a", "A", self.configured, "environment: A_KEY" if self.configured else None),)

    async def refresh(self) -> bool:
        self.configured = True
        return True

    def stream(self, request: Any) -> Any:
        self.asked_with.append((request.model, request.effort))
        return super().stream(request)


async def turn(client: ScriptedClient, model: PuppetModel, session_id: str, *events: Any, text: str = "go") -> Frame:
    number = len(model.seen) + 1
    prompt = client.prompt(session_id, text)
    await model.asked(number)
    model.finish(number, *events)
    return await client.answer(prompt)


def options(told: Frame) -> dict[str, Frame]:
    return {option["id"]: option for option in told["configOptions"]}


def made(client: ScriptedClient, tmp_path: Path, **ours: Any) -> Any:
    return client.call("session/new", cwd=str(tmp_path), mcpServers=[], _meta={"agent_server": ours})
