"""The other side: how many updates a client library takes in. Section m.

A client program is given two prompts and the command of an agent. It starts the agent, takes both turns in one session,
reads the text of every update of the second as its library gives it to it, and prints one line of JSON:
``{"updates": N, "characters": N, "seconds": S}``, of which the seconds are those of the second turn, from the prompt up
to the last update and the response.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from typing import Final

from conformance.bench.driver import AgentFailed
from conformance.bench.figures import Figure, Setting

SIZE: Final = 32


def received_updates(setting: Setting) -> Mapping[str, Figure | None]:
    """Let the subject's client program count a stream of the fastest agent that we have."""
    client, count = setting.subject.client, setting.sizes.client
    if client is None:
        return {}
    prompts = [f"{setting.streamer.prefix}stream {number} {SIZE}" for number in (setting.sizes.warm, count)]
    try:
        done = subprocess.run(
            [*client.command, *prompts, *setting.streamer.command],
            capture_output=True,
            text=True,
            timeout=client.timeout_s,
            check=False,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **(client.env or {})},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AgentFailed(f"its client program: {error}") from None
    try:
        told = json.loads(done.stdout)
        updates, characters, seconds = told["updates"], told["characters"], float(told["seconds"])
    except (ValueError, KeyError, TypeError):
        last = (done.stderr.strip() or done.stdout.strip() or "nothing").split("\n")[-1]
        raise AgentFailed(f"its client program (exit status {done.returncode}) said {last[:200]}") from None
    if (updates, characters) != (count, count * SIZE):
        raise AgentFailed(f"its client program saw {updates} updates with {characters} characters instead of {count}")
    return {"m.received_per_s": updates / seconds}
