"""Drives agents of others with our client, one named step after another, as the client programs drive our agent.

The agents understand ``stream N BYTES``, ``flood``, ``wait``, ``write PATH TEXT``, ``read PATH`` and ``run COMMAND``,
and say any other text again.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from agent_server.client import (
    ClientServices,
    LocalFiles,
    LocalTerminals,
    RemoteAgent,
    RemoteSession,
    approve_all,
    reject_all,
    spawn,
)
from agent_server.client.permissions import Outcome, PermissionPolicy
from agent_server.errors import AgentServerError
from agent_server.protocol.v1.tool_calls import RequestPermissionRequest

from .client_program import MARKER, Report, processes_of

STEP_S = 30.0
BIG_BYTES = 5 * 1024 * 1024


@dataclass
class Trial:
    """The agent, the directory that it works in, and the user: what is answered next, and what was asked so far."""

    agent: RemoteAgent
    workspace: Path
    user: User

    async def session(self) -> RemoteSession:
        return await self.agent.new_session(str(self.workspace))


@dataclass
class User:
    policy: PermissionPolicy = approve_all
    asked: list[RequestPermissionRequest] = field(default_factory=list)

    def __call__(self, request: RequestPermissionRequest) -> Outcome | Awaitable[Outcome]:
        self.asked.append(request)
        return self.policy(request)


Step: TypeAlias = Callable[[Trial], Awaitable[str]]


async def initialize(trial: Trial) -> str:
    assert trial.agent.answer.protocol_version == 1
    assert trial.agent.info is not None
    return f"{trial.agent.info.name} {trial.agent.info.version}"


async def new_session(trial: Trial) -> str:
    session = await trial.session()
    assert trial.agent.sessions[session.id] is session
    return session.id


async def stream(trial: Trial) -> str:
    session = await trial.session()
    heard: list[str] = []
    session.listen(lambda update: heard.append(update.session_update))
    assert (await session.prompt("stream 200 16")).stop_reason == "end_turn"
    assert session.transcript.messages[-1].text == "x" * 16 * 200
    assert heard.count("agent_message_chunk") >= 200
    return f"{len(heard)} updates"


async def permission_allow(trial: Trial) -> str:
    session, file = await trial.session(), trial.workspace / "allowed.txt"
    trial.user.policy, trial.user.asked = approve_all, []
    assert (await session.prompt("write allowed.txt some text")).stop_reason == "end_turn"
    assert [request.tool_call.title for request in trial.user.asked] == ["Write allowed.txt"]
    assert session.transcript.messages[-1].text == "written"
    assert file.read_text("utf-8") == "some text"
    return "written through our client"


async def permission_reject(trial: Trial) -> str:
    session, file = await trial.session(), trial.workspace / "rejected.txt"
    trial.user.policy, trial.user.asked = reject_all, []
    assert (await session.prompt("write rejected.txt some text")).stop_reason == "end_turn"
    assert len(trial.user.asked) == 1
    assert session.transcript.messages[-1].text == "refused"
    assert not file.exists()
    return "untouched"


async def fs_read(trial: Trial) -> str:
    session = await trial.session()
    (trial.workspace / "notes.txt").write_text("saved-on-disk\n", "utf-8")
    await session.prompt("read notes.txt")
    assert session.transcript.messages[-1].text == "saved-on-disk\n"
    return "read through our client"


async def terminal(trial: Trial) -> str:
    session = await trial.session()
    await session.prompt("run pwd; echo from-a-terminal; exit 3")
    assert session.transcript.messages[-1].text == f"3: {trial.workspace}\nfrom-a-terminal\n"
    return "run in our client's terminal"


async def cancel_streaming(trial: Trial) -> str:
    session = await trial.session()
    await _stopped(session, "flood", session.cancel, chunks=50)
    assert (await session.prompt("on")).stop_reason == "end_turn"
    assert session.transcript.messages[-1].text == "on"
    return "cancelled, and the session goes on"


async def close(trial: Trial) -> str:
    session = await trial.session()
    closing: list[asyncio.Future[None]] = []
    await _stopped(session, "wait", lambda: closing.append(asyncio.ensure_future(session.close())), chunks=1)
    await closing[0]
    assert session.id not in trial.agent.sessions
    return "prompt cancelled, session gone"


async def _stopped(session: RemoteSession, prompt: str, stop: Callable[[], object], chunks: int) -> None:
    """Take a turn, and stop it when so many chunks of the agent's text have been heard."""
    enough = asyncio.Event()
    heard = 0

    def listen(update: object) -> None:
        nonlocal heard
        heard += getattr(update, "session_update", "") == "agent_message_chunk"
        if heard >= chunks:
            enough.set()

    session.listen(listen)
    turn = asyncio.ensure_future(session.prompt(prompt))
    await enough.wait()
    stop()
    assert (await turn).stop_reason == "cancelled"


