from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_server.client.terminals import BoundedOutput, LocalTerminals
from agent_server.errors import RpcError
from agent_server.protocol.v1.client_services import (
    CreateTerminalRequest,
    KillTerminalRequest,
    ReleaseTerminalRequest,
    TerminalOutputRequest,
    WaitForTerminalExitRequest,
)
from agent_server.protocol.v1.session import EnvVariable

pytestmark = pytest.mark.req("JR-04")


class Driver:
    """The five calls, with less to type."""

    def __init__(self, cwd: Path) -> None:
        self.terminals = LocalTerminals()
        self.cwd = str(cwd)

    async def create(self, script: str, **fields: Any) -> str:
        request = CreateTerminalRequest(session_id="s", command="sh", args=["-c", script], **fields)
        return (await self.terminals.create(request, self.cwd)).terminal_id

    async def wait(self, terminal_id: str) -> tuple[int | None, str | None]:
        request = WaitForTerminalExitRequest(session_id="s", terminal_id=terminal_id)
        answer = await self.terminals.wait_for_exit(request)
        return answer.exit_code, answer.signal

    async def output(self, terminal_id: str) -> tuple[str, bool, bool]:
        answer = await self.terminals.output(TerminalOutputRequest(session_id="s", terminal_id=terminal_id))
        return answer.output, answer.truncated, answer.exit_status is not None

    async def kill(self, terminal_id: str) -> None:
        await self.terminals.kill(KillTerminalRequest(session_id="s", terminal_id=terminal_id))

    async def release(self, terminal_id: str) -> None:
        await self.terminals.release(ReleaseTerminalRequest(session_id="s", terminal_id=terminal_id))

    async def line(self, terminal_id: str) -> str:
        async with asyncio.timeout(10):
            while "\n" not in (text := (await self.output(terminal_id))[0]):
                await asyncio.sleep(0.005)
        return text.strip()


