"""Sessions: making them, what they are made with, and several at once."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from conformance.agent_link import Errored
from conformance.case import (
    INVALID_PARAMS,
    RESOURCE_NOT_FOUND,
    Case,
    Session,
    expect_error,
    nothing_else_is_broken,
    succeeds,
)
from conformance.registry import check
from conformance.transcript import Entry
from conformance.verdicts import Failure, NotExercised

MANY = 3
STRANGER = "5f1d7a3e-0c55-4d0e-9f0e-c0f0a11ce000"
MCP_SERVER = Path(__file__).parents[1] / "mcp_server.py"
MCP_S = 2.0
"""How long the agent may take to speak to an MCP server."""

LOOK_S = 0.02

TEXT = {"type": "text", "text": "hello"}


@check("session.new")
async def makes_sessions(case: Case) -> None:
    async with case.agent() as link:
        made = await succeeds(await link.ask("session/new", _new()))
        if not isinstance(made.get("sessionId"), str) or not made["sessionId"]:
            raise Failure(f"the answer to session/new has the sessionId {made.get('sessionId')!r}")


@check("session.unique-ids")
async def gives_each_session_an_id(case: Case) -> None:
    async with case.agent() as link:
        ids = [(await link.request("session/new", _new())).get("sessionId") for _ in range(MANY)]
        if None in ids:
            raise NotExercised("session/new told no session id")
        if len(set(map(repr, ids))) != MANY:
            raise Failure(f"{MANY} sessions have the ids {ids}")


@check("session.relative-cwd")
async def refuses_relative_directories(case: Case) -> None:
    await _refuses_new(case, _new(cwd="a/relative/directory"))


@check("session.missing-cwd")
async def refuses_sessions_without_directory(case: Case) -> None:
    await _refuses_new(case, {"mcpServers": []})


@check("session.missing-mcp-servers")
async def refuses_sessions_without_servers(case: Case) -> None:
    await _refuses_new(case, {"cwd": tempfile.gettempdir()})


@check("session.relative-roots")
async def refuses_relative_roots(case: Case) -> None:
    await _refuses_new(case, _new(additionalDirectories=["a/relative/directory"]))


@check("session.system-prompt-unknown-mode")
async def refuses_unknown_modes(case: Case) -> None:
    case.makes_sessions()
    async with case.agent() as link:
        system_prompt = {"mode": "conformance_unknown", "content": [TEXT]}
        await expect_error(await link.ask("session/new", _new(systemPrompt=system_prompt)))


@check("session.system-prompt")
async def takes_system_prompts(case: Case) -> None:
    await _makes(case, _new(systemPrompt={"mode": "append", "content": [TEXT]}))


@check("session.roots-accepted")
async def takes_roots(case: Case) -> None:
    with tempfile.TemporaryDirectory(prefix="conformance-", ignore_cleanup_errors=True) as directory:
        await _makes(case, _new(additionalDirectories=[str(Path(directory).resolve())]))


@check("session.stdio-mcp-accepted")
async def takes_mcp_servers(case: Case) -> None:
    with tempfile.TemporaryDirectory(prefix="conformance-", ignore_cleanup_errors=True) as directory:
        await _makes(case, _new(mcpServers=[_mcp_server(Path(directory, "mark"))]))


@check("session.stdio-mcp-connected")
async def speaks_to_mcp_servers(case: Case) -> None:
    with tempfile.TemporaryDirectory(prefix="conformance-", ignore_cleanup_errors=True) as directory:
        mark = Path(directory, "mark")
        async with (
            nothing_else_is_broken(case),
            case.agent() as link,
            case.new_session(link, mcpServers=[_mcp_server(mark)]) as session,
        ):
            if await _comes(mark, MCP_S / 4):
                return
            await session.prompt(case.text("plain"))  # some agents wait until there is something to do
            if not await _comes(mark, MCP_S):
                raise Failure("nothing was said to the MCP server")


@check("session.wrong-types")
async def refuses_wrong_types(case: Case) -> None:
    async with case.session() as session:
        wrong: list[tuple[str, Mapping[str, Any]]] = [
            ("session/new", _new(cwd=5)),
            ("session/new", _new(mcpServers="none")),
            ("session/prompt", {"sessionId": session.id, "prompt": "hello"}),
            ("session/prompt", {"sessionId": session.id, "prompt": [{"type": "text", "text": 5}]}),
            ("session/prompt", {"sessionId": 5, "prompt": [TEXT]}),
        ]
        for method, params in wrong:
            await expect_error(await session.link.ask(method, params), INVALID_PARAMS)


@check("session.cwd-is-used")
async def works_in_its_directory(case: Case) -> None:
    with tempfile.TemporaryDirectory(prefix="conformance-", ignore_cleanup_errors=True) as elsewhere:
        async with case.agent(cwd=elsewhere) as link, case.new_session(link) as session:
            Path(session.cwd, "a.txt").write_text("a\n", encoding="utf-8")
            await (await session.start(case.text("fs"))).answer()
            paths = [str(entry.params.get("path")) for entry in link.transcript.entries if _touches_file(entry)]
            for path in paths:
                if _is_below(path, elsewhere):
                    raise Failure(f"{path} is below the directory in which the agent was started")
            if not any(_is_below(path, session.cwd) for path in paths):
                raise NotExercised("no file of the session's directory was read through the client")


@check("session.unknown")
async def refuses_unknown_sessions(case: Case) -> None:
    async with case.agent() as link:
        await expect_error(await Session(link, STRANGER, "/", {}).start("hello"))


@check("session.unknown-code")
async def names_unknown_sessions(case: Case) -> None:
    async with case.agent() as link:
        try:
            await Session(link, STRANGER, "/", {}).prompt("hello")
        except Errored as error:
            if error.code != RESOURCE_NOT_FOUND:
                raise Failure(f"a session that does not exist is reported with {error.code}") from None
            return
        raise NotExercised("a prompt for a session that does not exist succeeded")


@check("session.side-by-side")
async def works_on_two_sessions(case: Case) -> None:
    async with (
        nothing_else_is_broken(case),
        case.agent() as link,
        case.new_session(link) as one,
        case.new_session(link) as other,
    ):
        busy = case.options.prompts.get("busy")
        first = await one.start(busy or case.text("plain"))
        await succeeds(await other.start(case.text("plain")))
        if not busy:
            await succeeds(first)


async def _makes(case: Case, params: Mapping[str, Any]) -> None:
    async with nothing_else_is_broken(case), case.agent() as link:
        made = await succeeds(await link.ask("session/new", params))
        if not isinstance(made.get("sessionId"), str):
            raise Failure("session/new told no session id")


async def _refuses_new(case: Case, params: Mapping[str, Any]) -> None:
    case.makes_sessions()
    async with case.agent() as link:
        await expect_error(await link.ask("session/new", params), INVALID_PARAMS)


def _new(**params: Any) -> dict[str, Any]:
    return {"cwd": tempfile.gettempdir(), "mcpServers": [], **params}


def _mcp_server(mark: Path) -> dict[str, Any]:
    return {"name": "conformance", "command": sys.executable, "args": [str(MCP_SERVER), str(mark)], "env": []}


async def _comes(path: Path, seconds: float) -> bool:
    """Whether a file is made in that time, by another program, of which nothing is heard but this."""
    end = time.monotonic() + seconds
    while not (there := path.exists()) and time.monotonic() < end:  # noqa: ASYNC110
        await asyncio.sleep(LOOK_S)
    return there


def _touches_file(entry: Entry) -> bool:
    return entry.method in ("fs/read_text_file", "fs/write_text_file")


def _is_below(path: str, directory: str) -> bool:
    return Path(path).resolve().is_relative_to(Path(directory).resolve())
