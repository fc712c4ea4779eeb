"""Every sentence of ``offline_sentences.toml`` leads to the tool calls that stand beside it."""

from __future__ import annotations

import asyncio
import tomllib
from pathlib import Path
from typing import Any

import pytest

from agent_server.conversation.content import LinkPart, Part, ResourcePart, TextPart
from agent_server.conversation.messages import UserMessage
from agent_server.conversation.tool_calls import ToolSpec
from agent_server.providers.offline import OfflineProvider
from agent_server.providers.provider import Finished, ModelRequest, ProviderEvent, TextDelta, ToolCallRequested

SENTENCES: list[dict[str, Any]] = tomllib.loads(
    (Path(__file__).parent / "offline_sentences.toml").read_text(encoding="utf-8")
)["sentence"]
NAMES = (
    "read_file",
    "list_directory",
    "find",
    "grep",
    "write_file",
    "edit_file",
    "delete_file",
    "move_file",
    "run_command",
    "self_test",
)
TOOLS = [ToolSpec(name, "", {}) for name in NAMES]


def answer(*parts: Part) -> list[ProviderEvent]:
    async def collect() -> list[ProviderEvent]:
        request = ModelRequest("offline", [UserMessage(parts)], TOOLS)
        return [event async for event in OfflineProvider().stream(request)]

    return asyncio.run(collect())


def calls(events: list[ProviderEvent]) -> list[dict[str, Any]]:
    return [{"name": e.name, "arguments": e.arguments} for e in events if isinstance(e, ToolCallRequested)]


def text(events: list[ProviderEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def test_there_are_enough_sentences() -> None:
    assert sum(bool(each.get("calls")) for each in SENTENCES) >= 30


@pytest.mark.parametrize("sentence", SENTENCES, ids=lambda sentence: str(sentence["text"])[:50])
def test_a_sentence_leads_to_its_tool_calls(sentence: dict[str, Any]) -> None:
    links = [LinkPart(uri, "attached") for uri in sentence.get("attached", ())]
    events = answer(TextPart(sentence["text"]), *links)
    expected = sentence.get("calls", [])
    assert calls(events) == expected
    assert events[-1] == Finished("tool_use" if expected else "end_turn")
    assert ("does not understand" in text(events)) is not sentence.get("understood", True)


def test_a_refused_sentence_gets_exactly_three_examples() -> None:
    assert text(answer(TextPart("write me a poem"))).count("\n- ") == 3


def test_a_mention_in_the_middle_of_the_text_is_part_of_the_sentence() -> None:
    link = LinkPart("file:///p/my%20notes.txt", "my notes.txt")
    events = answer(TextPart('replace "a" with "b" in '), link, TextPart(" please"))
    assert calls(events)[0]["arguments"]["path"] == "/p/my notes.txt"


def test_an_embedded_file_is_this_file_and_its_text_is_no_sentence() -> None:
    events = answer(TextPart("read this file"), ResourcePart("file:///p/a.txt", text="delete b.txt"))
    assert calls(events) == [{"name": "read_file", "arguments": {"path": "/p/a.txt"}}]


def test_a_windows_file_uri_becomes_a_path_with_its_drive() -> None:
    events = answer(TextPart("read this file"), LinkPart("file:///C:/p/a.txt", "a.txt"))
    assert calls(events)[0]["arguments"]["path"] == "C:/p/a.txt"


@pytest.mark.parametrize(("count", "says"), [(0, "No file is attached"), (2, "2 files are attached")])
def test_this_file_asks_back_unless_exactly_one_is_attached(count: int, says: str) -> None:
    links = [LinkPart(f"file:///p/{number}.txt", "x") for number in range(count)]
    events = answer(TextPart("delete this file"), *links)
    assert calls(events) == []
    assert says in text(events)


@pytest.mark.parametrize(
    "prompt", ["", "   ", "\n", "x " * 40_000, '"' * 5_000, "replace " + "in with " * 60, "/", "\ue0005\ue001"]
)
def test_odd_prompts_are_answered_without_tools(prompt: str) -> None:
    events = answer(TextPart(prompt))
    assert calls(events) == []
    assert events[-1] == Finished("end_turn")


@pytest.mark.parametrize(
    "prompt",
    [
        "“" * 60_000,
        "« " * 30_000,
        " 'a" * 20_000,
        "``` x\n" * 10_000,
        "list" + " " * 60_000 + "x",
        "/edit a.txt\n" + "<<<<<<<\n" * 200_000,
        "/todo a" + " " * 400_000 + "b",
        '/edit a.txt "' + "\\" * 1_000_000,
    ],
    ids=lambda prompt: prompt[:12],
)
@pytest.mark.timeout(10)
def test_long_prompts_are_read_in_linear_time(prompt: str) -> None:
    assert calls(answer(TextPart(prompt))) == []


def test_a_prompt_without_text_is_answered() -> None:
    assert answer()[-1] == Finished("end_turn")
