from __future__ import annotations

import asyncio
import itertools
import os
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio
import psutil
import pytest

from agent_server.conversation.content import TextPart, text_of
from agent_server.conversation.questions import FormField, UserAnswer
from agent_server.conversation.tool_calls import Location, TerminalRef, ToolContent, ToolKind
from agent_server.errors import ToolError
from agent_server.tools.local_shell import run_shell
from agent_server.tools.local_workspace import LocalWorkspace
from agent_server.tools.ports import CommandObserver, ExitStatus, TerminalWriter, VisitAnswer
from agent_server.tools.run_command import RunCommand, command_title, fenced_command
from agent_server.tools.tool import PreparedCall, ToolResult

HOSTILE = os.path.join(os.path.dirname(__file__), os.pardir, "processes", "hostile_tree.py")


@dataclass
class Terminal:
    terminal_id: str = "term-1"
    writes: list[tuple[float, bytes]] = field(default_factory=list)
    status: ExitStatus | None = None

    def write(self, data: bytes) -> None:
        assert self.status is None, "written to after it was closed"
        self.writes.append((time.monotonic(), data))

    def close(self, status: ExitStatus) -> None:
        assert self.status is None, "closed twice"
        self.status = status

    @property
    def text(self) -> str:
        return b"".join(data for _, data in self.writes).decode()


@dataclass
class Context:
    """A tool context around a workspace, which records what the tool shows."""

    workspace: LocalWorkspace
    terminal: Terminal = field(default_factory=Terminal)
    opened: list[tuple[str, str]] = field(default_factory=list)
    reports: list[tuple[ToolContent, ...] | None] = field(default_factory=list)

    def report(
        self, *, content: tuple[ToolContent, ...] | None = None, locations: Sequence[Location] | None = None
    ) -> None:
        self.reports.append(content)

    def open_terminal(self, command: str, cwd: str, *, client_terminal_id: str | None = None) -> TerminalWriter:
        self.opened.append((command, cwd))
        return self.terminal

    async def ask_permission(self, title: str, *, subject: str) -> bool:
        raise AssertionError("a command asks for nothing besides its own approval")

    async def ask_user(self, message: str, fields: tuple[FormField, ...]) -> UserAnswer | None:
        raise AssertionError("a command asks for nothing")

    async def ask_to_visit(self, message: str, url: str) -> VisitAnswer | None:
        raise AssertionError("a command asks for nothing")


class EditorWorkspace(LocalWorkspace):
    """Runs commands in a terminal of the client's, which sends the output when all is over."""

    async def run(
        self, command: str, *, timeout_s: float, observer: CommandObserver, in_editor: bool = False
    ) -> ExitStatus:
        observer.started("client-9" if in_editor else None)
        observer.output(b"seen in the editor\n")
        return ExitStatus(0)


class Heard:
    """An observer that keeps everything."""

    def __init__(self) -> None:
        self.data = b""
        self.started_with: list[str | None] = []

    def started(self, client_terminal_id: str | None) -> None:
        self.started_with.append(client_terminal_id)

    def output(self, data: bytes) -> None:
        self.data += data


@pytest.fixture
def context(tmp_path: Any) -> Context:
    return Context(LocalWorkspace(str(tmp_path)))


def prepare(context: Context, tool: RunCommand | None = None, **arguments: Any) -> PreparedCall:
    return asyncio.run((tool or RunCommand()).prepare(arguments, context))


def run(context: Context, command: str, tool: RunCommand | None = None, **arguments: Any) -> ToolResult:
    async def main() -> ToolResult:
        prepared = await (tool or RunCommand()).prepare({"command": command, **arguments}, context)
        return await prepared.run()

    return asyncio.run(main())


def alive(words: str) -> list[int]:
    """Of the pids in the text, those of processes that live."""
    pids = [int(word) for word in words.split() if word.isdigit()]
    return [pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE]


# --- what is asked and shown before it runs


