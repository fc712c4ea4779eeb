"""The other side: how many updates a client library takes in. Section m.

A client program is given two prompts and the command of an agent. It starts the agent, takes both turns in one session,
reads the text of every update of the second as its library gives it to it, and prints one line of JSON:
``{"updates": N, "characters": N, "seconds": S}``, of which the seconds are those of the second turn, from the prompt up
to the last update and the response.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Mapping
from typing import Final

from conformance.bench.counting import AgentFailed
from conformance.bench.figures import Figure, Setting
from conformance.bench.start import Start

SIZE: Final = 32


def received_updates(setting: Setting) -> Mapping[str, Figure | None]:
    """Let the subject's client program count a stream of the fastest agent that we have."""
    client, count = setting.subject.client, setting.sizes.client
    if client is None:
        return {}
    prompts = [f"{setting.streamer.prefix}stream {number} {SIZE}" for number in (setting.sizes.warm, count)]
    status, output, complaints = _output(client, [*prompts, *setting.streamer.command])
    try:
        told = json.loads(output)
        updates, characters, seconds = told["updates"], told["characters"], float(told["seconds"])
    except (ValueError, KeyError, TypeError):
        last = (complaints.strip() or output.strip() or "nothing").split("\n")[-1]
        raise AgentFailed(f"its client program (exit status {status}) said {last[:200]}") from None
    if (updates, characters) != (count, count * SIZE):
        raise AgentFailed(f"its client program saw {updates} updates with {characters} characters instead of {count}")
    return {"m.received_per_s": updates / seconds}


def _output(client: Start, arguments: list[str]) -> tuple[int, str, str]:
    """Run the program and return its exit status and what it wrote; the agent that it starts ends with it."""
    pipe = subprocess.PIPE
    env = {**os.environ, **(client.env or {})}
    command = [*client.command, *arguments]
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True, env=env, start_new_session=True
        )
    except OSError as error:
        raise AgentFailed(f"its client program cannot be started: {error}") from None
    with process:
        try:
            output, complaints = process.communicate(timeout=client.timeout_s)
        except subprocess.TimeoutExpired:
            raise AgentFailed(f"its client program did not end within {client.timeout_s:g} s") from None
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)  # a session of its own: only what this program started
    return process.returncode, output, complaints
