"""What is offered, chosen or spent while something else is under way, as a client sees it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agent_server.conversation.messages import AssistantMessage, UserMessage
from agent_server.providers.provider import Command, Finished, ModelInfo, Provider, UsageSoFar
from agent_server.sessions.spec import Limits
from tests.agent.puppets import PuppetModel
from tests.agent.scripted_client import in_loop, one_client
from tests.agent.several_models import NOTICES, OTHER, OURS, SMALL, THINKER, Choice, made, options, turn


@pytest.mark.req("MO-08")
@in_loop
async def test_an_answer_is_priced_as_that_of_the_model_that_gave_it(tmp_path: Path) -> None:
    model = Choice()
    async with one_client(model, capabilities=OURS) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id)
        await model.asked(1)
        await client.answer(client.set_option(session_id, "model", "b:other"))
        model.finish(1, "from the small one", UsageSoFar(1_000_000, 0))
        await client.answer(prompt)
        assert (await client.call("_agent_server/session/usage", sessionId=session_id))["costUsd"] == 2.0
        (told,) = client.updates(session_id, sessionUpdate="usage_update")[-1:]
        assert told["size"] == SMALL.window_tokens


@pytest.mark.req("MO-11")
@in_loop
async def test_a_prompt_that_waited_while_the_limit_was_reached_is_not_asked(tmp_path: Path) -> None:
    model = Choice()
    limits = Limits(max_tokens=100)
    async with one_client(model, capabilities={**OURS, **NOTICES}, limits=limits) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        first, second = client.prompt(session_id), client.prompt(session_id)
        await model.asked(1)
        model.finish(1, "dear", UsageSoFar(90, 20))
        assert await client.stop_reason(first) == "end_turn"
        answer = (await client.answer(second))["result"]
        assert answer["_meta"]["agent_server"]["limit"] == "token_limit_reached"
        assert len(model.seen) == 1
        assert (await client.seen(sessionUpdate="notice"))["title"].startswith("The session has used 110 tokens")


@pytest.mark.req("TN-10")
@in_loop
async def test_a_continue_that_waited_continues_what_broke_off_meanwhile(tmp_path: Path) -> None:
    model = Choice()
    async with one_client(model) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        first, second = client.prompt(session_id), client.prompt(session_id, "/continue")
        await model.asked(1)
        model.say(1, "cut after this many tokens", Finished("max_tokens"))
        assert await client.stop_reason(first) == "max_tokens"
        await model.asked(2)
        assert [type(message) for message in model.seen[1]] == [UserMessage, AssistantMessage, UserMessage]
        model.finish(2, " and on")
        assert await client.stop_reason(second) == "end_turn"
        assert "nothing to continue" not in client.text(session_id)


@in_loop
async def test_a_model_does_not_change_under_its_first_answer(tmp_path: Path) -> None:
    model = Choice(OTHER)
    async with one_client(model) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id)
        await model.asked(1)
        model.offer(THINKER, OTHER)
        model.finish(1, "hello")
        await client.answer(prompt)
        update = client.updates(session_id, sessionUpdate="config_option_update")[-1]
        assert options(update)["model"]["currentValue"] == "b:other"


@in_loop
async def test_a_model_that_is_offered_no_more_can_be_chosen_again_by_who_has_it(tmp_path: Path) -> None:
    model = Choice(OTHER, THINKER)
    async with one_client(model, capabilities=OURS) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        await turn(client, model, session_id, "hello")
        model.offer(THINKER)
        listed = (await client.call("_agent_server/models/list", sessionId=session_id))["models"]
        assert [(one["id"], one["current"]) for one in listed] == [("b:thinker", False), ("b:other", True)]
        changed = (await client.answer(client.set_option(session_id, "model", "b:other")))["result"]
        assert options(changed)["model"]["currentValue"] == "b:other"
        assert await client.run(session_id, "/model") == "end_turn"
        assert "b:other (current)" in client.text(session_id)
        await client.answer(client.set_option(session_id, "model", "b:thinker"))
        gone = await client.refused(
            "session/set_config_option", sessionId=session_id, configId="model", value="b:other"
        )
        assert gone["code"] == -32602


@in_loop
async def test_a_long_list_of_models_shows_the_current_one_and_says_how_to_find_the_rest(tmp_path: Path) -> None:
    many = [ModelInfo(f"a:m{number:03}", f"M {number}", provider="a") for number in range(70)]
    model = Choice(*many)
    async with one_client(model) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        await client.answer(client.set_option(session_id, "model", "a:m069"))
        for text in ("/model", "/model a:m0"):
            before = len(client.text(session_id))
            await client.run(session_id, text)
            said = client.text(session_id)[before:]
            assert said.count("\n- ") + said.startswith("- ") == 50
            assert "a:m069 (current)" in said and "There are 20 more: `/model WORD`" in said


@in_loop
async def test_a_session_that_cannot_keep_up_with_the_models_stops_no_other(tmp_path: Path) -> None:
    class Failing(Choice):
        breaks = False

        def provider_of(self, model: str) -> Provider:
            if self.breaks and model == "b:other":
                raise RuntimeError("no backend")
            return super().provider_of(model)

    model = Failing()
    async with one_client(model) as (client, _):
        await made(client, tmp_path, model="b:other")
        told = await made(client, tmp_path, model="b:thinker")
        model.breaks = True
        model.offer(THINKER, OTHER)
        update = await client.seen(session_id=told["sessionId"], sessionUpdate="config_option_update")
        assert [one["value"] for one in options(update)["model"]["options"]] == ["b:thinker", "b:other"]


class Talker(PuppetModel):
    """Understands a command of its own."""

    id = "talker"

    def commands(self) -> Sequence[Command]:
        return (Command("dance", "Dance"),)


class Two(Choice):
    """The model ``b:other`` is served by somebody else. There are commands of ours where there is a choice."""

    def __init__(self, *models: ModelInfo) -> None:
        super().__init__(*models)
        self.talker = Talker()

    @property
    def session_commands(self) -> bool:  # type: ignore[override]
        return len(self.offered) > 1

    def provider_of(self, model: str) -> Provider:
        return self.talker if model == "b:other" else self


@in_loop
async def test_the_commands_are_told_anew_when_the_model_or_the_choice_changes_and_only_then(tmp_path: Path) -> None:
    model = Two(SMALL)
    async with one_client(model) as (client, _):
        session_id = await client.new_session(str(tmp_path))

        def told() -> list[list[str]]:
            updates = client.updates(session_id, sessionUpdate="available_commands_update")
            return [[command["name"] for command in update["availableCommands"]] for update in updates]

        ours = ["model", "thinking", "usage", "continue"]
        model.offer(SMALL, OTHER)
        await client.seen(sessionUpdate="available_commands_update")
        await client.answer(client.set_option(session_id, "model", "b:other"))
        model.offer(SMALL, OTHER, THINKER)
        await client.answer(client.set_option(session_id, "mode", "plan"))
        await client.run(session_id, "/model small")
        assert told() == [ours, ["dance", *ours], ours]
        model.offer(SMALL)
        await client.answer(client.set_option(session_id, "mode", "ask"))
        assert told()[3:] == [[]]


@pytest.mark.req("MO-03")
@in_loop
async def test_a_rotation_goes_on_past_levels_that_its_models_do_not_know(tmp_path: Path) -> None:
    model = Choice()
    async with one_client(model, capabilities=OURS) as (client, made_here):
        made_here.service._rotation = (("a:small", "low"), ("a:small", "high"), ("b:thinker", "high"))
        session_id = await client.new_session(str(tmp_path))

        async def cycled() -> Any:
            return await client.call("_agent_server/model/cycle", sessionId=session_id)

        assert await cycled() == {"model": "b:thinker", "index": 2, "total": 2, "thoughtLevel": "high"}
        assert await cycled() == {"model": "a:small", "index": 1, "total": 2}


@in_loop
async def test_a_wish_for_a_level_of_reasoning_that_there_is_not_is_refused(tmp_path: Path) -> None:
    async with one_client(Choice()) as (client, _):
        ours = {"agent_server": {"thoughtLevel": "extreme"}}
        refused = await client.refused("session/new", cwd=str(tmp_path), mcpServers=[], _meta=ours)
        assert refused["code"] == -32602
        assert refused["data"]["details"].startswith("params._meta.agent_server.thoughtLevel is none of")
        # A level that this model does not know is none that there is not: another model may.
        assert "sessionId" in await made(client, tmp_path, thoughtLevel="xhigh")