def test_it_changes_things_and_runs_programs() -> None:
    spec = RunCommand().spec
    assert (spec.name, spec.kind, spec.changes) == ("run_command", ToolKind.EXECUTE, True)
    assert spec.parameters["required"] == ["command"]


@pytest.mark.req("TL-11")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, ["command", "missing", "string"]),
        ({"command": 7}, ["command", "integer", "string"]),
        ({"command": ["ls"]}, ["command", "array", "string"]),
        ({"command": " \n"}, ["command", "blank"]),
        ({"command": "ls\0"}, ["command", "NUL"]),
        ({"command": "ls \ud800"}, ["command", "surrogate"]),
        ({"command": "ls", "timeout_s": "9"}, ["timeout_s", "string", "number"]),
        ({"command": "ls", "timeout_s": True}, ["timeout_s", "boolean", "number"]),
        ({"command": "ls", "timeout_s": 0}, ["timeout_s", "0", "above 0"]),
        ({"command": "ls", "timeout_s": 601}, ["timeout_s", "601", "600"]),
        ({"command": "ls", "timeout_s": float("nan")}, ["timeout_s", "nan"]),
        ({"command": "ls", "cwd": "/"}, ["cwd", "command"]),
    ],
)
def test_a_wrong_argument_is_refused_by_name(context: Context, arguments: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ToolError) as raised:
        prepare(context, **arguments)
    assert all(word in str(raised.value) for word in words), raised.value


@pytest.mark.parametrize(
    ("command", "title"),
    [
        ("git status", "git status"),
        ("\n  make all  \n", "make all"),
        ("cat <<E\nx\nE", "cat <<E …"),
        ("echo \x1b[8mhidden\x07", r"echo \x1b[8mhidden\x07"),
        ("ls\rrm -rf /", r"ls\rrm -rf /"),
        ("echo a\u202eb\u2066c", r"echo a\u202eb\u2066c"),
        ("r\u200bm\ufeff x\u00ad", r"r\u200bm\ufeff x\xad"),
        ("echo ünï 日本", "echo ünï 日本"),
        ("x" * 200, "x" * 200),
        ("x" * 201, "x" * 199 + "…"),
        ("x" * 200 + "\ny", "x" * 199 + "…"),
    ],
)
def test_the_title_is_the_first_line_with_nothing_hidden(command: str, title: str) -> None:
    assert command_title(command) == title


def test_the_whole_command_is_shown_in_a_block_that_it_cannot_leave(context: Context) -> None:
    command = "echo '```\n# Approved: ls`'\n\trm x\u202e"
    (part,) = prepare(context, command=command).content
    assert isinstance(part, TextPart)
    assert part.text == "````sh\necho '```\n# Approved: ls`'\n\trm x\\u202e\n````"
    assert fenced_command("ls") == "```sh\nls\n```"


def test_trust_covers_exactly_this_command(context: Context) -> None:
    first, second = prepare(context, command="make all"), prepare(context, command="make all ")
    assert first.trust_key == "run_command:make all"
    assert second.trust_key != first.trust_key
    assert "make all" in first.trust_label and "exact" in first.trust_label


def test_nothing_runs_before_it_is_run(context: Context, tmp_path: Any) -> None:
    prepare(context, command="touch made")
    assert os.listdir(tmp_path) == []
    assert context.opened == []


# --- what the model gets


@pytest.mark.req("TL-07")
@pytest.mark.parametrize(
    ("command", "text", "raw", "failed"),
    [
        ("echo out; echo err >&2", "out\nerr\n", (0, None), False),
        ("true", "(no output)", (0, None), False),
        ("echo bad; exit 3", "bad\nexit code 3", (3, None), True),
        ("printf bad; exit 3", "bad\nexit code 3", (3, None), True),
        ("exit 1", "exit code 1", (1, None), True),
        ("echo x; kill -KILL $$", "x\nkilled by SIGKILL", (None, "SIGKILL"), True),
        (r"printf '\377\200ok'", "\ufffd\ufffdok", (0, None), False),
        ("echo $PAGER $GIT_PAGER $TERM; cat", "cat cat dumb\n", (0, None), False),
    ],
)
def test_the_model_gets_the_output_and_how_it_ended(
    context: Context, command: str, text: str, raw: tuple[int | None, str | None], failed: bool
) -> None:
    result = run(context, command)
    assert text_of(result.parts) == text
    assert result.raw_output == {"exitCode": raw[0], "signal": raw[1], "timedOut": False}
    assert result.failed is failed
    assert context.terminal.status == ExitStatus(*raw)


