"""The type checker refuses a wrong handler and a wrong call, and accepts right ones."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PREAMBLE = """
from __future__ import annotations
from collections.abc import Callable
from agent_server.connection.connection import Connection
from agent_server.connection.handlers import Deferred, answered, handles
from agent_server.protocol.v1.client_services import ReadTextFileRequest, ReadTextFileResponse, WriteTextFileRequest
from agent_server.protocol.v1.initialize import AuthenticateRequest
from agent_server.protocol.v1.methods import FS_READ_TEXT_FILE, SESSION_CANCEL, SESSION_PROMPT, SESSION_UPDATE
from agent_server.protocol.v1.prompt import CancelNotification, PromptRequest, PromptResponse
"""

RIGHT = {
    "an async handler": "@handles(SESSION_PROMPT)\n    async def f(self, params: PromptRequest) -> PromptResponse: ...",
    "a plain handler": "@handles(SESSION_PROMPT)\n    def f(self, params: PromptRequest) -> PromptResponse: ...",
    "a deferred answer": "@handles(SESSION_PROMPT)\n"
    "    def f(self, params: PromptRequest) -> Deferred[PromptResponse]: ...",
    "a notification": "@handles(SESSION_CANCEL)\n    def f(self, params: CancelNotification) -> None: ...",
    "an async notification": "@handles(SESSION_CANCEL)\n    async def f(self, params: CancelNotification) -> None: ...",
    "a call": "async def f(self, c: Connection, p: ReadTextFileRequest) -> str:\n"
    "        return (await c.request(FS_READ_TEXT_FILE, p)).content",
    "a note": "def f(self, c: Connection, p: CancelNotification) -> None:\n        c.notify(SESSION_CANCEL, p)",
    "an encoded result": "@handles(SESSION_PROMPT)\n"
    "    def f(self, params: PromptRequest) -> PromptResponse:\n"
    "        return SESSION_PROMPT.encoded({})",
}

WRONG = {
    "params of another method": "@handles(SESSION_PROMPT)\n"
    "    async def f(self, params: CancelNotification) -> PromptResponse: ...",
    "result of another method": "@handles(SESSION_PROMPT)\n"
    "    async def f(self, p: PromptRequest) -> ReadTextFileResponse: ...",
    "no result": "@handles(SESSION_PROMPT)\n    async def f(self, params: PromptRequest) -> None: ...",
    "a plain None": "@handles(SESSION_PROMPT)\n    def f(self, params: PromptRequest) -> None: ...",
    "deferred result of another method": "@handles(SESSION_PROMPT)\n"
    "    def f(self, params: PromptRequest) -> Deferred[ReadTextFileResponse]: ...",
    "a result from a notification": "@handles(SESSION_CANCEL)\n"
    "    def f(self, params: CancelNotification) -> PromptResponse: ...",
    "params of another notification": "@handles(SESSION_CANCEL)\n    def f(self, params: PromptRequest) -> None: ...",
    "no params": "@handles(SESSION_PROMPT)\n    async def f(self) -> PromptResponse: ...",
    "one parameter more": "@handles(SESSION_PROMPT)\n"
    "    async def f(self, p: PromptRequest, more: int) -> PromptResponse: ...",
    "a method by its name": "@handles('session/prompt')\n"
    "    async def f(self, params: PromptRequest) -> PromptResponse: ...",
    "asking with other params": "async def f(self, c: Connection, p: WriteTextFileRequest) -> None:\n"
    "        await c.request(FS_READ_TEXT_FILE, p)",
    "reading what the result has not": "async def f(self, c: Connection, p: ReadTextFileRequest) -> str:\n"
    "        return (await c.request(FS_READ_TEXT_FILE, p)).text",
    "asking a notification": "async def f(self, c: Connection, p: CancelNotification) -> None:\n"
    "        await c.request(SESSION_CANCEL, p)",
    "telling a request": "def f(self, c: Connection, p: PromptRequest) -> None:\n        c.notify(SESSION_PROMPT, p)",
    "telling other params": "def f(self, c: Connection, p: PromptRequest) -> None:\n"
    "        c.notify(SESSION_CANCEL, p)",
    "resolving with another result": "def f(self, d: Deferred[PromptResponse], r: ReadTextFileResponse) -> None:\n"
    "        d.resolve(r)",
    "a plain dictionary as params": "async def f(self, c: Connection) -> None:\n"
    "        await c.request(FS_READ_TEXT_FILE, {'path': '/x'})",
}

CLIENT_PREAMBLE = """
from __future__ import annotations
from agent_server.client import ClientServices, DECLINED, ElicitationService, FormQuestion, RemoteAgent, RemoteSession
from agent_server.client import UrlVisit, approve_all, ask, reject_all, remember
from agent_server.client.elicitation import Answer
from agent_server.client.permissions import Outcome
from agent_server.protocol.trace import TraceContext
from agent_server.protocol.v1.elicitation import CompleteElicitationNotification
from agent_server.protocol.v1.history import SessionInfo
from agent_server.protocol.v1.initialize import LogoutRequest, LogoutResponse
from agent_server.protocol.v1.methods import ELICITATION_COMPLETE, LOGOUT, SESSION_CANCEL
from agent_server.protocol.v1.prompt import CancelNotification
from agent_server.protocol.v1.tool_calls import RequestPermissionRequest, SelectedPermissionOutcome
from agent_server.protocol.v1.updates import SessionUpdate
"""

CLIENT_RIGHT = {
    "a policy": "def f(self, q: RequestPermissionRequest) -> Outcome: ...\n"
    "    def g(self) -> ClientServices: return ClientServices(permissions=remember(self.f))",
    "an async policy": "async def f(self, q: RequestPermissionRequest) -> Outcome: ...\n"
    "    def g(self) -> ClientServices: return ClientServices(permissions=self.f)",
    "an elicitation callback": "async def f(self, q: FormQuestion) -> Answer: return q.accept({'a': 1, 'b': ['x']})\n"
    "    def g(self, v: UrlVisit) -> Answer: return DECLINED\n"
    "    def h(self) -> ElicitationService: return ElicitationService(form=self.f, url=self.g)",
    "a notification to hear": "def f(self, p: CompleteElicitationNotification) -> None: ...\n"
    "    def g(self, a: RemoteAgent) -> None: a.on(ELICITATION_COMPLETE, self.f)()",
    "a call by its constant": "async def f(self, a: RemoteAgent) -> LogoutResponse:\n"
    "        return await a.call(LOGOUT, LogoutRequest())",
    "sessions": "async def f(self, a: RemoteAgent) -> list[SessionInfo]:\n"
    "        async with await a.load_session('s', '.', system_prompt='x') as s:\n"
    "            await s.prompt('x', trace=TraceContext())\n"
    "        return [info async for info in a.list_sessions()]",
    "a listener": "def f(self, u: SessionUpdate) -> None: ...\n"
    "    def g(self, s: RemoteSession) -> None: s.listen(self.f)()",
}

CLIENT_WRONG = {
    "a policy that gives a truth value": "def f(self, q: RequestPermissionRequest) -> bool: ...\n"
    "    def g(self) -> ClientServices: return ClientServices(permissions=self.f)",
    "a policy that takes something else": "def f(self, q: FormQuestion) -> Outcome: ...\n"
    "    def g(self) -> ClientServices: return ClientServices(permissions=self.f)",
    "a choice of no id": "def f(self, q: RequestPermissionRequest) -> int: ...\n"
    "    def g(self) -> object: return ask(self.f)",
    "a form callback that gives plain content": "def f(self, q: FormQuestion) -> dict[str, str]: ...\n"
    "    def g(self) -> ElicitationService: return ElicitationService(form=self.f)",
    "a form callback for pages": "def f(self, q: FormQuestion) -> Answer: ...\n"
    "    def g(self) -> ElicitationService: return ElicitationService(url=self.f)",
    "an answer of no known type": "def f(self, q: FormQuestion) -> Answer: return q.accept({'a': {'b': 1}})",
    "hearing with other params": "def f(self, p: CancelNotification) -> None: ...\n"
    "    def g(self, a: RemoteAgent) -> None: a.on(ELICITATION_COMPLETE, self.f)",
    "hearing a request": "def f(self, p: LogoutRequest) -> None: ...\n"
    "    def g(self, a: RemoteAgent) -> None: a.on(LOGOUT, self.f)",
    "calling with other params": "async def f(self, a: RemoteAgent, p: CancelNotification) -> None:\n"
    "        await a.call(LOGOUT, p)",
    "calling a notification": "async def f(self, a: RemoteAgent, p: CancelNotification) -> None:\n"
    "        await a.call(SESSION_CANCEL, p)",
    "another result": "async def f(self, a: RemoteAgent) -> SessionInfo: return await a.call(LOGOUT, LogoutRequest())",
    "a trace in words": "async def f(self, s: RemoteSession) -> None: await s.prompt('x', trace='00-1-2-3')",
    "a listener of something else": "def f(self, u: SessionInfo) -> None: ...\n"
    "    def g(self, s: RemoteSession) -> None: s.listen(self.f)",
    "awaiting a list": "async def f(self, a: RemoteAgent) -> list[SessionInfo]: return await a.list_sessions()",
}

ALL_RIGHT = {**RIGHT, **CLIENT_RIGHT}
ALL_WRONG = {**WRONG, **CLIENT_WRONG}


@pytest.fixture(scope="module")
def complaints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What mypy says about each snippet; one run for all of them."""
    pytest.importorskip("mypy")
    folder: Path = tmp_path_factory.mktemp("snippets")
    snippets = {**ALL_RIGHT, **ALL_WRONG}
    files: dict[str, str] = {}
    for number, (name, text) in enumerate(snippets.items()):
        files[f"snippet_{number}.py"] = name
        preamble = CLIENT_PREAMBLE if name in CLIENT_RIGHT or name in CLIENT_WRONG else PREAMBLE
        (folder / f"snippet_{number}.py").write_text(f"{preamble}\nclass Example:\n    {text}\n")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--no-error-summary", "--no-color-output",
         "--disable-error-code=empty-body", "--follow-imports=silent",
         f"--cache-dir={folder / 'cache'}", *sorted(files)],
        cwd=folder, capture_output=True, text=True, timeout=55, check=False,
    )  # fmt: skip
    found: dict[str, list[str]] = {name: [] for name in snippets}
    for line in done.stdout.splitlines():
        match = re.match(r"(snippet_\d+\.py):\d+: error: (.*)", line)
        if match is not None:
            found[files[match[1]]].append(match[2])
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stderr == ""
    return found


@pytest.mark.req("JR-02")
@pytest.mark.timeout(90)
@pytest.mark.parametrize("name", ALL_RIGHT)
def test_what_is_right_passes(complaints: dict[str, list[str]], name: str) -> None:
    assert complaints[name] == []


@pytest.mark.req("JR-02")
@pytest.mark.timeout(90)
@pytest.mark.parametrize("name", ALL_WRONG)
def test_what_is_wrong_is_refused(complaints: dict[str, list[str]], name: str) -> None:
    assert complaints[name]
