"""Choosing models and levels of reasoning, what calls use and cost, and the limits on that, as a client sees them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent_server.agent.features import Features
from agent_server.conversation.messages import AssistantMessage, ToolResultMessage, UserMessage
from agent_server.conversation.reasoning import ReasoningState
from agent_server.errors import ProviderError
from agent_server.providers.provider import (
    Command,
    Finished,
    Provider,
    RetryPlanned,
    ToolCallBegun,
    ToolCallRequested,
    Usage,
    UsageSoFar,
)
from agent_server.sessions.spec import Limits
from tests.agent.puppets import PuppetTool, wants
from tests.agent.scripted_client import Frame, ScriptedClient, house, in_loop, one_client
from tests.agent.several_models import NOTICES, OTHER, OURS, SMALL, THINKER, Choice, made, options, turn

# Choosing


@pytest.mark.req("MO-02")
@in_loop
async def test_another_model_answers_the_next_request_with_all_that_was_said(tmp_path: Path) -> None:
    model = Choice()
    async with one_client(model) as (client, _):
        told = await client.call("session/new", cwd=str(tmp_path), mcpServers=[])
        groups = options(told)["model"]["options"]
        assert [(group["group"], [one["value"] for one in group["options"]]) for group in groups] == [
            ("a", ["a:small"]),
            ("b", ["b:thinker", "b:other"]),
        ]
        assert "thought_level" not in options(told)
        session_id = told["sessionId"]
        await turn(client, model, session_id, "first answer")
        changed = (await client.answer(client.set_option(session_id, "model", "b:thinker")))["result"]
        assert options(changed)["model"]["currentValue"] == "b:thinker"
        assert options(changed)["thought_level"]["currentValue"] == "medium"
        update = await client.seen(sessionUpdate="config_option_update")
        assert update["configOptions"] == changed["configOptions"]
        await turn(client, model, session_id, "second answer")
        assert model.asked_with == [("a:small", None), ("b:thinker", None)]
        assert "first answer" in [message.text for message in model.seen[1] if isinstance(message, AssistantMessage)]
        refused = await client.refused("session/set_config_option", sessionId=session_id, configId="model", value="x:y")
        assert refused["code"] == -32602


@pytest.mark.req("MO-04", "MO-05", "MO-06", "MO-07")
@in_loop
async def test_a_level_of_reasoning_is_sent_with_each_request_and_cycles_through_off(tmp_path: Path) -> None:
    model = Choice(THINKER, SMALL)
    async with one_client(model, capabilities=OURS) as (client, _):
        told = await made(client, tmp_path, thoughtLevel="high")
        assert options(told)["thought_level"]["currentValue"] == "high"
        session_id = told["sessionId"]
        await turn(client, model, session_id, "hm")
        seen = [
            (await client.call("_agent_server/thinking/cycle", sessionId=session_id))["thoughtLevel"] for _ in range(4)
        ]
        assert seen == ["off", "low", "medium", "high"]
        await client.answer(client.set_option(session_id, "thought_level", "low"))
        await turn(client, model, session_id, "hm")
        assert model.asked_with == [("b:thinker", "high"), ("b:thinker", "low")]
        huge = await client.refused(
            "session/set_config_option", sessionId=session_id, configId="thought_level", value="huge"
        )
        assert huge["code"] == -32602
        await client.answer(client.set_option(session_id, "model", "a:small"))
        assert (await client.refused("_agent_server/thinking/cycle", sessionId=session_id))["data"]["reason"] == (
            "not_supported"
        )
        await turn(client, model, session_id, "hm")
        assert model.asked_with[-1] == ("a:small", None)  # it knows no levels


@in_loop
async def test_the_level_of_reasoning_is_there_again_when_the_session_is_loaded(tmp_path: Path) -> None:
    model = Choice(THINKER)
    async with house(model) as made_here:
        client = await made_here.connect()
        session_id = await client.new_session(str(tmp_path))
        await client.answer(client.set_option(session_id, "thought_level", "off"))
        await client.call("session/close", sessionId=session_id)
        told = await client.call("session/load", sessionId=session_id, cwd=str(tmp_path), mcpServers=[])
        assert options(told)["thought_level"]["currentValue"] == "off"


@pytest.mark.req("MO-03")
@in_loop
async def test_cycling_goes_through_the_rotation_and_says_where_it_is(tmp_path: Path) -> None:
    model = Choice()
    async with house(model) as made_here:
        made_here.service._rotation = (("b:thinker", "high"), ("gone:model", None), ("a:small", None))
        client = await made_here.connect(OURS)
        session_id = await client.new_session(str(tmp_path))

        async def cycled() -> Frame:
            told: Frame = await client.call("_agent_server/model/cycle", sessionId=session_id)
            return told

        assert await cycled() == {"model": "b:thinker", "index": 1, "total": 2, "thoughtLevel": "high"}
        assert await cycled() == {"model": "a:small", "index": 2, "total": 2}
        assert (await cycled())["index"] == 1
        update = client.updates(session_id, sessionUpdate="config_option_update")[-1]
        assert options(update)["model"]["currentValue"] == "b:thinker"
        info = await client.call("_agent_server/session/info", sessionId=session_id)
        assert info["model"] == "b:thinker"


@pytest.mark.req("MO-01")
@in_loop
async def test_the_list_of_models_says_what_is_known_of_each(tmp_path: Path) -> None:
    async with one_client(Choice(), capabilities=OURS) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        small, thinker, other = (await client.call("_agent_server/models/list", sessionId=session_id))["models"]
        price = {"inputUsd": 2.0, "outputUsd": 10.0, "cachedReadUsd": 0.2, "cachedWriteUsd": 2.5}
        assert small == {
            "id": "a:small",
            "name": "Small",
            "provider": "a",
            "windowTokens": 1000,
            "price": price,
            "thoughtLevels": [],
            "current": True,
        }
        assert thinker["thoughtLevels"] == ["off", "low", "medium", "high"] and not thinker["current"]
        assert "price" not in other and "windowTokens" not in other


@in_loop
async def test_who_chose_no_model_gets_the_one_that_turns_up_and_who_chose_keeps_it(tmp_path: Path) -> None:
    model = Choice(OTHER)
    async with one_client(model) as (client, _):
        waiting = await client.new_session(str(tmp_path))
        answered = await client.new_session(str(tmp_path))
        await turn(client, model, answered, "hello")
        model.offer(THINKER, OTHER)
        for session_id, current in ((waiting, "b:thinker"), (answered, "b:other")):
            update = await client.seen(session_id=session_id, sessionUpdate="config_option_update")
            assert options(client.updates(session_id, sessionUpdate="config_option_update")[-1])["model"][
                "currentValue"
            ] == current, update
        await turn(client, model, waiting, "hello")
        assert model.asked_with == [("b:other", None), ("b:thinker", None)]


@in_loop
async def test_a_model_that_is_offered_no_more_stays_the_current_one_in_the_options(tmp_path: Path) -> None:
    model = Choice(OTHER, THINKER)
    async with one_client(model) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        await turn(client, model, session_id, "hello")
        model.offer(THINKER)
        await client.seen(sessionUpdate="config_option_update")
        option = options(client.updates(session_id, sessionUpdate="config_option_update")[-1])["model"]
        assert option["currentValue"] == "b:other"
        assert [one["value"] for one in option["options"]] == ["b:thinker", "b:other"]


@in_loop
async def test_slash_commands_of_the_server_are_answered_without_the_model_and_never_told_to_it(tmp_path: Path) -> None:
    model = Choice()
    async with one_client(model) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        commands = (await client.seen(sessionUpdate="available_commands_update"))["availableCommands"]
        assert [command["name"] for command in commands] == ["model", "thinking", "usage", "continue"]
        for text, said in (
            ("/model", "a:small (current)"),
            ("/thinking", "cannot be chosen"),
            ("/model thinker", "The model is now b:thinker"),
            ("/thinking high", "at the level high"),
            ("/thinking huge", "The levels are off, low, medium, high"),
            ("/model nothing-like-it", "There is no such model"),
            ("/model next", "No rotation of models is configured."),
            ("/usage", "model calls: 0"),
            ("/continue", "There is nothing to continue"),
        ):
            before = len(client.text(session_id))
            assert await client.run(session_id, text) == "end_turn"
            assert said in client.text(session_id)[before:]
        await turn(client, model, session_id, "done", text="/unknown to us")
        assert model.asked_with == [("b:thinker", "high")]
        assert [type(message) for message in model.seen[0]] == [UserMessage]


@in_loop
async def test_a_command_of_the_models_own_wins_over_the_servers(tmp_path: Path) -> None:
    model = Choice()
    model._commands = (Command("usage", "Of its own"),)
    async with one_client(model) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        commands = (await client.seen(sessionUpdate="available_commands_update"))["availableCommands"]
        assert [command["name"] for command in commands] == ["usage", "model", "thinking", "continue"]
        await turn(client, model, session_id, "mine", text="/usage")
        assert client.text(session_id) == "mine"


# What it costs


@pytest.mark.req("MO-08", "MO-09", "MO-10")
@in_loop
async def test_every_model_call_is_counted_and_priced_also_those_that_fail_or_are_cancelled(tmp_path: Path) -> None:
    model = Choice()
    tool = PuppetTool()
    tool.go.set()
    async with one_client(model, tools=[tool], capabilities=OURS) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id)
        for number in (1, 2):
            await model.asked(number)
            model.say(number, wants("puppet", f"c{number}"), UsageSoFar(1, 0), UsageSoFar(10, 5), Finished("tool_use"))
        await model.asked(3)
        model.finish(3, UsageSoFar(10, 5, 4, 2, 3), "done")
        assert await client.stop_reason(prompt) == "end_turn"
        used = await client.call("_agent_server/session/usage", sessionId=session_id)
        cost = round(2 * (10 * 2 + 5 * 10) / 1e6, 6) + round((4 * 2 + 4 * 0.2 + 2 * 2.5 + 5 * 10) / 1e6, 6)
        assert used == {
            "modelCalls": 3,
            "inputTokens": 30,
            "outputTokens": 15,
            "cachedReadTokens": 4,
            "cachedWriteTokens": 2,
            "thoughtTokens": 3,
            "costUsd": round(cost, 6),
        }
        last = client.updates(session_id, sessionUpdate="usage_update")[-1]
        assert (last["used"], last["size"], last["cost"]["amount"]) == (12, 1000, used["costUsd"])
        await failed_and_cancelled(client, model, session_id)
        assert (await client.call("_agent_server/session/usage", sessionId=session_id))["modelCalls"] == 5


async def failed_and_cancelled(client: ScriptedClient, model: Choice, session_id: str) -> None:
    prompt = client.prompt(session_id)
    await model.asked(4)
    model.say(4, UsageSoFar(100, 1), "half", ProviderError("unreachable", "It broke off."))
    assert (await client.answer(prompt))["error"]["data"]["errorKind"] == "unreachable"
    prompt = client.prompt(session_id)
    await model.asked(5)
    model.say(5, UsageSoFar(100, 1), "half")
    await client.until(lambda: client.text(session_id).count("half") == 2)
    client.cancel(session_id)
    assert await client.stop_reason(prompt) == "cancelled"


@in_loop
async def test_what_a_server_says_that_a_call_cost_wins_and_an_unknown_price_is_never_guessed(tmp_path: Path) -> None:
    model = Choice()
    async with one_client(model, capabilities=OURS) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        await turn(client, model, session_id, Usage(10, 10, cost_usd=0.25))
        used = await client.call("_agent_server/session/usage", sessionId=session_id)
        assert used["costUsd"] == 0.25
        other = await client.new_session(str(tmp_path))
        await client.answer(client.set_option(other, "model", "b:other"))
        await turn(client, model, other, Usage(10, 10))
        assert "costUsd" not in await client.call("_agent_server/session/usage", sessionId=other)
        assert not client.updates(other, sessionUpdate="usage_update")  # its window is not known either


@pytest.mark.req("MO-11")
@in_loop
async def test_a_money_limit_refuses_prompts_and_can_be_raised(tmp_path: Path) -> None:
    model = Choice()
    async with one_client(model, capabilities=OURS, limits=Limits(max_cost_usd=0.01)) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        await turn(client, model, session_id, Usage(1, 1, cost_usd=0.02), "dear")
        refused = await client.refused(
            "session/prompt", sessionId=session_id, prompt=[{"type": "text", "text": "more"}]
        )
        assert (refused["code"], refused["data"]["reason"]) == (-32010, "cost_limit_reached")
        budget = await client.call("_agent_server/budget/get", sessionId=session_id)
        assert budget == {"maxCostUsd": 0.01, "tokens": 2, "costUsd": 0.02}
        await client.call("_agent_server/budget/set", sessionId=session_id, maxCostUsd=0.03)
        await turn(client, model, session_id, Usage(1, 1, cost_usd=0.02), "more")
        await client.call("_agent_server/budget/set", sessionId=session_id, maxCostUsd=None)
        assert "maxCostUsd" not in await client.call("_agent_server/budget/get", sessionId=session_id)
        assert (await turn(client, model, session_id, "free"))["result"]["stopReason"] == "end_turn"


@pytest.mark.req("MO-11")
@in_loop
async def test_a_limit_that_is_reached_in_a_turn_ends_it_between_two_model_calls_and_says_so(tmp_path: Path) -> None:
    model = Choice()
    tool = PuppetTool()
    tool.go.set()
    limits = Limits(max_tokens=100)
    async with one_client(model, tools=[tool], capabilities={**OURS, **NOTICES}, limits=limits) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id)
        await model.asked(1)
        model.say(1, wants("puppet"), UsageSoFar(90, 20), Finished("tool_use"))
        answer = (await client.answer(prompt))["result"]
        assert answer["stopReason"] == "max_turn_requests"
        assert answer["_meta"]["agent_server"]["limit"] == "token_limit_reached"
        assert tool.runs == 1 and len(model.seen) == 1
        notice = await client.seen(sessionUpdate="notice")
        assert notice["title"] == "The session has used 110 tokens; its limit is 100."
        await client.call("_agent_server/budget/set", sessionId=session_id, maxTokens=500)
        going_on = client.request("_agent_server/session/continue", sessionId=session_id)
        await model.asked(2)
        assert isinstance(model.seen[1][-2], ToolResultMessage)
        model.finish(2, "and on")
        assert (await client.answer(going_on))["result"]["stopReason"] == "end_turn"


@pytest.mark.req("MO-12")
@in_loop
async def test_before_each_answer_the_context_gauge_says_how_full_it_is_about(tmp_path: Path) -> None:
    class Estimating(Choice):
        language_model = True

    model = Estimating()
    async with one_client(model) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        await turn(client, model, session_id, "hello", UsageSoFar(500, 20), text="x" * 4000)
        await turn(client, model, session_id, "hello", text="y" * 400)
        kinds = [update["sessionUpdate"] for update in client.updates(session_id)]
        assert kinds.index("usage_update") < kinds.index("agent_message_chunk")
        first, counted, second = client.updates(session_id, sessionUpdate="usage_update")
        assert first["used"] > 1000 and first["size"] == 1000
        assert counted["used"] == 520
        assert 520 + 100 <= second["used"] <= 520 + 110  # what the server counted, and a guess for what is new


@pytest.mark.req("MO-08")
@in_loop
async def test_what_was_used_before_a_retry_is_counted_beside_what_came_of_it(tmp_path: Path) -> None:
    model = Choice()
    async with one_client(model, capabilities=OURS) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        retry = RetryPlanned(1, 0.5, "overloaded", "A is overloaded.")
        await turn(client, model, session_id, UsageSoFar(7, 1), retry, UsageSoFar(7, 3), "at last")
        used = await client.call("_agent_server/session/usage", sessionId=session_id)
        assert (used["modelCalls"], used["inputTokens"], used["outputTokens"]) == (2, 14, 4)


# Failing and going on


@pytest.mark.req("TN-10", "TN-11")
@in_loop
async def test_an_answer_that_broke_off_is_kept_and_can_be_continued_once(tmp_path: Path) -> None:
    model = Choice()
    async with one_client(model, capabilities=OURS) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id)
        await model.asked(1)
        model.say(1, "The answer to everything is forty", ProviderError("unreachable", "It broke off.", retryable=True))
        error = (await client.answer(prompt))["error"]
        assert error["code"] == -32603
        assert error["data"] == {
            "details": "It broke off.",
            "errorKind": "unreachable",
            "retryable": True,
            "interrupted": True,
        }
        going_on = client.request("_agent_server/session/continue", sessionId=session_id)
        await model.asked(2)
        *_, partial, instruction = model.seen[1]
        assert isinstance(partial, AssistantMessage) and partial.text == "The answer to everything is forty"
        assert isinstance(instruction, UserMessage) and "Go on with it" in str(instruction.parts)
        model.finish(2, "-two.")
        assert (await client.answer(going_on))["result"]["stopReason"] == "end_turn"
        assert "Go on with it" not in str(client.frames)
        again = await client.refused("_agent_server/session/continue", sessionId=session_id)
        assert again["data"]["reason"] == "nothing_to_continue"


@pytest.mark.req("TN-11")
@in_loop
async def test_a_few_characters_are_no_answer_that_could_be_continued(tmp_path: Path) -> None:
    model = Choice()
    async with one_client(model, capabilities=OURS) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id)
        await model.asked(1)
        model.say(1, "The a", ProviderError("unreachable", "It broke off."))
        assert "interrupted" not in (await client.answer(prompt))["error"]["data"]
        refused = await client.refused("_agent_server/session/continue", sessionId=session_id)
        assert refused["data"]["reason"] == "nothing_to_continue"


@pytest.mark.req("TN-10")
@in_loop
async def test_a_prompt_or_a_cancel_ends_the_chance_to_continue_and_a_running_turn_refuses_it(tmp_path: Path) -> None:
    model = Choice()
    async with one_client(model, capabilities=OURS) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id)
        await model.asked(1)
        model.say(1, "cut after this many tokens", Finished("max_tokens"))
        assert await client.stop_reason(prompt) == "max_tokens"
        prompt = client.prompt(session_id)
        await model.asked(2)
        running = await client.refused("_agent_server/session/continue", sessionId=session_id)
        assert running["data"]["reason"] == "turn_active"
        client.cancel(session_id)
        assert await client.stop_reason(prompt) == "cancelled"
        refused = await client.refused("_agent_server/session/continue", sessionId=session_id)
        assert refused["data"]["reason"] == "nothing_to_continue"


@pytest.mark.req("TN-10")
@in_loop
async def test_the_slash_command_continues_also_when_the_session_was_closed_in_between(tmp_path: Path) -> None:
    model = Choice()
    async with one_client(model) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id)
        await model.asked(1)
        model.say(1, "Once upon a time there", ProviderError("overloaded", "It is overloaded."))
        assert "error" in await client.answer(prompt)
        await client.call("session/close", sessionId=session_id)
        await client.call("session/load", sessionId=session_id, cwd=str(tmp_path), mcpServers=[])
        prompt = client.prompt(session_id, "/continue")
        await model.asked(2)
        assert [type(message) for message in model.seen[1]] == [UserMessage, AssistantMessage, UserMessage]
        assert "/continue" not in str(model.seen[1])
        model.finish(2, " was a model.")
        assert await client.stop_reason(prompt) == "end_turn"


@pytest.mark.req("TN-13")
@pytest.mark.parametrize("capabilities", [OURS, {**OURS, **NOTICES}, {}])
@in_loop
async def test_a_retry_is_told_by_a_notice_or_in_our_own_words_and_is_no_part_of_the_answer(
    tmp_path: Path, capabilities: Frame
) -> None:
    model = Choice()
    async with one_client(model, capabilities=capabilities) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        retry = RetryPlanned(1, 0.5, "overloaded", "A is overloaded.")
        await turn(client, model, session_id, retry, "at last")
        assert client.text(session_id) == "at last"
        ours = [frame["params"] for frame in client.frames if frame.get("method") == "_agent_server/session/retry"]
        notices = client.updates(session_id, sessionUpdate="notice")
        if "session" in capabilities:
            assert not ours
            (notice,) = notices
            assert (notice["title"], notice["severity"]) == ("A is overloaded", "warning")
        elif capabilities:
            told = {"attempt": 1, "delayMs": 500, "errorKind": "overloaded", "reason": "A is overloaded."}
            assert ours == [{"sessionId": session_id, **told}] and not notices
        else:
            assert not (ours or notices)
        await no_retry_in_a_replay(client, session_id, tmp_path)


async def no_retry_in_a_replay(client: ScriptedClient, session_id: str, tmp_path: Path) -> None:
    before = len(client.frames)
    await client.call("session/load", sessionId=session_id, cwd=str(tmp_path), mcpServers=[])
    assert "overloaded" not in str(client.frames[before:])


@in_loop
async def test_a_call_whose_arguments_cannot_be_read_never_runs_and_the_model_is_told(tmp_path: Path) -> None:
    model = Choice()
    tool = PuppetTool()
    async with one_client(model, tools=[tool]) as (client, _):
        prompt = client.prompt(await client.new_session(str(tmp_path)))
        await model.asked(1)
        model.say(1, ToolCallRequested("c", "puppet", {}, "its arguments are not valid JSON"), Finished("tool_use"))
        await model.asked(2)
        result = model.seen[1][-1]
        assert isinstance(result, ToolResultMessage) and result.is_error and "not valid JSON" in str(result.parts)
        model.finish(2, "sorry")
        assert await client.stop_reason(prompt) == "end_turn"
        assert tool.runs == 0


@in_loop
async def test_what_belongs_back_to_the_model_is_in_its_next_request_and_outlives_the_session(tmp_path: Path) -> None:
    model = Choice()
    async with one_client(model) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        state = ReasoningState("a:small", [{"kind": "text", "chars": 2, "extra": {"signature": "s=="}}])
        await turn(client, model, session_id, "hi", state)
        await client.call("session/close", sessionId=session_id)
        await client.call("session/load", sessionId=session_id, cwd=str(tmp_path), mcpServers=[])
        await turn(client, model, session_id, "hi")
        answer = model.seen[1][1]
        assert isinstance(answer, AssistantMessage) and answer.reasoning == state


@in_loop
async def test_a_pause_sends_what_was_said_back_and_goes_on(tmp_path: Path) -> None:
    model = Choice()
    async with one_client(model) as (client, _):
        prompt = client.prompt(await client.new_session(str(tmp_path)))
        await model.asked(1)
        model.say(1, "thinking about it", Finished("pause"))
        await model.asked(2)
        assert isinstance(model.seen[1][-1], AssistantMessage)
        model.finish(2, "done")
        assert await client.stop_reason(prompt) == "end_turn"


@in_loop
async def test_a_call_that_a_refusal_follows_does_not_run_and_the_prompt_is_forgotten(tmp_path: Path) -> None:
    model = Choice()
    tool = PuppetTool()
    async with one_client(model, tools=[tool]) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id)
        await model.asked(1)
        model.say(1, "I will", wants("puppet"), Finished("refusal"))
        assert await client.stop_reason(prompt) == "refusal"
        assert tool.runs == 0
        assert client.updates(session_id, sessionUpdate="tool_call_update")[-1]["status"] == "failed"
        await turn(client, model, session_id, "hello")
        assert [type(message) for message in model.seen[1]] == [UserMessage]


@in_loop
async def test_a_call_is_shown_while_its_arguments_are_still_written_and_ends_whatever_comes_of_it(
    tmp_path: Path,
) -> None:
    model = Choice()
    tool = PuppetTool()
    tool.go.set()
    async with one_client(model, tools=[tool]) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id)
        await model.asked(1)
        model.say(1, ToolCallBegun("a", "puppet"), ToolCallBegun("b", "puppet"))
        shown = await client.seen(2, sessionUpdate="tool_call")
        assert (shown["status"], shown["name"], "rawInput" in shown) == ("pending", "puppet", False)
        model.say(1, ToolCallRequested("a", "puppet", {"x": 1}), Finished("tool_use"))
        await model.asked(2)
        first, second = (call["toolCallId"] for call in client.updates(session_id, sessionUpdate="tool_call"))
        assert client.updates(session_id, toolCallId=first, rawInput={"x": 1})
        ends = [client.updates(session_id, toolCallId=call)[-1]["status"] for call in (first, second)]
        assert ends == ["completed", "failed"] and tool.runs == 1
        model.say(2, ToolCallBegun("c", "puppet"))
        await client.seen(3, sessionUpdate="tool_call")
        client.cancel(session_id)
        assert await client.stop_reason(prompt) == "cancelled"
        third = client.updates(session_id, sessionUpdate="tool_call")[-1]["toolCallId"]
        assert client.updates(session_id, toolCallId=third)[-1]["status"] == "failed"


# Keys


@pytest.mark.req("CR-02")
@in_loop
async def test_a_look_for_keys_is_answered_and_told_to_clients_that_opted_in(tmp_path: Path) -> None:
    async with one_client(Choice(), capabilities=OURS) as (client, _):
        before = await client.call("_agent_server/auth/status")
        assert before == {"configured": False, "providers": [{"id": "a", "name": "A", "configured": False}]}
        assert await client.call("_agent_server/auth/refresh") == {"configured": True}
        told = [frame["params"] for frame in client.frames if frame.get("method") == "_agent_server/auth/status"]
        known = {"id": "a", "name": "A", "configured": True, "source": "environment: A_KEY"}
        assert told == [{"configured": True, "providers": [known]}]


def test_the_port_holds_every_provider_of_these_tests() -> None:
    provider: Provider = Choice()
    assert provider.provider_of("a:small") is provider


@in_loop
async def test_a_language_model_is_told_where_it_works_and_then_what_the_client_has_to_say(tmp_path: Path) -> None:
    class Listening(Choice):
        language_model = True
        system_prompts = True
        told: str = ""

        def stream(self, request: Any) -> Any:
            self.told = request.system
            return super().stream(request)

    model = Listening()
    async with one_client(model, features=Features(system_prompt=True)) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        await turn(client, model, session_id, "hello")
        assert f"Working directory: {tmp_path}" in model.told
        own = model.told
        for mode, whole in (("append", f"{own}\n\nBe brief."), ("override", "Be brief.")):
            prompt = {"mode": mode, "content": [{"type": "text", "text": "Be brief."}]}
            other = await client.new_session(str(tmp_path), systemPrompt=prompt)
            await turn(client, model, other, "hello")
            assert model.told == whole