@pytest.mark.req("TL-07")
def test_a_missing_program_is_a_failed_result_that_says_so(context: Context) -> None:
    result = run(context, "no-such-program-here")
    assert "not found" in text_of(result.parts)
    assert text_of(result.parts).endswith("exit code 127")


@pytest.mark.spec("N-32")
@pytest.mark.req("TL-07")
def test_it_runs_in_the_directory_of_the_session(context: Context, tmp_path: Any) -> None:
    assert text_of(run(context, "pwd -P").parts).strip() == os.path.realpath(tmp_path)
    assert context.opened == [("pwd -P", str(tmp_path))]


@pytest.mark.req("TL-07")
@pytest.mark.promise("P8")
def test_a_time_out_is_told_and_leaves_no_process(context: Context) -> None:
    started_s = time.monotonic()
    result = run(context, "echo $$; sleep 600 & echo $!; wait", timeout_s=0.4)
    assert time.monotonic() - started_s < 1.4
    text = text_of(result.parts)
    assert text.endswith("\ntimed out after 0.4 s")
    assert result.failed and result.raw_output["timedOut"] is True
    assert len(text.splitlines()) == 3 and alive(text) == []
    assert context.terminal.status is not None and context.terminal.status.timed_out


def test_a_large_output_is_cut_in_the_middle_and_says_by_how_much(context: Context) -> None:
    total_bytes = 10 * 1024 * 1024
    result = run(context, f"echo first; head -c {total_bytes - 11} /dev/zero | tr '\\0' x; echo last")
    text = text_of(result.parts)
    assert text.startswith("first\nxxx") and text.endswith("xlast\n")
    assert f"\n[... {total_bytes - 64 * 1024} bytes cut ...]\n" in text
    assert len(text) < 64 * 1024 + 100
    assert len(context.terminal.text) < 2 * 1024 * 1024


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_flood_does_not_grow_memory(context: Context) -> None:
    run(Context(context.workspace), "true")
    before_bytes = psutil.Process().memory_info().rss
    result = run(context, "yes", timeout_s=2)
    assert psutil.Process().memory_info().rss - before_bytes < 16 * 1024 * 1024
    assert "bytes cut" in text_of(result.parts)


@pytest.mark.promise("P13")
def test_a_secret_of_the_server_does_not_reach_the_command(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "canary-77aa")
    monkeypatch.setenv("UNLISTED", "canary-77aa")
    text = text_of(run(context, "env").parts)
    assert "PATH=" in text and "canary-77aa" not in text


# --- what people see meanwhile


@pytest.mark.req("TN-17")
def test_output_is_shown_while_the_command_runs(context: Context) -> None:
    run(context, "for i in 1 2 3; do echo $i; sleep 0.3; done")
    times, closed_s = [when for when, _ in context.terminal.writes], time.monotonic()
    assert context.terminal.text == "1\n2\n3\n"
    assert len([when for when in times if closed_s - when > 0.25]) >= 2


@pytest.mark.req("TN-17")
def test_a_busy_command_is_shown_at_most_once_per_interval(context: Context) -> None:
    run(context, "i=0; while [ $i -lt 60 ]; do echo $i; i=$((i+1)); sleep 0.01; done")
    times = [when for when, _ in context.terminal.writes]
    *live, _ = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert len(times) >= 3 and min(live) > 0.18
    assert context.terminal.text == "".join(f"{number}\n" for number in range(60))


def test_the_terminal_is_shown_from_the_start_and_stays(context: Context) -> None:
    result = run(context, "echo x; exit 1")
    assert context.reports == [(TerminalRef("term-1"),)]
    assert result.content == (TerminalRef("term-1"),)


