"""A client joined to a `StoringAgent`, in one process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson

from agent_server.client import ClientServices, RemoteAgent, connect
from agent_server.transport.memory import memory_pair
from agent_server.transport.tap import Direction

from .storing_agent import StoringAgent


class Sent(list[str]):
    """The methods that the client has sent, in order; ``answers`` holds what it answered."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[Any] = []

    def observe(self, direction: Direction, frame: bytes) -> None:
        if direction == "sent":
            message = orjson.loads(frame)
            if "method" in message:
                self.append(message["method"])
            else:
                self.answers.append(message.get("result", message.get("error")))


@asynccontextmanager
async def stored(
    store: Path, services: ClientServices | None = None, can: dict[str, Any] | None = None, **script: Any
) -> AsyncIterator[tuple[RemoteAgent, StoringAgent, Sent]]:
    near, far = memory_pair()
    sent = Sent()
    agent = StoringAgent(far, store, can, **script)
    running = asyncio.ensure_future(agent.connection.run(drain_s=0.1, cancel_s=0.1))
    try:
        async with connect(near, services, observer=sent.observe) as remote:
            yield remote, agent, sent
    finally:
        agent.connection.end()
        await running


def within(body: Callable[[], Coroutine[Any, Any, None]], limit_s: float = 20) -> None:
    async def main() -> None:
        async with asyncio.timeout(limit_s):
            await body()

    asyncio.run(main())
