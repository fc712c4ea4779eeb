"""Commands in the editor's terminals. Spec: terminals."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from agent_server.tools.run_command import RunCommand
from tests.agent.puppets import call, say, scenario
from tests.agent.scripted_client import FILES, SILENCE, Frame, Refusal, ScriptedClient, choose, in_loop, one_client

TERMINAL = {"terminal": True}
OUTPUT = {"output": "built\n", "truncated": False}


def answers(client: ScriptedClient, **more: Any) -> None:
    client.answers |= {
        "session/request_permission": choose("approve"),
        "terminal/create": {"terminalId": "t1"},
        "terminal/wait_for_exit": {"exitCode": 0},
        "terminal/output": {**OUTPUT, "exitStatus": {"exitCode": 0}},
        "terminal/kill": {},
        "terminal/release": {},
        **{f"terminal/{name}": answer for name, answer in more.items()},
    }


def asked(client: ScriptedClient) -> list[str]:
    methods = [frame["method"] for frame in client.frames if "method" in frame and "id" in frame]
    return [name.removeprefix("terminal/") for name in methods if name.startswith("terminal/")]


def model(command: str = "make && echo $HOME", **more: Any) -> Any:
    return scenario([call("in_terminal", command=command, **more)], [say("done")])


class InTerminal(RunCommand):
    """The tool for commands, in the client's terminal."""

    def __init__(self) -> None:
        super().__init__(in_editor=True)

    @property
    def spec(self) -> Any:
        from dataclasses import replace

        return replace(super().spec, name="in_terminal")


async def ran(client: ScriptedClient, tmp_path: Path) -> tuple[str, Frame]:
    """The session, and the last update of its one call."""
    session_id = await client.new_session(str(tmp_path))
    assert await client.run(session_id) == "end_turn"
    return session_id, client.updates(sessionUpdate="tool_call_update")[-1]


@pytest.mark.spec("N-67", "D-51", "N-64", "N-10")
@in_loop
async def test_a_command_goes_to_a_shell_in_a_terminal_that_is_shown_and_released(tmp_path: Path) -> None:
    async with one_client(model(), tools=[InTerminal()], capabilities=TERMINAL) as (client, _):
        answers(client)
        session_id, end = await ran(client, tmp_path)
        assert asked(client) == ["create", "wait_for_exit", "output", "release"]
        created = client.requests("terminal/create")[0]["params"]
        assert (created["command"], created["args"]) == ("/bin/sh", ["-c", "make && echo $HOME"])
        assert created["cwd"] == str(tmp_path)
        assert {frame["params"]["sessionId"] for frame in client.requests("terminal/release")} == {session_id}
        assert end["status"] == "completed"
        shown = [update["content"] for update in client.updates() if update.get("content")]
        assert [{"type": "terminal", "terminalId": "t1"}] in shown


@pytest.mark.spec("D-50", "N-29")
@pytest.mark.parametrize("live", [True, False])
@in_loop
async def test_what_a_terminal_showed_is_told_as_text_when_the_terminal_is_gone(tmp_path: Path, live: bool) -> None:
    async with one_client(model(), tools=[InTerminal()], capabilities=TERMINAL) as (client, _):
        answers(client)
        session_id, _ = await ran(client, tmp_path)
        if not live:
            await client.call("session/close", sessionId=session_id)
        client.frames.clear()
        await client.call("session/load", sessionId=session_id, cwd=str(tmp_path), mcpServers=[])
        (told,) = client.updates(sessionUpdate="tool_call")
        assert "built" in str(told["content"])
        assert "terminalId" not in str(client.frames)