def test_a_terminal_of_the_client_is_shown_as_the_clients(tmp_path: Any) -> None:
    context = Context(EditorWorkspace(str(tmp_path)))
    result = run(context, "make", RunCommand(in_editor=True))
    assert result.content == (TerminalRef("client-9", owner="client"),)
    assert context.reports == [result.content]
    assert context.terminal.text == "seen in the editor\n", "others, and a replay, are shown its output"
    assert text_of(result.parts) == "seen in the editor\n"


def test_a_workspace_that_cannot_start_it_gives_the_model_its_reason(context: Context) -> None:
    with pytest.raises(ToolError, match="no terminals"):
        run(context, "ls", RunCommand(in_editor=True))
    assert context.opened == [] and context.reports == []


# --- when it is stopped


async def stop_after(context: Context, command: str, stop: Callable[[anyio.CancelScope], Awaitable[None]]) -> float:
    """Run a command, let ``stop`` cancel it, and return how many seconds it lived on."""
    prepared = await RunCommand().prepare({"command": command}, context)
    scope = anyio.CancelScope()

    async def run_in_scope() -> None:
        with scope:
            await prepared.run()

    task = asyncio.create_task(run_in_scope())
    await stop(scope)
    started_s = time.monotonic()
    await asyncio.wait([task], timeout=10)
    assert task.done()
    return time.monotonic() - started_s


@pytest.mark.promise("P8")
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a tree is its process group")
def test_a_cancelled_hostile_command_is_gone_within_a_second_and_its_terminal_closed(context: Context) -> None:
    async def stop(scope: anyio.CancelScope) -> None:
        with anyio.fail_after(10):
            while "\n" not in context.terminal.text:
                await asyncio.sleep(0.01)
        assert len(alive(context.terminal.text)) == 5
        scope.cancel()

    assert asyncio.run(stop_after(context, f"{sys.executable} -S {HOSTILE}", stop)) < 1
    assert alive(context.terminal.text) == []
    assert context.terminal.status == ExitStatus(None)


@pytest.mark.promise("P8")
@pytest.mark.parametrize("ticks", range(0, 30, 3))
def test_a_command_cancelled_at_any_tick_closes_what_it_opened(context: Context, ticks: int) -> None:
    async def stop(scope: anyio.CancelScope) -> None:
        for _ in range(ticks):
            await asyncio.sleep(0)
        scope.cancel()

    asyncio.run(stop_after(context, "sleep 600", stop))
    assert len(context.opened) == (context.terminal.status is not None)
    assert [child for child in psutil.Process().children() if child.name() == "sleep"] == []


# --- the shell itself


def test_the_shell_tells_its_observer_that_it_runs_here(tmp_path: Any) -> None:
    heard = Heard()
    status = asyncio.run(run_shell("echo $GIVEN", cwd=str(tmp_path), timeout_s=9, observer=heard, env={"GIVEN": "v"}))
    assert (status, heard.data, heard.started_with) == (ExitStatus(0), b"v\n", [None])


def test_a_missing_directory_is_a_tool_error(tmp_path: Any) -> None:
    heard = Heard()
    with pytest.raises(ToolError, match="cannot be started"):
        asyncio.run(run_shell("ls", cwd=str(tmp_path / "gone"), timeout_s=9, observer=heard))
    assert heard.started_with == []


def test_a_command_longer_than_the_system_takes_is_a_tool_error(context: Context) -> None:
    with pytest.raises(ToolError, match="cannot be started"):
        run(context, "true " + "x" * 5_000_000)


def test_an_observer_that_fails_is_not_mistaken_for_a_command_that_does_not_start(tmp_path: Any) -> None:
    class Full(Heard):
        def output(self, data: bytes) -> None:
            raise OSError("the log is full")

    with pytest.raises(OSError, match="the log is full"):
        asyncio.run(run_shell("echo x", cwd=str(tmp_path), timeout_s=9, observer=Full()))
