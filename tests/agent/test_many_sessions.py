from __future__ import annotations

from pathlib import Path

import pytest

from agent_server.providers.provider import Finished
from agent_server.tools.ports import ToolContext
from agent_server.tools.tool import ToolResult

from .puppets import PuppetModel, PuppetTool, forever, say, wants
from .scripted_client import House, ScriptedClient, in_loop, one_client


def all_answered_once(client: ScriptedClient, requests: list[int]) -> bool:
    return all(len(client.answers_to(request)) == 1 for request in requests)


@pytest.mark.req("JR-22", "JR-01")
@pytest.mark.promise("P1")
@in_loop
async def test_ten_sessions_with_several_prompts_each_do_not_mix(tmp_path: Path) -> None:
    async with one_client(forever(say("one two three", chunk_chars=3))) as (client, _):
        ids = [await client.new_session(str(tmp_path)) for _ in range(10)]
        prompts = [client.prompt(session_id, f"{n}") for n in range(5) for session_id in ids]
        for prompt in prompts:
            assert await client.stop_reason(prompt) == "end_turn"
        assert all_answered_once(client, prompts)
        assert [client.text(session_id) for session_id in ids] == ["one two three" * 5] * 10


@pytest.mark.req("JR-22")
@pytest.mark.promise("P1")
@in_loop
async def test_a_thousand_quick_messages_are_all_answered(tmp_path: Path) -> None:
    async with one_client(forever(say("hi"))) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        made = [
            client.made("session/set_mode", sessionId=session_id, modeId="plan" if n % 2 else "ask")
            if n % 4
            else client.made("session/prompt", sessionId=session_id, prompt=[{"type": "text", "text": str(n)}])
            for n in range(1000)
        ]
        client.send(*made)
        for request in made:
            assert "result" in await client.answer(request["id"])
        assert all_answered_once(client, [request["id"] for request in made])
        assert client.text(session_id) == "hi" * 250


async def started(client: ScriptedClient, model: PuppetModel, cwd: Path, count: int) -> tuple[list[str], list[int]]:
    ids = [await client.new_session(str(cwd)) for _ in range(count)]
    prompts = [client.prompt(session_id, session_id) for session_id in ids]
    await model.asked(count)
    return ids, prompts


def status_of_all(house: House) -> set[str]:
    return {session.snapshot().status for session in house.supervisor.live()}


@pytest.mark.req("JR-22", "SM-20", "SM-24")
@pytest.mark.promise("P4", "P5")
@in_loop
async def test_a_hundred_sessions_at_once_are_not_delayed_by_a_slow_and_a_breaking_one(tmp_path: Path) -> None:
    async def breaks(context: ToolContext) -> ToolResult:
        raise MemoryError

    slow, bad, model = PuppetTool("slow", waits=True), PuppetTool("bad", body=breaks), PuppetModel()
    async with one_client(model, tools=[slow, bad]) as (client, house):
        ids, prompts = await started(client, model, tmp_path, 100)
        assert status_of_all(house) == {"thinking"}
        model.say(1, wants("slow"), Finished("tool_use"))
        model.say(2, wants("bad"), Finished("tool_use"))
        model.say(3, RuntimeError("the model breaks"))
        await slow.begun.wait()
        await model.asked(101)
        for number in range(4, 101):
            model.finish(number, f"answer {number}")
        for prompt in prompts[3:]:
            assert await client.stop_reason(prompt) == "end_turn"
        assert "error" in await client.answer(prompts[2])
        assert client.answers_to(prompts[0]) == []
        listed = house.supervisor.live()
        assert [session.id for session in listed] == ids
        assert listed[0].snapshot().active_tool_name == "slow"
        slow.go.set()
        model.finish(101)
        assert await client.stop_reason(prompts[1]) == "end_turn"
        await model.asked(102)
        model.finish(102)
        assert await client.stop_reason(prompts[0]) == "end_turn"
        assert all_answered_once(client, prompts)
        texts = [client.text(session_id) for session_id in ids]
        assert texts == ["", "", ""] + [f"answer {number}" for number in range(4, 101)]


@pytest.mark.req("SM-27", "SM-22")
@in_loop
async def test_the_registry_stays_right_while_sessions_come_and_go(tmp_path: Path) -> None:
    async with one_client(forever(say("hi"))) as (client, house):
        living: list[str] = []
        for n in range(100):
            living.append(await client.new_session(str(tmp_path)))
            if n % 3 == 2:
                gone = living.pop(n % len(living))
                await client.call("session/close", sessionId=gone)
            assert [session.id for session in house.supervisor.live()] == living
            assert [house.session(name).id for name in living] == living
        aliases = [session.alias for session in house.supervisor.live()]
        assert len(set(aliases)) == len(aliases)


@pytest.mark.req("SM-20", "JR-22")
@in_loop
async def test_two_clients_of_one_process_see_only_their_own_sessions(tmp_path: Path) -> None:
    async with one_client(forever(say("hi"))) as (one, house):
        two = await house.connect()
        mine, theirs = await one.new_session(str(tmp_path)), await two.new_session(str(tmp_path))
        prompts = one.prompt(mine), two.prompt(theirs)
        assert await one.stop_reason(prompts[0]) == await two.stop_reason(prompts[1]) == "end_turn"
        assert one.updates(theirs) == two.updates(mine) == []
        one.hang_up()
        assert await two.run(theirs) == "end_turn"
