"""Requests in orders that nobody planned for: every request is answered once, and the session is what it was."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agent_server.providers.provider import Finished

from .puppets import PuppetModel, PuppetTool, forever, say, wants
from .scripted_client import SILENCE, Frame, House, ScriptedClient, choose, house, in_loop, one_client

ASK = "session/request_permission"


def setup(session_id: str, cwd: Path) -> Frame:
    return {"sessionId": session_id, "cwd": str(cwd), "mcpServers": []}


@asynccontextmanager
async def talking(cwd: Path) -> AsyncIterator[tuple[ScriptedClient, House, PuppetModel, str, int]]:
    """A session in the middle of an answer, and the id of its prompt."""
    model = PuppetModel()
    async with one_client(model) as (client, made):
        session_id = await client.new_session(str(cwd))
        prompt = client.prompt(session_id)
        await model.asked(1)
        model.say(1, "one ")
        await client.until(lambda: client.text(session_id) == "one ")
        yield client, made, model, session_id, prompt


def order_of(client: ScriptedClient, *request_ids: int) -> list[int]:
    """Where in the stream these requests were answered; each must have been, once."""
    for request_id in request_ids:
        assert len(client.answers_to(request_id)) == 1
    return [client.position(lambda f, i=i: f.get("id") == i and "method" not in f) for i in request_ids]  # type: ignore[misc]


def long_history(made: House, session_id: str, notes: int = 2000) -> None:
    """Let the session have a history that takes several pages to tell."""
    log = made.session(session_id).log
    for number in range(notes):
        log.begin_message("agent", made.session(session_id).next_entry_id())
        log.delta(f"note {number}\n")
        log.flush()


@pytest.mark.req("JR-22")
@in_loop
async def test_a_load_while_prompting_tells_all_and_the_prompt_ends_behind_it(tmp_path: Path) -> None:
    async with talking(tmp_path) as (client, _, model, session_id, prompt):
        before = len(client.frames)
        load = client.request("session/load", **setup(session_id, tmp_path))
        await client.answer(load)
        model.finish(1, "two")
        assert await client.stop_reason(prompt) == "end_turn"
        chunks = [f["params"]["update"] for f in client.frames[before:] if f.get("method") == "session/update"]
        said = [chunk for chunk in chunks if chunk["sessionUpdate"] == "agent_message_chunk"]
        assert "".join(chunk["content"]["text"] for chunk in said) == "one two"
        assert len({chunk["messageId"] for chunk in said}) == 1
        assert order_of(client, load, prompt) == sorted(order_of(client, load, prompt))


@in_loop
async def test_two_loads_in_one_write_tell_all_twice_each_before_its_answer(tmp_path: Path) -> None:
    async with talking(tmp_path) as (client, _, model, session_id, prompt):
        frames = [client.made("session/load", **setup(session_id, tmp_path)) for _ in range(2)]
        before = len(client.frames)
        client.send(*frames)
        for frame in frames:
            assert "result" in await client.answer(frame["id"])
        told = [
            "answer" if "id" in f else f["params"]["update"]["sessionUpdate"]
            for f in client.frames[before:]
            if "id" in f or f["params"]["update"]["sessionUpdate"] == "agent_message_chunk"
        ]
        assert told == ["agent_message_chunk", "answer"] * 2
        model.finish(1)
        assert await client.stop_reason(prompt) == "end_turn"


@in_loop
async def test_a_resume_and_a_prompt_in_one_write_are_both_answered(tmp_path: Path) -> None:
    async with house(forever(say("hi"))) as made:
        first = await made.connect()
        session_id = await first.new_session(str(tmp_path))
        assert await first.run(session_id) == "end_turn"
        first.hang_up()
        await made.agents[0]
        second = await made.connect()
        resume = second.made("session/resume", **setup(session_id, tmp_path))
        prompt = second.made("session/prompt", sessionId=session_id, prompt=[{"type": "text", "text": "go"}])
        second.send(resume, prompt)
        assert await second.stop_reason(prompt["id"]) == "end_turn"
        assert second.text(session_id) == "hi"
        order = order_of(second, resume["id"], prompt["id"])
        assert order == sorted(order)


@pytest.mark.parametrize("method", ["session/close", "session/delete"])
@in_loop
async def test_an_end_right_behind_a_load_waits_for_it(tmp_path: Path, method: str) -> None:
    async with talking(tmp_path) as (client, made, _, session_id, prompt):
        load = client.made("session/load", **setup(session_id, tmp_path))
        end = client.made(method, sessionId=session_id)
        client.send(load, end)
        assert (await client.answer(end["id"]))["result"] == {}
        assert await client.stop_reason(prompt) == "cancelled"
        order = order_of(client, load["id"], prompt, end["id"])
        assert order == sorted(order)
        assert made.supervisor.live() == []
        assert (await client.refused("session/prompt", sessionId=session_id, prompt=[]))["code"] in (-32002, -32602)


@in_loop
async def test_a_cancel_right_behind_a_load_cancels_what_runs(tmp_path: Path) -> None:
    async with talking(tmp_path) as (client, _, _model, session_id, prompt):
        load = client.made("session/load", **setup(session_id, tmp_path))
        client.send(load, {"method": "session/cancel", "params": {"sessionId": session_id}})
        assert "result" in await client.answer(load["id"])
        assert await client.stop_reason(prompt) == "cancelled"


@pytest.mark.parametrize("method", ["session/load", "session/resume"])
@in_loop
async def test_a_load_that_is_withdrawn_leaves_the_client_where_it_was(tmp_path: Path, method: str) -> None:
    async with talking(tmp_path) as (client, made, model, session_id, prompt):
        long_history(made, session_id)
        load = client.made(method, **setup(session_id, tmp_path))
        client.send(load, {"method": "$/cancel_request", "params": {"requestId": load["id"]}})
        await client.answer(load["id"])
        model.finish(1, "two")
        assert await client.stop_reason(prompt) == "end_turn"
        again = client.prompt(session_id)
        await model.asked(2)
        model.finish(2, "three")
        assert await client.stop_reason(again) == "end_turn"
        assert client.text(session_id).endswith("three")


@in_loop
async def test_a_first_load_that_is_withdrawn_gives_no_session_and_a_later_one_does(tmp_path: Path) -> None:
    async with house(forever(say("hi"))) as made:
        first = await made.connect()
        session_id = await first.new_session(str(tmp_path))
        long_history(made, session_id)
        first.hang_up()
        await made.agents[0]
        second = await made.connect()
        load = second.made("session/load", **setup(session_id, tmp_path))
        second.send(load, {"method": "$/cancel_request", "params": {"requestId": load["id"]}})
        assert (await second.answer(load["id"]))["error"]["code"] == -32800
        text = [{"type": "text", "text": "go"}]
        assert (await second.refused("session/prompt", sessionId=session_id, prompt=text))["code"] == -32002
        third = await made.connect()
        await third.call("session/load", **setup(session_id, tmp_path))
        assert await third.run(session_id) == "end_turn"
        assert third.text(session_id).endswith("hi")


@pytest.mark.parametrize("ender", ["_agent_server/session/stop", "session/delete"])
@in_loop
async def test_a_session_that_ends_while_it_is_told_answers_its_prompt_and_fails_the_load(
    tmp_path: Path, ender: str
) -> None:
    async with talking(tmp_path) as (client, made, _, session_id, prompt):
        other = await made.connect()
        long_history(made, session_id)
        seen = len(client.frames)
        load = client.request("session/load", **setup(session_id, tmp_path))
        await client.until(lambda: len(client.frames) > seen)
        end = other.request(ender, sessionId=session_id)
        assert (await other.answer(end))["result"] == {}
        assert await client.stop_reason(prompt) == "cancelled"
        error = (await client.answer(load)).get("error")
        assert error is None or error["code"] == -32002


@in_loop
async def test_a_load_that_fails_leaves_a_running_prompt_and_its_stream_alone(tmp_path: Path) -> None:
    async with talking(tmp_path) as (client, _, model, session_id, prompt):
        (tmp_path / "elsewhere").mkdir()
        for method in ("session/load", "session/resume"):
            error = await client.refused(method, **setup(session_id, tmp_path / "elsewhere"))
            assert error["code"] == -32602
        model.finish(1, "two")
        assert await client.stop_reason(prompt) == "end_turn"
        assert client.text(session_id) == "one two"


@in_loop
async def test_what_is_streamed_around_a_resume_arrives_once(tmp_path: Path) -> None:
    model = PuppetModel()
    async with one_client(model) as (client, made):
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id)
        await model.asked(1)
        words = [f"{number} " for number in range(200)]
        resumes = []
        for number, word in enumerate(words):
            if number % 5 == 0:
                resumes.append(client.request("session/resume", **setup(session_id, tmp_path)))
            if number % 3 == 0:
                await asyncio.sleep(0)
            model.say(1, word)
        model.finish(1)
        assert await client.stop_reason(prompt) == "end_turn"
        for resume in resumes:
            assert "result" in await client.answer(resume)
        assert client.text(session_id) == "".join(words)
        assert made.session(session_id).turn_active is False


@in_loop
async def test_a_load_with_an_open_permission_keeps_the_question_and_its_answer_counts(tmp_path: Path) -> None:
    model, tool = PuppetModel(), PuppetTool(changes=True)
    async with one_client(model, tools=[tool]) as (client, made):
        client.answers[ASK] = SILENCE
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id)
        await model.asked(1)
        model.say(1, wants("puppet"), Finished("tool_use"))
        question = await client.asked(ASK)
        before = len(client.frames)
        await client.call("session/load", **setup(session_id, tmp_path))
        (call,) = [
            f["params"]["update"]
            for f in client.frames[before:]
            if f.get("method") == "session/update" and f["params"]["update"]["sessionUpdate"] == "tool_call"
        ]
        assert call["status"] == "pending"
        assert made.session(session_id).snapshot().waiting_for_user
        client.respond(question["id"], choose("approve"))
        await model.asked(2)
        model.finish(2)
        assert await client.stop_reason(prompt) == "end_turn"
        assert tool.runs == 1
        assert len(client.requests(ASK)) == 1


@pytest.mark.parametrize("method", ["session/load", "session/resume"])
@in_loop
async def test_of_two_clients_that_race_for_a_session_one_gets_it_and_the_other_is_told(
    tmp_path: Path, method: str
) -> None:
    async with house(forever(say("hi"))) as made:
        first = await made.connect()
        session_id = await first.new_session(str(tmp_path))
        long_history(made, session_id)
        await first.call("session/close", sessionId=session_id)
        racers = [first, await made.connect()]
        requests = [racer.request(method, **setup(session_id, tmp_path)) for racer in racers]
        answers = [await racer.answer(request) for racer, request in zip(racers, requests, strict=True)]
        (refusal,) = [answer["error"] for answer in answers if "error" in answer]
        assert (refusal["code"], refusal["data"]["reason"]) == (-32010, "driver_taken")
        winner = racers["error" in answers[0]]
        assert await winner.run(session_id) == "end_turn"
        winner.hang_up()
        loser = racers["error" in answers[1] or 0] if winner is not racers[0] else racers[1]
        await made.agents[racers.index(winner)]
        await loser.call(method, **setup(session_id, tmp_path))
        assert await loser.run(session_id) == "end_turn"


@pytest.mark.req("SM-35")
@in_loop
async def test_lists_are_answered_and_true_while_200_sessions_come_and_go(tmp_path: Path) -> None:
    async with one_client(forever(say("hi"))) as (client, made):
        kept: list[str] = []
        pages: list[int] = []
        deletions: list[int] = []
        for number in range(200):
            session_id = await client.new_session(str(tmp_path))
            pages.append(client.request("session/list"))
            if number % 2:
                deletions.append(client.request("session/delete", sessionId=session_id))
            else:
                kept.append(session_id)
        for page in pages:
            result = (await client.answer(page))["result"]
            ids = [entry["sessionId"] for entry in result["sessions"]]
            assert len(ids) == len(set(ids)) <= 50
        for deletion in deletions:
            await client.answer(deletion)
        found: list[str] = []
        cursor: dict[str, Any] = {}
        while True:
            result = await client.call("session/list", **cursor)
            found += [entry["sessionId"] for entry in result["sessions"]]
            if "nextCursor" not in result:
                break
            cursor = {"cursor": result["nextCursor"]}
        assert sorted(found) == sorted(kept)
        assert [session.id for session in made.supervisor.live()] == kept


@in_loop
async def test_prompts_behind_a_close_and_a_load_meet_the_new_instance(tmp_path: Path) -> None:
    async with talking(tmp_path) as (client, _, model, session_id, prompt):
        close = client.made("session/close", sessionId=session_id)
        load = client.made("session/load", **setup(session_id, tmp_path))
        again = client.made("session/prompt", sessionId=session_id, prompt=[{"type": "text", "text": "again"}])
        client.send(close, load, again)
        assert await client.stop_reason(prompt) == "cancelled"
        assert "result" in await client.answer(load["id"])
        await model.asked(2)
        model.finish(2, "yes")
        assert await client.stop_reason(again["id"]) == "end_turn"
        assert client.text(session_id).endswith("yes")


@in_loop
async def test_a_client_that_goes_during_a_load_leaves_the_seat_free(tmp_path: Path) -> None:
    async with house(forever(say("hi"))) as made:
        first = await made.connect()
        session_id = await first.new_session(str(tmp_path))
        long_history(made, session_id)
        first.request("session/load", **setup(session_id, tmp_path))
        first.hang_up()
        await made.agents[0]
        second = await made.connect()
        await second.call("session/load", **setup(session_id, tmp_path))
        assert await second.run(session_id) == "end_turn"


@pytest.mark.promise("P9")
@in_loop
async def test_the_end_of_a_client_cancels_its_own_prompts_and_not_those_of_who_came_after_it(tmp_path: Path) -> None:
    model = PuppetModel()
    async with house(model) as made:
        first = await made.connect()
        session_id = await first.new_session(str(tmp_path))
        first.prompt(session_id)
        await model.asked(1)
        second = await made.connect()
        first.hang_up()
        await second.call("session/load", **setup(session_id, tmp_path))
        prompt = second.prompt(session_id)
        await made.agents[0]
        await model.asked(2)
        model.finish(2, "yours")
        assert await second.stop_reason(prompt) == "end_turn"
        assert second.text(session_id).endswith("yours")


@in_loop
async def test_a_client_that_comes_while_the_dead_one_is_still_asked_sees_the_call_end(tmp_path: Path) -> None:
    model, tool = PuppetModel(), PuppetTool(changes=True)
    async with house(model, tools=[tool]) as made:
        first = await made.connect()
        first.answers[ASK] = SILENCE
        session_id = await first.new_session(str(tmp_path))
        first.prompt(session_id)
        await model.asked(1)
        model.say(1, wants("puppet"), Finished("tool_use"))
        await first.asked(ASK)
        second = await made.connect()
        refusal = await second.refused("session/load", **setup(session_id, tmp_path))
        assert (refusal["code"], refusal["data"]["reason"]) == (-32010, "driver_taken")
        first.hang_up()
        await made.agents[0]
        await second.call("session/load", **setup(session_id, tmp_path))
        (call,) = second.updates(session_id, sessionUpdate="tool_call")
        assert call["status"] == "failed"
        assert tool.runs == 0
        prompt = second.prompt(session_id)
        await model.asked(len(model.seen) + 1)
        model.finish(len(model.seen), "again")
        assert await second.stop_reason(prompt) == "end_turn"


@pytest.mark.req("JR-22", "AP-01")
@in_loop
async def test_a_permission_that_is_wanted_while_the_client_is_told_the_history_is_asked_for_all_the_same(
    tmp_path: Path,
) -> None:
    model, tool = PuppetModel(), PuppetTool("change", changes=True)
    async with one_client(model, tools=[tool]) as (client, made):
        session_id = await client.new_session(str(tmp_path))
        long_history(made, session_id, 10_000)
        client.answers[ASK] = choose("approve")
        prompt = client.prompt(session_id)
        await model.asked(1)
        before = len(client.frames)
        load = client.request("session/load", **setup(session_id, tmp_path))
        await client.until(lambda: len(client.frames) > before)
        model.say(1, wants("change"), Finished("tool_use"))
        await model.asked(2)
        model.finish(2, "done")
        assert await client.stop_reason(prompt) == "end_turn"
        told = client.frames[before:]
        asked = next(index for index, frame in enumerate(told) if frame.get("method") == ASK)
        answered = next(index for index, frame in enumerate(told) if frame.get("id") == load)
        assert asked < answered, "else this shows nothing: the question was to come in the middle of the history"
        (call,) = client.updates(session_id, sessionUpdate="tool_call", toolCallId="call_1")[-1:]
        ended = [u for u in client.updates(session_id, toolCallId="call_1") if u.get("status") == "completed"]
        assert ended and call["title"] == "Use change"
