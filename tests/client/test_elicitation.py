from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import orjson
import pytest

from agent_server.client import (
    CANCELLED,
    DECLINED,
    ClientServices,
    ElicitationService,
    FormAnswerInvalid,
    FormQuestion,
    UrlVisit,
)
from agent_server.client.elicitation import Answer, host_of
from agent_server.errors import RpcError
from agent_server.protocol.trace import TraceContext
from agent_server.protocol.v1.elicitation import ElicitationAccepted

from .storing import stored, within

PAGE = "https://login.example.com:8443/start?state=secret"
NAMED = {"name": "Ann"}


def services(form: Any = None, url: Any = None) -> ClientServices:
    return ClientServices(elicitation=ElicitationService(form=form, url=url))


def answers(text: str) -> list[Any]:
    return [orjson.loads(part) if part.startswith("{") else part for part in text.split("\n\n")]


@pytest.mark.parametrize(
    ("given", "advertised"),
    [
        (ClientServices(), None),
        (services(), None),
        (services(form=lambda _: DECLINED), {"form": {}}),
        (services(url=lambda _: DECLINED), {"url": {}}),
        (services(form=lambda _: DECLINED, url=lambda _: DECLINED), {"form": {}, "url": {}}),
    ],
)
def test_only_the_ways_of_asking_that_have_a_handler_are_advertised(
    tmp_path: Path, given: ClientServices, advertised: Any
) -> None:
    async def body() -> None:
        async with stored(tmp_path, given) as (_, agent, _):
            assert agent.client.get("elicitation") == advertised

    within(body)


@pytest.mark.spec("N-68")
@pytest.mark.parametrize("mode", ["form", "url", "from_the_future"])
@pytest.mark.parametrize("other", [None, "form", "url"])
def test_a_way_of_asking_that_was_not_advertised_is_invalid(tmp_path: Path, mode: str, other: str | None) -> None:
    asked: list[object] = []

    def handler(question: object) -> Answer:
        asked.append(question)
        return DECLINED

    async def body() -> None:
        given = services(**{other: handler}) if other else None
        async with stored(tmp_path, given) as (remote, agent, _):
            session = await remote.new_session("/tmp")
            wire = {"sessionId": session.id, "message": "m", "mode": mode, "requestedSchema": {}}
            with pytest.raises(RpcError) as caught:
                await agent.ask_raw("elicitation/create", {**wire, "elicitationId": "e", "url": PAGE})
            assert caught.value.code == -32602
            assert mode in caught.value.data["details"]

    if mode != other:
        within(body)
    assert not asked


@pytest.mark.parametrize(
    ("handler", "wire"),
    [
        (lambda question: question.accept(NAMED), {"action": "accept", "content": NAMED}),
        (lambda _: ElicitationAccepted(content={"name": "Bob"}), {"action": "accept", "content": {"name": "Bob"}}),
        (lambda _: DECLINED, {"action": "decline"}),
        (lambda _: CANCELLED, {"action": "cancel"}),
    ],
)
def test_what_the_user_does_about_a_form_is_told(tmp_path: Path, handler: Any, wire: Any) -> None:
    async def asynchronous(question: FormQuestion) -> Answer:
        answer: Answer = handler(question)
        return answer

    async def body() -> None:
        for each in (handler, asynchronous):
            async with stored(tmp_path, services(form=each)) as (remote, _, _):
                session = await remote.new_session("/tmp")
                await session.prompt("form")
                assert answers(session.transcript.text) == [wire]

    within(body)


