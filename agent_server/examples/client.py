"""Let an agent do one thing: python -m agent_server.examples.client "create a.txt with 'hi'" agent-server"""

from __future__ import annotations

import asyncio
import sys

from agent_server.client import ClientServices, LocalFiles, approve_all, spawn


async def main(prompt: str, *agent_command: str) -> None:
    services = ClientServices(permissions=approve_all, files=LocalFiles())
    async with spawn(agent_command, services) as agent, await agent.new_session(".") as session:
        response = await session.prompt(prompt)
        print(session.transcript.text)
        for call in session.transcript.tool_calls:
            print(f"[{call.status}] {call.title}")
        print(response.stop_reason)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
