"""Until the two sides have agreed, only ``initialize`` is answered."""

from __future__ import annotations

import asyncio

import pytest

from agent_server.protocol.v1.client_services import ReadTextFileRequest
from agent_server.protocol.v1.initialize import AuthenticateResponse
from agent_server.protocol.v1.methods import FS_READ_TEXT_FILE

from .wire import WAIT_S, ask, cancel, deed, on_loop, outcome, prompt, serving, tell, withdraw

OK = AuthenticateResponse()
INITIALIZE = ask(0, "initialize", {"protocolVersion": 1})


@pytest.mark.spec("D-18")
@pytest.mark.req("JR-14")
def test_requests_are_refused_and_initialize_may_still_come() -> None:
    async def work() -> None:
        async with serving({"fine": lambda: OK}, opened=False) as (agent, wire):
            early = [
                deed(1, "fine"),
                prompt(2, "fine"),
                ask(3, "nope/nope"),
                ask(4, "x" * 9_000_000),
                ask(5, "session/cancel"),
            ]
            wire.say(*early)
            for request_id in (1, 2, 3, 4, 5):
                body = await wire.answer(request_id)
                assert outcome(body) == -32600
                assert "initialize" in body["error"]["data"]["details"]
            assert max(wire.sizes) < 1000
            assert agent.sessions == {}
            wire.say(ask("bad", "initialize", {"protocolVersion": "one"}), INITIALIZE, deed("now", "fine"))
            assert outcome(await wire.answer("bad")) == -32602
            assert outcome(await wire.answer(0))["protocolVersion"] == 1
            assert outcome(await wire.answer("now")) == {}

    on_loop(work)


@pytest.mark.spec("D-19")
def test_notifications_and_responses_are_ignored() -> None:
    async def work() -> None:
        async with serving(opened=False) as (agent, wire):
            wire.say(
                cancel(), withdraw(0), tell("nope"), tell("$/nope"), tell("initialize", {"protocolVersion": 1}),
                {"jsonrpc": "2.0", "id": 1, "result": {}},
                {"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": "m"}},
                INITIALIZE,
            )  # fmt: skip
            await wire.answer(0)
            assert len(wire.heard) == 1
            assert agent.sessions == {}

    on_loop(work)


@pytest.mark.promise("P7")
def test_garbage_is_answered_as_ever() -> None:
    async def work() -> None:
        async with serving(opened=False) as (_agent, wire):
            wire.say(b"nope", b"[]", INITIALIZE)
            await wire.answer(0)
            assert [body["error"]["code"] for body in wire.answers(None)] == [-32700, -32600]

    on_loop(work)


@pytest.mark.spec("D-20")
def test_a_pipelined_second_line_never_meets_an_unfinished_initialize() -> None:
    async def work() -> None:
        async with serving({"fine": lambda: OK}, opened=False) as (_agent, wire):
            wire.say(INITIALIZE, deed(1, "fine"))
            assert outcome(await wire.answer(1)) == {}
            assert [body["id"] for body in wire.heard] == [0, 1]

    on_loop(work)


@pytest.mark.req("JR-16")
def test_an_answer_to_our_own_request_counts_even_then() -> None:
    async def work() -> None:
        async with serving(opened=False) as (agent, wire):
            read = ReadTextFileRequest(session_id="s", path="/x")
            task = asyncio.ensure_future(agent.connection.request(FS_READ_TEXT_FILE, read))
            await wire.until(lambda: bool(wire.called("fs/read_text_file")))
            wire.say({"jsonrpc": "2.0", "id": wire.heard[0]["id"], "result": {"content": "x"}})
            assert (await asyncio.wait_for(task, WAIT_S)).content == "x"

    on_loop(work)
