"""P1 and P5: whatever a handler does, its request gets exactly one answer, and nobody else notices."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent_server.connection.handlers import Deferred, answered
from agent_server.errors import CapabilityMissing, ConnectionClosed, RpcError, SessionConflict, SessionNotFound
from agent_server.protocol.v1.initialize import AuthenticateResponse
from agent_server.protocol.v1.methods import AUTHENTICATE

from .wire import RawEnd, cancel, deed, on_loop, outcome, prompt, serving, withdraw

OK = AuthenticateResponse()

CRASHES: list[BaseException] = [
    Exception("secret-text"),
    RecursionError("secret-text"),
    MemoryError("secret-text"),
    SystemExit("secret-text"),
    KeyboardInterrupt("secret-text"),
    GeneratorExit("secret-text"),
    asyncio.CancelledError("secret-text"),
    BaseExceptionGroup("secret-text", [SystemExit(3), ValueError("secret-text")]),
    ConnectionClosed("secret-text"),
    CapabilityMissing("fs/read_text_file", "secret-text"),
    StopAsyncIteration("secret-text"),
]
names = [type(crash).__name__ for crash in CRASHES]


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)


def raising(error: BaseException) -> dict[str, Callable[[], Any]]:
    """The ways in which a handler may raise."""

    def at_once() -> Any:
        raise error

    async def at_first() -> Any:
        raise error

    async def later() -> Any:
        await asyncio.sleep(0)
        raise error

    def deferred_before() -> Any:
        answer: Deferred[Any] = Deferred()
        answer.fail(error)
        return answer

    def deferred_later() -> Any:
        answer: Deferred[Any] = Deferred()
        asyncio.get_running_loop().call_soon(answer.fail, error)
        return answer

    async def deferred_from_a_coroutine() -> Any:
        return deferred_later()

    return {
        "at once": at_once,
        "at first": at_first,
        "later": later,
        "deferred before": deferred_before,
        "deferred later": deferred_later,
        "deferred from a coroutine": deferred_from_a_coroutine,
    }


@pytest.mark.promise("P1")
@pytest.mark.promise("P5")
@pytest.mark.req("JR-20")
@pytest.mark.parametrize("error", CRASHES, ids=names)
def test_a_crash_is_one_error_response_and_everything_else_lives_on(error: BaseException) -> None:
    async def work() -> None:
        gate = asyncio.Event()

        async def patient() -> Any:
            await gate.wait()
            return OK

        ways = raising(error)
        async with serving({**ways, "patient": patient}) as (agent, wire):
            wire.say(deed("patient", "patient"), prompt("patient too", "patient", "s9"))
            wire.say(*(deed(way, way) for way in ways), *(prompt(f"prompt {way}", way) for way in ways))
            for way in ways:
                for request_id in (way, f"prompt {way}"):
                    body = await wire.answer(request_id)
                    assert outcome(body) == -32603, request_id
                    assert body["error"]["data"]["details"]
                    assert "secret-text" not in str(body)
            for way in ways:
                agent.deeds["cancel"] = ways[way]
                wire.say(cancel(), cancel())
                await wire.fence()
            gate.set()
            assert outcome(await wire.answer("patient")) == {}
            assert outcome(await wire.answer("patient too")) == {}
            agent.deeds["fine"] = lambda: OK
            wire.say(deed("next", "fine"), prompt("next prompt", "fine"))
            assert outcome(await wire.answer("next")) == {}
            assert outcome(await wire.answer("next prompt")) == {}
            assert len(wire.heard) == 2 * len(ways) + len(ways) + 4

    on_loop(work)


@pytest.mark.promise("P5")
@pytest.mark.parametrize("error", CRASHES, ids=names)
def test_a_crash_in_a_hook_of_an_answer_reaches_nobody(error: BaseException) -> None:
    def crash() -> None:
        raise error

    async def work() -> None:
        waiting: Deferred[Any] = Deferred(on_cancel=crash)
        deeds = {"after": lambda: answered(OK, crash), "waiting": lambda: waiting, "fine": lambda: OK}
        async with serving(deeds) as (_agent, wire):
            wire.say(deed(1, "after"), deed(2, "waiting"), withdraw(2), deed(3, "fine"))
            assert outcome(await wire.answer(1)) == {}
            assert outcome(await wire.answer(3)) == {}
            waiting.resolve(OK)
            assert outcome(await wire.answer(2)) == {}

    on_loop(work)


@pytest.mark.req("JR-05")
@pytest.mark.req("JR-14")
def test_an_rpc_error_arrives_unchanged() -> None:
    error = RpcError(-31999, "Own words", {"details": "a sentence", "more": [1, {"two": None}]})

    async def work() -> None:
        ways = raising(error)
        async with serving(ways) as (_agent, wire):
            for way in ways:
                wire.say(deed(way, way))
                body = await wire.answer(way)
                assert body["error"] == {"code": error.code, "message": error.message, "data": error.data}

    on_loop(work)


@pytest.mark.promise("P1")
@pytest.mark.parametrize(
    "data",
    [object(), {1, 2}, {"n": 2**70}, {"s": "\ud800"}, {1: 2}, b"bytes"],
    ids=["object", "set", "int", "surrogate", "key", "bytes"],
)
def test_an_error_that_cannot_be_sent_is_answered_all_the_same(data: Any) -> None:
    async def work() -> None:
        ways = raising(RpcError(-31999, "m", data))
        ways |= {"code": raising(RpcError(2**70, "m"))["at once"], "text": raising(RpcError(1, "\udcff"))["at once"]}
        async with serving(ways) as (_agent, wire):
            wire.say(*(deed(way, way) for way in ways))
            for way in ways:
                expected = (-32603, -31999) if data == {1: 2} else (-32603,)
                assert outcome(await wire.answer(way)) in expected

    on_loop(work)


@pytest.mark.spec("D-61")
@pytest.mark.promise("P6")
def test_no_error_above_8_mib_is_sent() -> None:
    async def work() -> None:
        huge = "x" * (9 * 1024 * 1024)
        deeds = {"data": RpcError(1, "m", {"details": huge}), "message": RpcError(1, huge)}
        async with serving({name: raising(error)["later"] for name, error in deeds.items()}) as (_agent, wire):
            wire.say(*(deed(name, name) for name in deeds))
            for name in deeds:
                assert outcome(await wire.answer(name)) == -32603
            assert max(wire.sizes) < 1000

    on_loop(work)


@pytest.mark.req("JR-14")
def test_our_own_exceptions_have_codes_of_their_own() -> None:
    async def work() -> None:
        deeds = {
            "lost": raising(SessionNotFound("s77"))["later"],
            "conflict": raising(SessionConflict("busy", "a turn runs"))["at once"],
        }
        async with serving(deeds) as (_agent, wire):
            wire.say(deed(1, "lost"), deed(2, "conflict"), prompt(3, "any", "unknown"))
            lost, conflict, unknown = [(await wire.answer(number))["error"] for number in (1, 2, 3)]
            assert (lost["code"], lost["data"]["sessionId"]) == (-32002, "s77")
            assert (unknown["code"], unknown["data"]["sessionId"]) == (-32002, "unknown")
            assert (conflict["code"], conflict["data"]) == (-32010, {"details": "a turn runs", "reason": "busy"})

    on_loop(work)


@pytest.mark.req("JR-05")
def test_a_handler_may_answer_at_once_later_by_a_future_or_by_a_deferred() -> None:
    async def coroutine() -> Any:
        await asyncio.sleep(0)
        return OK

    def future() -> Any:
        promised: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(promised.set_result, OK)
        return promised

    def deferred() -> Any:
        answer: Deferred[Any] = Deferred()
        asyncio.get_running_loop().call_soon(answer.resolve, OK)
        return answer

    async def both() -> Any:
        return deferred()

    deeds: dict[str, Callable[[], Any]] = {
        "plain": lambda: OK, "encoded": lambda: AUTHENTICATE.encoded({}), "coroutine": coroutine, "future": future,
        "deferred": deferred, "both": both, "task": lambda: asyncio.ensure_future(coroutine()),
    }  # fmt: skip

    async def work() -> None:
        async with serving(deeds) as (_agent, wire):
            wire.say(*(deed(name, name) for name in deeds), *(prompt(f"prompt {name}", name) for name in deeds))
            for name in deeds:
                assert outcome(await wire.answer(name)) == {}, name
                assert outcome(await wire.answer(f"prompt {name}")) == {}, name

    on_loop(work)


@pytest.mark.promise("P1")
def test_a_handler_that_gives_no_result_is_an_error_and_null_is_never_sent() -> None:
    async def nothing() -> Any:
        return None

    async def work() -> None:
        deeds: dict[str, Callable[[], Any]] = {"sync": lambda: None, "async": nothing, "number": lambda: 5}
        async with serving(deeds) as (_agent, wire):
            wire.say(*(deed(name, name) for name in deeds))
            for name in deeds:
                assert outcome(await wire.answer(name)) == -32603

    on_loop(work)


@pytest.mark.promise("P1")
def test_only_the_first_outcome_of_a_deferred_counts() -> None:
    async def work() -> None:
        answer: Deferred[Any] = Deferred()
        async with serving({"one": lambda: answer}) as (_agent, wire):
            wire.say(deed(1, "one"))
            await wire.fence()
            assert not answer.settled
            answer.resolve(OK)
            answer.fail(RpcError(1, "m"))
            answer.resolve(OK)
            await wire.fence()
            assert answer.settled
            assert outcome(await wire.answer(1)) == {}

    on_loop(work)


def test_after_runs_once_behind_the_answer_and_only_if_the_result_was_sent() -> None:
    async def work() -> None:
        calls: list[str] = []
        async with serving() as (agent, wire):

            def announce(name: str) -> Callable[[], None]:
                def after() -> None:
                    calls.append(name)
                    agent.connection.send_frame(b'{"jsonrpc":"2.0","method":"announced"}')

                return after

            later: Deferred[Any] = Deferred(after=announce("later"))
            failed: Deferred[Any] = Deferred(after=announce("failed"))
            failed.fail(RpcError(1, "m"))
            agent.deeds |= {
                "now": lambda: answered(OK, announce("now")), "later": lambda: later, "failed": lambda: failed,
                "unsendable": lambda: answered(AUTHENTICATE.encoded({"n": object()}), announce("unsendable")),
                "huge": lambda: answered(AUTHENTICATE.encoded({"n": "x" * 9_000_000}), announce("huge")),
            }  # fmt: skip
            wire.say(*(deed(name, name) for name in agent.deeds))
            await wire.fence()
            later.resolve(OK)
            await wire.fence()
            assert calls == ["now", "later"]
            order = [body.get("id") or body["method"] for body in wire.heard]
            assert order[:2] == ["now", "announced"]
            assert order[order.index("later") + 1] == "announced"
            assert [outcome(await wire.answer(name)) for name in ("failed", "unsendable", "huge")] == [
                1,
                -32603,
                -32603,
            ]

    on_loop(work)


def _ways() -> dict[str, Callable[[], Any]]:
    async def sleepy() -> Any:
        for _ in range(3):
            await asyncio.sleep(0)
        return OK

    async def stubborn() -> Any:
        try:
            await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            await asyncio.sleep(0)
        return OK

    async def endless() -> Any:
        await asyncio.Event().wait()

    def deferred() -> Any:
        answer: Deferred[Any] = Deferred()
        answer.on_cancel = lambda: answer.fail(RpcError(-32800, "Request cancelled"))
        return answer

    def deaf() -> Any:
        return Deferred()

    async def deferred_late() -> Any:
        await asyncio.sleep(0)
        return deferred()

    ways: dict[str, Callable[[], Any]] = {
        "ok": lambda: OK, "sleepy": sleepy, "stubborn": stubborn, "endless": endless, "deferred": deferred,
        "deaf": deaf, "deferred late": deferred_late,
    }  # fmt: skip
    return ways | raising(asyncio.CancelledError())


@pytest.mark.promise("P1")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_mix_of_requests_withdrawals_and_an_end_answers_each_request_once(data: st.DataObject) -> None:
    ways = list(_ways())
    moves = data.draw(
        st.lists(
            st.tuples(st.just("ask"), st.sampled_from(ways))
            | st.tuples(st.just("prompt"), st.sampled_from(ways))
            | st.tuples(st.sampled_from(["withdraw", "withdraw twice"]), st.integers(0, 12))
            | st.tuples(st.just("cancel"), st.sampled_from(["sleepy", "ok"]))
            | st.tuples(st.just("turn"), st.integers(1, 3)),
            max_size=25,
        )
    )

    async def work() -> None:
        async with serving(_ways(), drain_s=0.02) as (agent, wire):
            count = await _play(moves, agent.deeds, wire)
            await wire.fence()
            agent.connection.end()  # its own end: we hear everything until it closes
            await wire.until_ended()
            answers = [body["id"] for body in wire.heard if isinstance(body["id"], int)]
            assert sorted(answers) == list(range(count))

    on_loop(work)


async def _play(moves: list[tuple[str, Any]], deeds: dict[str, Any], wire: RawEnd) -> int:
    count = 0
    for move, what in moves:
        if move in ("ask", "prompt"):
            wire.say(deed(count, what) if move == "ask" else prompt(count, what))
            count += 1
        elif move.startswith("withdraw"):
            wire.say(*[withdraw(what)] * (2 if move.endswith("twice") else 1))
        elif move == "cancel":
            deeds["cancel"] = (lambda: None) if what == "ok" else (lambda: asyncio.sleep(0.001))
            wire.say(cancel())
        else:
            for _ in range(what):
                await asyncio.sleep(0)
    return count
