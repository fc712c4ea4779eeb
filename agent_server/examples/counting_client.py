"""Take two turns and count the updates of the second: what `python -m conformance.bench --client` measures of us."""

from __future__ import annotations

import asyncio
import json
import sys
import time

from agent_server.client import spawn
from agent_server.protocol.v1.content import TextContent
from agent_server.protocol.v1.updates import AgentMessageChunk, SessionUpdate


class Counter:
    def __init__(self) -> None:
        self.updates = self.characters = 0

    def hear(self, update: SessionUpdate) -> None:
        if isinstance(update, AgentMessageChunk) and isinstance(update.content, TextContent):
            self.updates += 1
            self.characters += len(update.content.text)


async def main(warm: str, measured: str, *agent_command: str) -> None:
    async with spawn(agent_command) as agent:
        counter = Counter()
        async with await agent.new_session(".", listener=counter.hear) as session:
            await session.prompt(warm)
            counter.updates = counter.characters = 0
            begun = time.perf_counter()
            await session.prompt(measured)
            seconds = time.perf_counter() - begun
    print(json.dumps({"updates": counter.updates, "characters": counter.characters, "seconds": seconds}))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
