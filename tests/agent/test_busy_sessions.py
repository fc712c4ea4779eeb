from __future__ import annotations

from pathlib import Path

import pytest

from agent_server.conversation.content import TextPart
from agent_server.conversation.events import PromptReceived, PromptWithdrawn
from agent_server.conversation.messages import UserMessage

from .puppets import PuppetModel
from .scripted_client import House, ScriptedClient, in_loop, one_client

pytestmark = pytest.mark.promise("P1")


async def busy(client: ScriptedClient, model: PuppetModel, cwd: Path, waiting: int) -> tuple[str, int, list[int]]:
    """A session with one running prompt and some that wait: its id and theirs."""
    session_id = await client.new_session(str(cwd))
    running = client.prompt(session_id, "running")
    await model.asked(1)
    return session_id, running, [client.prompt(session_id, f"waiting {n}") for n in range(waiting)]


async def settled(client: ScriptedClient, session_id: str) -> None:
    """Everything sent so far has been handled."""
    await client.call("session/set_mode", sessionId=session_id, modeId="ask")


def answered_once(client: ScriptedClient, *prompts: int) -> bool:
    return all(len(client.answers_to(prompt)) == 1 for prompt in prompts)


def withdrawn(house: House, session_id: str) -> int:
    return sum(isinstance(event, PromptWithdrawn) for _, event in house.store.read(session_id))


@pytest.mark.spec("D-30", "D-34")
@pytest.mark.req("TN-01")
@in_loop
async def test_prompts_that_come_while_another_runs_wait_and_run_in_order(tmp_path: Path) -> None:
    model = PuppetModel()
    async with one_client(model) as (client, house):
        session_id, running, waiting = await busy(client, model, tmp_path, 2)
        await settled(client, session_id)
        assert house.session(session_id).snapshot().queued_prompts == 2
        for number, prompt in enumerate((running, *waiting), 1):
            await model.asked(number)
            assert client.answers_to(prompt) == []
            model.finish(number, f"answer {number}")
            assert await client.stop_reason(prompt) == "end_turn"
        said = [message for message in model.seen[-1] if isinstance(message, UserMessage)]
        assert said == [UserMessage((TextPart(t),)) for t in ("running", "waiting 0", "waiting 1")]
        assert answered_once(client, running, *waiting)


@pytest.mark.spec("D-31", "D-30")
@pytest.mark.req("TN-08", "SM-13")
@pytest.mark.promise("P8")
@in_loop
async def test_a_cancel_answers_the_running_and_every_waiting_prompt(tmp_path: Path) -> None:
    model = PuppetModel()
    async with one_client(model) as (client, house):
        session_id, running, waiting = await busy(client, model, tmp_path, 3)
        client.cancel(session_id)
        for prompt in (running, *waiting):
            assert await client.stop_reason(prompt) == "cancelled"
        assert withdrawn(house, session_id) == 3
        again = client.prompt(session_id, "again")
        await model.asked(2)
        assert [m.parts for m in model.seen[1] if isinstance(m, UserMessage)] == [
            (TextPart("running"),),
            (TextPart("again"),),
        ]
        model.finish(2)
        assert await client.stop_reason(again) == "end_turn"
        assert answered_once(client, running, *waiting, again)


@pytest.mark.spec("D-35", "N-55")
@pytest.mark.req("JR-18")
@in_loop
async def test_withdrawing_the_running_prompt_cancels_it_and_the_next_one_runs(tmp_path: Path) -> None:
    model = PuppetModel()
    async with one_client(model) as (client, _):
        _, running, (waiting,) = await busy(client, model, tmp_path, 1)
        client.notify("$/cancel_request", requestId=running)
        assert await client.stop_reason(running) == "cancelled"
        await model.asked(2)
        model.finish(2)
        assert await client.stop_reason(waiting) == "end_turn"
        assert answered_once(client, running, waiting)


@pytest.mark.spec("D-36", "N-55")
@pytest.mark.req("JR-18")
@in_loop
async def test_withdrawing_a_waiting_prompt_removes_it_and_the_others_run(tmp_path: Path) -> None:
    model = PuppetModel()
    async with one_client(model) as (client, house):
        session_id, running, (one, two) = await busy(client, model, tmp_path, 2)
        client.notify("$/cancel_request", requestId=one)
        frame = await client.answer(one)
        assert frame["error"]["code"] == -32800
        assert client.answers_to(running) == []
        assert withdrawn(house, session_id) == 1
        model.finish(1)
        await model.asked(2)
        model.finish(2)
        assert await client.stop_reason(two) == "end_turn"
        assert answered_once(client, running, one, two)
        assert UserMessage((TextPart("waiting 0"),)) not in model.seen[-1]


@pytest.mark.req("JR-18")
@in_loop
async def test_withdrawing_a_prompt_that_is_about_to_start_cancels_it(tmp_path: Path) -> None:
    model = PuppetModel()
    async with one_client(model) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        prompt = client.made("session/prompt", sessionId=session_id, prompt=[{"type": "text", "text": "x"}])
        client.send(prompt, {"method": "$/cancel_request", "params": {"requestId": prompt["id"]}})
        assert await client.stop_reason(prompt["id"]) == "cancelled"
        assert model.seen == []
        again = client.prompt(session_id)
        await model.asked(1)
        model.finish(1)
        assert await client.stop_reason(again) == "end_turn"


@pytest.mark.req("JR-18")
@in_loop
async def test_withdrawing_what_was_answered_or_never_asked_is_silent(tmp_path: Path) -> None:
    model = PuppetModel()
    async with one_client(model) as (client, _):
        session_id, running, _ = await busy(client, model, tmp_path, 0)
        model.finish(1)
        await client.answer(running)
        count = len(client.frames)
        for request_id in (running, 10_000, "x", None):
            client.notify("$/cancel_request", requestId=request_id)
        await settled(client, session_id)
        assert len(client.frames) == count + 1


@pytest.mark.req("JR-18", "SM-20")
@in_loop
async def test_other_requests_of_a_busy_session_are_answered_at_once(tmp_path: Path) -> None:
    model = PuppetModel()
    async with one_client(model) as (client, house):
        session_id, running, _ = await busy(client, model, tmp_path, 1)
        await settled(client, session_id)
        result = await client.answer(client.set_option(session_id, "model", "large"))
        assert "result" in result
        assert client.answers_to(running) == []
        assert house.session(session_id).snapshot().turn_active


@pytest.mark.req("TN-01")
@in_loop
async def test_only_the_log_knows_of_a_prompt_that_waits(tmp_path: Path) -> None:
    model = PuppetModel()
    async with one_client(model) as (client, house):
        session_id, _, _ = await busy(client, model, tmp_path, 1)
        await settled(client, session_id)
        received = [e.parts for _, e in house.store.read(session_id) if isinstance(e, PromptReceived)]
        assert received == [(TextPart("running"),), (TextPart("waiting 0"),)]
        assert len(house.session(session_id).log.context.messages) == 1
