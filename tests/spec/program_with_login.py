"""An agent that needs a login, which is a file; the file is made in a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from agent_server.agent.login import LoginMethod, TerminalLogin
from agent_server.cli.embed import serve
from agent_server.providers.provider import Finished, ModelRequest, ProviderEvents, SimpleProvider, TextDelta

KEY_FILE = sys.argv[1]


async def make_the_key() -> bool:
    print("Who are you?", flush=True)
    if sys.stdin.readline().strip() != os.environ["EXPECTED"]:
        return False
    with open(KEY_FILE, "w", encoding="utf-8") as file:
        file.write("key")
    return True


class FileLogin:
    methods: Sequence[LoginMethod] = (
        LoginMethod("file", "Key file", terminal=TerminalLogin(make_the_key, ("--make", "key"), {"EXPECTED": "me"})),
    )

    @property
    def logged_in(self) -> bool:
        return os.path.exists(KEY_FILE)

    async def authenticate(self, method_id: str) -> None:
        raise AssertionError("there is no method of ours")

    async def logout(self) -> None:
        os.unlink(KEY_FILE)


class Parrot(SimpleProvider):
    async def stream(self, request: ModelRequest) -> ProviderEvents:
        yield TextDelta("hello")
        yield Finished()


if __name__ == "__main__":
    serve(Parrot(), login=FileLogin())
