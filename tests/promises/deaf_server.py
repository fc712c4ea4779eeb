"""An agent whose model hears no cancel: it waits on, whatever is thrown at it."""

from __future__ import annotations

import asyncio
import contextlib

from agent_server.cli.embed import serve
from agent_server.providers.provider import ModelRequest, ProviderEvents, SimpleProvider, TextDelta


class Deaf(SimpleProvider):
    async def stream(self, request: ModelRequest) -> ProviderEvents:
        yield TextDelta("What?")
        while True:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()


if __name__ == "__main__":
    serve(Deaf())
