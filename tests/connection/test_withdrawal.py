"""``$/cancel_request`` in both directions."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio
import pytest

from agent_server.connection.handlers import Deferred
from agent_server.errors import RpcError
from agent_server.protocol.v1.client_services import ReadTextFileRequest
from agent_server.protocol.v1.initialize import AuthenticateResponse
from agent_server.protocol.v1.methods import FS_READ_TEXT_FILE

from .wire import WAIT_S, cancel, deed, on_loop, outcome, prompt, serving, tell, withdraw

OK = AuthenticateResponse()
READ = ReadTextFileRequest(session_id="s", path="/x")

pytestmark = pytest.mark.req("JR-18")


async def endless() -> Any:
    await asyncio.Event().wait()


@pytest.mark.spec("N-55")
@pytest.mark.promise("P1")
@pytest.mark.parametrize("request_id", [7, "seven", "", None, -1])
@pytest.mark.parametrize("together", [True, False], ids=["in one read", "later"])
def test_a_withdrawn_request_is_answered_with_its_cancellation(request_id: Any, together: bool) -> None:
    async def work() -> None:
        async with serving({"endless": endless}) as (_agent, wire):
            wire.say(deed(request_id, "endless"))
            if not together:
                await wire.fence()
            wire.say(withdraw(request_id))
            body = await wire.answer(request_id)
            assert outcome(body) == -32800
            assert body["error"]["data"]["details"]
            wire.say(deed(request_id, "endless"), withdraw(request_id))  # the id is free again
            await wire.until(lambda: len(wire.answers(request_id)) == 2)

    on_loop(work)


@pytest.mark.promise("P1")
def test_a_request_that_waits_behind_a_slow_notification_can_be_withdrawn_and_never_begins() -> None:
    async def work() -> None:
        gate = asyncio.Event()
        async with serving({"cancel": gate.wait, "never": lambda: OK}) as (agent, wire):
            wire.say(cancel(), prompt(1, "never"), withdraw(1))
            await wire.fence()
            gate.set()
            assert outcome(await wire.answer(1)) == -32800
            assert agent.sessions["s"].heard == ["cancel"]

    on_loop(work)


@pytest.mark.promise("P1")
def test_a_second_withdrawal_does_not_disturb_a_handler_that_cleans_up() -> None:
    async def work() -> None:
        cleaning, cleaned = asyncio.Event(), asyncio.Event()
        gate = asyncio.Event()

        async def careful() -> Any:
            try:
                await asyncio.Event().wait()
            finally:
                cleaning.set()
                await gate.wait()
                cleaned.set()

        async with serving({"careful": careful}) as (_agent, wire):
            wire.say(deed(1, "careful"))
            await wire.fence()
            wire.say(withdraw(1))
            await asyncio.wait_for(cleaning.wait(), WAIT_S)
            wire.say(withdraw(1), withdraw(1))
            await wire.fence()
            assert not wire.answers(1)
            gate.set()
            assert outcome(await wire.answer(1)) == -32800
            assert cleaned.is_set()

    on_loop(work)


@pytest.mark.spec("N-55")
@pytest.mark.promise("P1")
def test_a_handler_that_finishes_in_spite_of_the_withdrawal_is_answered_with_its_result() -> None:
    async def work() -> None:
        async def stubborn() -> Any:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                return OK

        async with serving({"stubborn": stubborn}) as (_agent, wire):
            wire.say(deed(1, "stubborn"), withdraw(1), withdraw(1))
            assert outcome(await wire.answer(1)) == {}

    on_loop(work)


@pytest.mark.promise("P1")
@pytest.mark.parametrize("from_a_coroutine", [False, True])
@pytest.mark.parametrize("together", [True, False])
def test_a_deferred_answer_says_itself_what_a_withdrawal_means(from_a_coroutine: bool, together: bool) -> None:
    async def work() -> None:
        asked: list[int] = []
        answer: Deferred[Any] = Deferred()

        def on_cancel() -> None:
            asked.append(1)
            asyncio.get_running_loop().call_soon(answer.resolve, OK)

        answer.on_cancel = on_cancel

        async def later() -> Any:
            try:
                await asyncio.sleep(0)
            except asyncio.CancelledError:
                pass
            return answer

        async with serving({"deferred": later if from_a_coroutine else lambda: answer}) as (_agent, wire):
            wire.say(deed(1, "deferred"))
            if not together:
                await wire.fence()
                await wire.fence()
            wire.say(withdraw(1), withdraw(1))
            assert outcome(await wire.answer(1)) == {}
            wire.say(withdraw(1))
            await wire.fence()
            assert asked == [1]

    on_loop(work)


def test_a_deferred_answer_without_such_a_say_is_left_alone() -> None:
    async def work() -> None:
        answer: Deferred[Any] = Deferred()
        async with serving({"deferred": lambda: answer}) as (_agent, wire):
            wire.say(deed(1, "deferred"), withdraw(1))
            await wire.fence()
            assert not wire.answers(1)
            answer.resolve(OK)
            assert outcome(await wire.answer(1)) == {}

    on_loop(work)


@pytest.mark.promise("P7")
@pytest.mark.parametrize(
    "params", [None, {}, [], [7], {"requestId": True}, {"requestId": 7.0}, {"requestId": [7]}, {"requestId": "7"},
               {"requestId": 8}, {"requestId": None}, {"requestid": 7}, 7]
)  # fmt: skip
def test_a_withdrawal_of_nothing_known_is_silent_and_touches_nothing(params: Any) -> None:
    async def work() -> None:
        answer: Deferred[Any] = Deferred(on_cancel=lambda: pytest.fail("cancelled"))
        async with serving({"waiting": lambda: answer}) as (_agent, wire):
            wire.say(deed(7, "waiting"), tell("$/cancel_request", params))
            await wire.fence()
            assert len(wire.heard) == 1
            answer.resolve(OK)
            assert outcome(await wire.answer(7)) == {}

    on_loop(work)


@pytest.mark.req("JR-16")
@pytest.mark.parametrize("way", ["asyncio", "anyio", "timeout"])
def test_giving_up_a_request_withdraws_it_once_and_a_late_answer_is_ignored(way: str) -> None:
    async def work() -> None:
        async with serving() as (agent, wire):
            if way == "asyncio":
                task = asyncio.ensure_future(agent.connection.request(FS_READ_TEXT_FILE, READ))
                await wire.until(lambda: bool(wire.called("fs/read_text_file")))
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            elif way == "anyio":
                with anyio.move_on_after(0.01) as scope:
                    await agent.connection.request(FS_READ_TEXT_FILE, READ)
                assert scope.cancelled_caught
            else:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.01):
                        await agent.connection.request(FS_READ_TEXT_FILE, READ)
            await wire.until(lambda: bool(wire.called("$/cancel_request")))
            (call,) = wire.called("fs/read_text_file")
            (withdrawal,) = wire.called("$/cancel_request")
            assert withdrawal["params"] == {"requestId": call["id"]}
            assert "id" not in withdrawal
            wire.say({"jsonrpc": "2.0", "id": call["id"], "result": {"content": "late"}})
            wire.say({"jsonrpc": "2.0", "id": call["id"], "error": {"code": -32800, "message": "later"}})
            await wire.fence()
            assert len(wire.heard) == 3

    on_loop(work)


def test_a_request_whose_answer_is_here_is_not_withdrawn_any_more() -> None:
    async def work() -> None:
        async with serving() as (agent, wire):
            task = asyncio.ensure_future(agent.connection.request(FS_READ_TEXT_FILE, READ))
            await wire.until(lambda: bool(wire.called("fs/read_text_file")))
            request_id = wire.called("fs/read_text_file")[0]["id"]
            agent.connection.receive_frames([b'{"jsonrpc":"2.0","id":%d,"result":{"content":"x"}}' % request_id])
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await wire.fence()
            assert not wire.called("$/cancel_request")

    on_loop(work)


def test_a_withdrawn_handler_withdraws_what_it_asked_itself() -> None:
    async def work() -> None:
        async with serving() as (agent, wire):
            agent.deeds["ask"] = lambda: agent.connection.request(FS_READ_TEXT_FILE, READ)
            wire.say(deed(1, "ask"))
            await wire.until(lambda: bool(wire.called("fs/read_text_file")))
            wire.say(withdraw(1))
            assert outcome(await wire.answer(1)) == -32800
            await wire.until(lambda: bool(wire.called("$/cancel_request")))

    on_loop(work)


@pytest.mark.req("JR-14")
def test_the_far_ends_cancellation_error_arrives_as_an_rpc_error() -> None:
    async def work() -> None:
        async with serving() as (agent, wire):
            task = asyncio.ensure_future(agent.connection.request(FS_READ_TEXT_FILE, READ))
            await wire.until(lambda: bool(wire.called("fs/read_text_file")))
            request_id = wire.called("fs/read_text_file")[0]["id"]
            wire.say(
                {"jsonrpc": "2.0", "id": request_id, "error": {"code": -32800, "message": "gone", "data": {"x": 1}}}
            )
            with pytest.raises(RpcError) as caught:
                await asyncio.wait_for(task, WAIT_S)
            assert (caught.value.code, caught.value.message, caught.value.data) == (-32800, "gone", {"x": 1})

    on_loop(work)