def drive(tmp_path: Path, body: Callable[[Driver], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        driver = Driver(tmp_path)
        try:
            async with asyncio.timeout(20):
                await body(driver)
        finally:
            await driver.terminals.release_all()

    asyncio.run(main())


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_output_exit_code_and_release(tmp_path: Path) -> None:
    async def body(driver: Driver) -> None:
        terminal = await driver.create("echo hi; pwd; exit 3")
        assert await driver.wait(terminal) == (3, None)
        assert await driver.output(terminal) == (f"hi\n{os.path.realpath(tmp_path)}\n", False, True)
        await driver.release(terminal)
        for call in (driver.output, driver.wait, driver.kill, driver.release):
            with pytest.raises(RpcError) as caught:
                await call(terminal)
            assert caught.value.code == -32002

    drive(tmp_path, body)


def test_a_running_command_has_output_but_no_exit_status(tmp_path: Path) -> None:
    async def body(driver: Driver) -> None:
        terminal = await driver.create("echo here; exec sleep 60")
        assert await driver.line(terminal) == "here"
        assert await driver.output(terminal) == ("here\n", False, False)

    drive(tmp_path, body)


def test_kill_ends_the_whole_tree_and_keeps_the_output(tmp_path: Path) -> None:
    async def body(driver: Driver) -> None:
        terminal = await driver.create("sleep 60 & echo $!; wait")
        grandchild = int(await driver.line(terminal))
        waiting = asyncio.ensure_future(driver.wait(terminal))
        await driver.kill(terminal)
        assert (await waiting)[0] is None
        assert not is_running(grandchild)
        assert await driver.output(terminal) == (f"{grandchild}\n", False, True)
        await driver.kill(terminal)

    drive(tmp_path, body)


def test_release_ends_a_running_command_and_answers_who_waits_for_it(tmp_path: Path) -> None:
    async def body(driver: Driver) -> None:
        terminal = await driver.create("echo $$; exec sleep 60")
        pid = int(await driver.line(terminal))
        waiting = asyncio.ensure_future(driver.wait(terminal))
        await asyncio.sleep(0)
        await driver.release(terminal)
        assert (await waiting)[1] in ("SIGTERM", "SIGKILL")
        assert not is_running(pid)

    drive(tmp_path, body)


def test_a_terminal_belongs_to_its_session(tmp_path: Path) -> None:
    async def body(driver: Driver) -> None:
        terminal = await driver.create("true")
        with pytest.raises(RpcError):
            await driver.terminals.output(TerminalOutputRequest(session_id="other", terminal_id=terminal))

    drive(tmp_path, body)


def test_a_program_that_is_missing_is_an_error_with_details(tmp_path: Path) -> None:
    async def body(driver: Driver) -> None:
        with pytest.raises(RpcError) as caught:
            await driver.terminals.create(CreateTerminalRequest(session_id="s", command="no-such-program"), driver.cwd)
        assert caught.value.code == -32602
        assert "no-such-program" in caught.value.data["details"]

    drive(tmp_path, body)


def test_the_environment_is_what_the_agent_asked_for_and_no_secret_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUR_API_KEY", "secret")

    async def body(driver: Driver) -> None:
        env = [EnvVariable(name="THEIR_TOKEN", value="given")]
        terminal = await driver.create('echo "$THEIR_TOKEN/$OUR_API_KEY"', env=env)
        await driver.wait(terminal)
        assert (await driver.output(terminal))[0] == "given/\n"

    drive(tmp_path, body)


@pytest.mark.spec("N-66")
def test_the_limit_drops_the_oldest_output_at_a_character_boundary(tmp_path: Path) -> None:
    async def body(driver: Driver) -> None:
        terminal = await driver.create("printf 'äöü'", output_byte_limit=5)
        await driver.wait(terminal)
        assert await driver.output(terminal) == ("öü", True, True)

    drive(tmp_path, body)


@pytest.mark.parametrize(
    ("limit", "kept"),
    [
        (0, ""),
        (1, ""),
        (3, ""),
        (4, "\U0001f600"),
        (5, "\U0001f600"),
        (6, "é\U0001f600"),
        (8, "ëé\U0001f600"),
        (10, "aëé\U0001f600"),
    ],
)
def test_a_limit_within_a_character_drops_the_whole_character(tmp_path: Path, limit: int, kept: str) -> None:
    async def body(driver: Driver) -> None:
        terminal = await driver.create("printf 'aëé\U0001f600'", output_byte_limit=limit)
        await driver.wait(terminal)
        assert await driver.output(terminal) == (kept, limit < 9, True)

    drive(tmp_path, body)


def test_characters_that_are_written_in_pieces_are_whole(tmp_path: Path) -> None:
    async def body(driver: Driver) -> None:
        script = r"printf '\303'; read x < fifo; printf '\251\377'"
        os.mkfifo(tmp_path / "fifo")
        terminal = await driver.create(script)
        with await asyncio.to_thread(open, tmp_path / "fifo", "w") as gate:
            gate.write("go\n")
        await driver.wait(terminal)
        assert await driver.output(terminal) == ("é\N{REPLACEMENT CHARACTER}", False, True)

    drive(tmp_path, body)


def test_an_ended_or_killed_command_can_be_waited_for_and_released_like_any(tmp_path: Path) -> None:
    async def body(driver: Driver) -> None:
        ended = await driver.create("exit 5")
        assert [await driver.wait(ended) for _ in range(3)] == [(5, None)] * 3
        await driver.kill(ended)
        assert await driver.wait(ended) == (5, None)
        killed = await driver.create("echo x; exec sleep 60")
        await driver.line(killed)
        await driver.kill(killed)
        assert (await driver.wait(killed))[0] is None
        assert await driver.output(killed) == ("x\n", False, True)
        for terminal in (ended, killed):
            await driver.release(terminal)
            for call in (driver.wait, driver.kill, driver.output, driver.release):
                with pytest.raises(RpcError) as caught:
                    await call(terminal)
                assert caught.value.code == -32002

    drive(tmp_path, body)


def test_a_session_that_ends_releases_its_own_terminals_only(tmp_path: Path) -> None:
    async def body(driver: Driver) -> None:
        mine = await driver.create("echo $$; exec sleep 60")
        pid = int(await driver.line(mine))
        await driver.terminals.release_all("another")
        assert is_running(pid)
        await driver.terminals.release_all("s")
        assert not is_running(pid)
        with pytest.raises(RpcError):
            await driver.output(mine)

    drive(tmp_path, body)


@pytest.mark.spec("N-66")
@given(st.lists(st.binary(max_size=300), max_size=12), st.integers(0, 200))
def test_what_is_kept_is_the_end_of_the_output_within_the_limit(pieces: list[bytes], limit_bytes: int) -> None:
    output = BoundedOutput(limit_bytes)
    for piece in pieces:
        output.write(piece)
        assert len(output.read()[0].encode()) <= limit_bytes
    output.end()
    whole = b"".join(pieces).decode("utf-8", "replace")
    kept, truncated = output.read()
    assert whole.endswith(kept)
    assert truncated or kept == whole
    assert len(kept.encode()) > limit_bytes - 4 or not truncated or limit_bytes < 4


def test_much_output_takes_bounded_memory() -> None:
    output = BoundedOutput(1000)
    for _ in range(3000):
        output.write(b"x" * 1000)
    assert output._kept.__sizeof__() < 400_000
    assert output.read() == ("x" * 1000, True)
