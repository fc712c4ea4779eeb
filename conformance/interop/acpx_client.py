"""Drives an ACP agent with acpx, a client for the command line, one named step after another.

    python -m conformance.interop.acpx_client '["command", "of", "the", "agent"]' WORKSPACE '["node", "acpx"]'

The agent must understand the prompts ``/test ...``, ``/write PATH TEXT`` and ``/read PATH``. One JSON line per step
goes to stdout, ``{"step": ..., "ok": ..., "detail": ...}``; the exit status is 0 if every step is ok. acpx keeps its
state in the home directory.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from time import monotonic
from typing import Any, TypeAlias

STEP_S = 30.0
BIG_BYTES = 5 * 1024 * 1024
LINE_BYTES = 64 * 1024 * 1024
DENIED = 5
"""The exit status of acpx when a permission was denied."""


class StepError(Exception):
    """What acpx tells of the agent is not what the step expects; the text says both."""


def expect(true: object, detail: str) -> None:
    if not true:
        raise StepError(detail)


class Traffic:
    """The messages of both sides that a run of acpx printed, and how it ended."""

    def __init__(self, messages: Sequence[dict[str, Any]], status: int) -> None:
        self.messages = messages
        self.status = status

    def params(self, method: str) -> list[dict[str, Any]]:
        return [message["params"] for message in self.messages if message.get("method") == method]

    def updates(self) -> list[dict[str, Any]]:
        return [params["update"] for params in self.params("session/update")]

    def texts(self) -> list[str]:
        chunks = [update for update in self.updates() if update["sessionUpdate"] == "agent_message_chunk"]
        return [chunk["content"]["text"] for chunk in chunks]

    def results(self, key: str) -> list[dict[str, Any]]:
        return [message["result"] for message in self.messages if key in (message.get("result") or {})]

    def expect_end(self, stop_reason: str, status: int = 0) -> None:
        """Fail unless the last message, after all updates, is the answer of the prompt, and acpx ended like that."""
        expect(self.messages, f"acpx exited with {self.status} and printed nothing")
        expect(self.status == status, f"acpx exited with {self.status}, not {status}: {self.messages[-1]}")
        last = self.messages[-1].get("result", {}).get("stopReason")
        expect(last == stop_reason, f"the last message is {self.messages[-1]}")


class Acpx:
    """Runs acpx with one agent in one workspace. ``first`` is the traffic of the first run, which two steps look at."""

    def __init__(self, acpx: Sequence[str], agent: Sequence[str], workspace: str) -> None:
        self.workspace = workspace
        self.first = Traffic([], 0)
        self._command = [*acpx, "--agent", shlex.join(agent), "--cwd", workspace]
        self._command += ["--format", "json", "--json-strict", "--timeout", str(STEP_S)]

    def path(self, name: str) -> Path:
        return Path(self.workspace, name)

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *self._command,
            *arguments,
            cwd=self.workspace,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            limit=LINE_BYTES,
        )

    async def run(self, *arguments: str) -> Traffic:
        process = await self.start(*arguments)
        stdout, _ = await process.communicate()
        return Traffic([json.loads(line) for line in stdout.splitlines()], process.returncode or 0)

    async def act(self, *arguments: str) -> dict[str, Any]:
        """Run a command that prints what it did instead of the traffic."""
        done = await self.run(*arguments)
        expect(done.status == 0 and len(done.messages) == 1, f"{arguments}: {done.status}, {done.messages}")
        return done.messages[0]


async def initialize(acpx: Acpx) -> str:
    acpx.first = await acpx.run("exec", "/test stream 200 16 10")
    (answer,) = acpx.first.results("protocolVersion")
    expect(answer["protocolVersion"] == 1, f"protocolVersion is {answer['protocolVersion']}")
    return str(answer["agentInfo"]["name"])


async def new_session(acpx: Acpx) -> str:
    made = await acpx.act("sessions", "new")
    expect(made["created"], f"acpx says {made}")
    return str(made["acpxSessionId"])


async def stream(acpx: Acpx) -> str:
    traffic = acpx.first
    traffic.expect_end("end_turn")
    expect(traffic.texts() == ["x" * 16] * 200, f"{len(traffic.texts())} chunks, not 200 of 16")
    return "200 chunks"


async def permission_allow(acpx: Acpx) -> str:
    traffic = await acpx.run("--approve-all", "exec", "/write allowed.txt allowed")
    traffic.expect_end("end_turn")
    asked = len(traffic.params("session/request_permission"))
    expect(asked == 1, f"{asked} permission requests")
    written = [params["path"] for params in traffic.params("fs/write_text_file")]
    expect(written == [str(acpx.path("allowed.txt"))], f"written through the client: {written}")
    text = acpx.path("allowed.txt").read_text("utf-8")
    expect(text.strip() == "allowed", f"the file holds {text!r}")
    return "written through the client"


async def permission_reject(acpx: Acpx) -> str:
    traffic = await acpx.run("--deny-all", "exec", "/write rejected.txt rejected")
    traffic.expect_end("end_turn", DENIED)
    expect(not acpx.path("rejected.txt").exists(), "the file was written all the same")
    expect(not traffic.params("fs/write_text_file"), "fs/write_text_file was called")
    statuses = [update["status"] for update in traffic.updates() if "status" in update]
    expect(statuses[-1:] == ["failed"], f"the tool call went through {statuses}")
    return "untouched"


async def fs_read(acpx: Acpx) -> str:
    acpx.path("notes.txt").write_text("saved-on-disk\n", "utf-8")
    traffic = await acpx.run("--approve-reads", "exec", "/read notes.txt")
    traffic.expect_end("end_turn")
    read = [params["path"] for params in traffic.params("fs/read_text_file")]
    expect(read == [str(acpx.path("notes.txt"))], f"read through the client: {read}")
    expect("saved-on-disk" in json.dumps(traffic.updates()), "the user was not shown the text")
    return "read through the client"


async def terminal(acpx: Acpx) -> str:
    traffic = await acpx.run("--approve-all", "exec", "/test terminal echo from-a-terminal")
    traffic.expect_end("end_turn")
    outputs = [result["output"] for result in traffic.results("output")]
    expect("from-a-terminal\n" in outputs, f"the terminal's outputs were {outputs}")
    made, released = traffic.results("terminalId"), traffic.params("terminal/release")
    expect(len(made) == len(released) == 1, f"{len(made)} terminals, {len(released)} released")
    return "shown and released"


async def big_prompt(acpx: Acpx) -> str:
    acpx.path("big.txt").write_text("/test noop " + "n" * BIG_BYTES, "utf-8")
    traffic = await acpx.run("exec", "--file", str(acpx.path("big.txt")))
    traffic.expect_end("end_turn")
    sent = len(traffic.params("session/prompt")[0]["prompt"][0]["text"])
    expect(sent > BIG_BYTES, f"acpx sent {sent} characters")
    return f"{sent} characters"


async def cancel_streaming(acpx: Acpx) -> str:
    """Cancel the prompt of the session that was made, whose agent acpx has started anew."""
    process = await acpx.start("--ttl", "60", "prompt", "/test stream 1000000 32 1")
    assert process.stdout is not None
    lines: list[bytes] = []
    asked_at = None
    cancelling = None
    async for line in process.stdout:
        lines.append(line)
        if cancelling is None and len(lines) >= 50:
            asked_at = monotonic()
            cancelling = asyncio.create_task(acpx.act("cancel"))
    traffic = Traffic([json.loads(line) for line in lines], await process.wait())
    expect(cancelling is not None and asked_at is not None, f"the prompt ended after {len(lines)} messages")
    assert cancelling is not None and asked_at is not None
    cancelled = await cancelling
    expect(cancelled["cancelled"], f"acpx says {cancelled}")
    traffic.expect_end("cancelled")
    return f"{(monotonic() - asked_at) * 1000:.0f} ms, of which acpx's own start is the most"


async def goes_on(acpx: Acpx) -> str:
    traffic = await acpx.run("--ttl", "60", "prompt", "/test stream 3 4")
    traffic.expect_end("end_turn")
    methods = [message["method"] for message in traffic.messages if "method" in message]
    expect("session/new" not in methods, f"the session is another one: {methods}")
    expect(traffic.texts() == ["xxxx"] * 3, f"the texts are {traffic.texts()}")
    return "in the same session"


async def set_mode(acpx: Acpx) -> str:
    done = await acpx.act("set-mode", "plan")
    expect((done["action"], done["modeId"]) == ("mode_set", "plan"), f"acpx says {done}")
    return "plan"


async def list_sessions(acpx: Acpx) -> str:
    """The list is that of an agent which acpx starts for it; whether it knows the sessions of others is its affair."""
    done = await acpx.act("sessions", "list")
    expect(done["source"] == "agent", f"acpx did not ask the agent: {done}")
    return f"{len(done['sessions'])} sessions"


async def close(acpx: Acpx) -> str:
    done = (await acpx.run("sessions", "close")).messages[-1]
    # On a busy machine acpx cannot tell in time whether a process is its own. It has closed the session by then.
    if done.get("error", {}).get("data", {}).get("detailCode") == "QUEUE_OWNER_IDENTITY_UNVERIFIED":
        return "closed, and acpx is not sure of its own process"
    expect(done.get("action") == "session_closed", f"acpx says {done}")
    return "closed"


Step: TypeAlias = Callable[[Acpx], Awaitable[str]]

SIDE_BY_SIDE: tuple[Step, ...] = (
    initialize, stream, permission_allow, permission_reject, fs_read, terminal, big_prompt,
)  # fmt: skip
ONE_SESSION: tuple[Step, ...] = (new_session, cancel_streaming, goes_on, set_mode, list_sessions, close)


async def judge(step: Step, acpx: Acpx) -> bool:
    """Run one step within its time, print its line, and return whether it is ok."""
    ok, detail = False, ""
    try:
        async with asyncio.timeout(STEP_S):
            detail = await step(acpx)
            ok = True
    except Exception as error:  # noqa: BLE001
        detail = f"{type(error).__name__}: {error}"
    print(json.dumps({"step": step.__name__, "ok": ok, "detail": detail}), flush=True)
    return ok


async def drive(acpx: Acpx) -> bool:
    """Run the steps that have an agent each beside those of one session, and return whether every one is ok."""

    async def in_turn(steps: Sequence[Step]) -> list[bool]:
        return [await judge(step, acpx) for step in steps]

    lanes = await asyncio.gather(in_turn(SIDE_BY_SIDE), in_turn(ONE_SESSION))
    return all(ok for lane in lanes for ok in lane)


def main(arguments: Sequence[str]) -> int:
    agent, workspace, acpx = json.loads(arguments[0]), os.path.realpath(arguments[1]), json.loads(arguments[2])
    return 0 if asyncio.run(drive(Acpx(acpx, agent, workspace))) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