@pytest.mark.spec("N-71")
def test_a_form_says_who_asks_where_and_in_which_trace(tmp_path: Path) -> None:
    heard: list[FormQuestion] = []

    def form(question: FormQuestion) -> Answer:
        heard.append(question)
        return DECLINED

    async def body() -> None:
        async with stored(tmp_path, services(form=form)) as (remote, _, _):
            session = await remote.new_session("/tmp")
            trace = TraceContext("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
            await session.prompt('form {"properties":{"a":{"type":"string","default":"x"}}}', trace=trace)
            await remote.authenticate("own")
            inside, outside = heard
            assert inside.agent is not None and inside.agent.name == "storing"
            assert inside.session is session and inside.message == "well?"
            assert inside.defaults() == {"a": "x"}
            assert TraceContext.from_meta(inside.request.meta) == trace
            assert outside.session is None and outside.request.request_id == 2

    within(body)


@pytest.mark.spec("N-73")
def test_an_answer_that_does_not_fit_is_the_handlers_to_correct(tmp_path: Path) -> None:
    tries: list[str] = []

    def form(question: FormQuestion) -> Answer:
        for content in ({}, {"name": 5}, {"name": "x", "more": 1}, NAMED):
            try:
                return question.accept(content)  # type: ignore[arg-type]
            except FormAnswerInvalid as error:
                tries.append(str(error))
        return DECLINED

    async def body() -> None:
        async with stored(tmp_path, services(form=form)) as (remote, _, _):
            session = await remote.new_session("/tmp")
            await session.prompt("form")
            assert answers(session.transcript.text) == [{"action": "accept", "content": NAMED}]
            assert tries == ["'name' must be answered", "'name' must be a text", "'more' was not asked for"]

    within(body)


@pytest.mark.spec("N-73")
def test_an_answer_that_does_not_fit_is_never_sent_nor_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def body() -> None:
        wrong = ElicitationAccepted(content={"name": ["hunter2"]})
        async with stored(tmp_path, services(form=lambda _: wrong)) as (remote, _, _):
            session = await remote.new_session("/tmp")
            await session.prompt("form")
            assert session.transcript.text == "error -32603"
        assert "FormAnswerInvalid" in caplog.text
        assert "hunter2" not in caplog.text + repr(wrong)

    within(body)


def test_cancelling_the_turn_withdraws_the_question_and_those_that_come_late(tmp_path: Path) -> None:
    asked = asyncio.Event()
    ended: list[str] = []

    async def form(_question: FormQuestion) -> Answer:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("withdrawn")
        return DECLINED

    async def body() -> None:
        async with stored(tmp_path, services(form=form)) as (remote, agent, _):
            session = await remote.new_session("/tmp")
            turn = asyncio.ensure_future(session.prompt("form"))
            await asked.wait()
            session.cancel()
            late = await agent.elicit(
                {"mode": "form", "message": "late", "sessionId": session.id, "requestedSchema": {}}
            )
            assert late.action == "cancel"
            assert (await turn).stop_reason == "cancelled"
            assert answers(session.transcript.text) == [{"action": "cancel"}]
            assert ended == ["withdrawn"]

    within(body)


@pytest.mark.parametrize("end", ["cancel", "close", "delete"])
def test_a_session_that_was_loaded_in_the_middle_of_a_turn_withdraws_the_questions_of_that_turn(
    tmp_path: Path, end: str
) -> None:
    asked = asyncio.Event()

    async def form(_question: FormQuestion) -> Answer:
        asked.set()
        await asyncio.Event().wait()
        return DECLINED

    async def body() -> None:
        async with stored(tmp_path, services(form=form)) as (remote, _, sent):
            session = await remote.new_session("/tmp")
            turn = asyncio.ensure_future(session.prompt("form"))
            await asked.wait()
            loaded = await remote.load_session(session.id, "/tmp")
            assert sent.answers == []
            if end == "cancel":
                loaded.cancel()
            elif end == "close":
                await loaded.close()
            else:
                await remote.delete_session(session.id)
            await turn
            assert sent.answers == [{"action": "cancel"}]

    within(body)


def test_giving_up_a_prompt_withdraws_its_question(tmp_path: Path) -> None:
    asked = asyncio.Event()

    async def form(_question: FormQuestion) -> Answer:
        asked.set()
        await asyncio.Event().wait()
        return DECLINED

    async def body() -> None:
        async with stored(tmp_path, services(form=form)) as (remote, _, sent):
            session = await remote.new_session("/tmp")
            turn = asyncio.ensure_future(session.prompt("form"))
            await asked.wait()
            turn.cancel()
            await asyncio.wait([turn])
            await session.prompt("say on")
            assert sent.answers == [{"action": "cancel"}]
            assert "$/cancel_request" in sent

    within(body)


@pytest.mark.parametrize("scope", ["session", "request"])
def test_a_question_that_the_agent_withdraws_is_answered_as_cancelled(tmp_path: Path, scope: str) -> None:
    asked = asyncio.Event()

    async def form(_question: FormQuestion) -> Answer:
        asked.set()
        await asyncio.Event().wait()
        return DECLINED

    async def body() -> None:
        async with stored(tmp_path, services(form=form)) as (remote, agent, sent):
            session = await remote.new_session("/tmp")
            where = {"sessionId": session.id} if scope == "session" else {"requestId": 7}
            wire = {"mode": "form", "message": "m", "requestedSchema": {}, **where}
            asking = asyncio.ensure_future(agent.ask_raw("elicitation/create", wire))
            await asked.wait()
            asking.cancel()
            await asyncio.wait([asking])
            await session.prompt("say done")
            assert sent.answers == [{"action": "cancel"}]

    within(body)


@pytest.mark.spec("N-71")
def test_a_page_is_shown_with_its_host_and_the_visit_ends_when_the_agent_says_so(tmp_path: Path) -> None:
    visits: list[UrlVisit] = []

    def url(visit: UrlVisit) -> Answer:
        visits.append(visit)
        return visit.accept()

    async def body() -> None:
        async with stored(tmp_path, services(url=url)) as (remote, agent, _):
            session = await remote.new_session("/tmp")
            await session.prompt(f"url {PAGE}")
            assert answers(session.transcript.text) == [{"action": "accept"}]
            (visit,) = visits
            assert (visit.url, visit.host, visit.secure, visit.session) == (PAGE, "login.example.com", True, session)
            assert visit.agent is not None and visit.agent.name == "storing"
            assert "secret" not in repr(visit)
            waiting = asyncio.ensure_future(visit.completed())
            tell_complete(agent, "somebody else's")
            await session.prompt("say on")
            assert not waiting.done()
            tell_complete(agent, "e1")
            assert await waiting is True
            tell_complete(agent, "e1")
            await session.prompt(f"url {PAGE}")  # the id is free again
            assert len(visits) == 2

    within(body)


def tell_complete(agent: Any, elicitation_id: str) -> None:
    params = {"elicitationId": elicitation_id}
    frame = {"jsonrpc": "2.0", "method": "elicitation/complete", "params": params}
    agent.connection.send_frame(orjson.dumps(frame))


def test_a_handler_that_waits_for_the_end_of_a_visit_hears_it(tmp_path: Path) -> None:
    waiting = asyncio.Event()
    done: list[bool] = []

    async def url(visit: UrlVisit) -> Answer:
        waiting.set()
        done.append(await visit.completed())
        return visit.accept()

    async def body() -> None:
        async with stored(tmp_path, services(url=url)) as (remote, agent, _):
            session = await remote.new_session("/tmp")
            turn = asyncio.ensure_future(session.prompt(f"url {PAGE}"))
            await waiting.wait()
            tell_complete(agent, "e1")
            await turn
            assert done == [True]
            assert answers(session.transcript.text) == [{"action": "accept"}]

    within(body)


@pytest.mark.parametrize("end", ["decline", "close", "close the loaded one", "lost"])
def test_a_visit_that_will_never_be_completed_keeps_nobody_waiting(tmp_path: Path, end: str) -> None:
    visits: list[UrlVisit] = []

    def url(visit: UrlVisit) -> Answer:
        visits.append(visit)
        return DECLINED if end == "decline" else visit.accept()

    async def body() -> None:
        async with stored(tmp_path, services(url=url)) as (remote, agent, _):
            session = await remote.new_session("/tmp")
            await session.prompt(f"url {PAGE}")
            if end == "close":
                await session.close()
            elif end == "close the loaded one":
                await (await remote.load_session(session.id, "/tmp")).close()
            elif end == "lost":
                agent.connection.end()
            assert await visits[0].completed() is False

    within(body)


@pytest.mark.spec("N-72")
def test_two_open_visits_never_share_an_id(tmp_path: Path) -> None:
    async def body() -> None:
        async with stored(tmp_path, services(url=lambda visit: visit.accept())) as (remote, _, _):
            session = await remote.new_session("/tmp")
            await session.prompt(f"url {PAGE}")
            await session.prompt(f"url {PAGE}")
            assert answers(session.transcript.text) == [{"action": "accept"}, "error -32602"]

    within(body)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://example.com", "example.com"),
        ("HTTP://Example.COM:80/x", "example.com"),
        ("http://[::1]:8080/", "::1"),
        ("https://\u0430pple.com/", "xn--pple-43d.com"),
    ],
)
def test_the_host_is_told_in_ascii(url: str, host: str) -> None:
    assert host_of(url) == host


@pytest.mark.spec("N-71", "N-74")
@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "https://",
        "https://user@example.com/",
        "https://good.example:pw@evil.example/",
        "https://evil.example\\@good.example/",
        "https://good.example\n.evil.example/",
        "https://good.example /",
        "https://[::1",
        "https://example.com:99999/",
    ],
)
def test_an_address_that_could_deceive_is_refused(url: str) -> None:
    with pytest.raises(RpcError) as caught:
        host_of(url)
    assert caught.value.code == -32602
    assert url not in caught.value.data["details"] or not url


def test_an_address_that_could_deceive_is_never_shown(tmp_path: Path) -> None:
    shown: list[UrlVisit] = []

    def url(visit: UrlVisit) -> Answer | Awaitable[Answer]:
        shown.append(visit)
        return DECLINED

    async def body() -> None:
        async with stored(tmp_path, services(url=url)) as (remote, _, _):
            session = await remote.new_session("/tmp")
            await session.prompt("url https://good.example@evil.example/")
            assert session.transcript.text == "error -32602"
            assert not shown

    within(body)
