"""The scripted model, played as the agent loop plays any model."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any, cast

import pytest

from agent_server.conversation.content import ImagePart, TextPart
from agent_server.conversation.events import PlanEntry
from agent_server.conversation.messages import AssistantMessage, ModelMessage, ToolResultMessage, UserMessage
from agent_server.errors import ProviderError
from agent_server.providers.provider import (
    Command,
    CompactionEnded,
    CompactionStarted,
    CompactionSummary,
    Finished,
    ModelInfo,
    ModelRequest,
    NoticeGiven,
    PartDelta,
    PlanProposed,
    Provider,
    ProviderEvent,
    TextDelta,
    ThoughtDelta,
    ToolCallRequested,
    Usage,
)
from agent_server.providers.scenario import position
from agent_server.providers.scenario.provider import ScenarioProvider


def playing(*turns: dict[str, Any], **rest: Any) -> ScenarioProvider:
    return ScenarioProvider.from_dict({"turns": list(turns), **rest})


def saying(text: str, **rest: Any) -> dict[str, Any]:
    return {"steps": [{"text": text}], **rest}


def said(text: str) -> UserMessage:
    return UserMessage((TextPart(text),))


async def response(provider: Provider, messages: list[ModelMessage]) -> list[ProviderEvent]:
    """One response, which joins the context as the loop would have it."""
    events = [event async for event in provider.stream(ModelRequest("scenario", messages))]
    messages.append(AssistantMessage(text_in(events)))
    return events


def text_in(events: list[ProviderEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


async def answer(provider: Provider, messages: list[ModelMessage], prompt: str = "hi") -> str:
    messages.append(said(prompt))
    return text_in(await response(provider, messages))


async def failure(provider: Provider, messages: list[ModelMessage]) -> ProviderError:
    with pytest.raises(ProviderError) as failed:
        await response(provider, messages)
    return failed.value


def events_of(*steps: dict[str, Any]) -> list[ProviderEvent]:
    return asyncio.run(response(playing({"steps": list(steps)}), [said("hi")]))


def test_each_step_becomes_the_event_it_names() -> None:
    assert events_of(
        {"thought": "Hm."},
        {"text": "Look:"},
        {"image": {"data": "AAAA", "mime_type": "image/png", "uri": "file:///a.png"}},
        {"plan": [{"content": "a"}, {"content": "b", "priority": "high", "status": "completed"}]},
        {"usage": {"input_tokens": 10, "output_tokens": 5, "cached_read_tokens": 3, "cost_usd": 0.5}},
        {"delay_ms": 0},
        {"tool": "read_file", "arguments": {"path": "/a"}, "id": "mine"},
    ) == [
        ThoughtDelta("Hm."),
        TextDelta("Look:"),
        PartDelta(ImagePart("AAAA", "image/png", "file:///a.png")),
        PlanProposed((PlanEntry("a"), PlanEntry("b", "high", "completed"))),
        Usage(input_tokens=10, output_tokens=5, cached_read_tokens=3, cost_usd=0.5),
        ToolCallRequested("mine", "read_file", {"path": "/a"}),
        Finished("tool_use"),
    ]


def test_text_streams_in_pieces_of_the_size_that_was_asked_for() -> None:
    pieces = events_of({"text": "abcdefg", "chunk_chars": 3}, {"thought": "xyz", "chunk_chars": 2})
    assert pieces[:-1] == [TextDelta("abc"), TextDelta("def"), TextDelta("g"), ThoughtDelta("xy"), ThoughtDelta("z")]


def test_empty_text_is_no_event() -> None:
    assert events_of({"text": ""}, {"text": "", "chunk_chars": 2}) == [Finished("end_turn")]


@pytest.mark.parametrize("reason", ["end_turn", "tool_use", "max_tokens", "refusal"])
def test_a_finish_step_decides_how_the_response_ends(reason: Any) -> None:
    assert events_of({"tool": "shell"}, {"finish": reason})[-1] == Finished(reason)


def test_calls_without_an_id_get_ids_that_are_unique_in_the_conversation() -> None:
    provider = playing({"steps": [{"tool": "a"}, {"tool": "b"}], "repeat": True})
    messages: list[ModelMessage] = [said("go")]
    events = [*asyncio.run(response(provider, messages)), *asyncio.run(response(provider, messages))]
    ids = [event.call_id for event in events if isinstance(event, ToolCallRequested)]
    assert len(ids) == len(set(ids)) == 4


def test_whoever_changes_the_arguments_of_a_call_does_not_change_the_scenario() -> None:
    provider = playing({"steps": [{"tool": "a", "arguments": {"list": []}}], "repeat": True})

    async def arguments() -> dict[str, Any]:
        event = (await response(provider, [said("go")]))[0]
        assert isinstance(event, ToolCallRequested)
        return event.arguments

    asyncio.run(arguments())["list"].append("changed")
    assert asyncio.run(arguments()) == {"list": []}


def test_turns_are_played_in_order() -> None:
    async def main() -> None:
        provider, messages = playing(saying("one"), saying("two")), list[ModelMessage]()
        assert [await answer(provider, messages) for _ in range(2)] == ["one", "two"]

    asyncio.run(main())


def test_conversations_that_run_side_by_side_each_begin_at_the_beginning() -> None:
    async def main() -> None:
        provider = playing(saying("one"), saying("two"))
        a, b = list[ModelMessage](), list[ModelMessage]()
        assert await answer(provider, a) == "one"
        assert await answer(provider, b) == "one"
        assert await answer(provider, b) == "two"
        assert await answer(provider, a) == "two"

    asyncio.run(main())


def test_conversations_that_begin_after_others_are_gone_begin_at_the_beginning() -> None:
    async def main() -> None:
        provider = playing(saying("one"), saying("two"))
        for _ in range(2 * position.REMEMBERED):
            assert await answer(provider, []) == "one"

    asyncio.run(main())


def test_a_conversation_that_others_pushed_out_of_memory_goes_on_where_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(position, "REMEMBERED", 2)

    async def main() -> None:
        provider = playing(saying("one"), saying("two"), saying("three"))
        conversations = [list[ModelMessage]() for _ in range(5)]
        for text in ("one", "two", "three"):
            assert {await answer(provider, messages) for messages in conversations} == {text}

    asyncio.run(main())


def test_only_the_newest_conversations_are_held_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(position, "REMEMBERED", 2)

    class Context(list[ModelMessage]):
        """A list that can be referred to weakly."""

    async def main() -> list[bool]:
        provider, gone = playing(saying("one")), list[weakref.ref[Context]]()
        for _ in range(4):
            messages = Context()
            gone.append(weakref.ref(messages))
            await answer(provider, messages)
        del messages
        gc.collect()
        return [context() is None for context in gone]

    assert asyncio.run(main()) == [True, True, False, False]


def test_a_context_with_earlier_responses_goes_on_after_them() -> None:
    async def main() -> None:
        turns = saying("one"), saying("tool", match={"prompt": "read"}), saying("two"), saying("three")
        loaded: list[ModelMessage] = [said("hi"), AssistantMessage("one"), said("read"), AssistantMessage("tool")]
        provider = playing(*turns)
        assert await answer(provider, loaded, "read again") == "two"
        assert await answer(provider, list(loaded)) == "three"

    asyncio.run(main())


def test_a_response_that_failed_counts_as_played_when_the_same_request_comes_again() -> None:
    async def main() -> None:
        provider = playing({"steps": [{"error": {"kind": "overloaded"}}]}, {"steps": [{"drop": True}]}, saying("ok"))
        messages: list[ModelMessage] = [said("hi")]
        assert (await failure(provider, messages)).kind == "overloaded"
        assert (await failure(provider, messages)).kind == "unreachable"
        assert text_in(await response(provider, messages)) == "ok"

    asyncio.run(main())


def test_a_context_that_shrinks_does_not_bring_played_turns_back() -> None:
    async def main() -> None:
        provider, messages = playing(saying("one"), saying("two"), saying("three")), list[ModelMessage]()
        await answer(provider, messages)
        await answer(provider, messages)
        messages[:] = [said("summary")]
        assert await answer(provider, messages) == "three"

    asyncio.run(main())


def test_a_turn_with_a_match_waits_for_its_prompt() -> None:
    async def main() -> None:
        provider = playing(saying("first"), saying("sunny", match={"prompt": "(?i)weather"}), saying("second"))
        messages = list[ModelMessage]()
        texts = [await answer(provider, messages, prompt) for prompt in ("The Weather?", "weather", "weather")]
        assert texts == ["sunny", "first", "second"]

    asyncio.run(main())


def test_of_several_turns_that_match_the_first_unplayed_one_is_taken() -> None:
    async def main() -> None:
        match = {"prompt": "again"}
        provider, messages = playing(saying("a", match=match), saying("b", match=match)), list[ModelMessage]()
        assert [await answer(provider, messages, "again") for _ in range(2)] == ["a", "b"]

    asyncio.run(main())


def test_a_repeated_turn_is_never_used_up() -> None:
    async def main() -> None:
        provider = playing(saying("no", match={"prompt": "no"}, repeat=True), saying("one"), saying("…", repeat=True))
        messages = list[ModelMessage]()
        texts = [await answer(provider, messages, prompt) for prompt in ("no", "a", "no", "b", "c")]
        assert texts == ["no", "one", "no", "…", "…"]

    asyncio.run(main())


def test_a_prompt_that_was_answered_with_a_tool_call_does_not_match_again_for_its_result() -> None:
    async def main() -> None:
        call = {"match": {"prompt": "go"}, "repeat": True, "steps": [{"tool": "a"}]}
        provider, messages = playing(call, saying("done")), list[ModelMessage]()
        await answer(provider, messages, "go")
        messages.append(ToolResultMessage("call_1_1", "a", (TextPart("go"),)))
        assert text_in(await response(provider, messages)) == "done"

    asyncio.run(main())


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, True),
        ({"name": "shell"}, True),
        ({"name": "read_file"}, False),
        ({"text": "exit \\d"}, True),
        ({"text": "^3"}, False),
        ({"error": True}, True),
        ({"error": False}, False),
        ({"name": "shell", "text": "exit", "error": True}, True),
        ({"name": "shell", "text": "exit", "error": False}, False),
    ],
)
def test_a_tool_result_is_matched_by_everything_that_is_asked_of_it(wanted: dict[str, Any], found: bool) -> None:
    messages: list[ModelMessage] = [
        said("go"),
        AssistantMessage("one"),
        ToolResultMessage("1", "shell", (TextPart("exit 3"),), is_error=True),
        ToolResultMessage("2", "list", (TextPart("a"),), is_error=True),
    ]
    provider = playing(saying("one"), saying("matched", match={"tool_result": wanted}), saying("not matched"))
    assert text_in(asyncio.run(response(provider, messages))) == ("matched" if found else "not matched")


def test_results_that_were_answered_match_no_more() -> None:
    any_result: dict[str, Any] = {"tool_result": {}}
    provider = playing(saying("1"), saying("read", match=any_result), saying("late", match=any_result), saying("2"))
    messages: list[ModelMessage] = [said("go"), AssistantMessage("1"), ToolResultMessage("1", "a", ())]
    assert text_in(asyncio.run(response(provider, messages))) == "read"
    assert asyncio.run(answer(provider, messages)) == "2"


def test_a_scenario_that_is_over_says_its_name_and_how_many_turns_it_has() -> None:
    async def main() -> None:
        provider, messages = playing(saying("one"), saying("two"), name="short"), list[ModelMessage]()
        await answer(provider, messages)
        await answer(provider, messages)
        error = await failure(provider, [*messages, said("more")])
        assert (error.kind, error.provider, error.retryable) == ("raw", "scenario", False)
        assert '"short"' in error.details
        assert "2 turns" in error.details
        assert "response 3" in error.details

    asyncio.run(main())


def test_a_request_that_no_turn_matches_says_so() -> None:
    provider = playing(saying("one", match={"prompt": "^never$"}))
    assert "no turn left that matches" in asyncio.run(failure(provider, [said("hi")])).details


@pytest.mark.parametrize(
    ("kind", "retryable"),
    [
        ("rejected_key", False),
        ("auth_failed", False),
        ("rate_limited", True),
        ("overloaded", True),
        ("unreachable", True),
        ("context_overflow", False),
        ("raw", False),
    ],
)
def test_an_error_step_fails_the_response_with_its_kind(kind: str, retryable: bool) -> None:
    provider = playing({"steps": [{"error": {"kind": kind}}]})
    error = asyncio.run(failure(provider, [said("hi")]))
    assert (error.kind, error.retryable, error.provider) == (kind, retryable, "scenario")
    assert kind in error.details


def test_an_error_step_says_what_its_author_wrote() -> None:
    step = {"kind": "overloaded", "details": "Full.", "retryable": False, "http_status": 529, "retry_after_s": 2}
    error = asyncio.run(failure(playing({"steps": [{"error": step}]}), [said("hi")]))
    assert (error.details, error.retryable, error.http_status, error.retry_after_s) == ("Full.", False, 529, 2)


def test_a_dropped_stream_breaks_off_after_what_was_said() -> None:
    async def main() -> None:
        stream = playing({"steps": [{"text": "Let me"}, {"drop": True}]}).stream(ModelRequest("", [said("hi")]))
        assert await anext(stream) == TextDelta("Let me")
        with pytest.raises(ProviderError) as broken:
            await anext(stream)
        assert (broken.value.kind, broken.value.retryable) == ("unreachable", True)

    asyncio.run(main())


def test_a_crash_is_no_error_that_a_provider_may_raise() -> None:
    with pytest.raises(RuntimeError, match="the disk is on fire"):
        events_of({"crash": "the disk is on fire"})


def test_waiting_for_a_cancel_ends_with_the_cancel_only() -> None:
    async def main() -> None:
        provider = playing({"steps": [{"text": "…"}, {"wait_for_cancel": True}]}, saying("next"))
        messages: list[ModelMessage] = [said("hi")]
        heard = asyncio.Event()

        async def listen() -> None:
            async for _ in provider.stream(ModelRequest("scenario", messages)):
                heard.set()

        task = asyncio.create_task(listen())
        await asyncio.wait_for(heard.wait(), 5)
        done, _ = await asyncio.wait([task], timeout=0.02)
        assert not done
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 5)
        assert await answer(provider, messages) == "next"

    asyncio.run(main())


def test_an_abandoned_stream_counts_as_played() -> None:
    async def main() -> None:
        provider, messages = playing(saying("one"), saying("two")), [cast("ModelMessage", said("hi"))]
        stream = provider.stream(ModelRequest("scenario", messages))
        await anext(stream)
        await stream.aclose()
        assert text_in(await response(provider, messages)) == "two"

    asyncio.run(main())


def test_a_delay_holds_the_next_step_back() -> None:
    async def main() -> float:
        clock = asyncio.get_running_loop().time
        start = clock()
        await response(playing({"steps": [{"delay_ms": 30}, {"text": "late"}]}), [said("hi")])
        return clock() - start

    assert asyncio.run(main()) >= 0.029


def test_the_scenario_says_which_models_and_commands_there_are() -> None:
    provider: Provider = playing(
        saying("one"),
        models=[{"id": "small", "name": "Small"}, {"id": "big"}],
        commands=[{"name": "plan", "description": "Make a plan", "hint": "for what"}],
        window_tokens=1000,
    )
    assert provider.id == "scenario"
    assert provider.models() == (ModelInfo("small", "Small", None, 1000), ModelInfo("big", "big", None, 1000))
    assert provider.commands() == (Command("plan", "Make a plan", "for what"),)


def test_a_scenario_that_names_no_models_has_one() -> None:
    assert playing(saying("one"), name="demo").models() == (ModelInfo("scenario", "demo"),)


def test_notices_and_compactions_are_played() -> None:
    steps = [
        {"notice": {"title": "Hm"}},
        {"notice": {"severity": "error", "title": "No", "description": "It broke."}},
        {"compaction": {"summary": ["a", "b"]}},
        {"compaction": {"status": "failed", "error": "no"}},
    ]
    hm, no, *rest = asyncio.run(response(playing({"steps": steps}), [said("hi")]))
    assert (hm, no) == (NoticeGiven("info", "Hm"), NoticeGiven("error", "No", "It broke."))
    name = rest[0].compaction_id  # type: ignore[union-attr]
    assert rest == [
        CompactionStarted(name),
        CompactionSummary(name, "a"),
        CompactionSummary(name, "b"),
        CompactionEnded(name),
        CompactionStarted(name),
        CompactionEnded(name, "failed", "no"),
        Finished(),
    ]


@pytest.mark.req("TN-02")
def test_a_scenario_says_what_its_models_can_take() -> None:
    models = [{"id": "a"}, {"id": "b", "images": False}, {"id": "c", "audio": False}]
    played = playing(saying("hi"), models=models).models()
    assert [(model.images, model.audio) for model in played] == [(True, True), (False, True), (True, False)]


@pytest.mark.req("ST-13")
def test_a_scenario_is_ready_at_once() -> None:
    provider = playing(saying("hi"))
    assert provider.ready
    asyncio.run(provider.wait_ready())
