"""Our server with two ways to log in, one of them in a terminal, and a model that takes system prompts."""

from __future__ import annotations

from collections.abc import Sequence

from agent_server.agent.login import LoginMethod, TerminalLogin
from agent_server.cli.embed import serve
from agent_server.providers.provider import Finished, ModelRequest, ProviderEvents, SimpleProvider, TextDelta


async def in_a_terminal() -> bool:
    return True


class MemoryLogin:
    methods: Sequence[LoginMethod] = (
        LoginMethod("account", "Account"),
        LoginMethod("terminal", "Terminal", terminal=TerminalLogin(in_a_terminal)),
    )

    def __init__(self) -> None:
        self.logged_in = False

    async def authenticate(self, method_id: str) -> None:
        self.logged_in = True

    async def logout(self) -> None:
        self.logged_in = False


class Parrot(SimpleProvider):
    system_prompts = True

    async def stream(self, request: ModelRequest) -> ProviderEvents:
        yield TextDelta("hello")
        yield Finished()


if __name__ == "__main__":
    serve(Parrot(), login=MemoryLogin())
