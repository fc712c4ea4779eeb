"""What is measured of the official Python SDK's client: it takes two turns, and counts the updates of the second."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from typing import Any

from acp import PROTOCOL_VERSION, spawn_agent_process, text_block


class Counter:
    def __init__(self) -> None:
        self.expected = 0
        self.restart()

    def restart(self) -> None:
        self.updates = self.characters = 0
        self.complete = asyncio.Event()

    async def session_update(self, session_id: str, update: Any, **_: Any) -> None:
        self.updates += 1
        self.characters += len(update.content.text)
        # The SDK hands updates over in tasks of their own, which may come after the response.
        if self.updates == self.expected:
            self.complete.set()


async def main(warm: str, measured: str, program: str, *arguments: str) -> None:
    counter = Counter()
    async with spawn_agent_process(lambda _agent: counter, program, *arguments) as (agent, _process):
        await agent.initialize(protocol_version=PROTOCOL_VERSION)
        session_id = (await agent.new_session(cwd=os.getcwd(), mcp_servers=[])).session_id
        for prompt in (warm, measured):
            counter.restart()
            counter.expected = int(prompt.split()[-2])
            begun = time.perf_counter()
            await agent.prompt(session_id=session_id, prompt=[text_block(prompt)])
            await counter.complete.wait()
            seconds = time.perf_counter() - begun
    print(json.dumps({"updates": counter.updates, "characters": counter.characters, "seconds": seconds}))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