@pytest.mark.spec("N-67")
@pytest.mark.parametrize(
    ("more", "methods"),
    [
        ({"wait_for_exit": SILENCE}, ["create", "wait_for_exit", "kill", "output", "release"]),
        ({"wait_for_exit": SILENCE, "kill": Refusal(-32603)}, ["create", "wait_for_exit", "kill", "release"]),
        ({"wait_for_exit": Refusal(-32603)}, ["create", "wait_for_exit", "release"]),
        ({"output": {"truncated": 5}}, ["create", "wait_for_exit", "output", "release"]),
        ({"release": Refusal(-32603)}, ["create", "wait_for_exit", "output", "release"]),
        ({"create": Refusal(-32603)}, ["create"]),
    ],
)
@in_loop
async def test_whatever_goes_wrong_a_terminal_is_released_once(
    tmp_path: Path, more: Frame, methods: list[str]
) -> None:
    async with one_client(model(timeout_s=0.05), tools=[InTerminal()], capabilities=TERMINAL) as (client, _):
        answers(client, **more)
        await ran(client, tmp_path)
        assert asked(client) == methods


@pytest.mark.spec("N-64", "N-07")
@pytest.mark.parametrize("capabilities", [{}, {"terminal": False}, {"terminal": None}, {"terminal": {}}])
@in_loop
async def test_a_client_without_terminals_is_asked_for_none(tmp_path: Path, capabilities: Frame) -> None:
    async with one_client(model(), tools=[InTerminal()], capabilities=capabilities) as (client, _):
        answers(client)
        _, end = await ran(client, tmp_path)
        assert asked(client) == []
        assert end["status"] == "failed"


@pytest.mark.spec("N-81")
@in_loop
async def test_every_request_about_a_terminal_carries_the_trace_of_the_prompt(tmp_path: Path) -> None:
    async with one_client(model(timeout_s=0.05), tools=[InTerminal()], capabilities=TERMINAL) as (client, _):
        answers(client, wait_for_exit=SILENCE)
        session_id = await client.new_session(str(tmp_path))
        trace = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
        block = {"type": "text", "text": "go"}
        prompt = client.request("session/prompt", sessionId=session_id, prompt=[block], _meta=trace)
        assert await client.stop_reason(prompt) == "end_turn"
        asked = [frame for frame in client.frames if str(frame.get("method")).startswith("terminal/")]
        assert len(asked) == 5
        assert [frame["params"]["_meta"] for frame in asked] == [trace] * 5


@pytest.mark.spec("D-46", "D-45")
@pytest.mark.parametrize("method", ["fs/read_text_file", "fs/write_text_file"])
@in_loop
async def test_a_file_that_the_editor_is_slow_with_is_given_up_at_a_cancel(tmp_path: Path, method: str) -> None:
    (tmp_path / "a.txt").write_text("old\n")
    use = call("write_file", path="a.txt", content="new\n")
    async with one_client(scenario([use], [say("done")]), capabilities=FILES) as (client, _):
        usual = {"session/request_permission": choose("approve"), "fs/read_text_file": {"content": "old\n"}}
        client.answers |= {**usual, method: SILENCE}
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id)
        request = await client.asked(method)
        client.cancel(session_id)
        assert await client.stop_reason(prompt) == "cancelled"
        withdrawn = [f["params"]["requestId"] for f in client.frames if f.get("method") == "$/cancel_request"]
        assert withdrawn == [request["id"]]


@pytest.mark.spec("D-45", "D-46", "N-67")
@pytest.mark.parametrize("silent", [("wait_for_exit",), ("wait_for_exit", "release"), ("release",)])
@in_loop
async def test_a_cancel_releases_the_terminal_and_waits_for_no_client(tmp_path: Path, silent: tuple[str, ...]) -> None:
    async with one_client(model(), tools=[InTerminal()], capabilities=TERMINAL) as (client, _):
        answers(client, **dict.fromkeys(silent, SILENCE))
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id)
        await client.asked(f"terminal/{silent[0]}")
        started_s = time.monotonic()
        client.cancel(session_id)
        assert await client.stop_reason(prompt) == "cancelled"
        assert time.monotonic() - started_s < 1
        assert asked(client)[-1] == "release"
        answered = client.position(lambda frame: frame.get("id") == prompt and "method" not in frame)
        assert client.position(lambda frame: frame.get("method") == "terminal/release") < answered
        await asyncio.sleep(0)
        withdrawn = [f["params"]["requestId"] for f in client.frames if f.get("method") == "$/cancel_request"]
        releases = [frame["id"] for frame in client.requests("terminal/release")]
        assert not set(withdrawn) & set(releases)  # the client must not take it back
