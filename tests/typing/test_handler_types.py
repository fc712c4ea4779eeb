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


@pytest.fixture(scope="module")
def complaints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What mypy says about each snippet; one run for all of them."""
    pytest.importorskip("mypy")
    folder: Path = tmp_path_factory.mktemp("snippets")
    snippets = {**RIGHT, **WRONG}
    files: dict[str, str] = {}
    for number, (name, text) in enumerate(snippets.items()):
        files[f"snippet_{number}.py"] = name
        (folder / f"snippet_{number}.py").write_text(f"{PREAMBLE}\nclass Example:\n    {text}\n")
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
@pytest.mark.parametrize("name", RIGHT)
def test_what_is_right_passes(complaints: dict[str, list[str]], name: str) -> None:
    assert complaints[name] == []


@pytest.mark.req("JR-02")
@pytest.mark.timeout(90)
@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_refused(complaints: dict[str, list[str]], name: str) -> None:
    assert complaints[name]
