"""An MCP server on stdio, as far as the agent of the mutants needs one: it is started and shaken hands with."""

from __future__ import annotations

import json
import os
from collections.abc import Callable

from conformance.mutants.wire import Json

MCP_VERSION = "2025-06-18"


class Server:
    """One server. What it writes is read through ``readers`` (descriptor -> who takes what it brings)."""

    def __init__(self, readers: dict[int, Callable[[bytes], None]], server: Json, cwd: str) -> None:
        self.buffer = b""
        self.input = -1
        theirs, ours = os.pipe()
        heard, said = os.pipe()
        environment = {**os.environ, **{row["name"]: row["value"] for row in server.get("env") or ()}}
        arguments = [server["command"], *(server.get("args") or ())]
        actions = [(os.POSIX_SPAWN_DUP2, theirs, 0), (os.POSIX_SPAWN_DUP2, said, 1)]
        try:
            os.posix_spawnp(server["command"], arguments, environment, file_actions=actions)
        except OSError:
            os.close(ours)
            os.close(heard)
            return
        finally:
            os.close(theirs)
            os.close(said)
        self.input = ours
        readers[heard] = self.feed
        about = {"name": "mutant", "version": "1.0.0"}
        hello = {"protocolVersion": MCP_VERSION, "capabilities": {}, "clientInfo": about}
        self.say({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello})

    def feed(self, data: bytes) -> None:
        *lines, self.buffer = (self.buffer + data).split(b"\n")
        for line in lines:
            if line.strip() and json.loads(line).get("id") == 1:
                self.say({"jsonrpc": "2.0", "method": "notifications/initialized"})
                self.say({"jsonrpc": "2.0", "id": 2, "method": "tools/list"})

    def say(self, message: Json) -> None:
        try:
            os.write(self.input, json.dumps(message).encode() + b"\n")
        except OSError:
            pass  # it is gone