async def load(trial: Trial) -> str:
    session = await trial.session()
    for text in ("hello", "stream 10 4", "world"):
        await session.prompt(text)
    lived = session.transcript.conversation
    loaded = (await trial.agent.load_session(session.id, str(trial.workspace))).transcript.conversation
    assert loaded == lived
    return f"{len(loaded)} entries as they were lived"


async def list_sessions(trial: Trial) -> str:
    cwd = trial.workspace / "many"
    cwd.mkdir()
    made = [(await trial.agent.new_session(str(cwd))).id for _ in range(5)]
    pages = [await trial.agent.list_page(str(cwd))]
    assert pages[0].next_cursor is not None
    assert [info.session_id async for info in trial.agent.list_sessions(str(cwd))] == made
    return f"5 sessions, {len(pages[0].sessions)} on the first page"


async def two_sessions(trial: Trial) -> str:
    waiting, first, second = [await trial.session() for _ in range(3)]
    begun = asyncio.Event()
    waiting.listen(lambda _update: begun.set() if waiting.transcript.text else None)
    held = asyncio.ensure_future(waiting.prompt("wait"))
    await begun.wait()
    await asyncio.gather(first.prompt("stream 300 11"), second.prompt("stream 200 13"))
    assert not held.done()
    texts = [session.transcript.messages[-1].text for session in (first, second)]
    assert texts == ["x" * 3300, "x" * 2600]
    waiting.cancel()
    assert (await held).stop_reason == "cancelled"
    return "two streams beside a prompt that waits"


async def big_prompt(trial: Trial) -> str:
    session = await trial.session()
    said = "n" * BIG_BYTES
    assert (await session.prompt(said)).stop_reason == "end_turn"
    assert session.transcript.messages[-1].text == said
    assert len([message for message in session.transcript.messages if message.role == "user"]) == 1
    return f"{BIG_BYTES} bytes there and back"


async def delete(trial: Trial) -> str:
    session = await trial.session()
    await trial.agent.delete_session(session.id)
    assert session.id not in trial.agent.sessions
    assert session.id not in [info.session_id async for info in trial.agent.list_sessions()]
    return "gone from the list"


async def unknown_session(trial: Trial) -> str:
    try:
        await trial.agent.load_session("session-that-never-was", str(trial.workspace))
    except AgentServerError as error:
        assert getattr(error, "code", None) == -32002, error
        return str(error)
    raise AssertionError("it was loaded")


STEPS: Sequence[Step] = (
    initialize, new_session, stream, permission_allow, permission_reject, fs_read, terminal, cancel_streaming, load,
    list_sessions, two_sessions, big_prompt, unknown_session, close,
)  # fmt: skip


def drive(command: Sequence[str], directory: Path, **environment: str) -> Report:
    """Start the agent, run all steps against it, and stop it; ``directory`` is empty and ours."""
    workspace = (directory / "workspace").resolve()
    workspace.mkdir()
    marker = uuid.uuid4().hex
    stderr: list[bytes] = []
    steps: dict[str, tuple[bool, str]] = {}

    async def main() -> None:
        user = User()
        services = ClientServices(permissions=user, files=LocalFiles(), terminals=LocalTerminals())
        env = {**os.environ, **environment, MARKER: marker}
        async with spawn(command, services, env=env, stderr=stderr.append) as agent:
            trial = Trial(agent, workspace, user)
            offered = (delete,) if agent.offers("sessionCapabilities.delete") else ()
            for step in (*STEPS, *offered):
                steps[step.__name__] = await _judge(step, trial)

    asyncio.run(main())
    said = b"".join(stderr).decode(errors="replace")[-4000:]
    return Report(steps, 0, said, processes_of(marker), directory)


async def _judge(step: Step, trial: Trial) -> tuple[bool, str]:
    try:
        async with asyncio.timeout(STEP_S):
            return True, await step(trial)
    except Exception as error:
        return False, f"{type(error).__name__}: {error}"[:2000]
