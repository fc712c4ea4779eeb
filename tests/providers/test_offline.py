"""The offline provider over whole turns: what it says first, what it does with results, and its slash commands."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from agent_server.conversation.content import ImagePart, TextPart
from agent_server.conversation.messages import (
    AssistantMessage,
    ModelMessage,
    ToolRequest,
    ToolResultMessage,
    UserMessage,
)
from agent_server.conversation.tool_calls import ToolSpec
from agent_server.providers.offline import OfflineProvider
from agent_server.providers.provider import (
    Finished,
    ModelRequest,
    PlanProposed,
    Provider,
    ProviderEvent,
    TextDelta,
    ToolCallRequested,
)

TOOLS = (
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
REFUSED = "The user refused this call. Do not repeat it; go on without it, or ask what to do instead."


class Conversation:
    """Plays the agent loop by hand: prompts in, results in, and keeps what the provider answered."""

    def __init__(self, prompt: str = "", tools: Sequence[str] = TOOLS) -> None:
        self.messages: list[ModelMessage] = []
        self.tools = [ToolSpec(name, "", {}) for name in tools]
        self.events: list[ProviderEvent] = []
        if prompt:
            self.prompt(prompt)

    def prompt(self, text: str) -> Conversation:
        self.messages.append(UserMessage((TextPart(text),)))
        return self._go_on()

    def result(self, text: str, *, is_error: bool = False) -> Conversation:
        [call] = self.calls
        self.messages.append(ToolResultMessage(call.call_id, call.name, (TextPart(text),), is_error))
        return self._go_on()

    def refused(self) -> Conversation:
        return self.result(REFUSED, is_error=True)

    def _go_on(self) -> Conversation:
        async def collect() -> list[ProviderEvent]:
            request = ModelRequest("offline", self.messages, self.tools)
            return [event async for event in OfflineProvider().stream(request)]

        self.events = asyncio.run(collect())
        requests = [ToolRequest(call.call_id, call.name, call.arguments) for call in self.calls]
        self.messages.append(AssistantMessage(self.text, tool_requests=requests))
        assert self.events[-1] == Finished("tool_use" if requests else "end_turn")
        assert sum(isinstance(event, Finished) for event in self.events) == 1
        return self

    @property
    def calls(self) -> list[ToolCallRequested]:
        return [event for event in self.events if isinstance(event, ToolCallRequested)]

    @property
    def call(self) -> tuple[str, dict[str, Any]]:
        [call] = self.calls
        return call.name, call.arguments

    @property
    def text(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, TextDelta))

    @property
    def plan(self) -> list[tuple[str, str]]:
        [plan] = [event for event in self.events if isinstance(event, PlanProposed)]
        return [(entry.content, entry.status) for entry in plan.entries]


def test_it_is_a_provider_with_one_model() -> None:
    provider: Provider = OfflineProvider()
    assert provider.id == "offline"
    assert [(model.id, model.name) for model in provider.models()] == [("offline", "Offline (no model)")]


@pytest.mark.req("CR-04")
def test_only_the_first_answer_ends_with_how_to_configure_a_model() -> None:
    talk = Conversation("list files")
    assert talk.text.splitlines()[0] == "Listing the working directory."
    last = talk.text.splitlines()[-1]
    assert all(words in last for words in ("No model is configured", "--model", "agent-server.toml", "`offline`"))
    talk.result("a.txt")
    assert "--model" not in talk.text
    assert "--model" not in talk.prompt("list files").text


@pytest.mark.req("CR-04")
def test_a_test_prompt_is_not_preceded_by_the_notice() -> None:
    assert Conversation("/test noop").text == ""


@pytest.mark.req("SK-06")
def test_every_offered_command_is_understood_and_explained_by_help() -> None:
    names = [command.name for command in OfflineProvider().commands()]
    assert names == ["help", "ls", "read", "search", "find", "edit", "write", "run", "todo"]
    shown = Conversation("/help").text
    for name in names:
        assert f"`/{name}" in shown
        assert "There is no command" not in Conversation(f"/{name}").text


@pytest.mark.parametrize(
    ("prompt", "name", "arguments"),
    [
        ("/ls", "list_directory", {}),
        ("/ls src", "list_directory", {"path": "src"}),
        ('/LS "my dir"', "list_directory", {"path": "my dir"}),
        ("/read a.py", "read_file", {"path": "a.py"}),
        ("/read a.py:3-9", "read_file", {"path": "a.py", "offset": 3, "limit": 7}),
        ("/read a.py:3", "read_file", {"path": "a.py", "offset": 3, "limit": 1}),
        ("/read a.py:3-", "read_file", {"path": "a.py", "offset": 3}),
        ('/read "a b.py":3-9', "read_file", {"path": "a b.py", "offset": 3, "limit": 7}),
        (r"/read C:\a.py", "read_file", {"path": r"C:\a.py"}),
        (r"/search \bfoo\b", "grep", {"pattern": r"\bfoo\b"}),
        (r'/search "def \w+" *.py', "grep", {"pattern": r"def \w+", "glob": "*.py"}),
        (r'/search "say \"hi\""', "grep", {"pattern": 'say "hi"'}),
        ("/find **/*.py", "find", {"pattern": "**/*.py"}),
        ("/write a.txt hello you", "write_file", {"path": "a.txt", "content": "hello you"}),
        (r'/write a.txt "one\ntwo\n"', "write_file", {"path": "a.txt", "content": "one\ntwo\n"}),
        ('/write a.py "x" + "y"', "write_file", {"path": "a.py", "content": '"x" + "y"'}),
        ("/write a.py\n  one\ntwo", "write_file", {"path": "a.py", "content": "  one\ntwo\n"}),
        ("/run echo 'a b' | wc", "run_command", {"command": "echo 'a b' | wc"}),
        ('/edit a.txt "old" "new"', "edit_file", {"path": "a.txt", "old_text": "old", "new_text": "new"}),
        ('/edit a.txt old ""', "edit_file", {"path": "a.txt", "old_text": "old", "new_text": ""}),
        (
            r"""/edit a.txt 'a\n"b"' "\t\\" all""",
            "edit_file",
            {"path": "a.txt", "old_text": 'a\n"b"', "new_text": "\t\\", "replace_all": True},
        ),
        (
            "/edit a.txt\n<<<<<<< SEARCH\n  a\nb\n=======\nc\n>>>>>>> REPLACE",
            "edit_file",
            {"path": "a.txt", "old_text": "  a\nb", "new_text": "c"},
        ),
        (
            "/edit a.txt\n<<<<<<<\na\n=======\n>>>>>>>\n",
            "edit_file",
            {"path": "a.txt", "old_text": "a", "new_text": ""},
        ),
    ],
)
@pytest.mark.req("SK-06")
def test_a_slash_command_asks_for_its_tool(prompt: str, name: str, arguments: dict[str, object]) -> None:
    assert Conversation(prompt).call == (name, arguments)


@pytest.mark.parametrize(
    "prompt",
    [
        "/read",
        "/read a.py:9-3",
        "/read a b",
        "/search",
        "/search a b c",
        "/find",
        "/find a b",
        "/edit",
        "/edit a.txt",
        '/edit a.txt "old"',
        '/edit a.txt "old" "new" twice',
        '/edit a.txt "old" "new',
        '/edit a.txt "" "new"',
        "/edit a.txt\n<<<<<<<\na\n=======\nb",
        "/write",
        "/write a.txt",
        "/run",
        "/run   ",
        "/todo",
        "/todo ;;",
        "/ls a b",
    ],
)
def test_a_misused_command_is_answered_with_its_usage_in_one_line(prompt: str) -> None:
    talk = Conversation(prompt)
    line = talk.text.splitlines()[0]
    assert line.startswith(f"Usage: `{prompt.split()[0]} ")
    assert len(talk.text.splitlines()) == 3  # the usage, a blank line, the notice
    assert not talk.calls


@pytest.mark.parametrize("prompt", ["/nonsense", "/nonsense and more", "/lsx"])
def test_an_unknown_command_names_help(prompt: str) -> None:
    assert "`/help`" in Conversation(prompt).text.splitlines()[0]


def test_several_edit_blocks_are_made_one_by_one_under_a_plan() -> None:
    block = "<<<<<<<\n{}\n=======\n{}\n>>>>>>>\n"
    talk = Conversation("/edit a.txt\n" + block.format("a", "b") + block.format("c", "d"))
    assert talk.call == ("edit_file", {"path": "a.txt", "old_text": "a", "new_text": "b"})
    assert [status for _, status in talk.plan] == ["in_progress", "pending"]
    talk.result("ok")
    assert talk.call == ("edit_file", {"path": "a.txt", "old_text": "c", "new_text": "d"})
    assert [status for _, status in talk.plan] == ["completed", "in_progress"]
    talk.result("ok")
    assert [status for _, status in talk.plan] == ["completed", "completed"]


def test_todo_items_become_the_plan() -> None:
    talk = Conversation("/todo [x] look; [~] change\n- [ ] check\n* ship")
    assert talk.plan == [
        ("look", "completed"),
        ("change", "in_progress"),
        ("check", "pending"),
        ("ship", "pending"),
    ]
    assert "4 tasks: 1 done, 1 in progress." in talk.text


@pytest.mark.parametrize(
    ("listing", "command"),
    [
        ("src/\ntests/\npyproject.toml", "pytest"),
        ("package.json\nindex.js", "npm test"),
        ("src/\nCargo.toml", "cargo test"),
        ("go.mod\nmain.go", "go test ./..."),
        ("Makefile\na.c", "make test"),
    ],
)
def test_the_tests_are_run_with_the_command_that_the_listing_speaks_for(listing: str, command: str) -> None:
    talk = Conversation("run the tests")
    assert talk.call == ("list_directory", {})
    assert talk.result(listing).call == ("run_command", {"command": command})
    assert f"`{command}` succeeded" in talk.result("3 passed").text


def test_failing_tests_are_reported_with_their_exit_code() -> None:
    talk = Conversation("run the tests").result("go.mod").result("FAIL\nexit code 1", is_error=True)
    assert talk.text == "The command failed: exit code 1."


def test_no_test_command_is_guessed() -> None:
    talk = Conversation("run the tests").result("notes.txt\nnot-pyproject.toml.bak")
    assert not talk.calls
    assert "/run" in talk.text


def test_replacing_in_all_files_searches_and_then_edits_each_file_under_a_plan() -> None:
    talk = Conversation('replace "a.b" with "c" in all files')
    assert talk.call == ("grep", {"pattern": r"a\.b"})
    assert [status for _, status in talk.plan] == ["in_progress", "pending"]
    talk.result("x.txt:1:a.b\nx.txt:2:a.b\nsrc/y.txt:7:a.b: c:9:")
    assert talk.call[1] == {"path": "x.txt", "old_text": "a.b", "new_text": "c", "replace_all": True}
    assert [status for _, status in talk.plan] == ["completed", "in_progress", "pending"]
    talk.refused()
    assert talk.call[1]["path"] == "src/y.txt"
    assert [status for _, status in talk.plan] == ["completed", "pending", "in_progress"]
    talk.result("ok")
    assert [status for _, status in talk.plan] == ["completed", "pending", "completed"]
    assert talk.text.splitlines() == [
        "1 of 2 changes made.",
        "",
        "- `x.txt`: The user refused it.",
        "- `src/y.txt` changed.",
    ]


def test_a_search_that_was_cut_short_is_said_so_after_the_replacing() -> None:
    talk = Conversation("replace a with b everywhere")
    talk.result("x.txt:1:a\n[100 lines shown; there are more]").result("ok")
    assert "Not every match was looked at: 100 lines shown; there are more" in talk.text


def test_replacing_what_no_file_holds_changes_nothing() -> None:
    talk = Conversation("replace a with b everywhere").result("no lines match")
    assert not talk.calls
    assert "nothing was changed" in talk.text


@pytest.mark.parametrize(
    ("shown", "old", "new"),
    [
        ("one\ntwo\n", "two", "two\nx"),
        ("one\ntwo", "two", "two\nx"),
        ("a\nb\na\n", "b\na", "b\na\nx"),
        ("a\na\na\n", "a\na\na", "a\na\na\nx"),
        ("a\n\n", "a\n", "a\n\nx"),
        ("\n\n", "\n\n", "\n\nx\n"),
        ("xy\ny\n", "xy\ny", "xy\ny\nx"),
    ],
)
def test_appending_grows_the_shortest_end_of_the_file_that_occurs_once(shown: str, old: str, new: str) -> None:
    talk = Conversation('append "x" to a.txt')
    assert talk.call == ("read_file", {"path": "a.txt"})
    assert talk.result(shown).call == ("edit_file", {"path": "a.txt", "old_text": old, "new_text": new})
    assert talk.result("ok").text == "`a.txt` changed."


@pytest.mark.timeout(10)
def test_appending_to_a_file_of_equal_lines_takes_its_whole_text_in_bounded_time() -> None:
    shown = "a\n" * 100_000
    talk = Conversation('append "x" to a.txt').result(shown)
    assert talk.call == ("edit_file", {"path": "a.txt", "old_text": shown, "new_text": f"{shown}x\n"})


def test_appending_to_an_empty_file_writes_it() -> None:
    talk = Conversation('append "x" to a.txt').result("(the file is empty)")
    assert talk.call == ("write_file", {"path": "a.txt", "content": "x\n"})


def test_appending_to_a_long_file_reads_its_end() -> None:
    talk = Conversation('append "x" to a.txt')
    talk.result("lines 1-9000 of 20000\nq\n[cut at 256 KB; go on with offset 9001]")
    assert talk.call == ("read_file", {"path": "a.txt", "offset": 19950})
    talk.result("lines 19950-20000 of 20000\nq\nlast")
    assert talk.call[1]["old_text"] == "last"


def test_nothing_is_appended_to_a_picture() -> None:
    talk = Conversation('append "x" to a.png')
    [call] = talk.calls
    talk.messages.append(ToolResultMessage(call.call_id, call.name, (ImagePart("", "image/png"),)))
    assert not talk._go_on().calls
    assert "not a text file" in talk.text


def test_a_file_that_cannot_be_read_is_not_appended_to() -> None:
    talk = Conversation('append "x" to a.txt').result("a.txt does not exist\nmore", is_error=True)
    assert not talk.calls
    assert talk.text == "It failed: a.txt does not exist"


def test_an_empty_file_is_created_only_where_none_is() -> None:
    talk = Conversation("create src/a.txt")
    assert talk.call == ("list_directory", {"path": "src"})
    assert talk.result("b.txt").call == ("write_file", {"path": "src/a.txt", "content": ""})
    talk = Conversation("create src/a.txt").result("a.txt\nb.txt")
    assert not talk.calls
    assert "nothing was changed" in talk.text


def test_a_name_that_is_no_directory_is_read_as_a_file() -> None:
    talk = Conversation("what is in LICENSE?")
    assert talk.call == ("list_directory", {"path": "LICENSE"})
    assert talk.result("LICENSE is no directory", is_error=True).call == ("read_file", {"path": "LICENSE"})


def test_a_refusal_ends_the_turn_and_is_said_as_such() -> None:
    talk = Conversation("delete a.txt").refused()
    assert talk.text == "The user refused it."
    assert not talk.calls


@pytest.mark.parametrize(
    ("prompt", "result", "says"),
    [
        ("delete a.txt", "deleted", "`a.txt` is deleted."),
        ("rename a.txt to b.txt", "moved", "`a.txt` is now `b.txt`."),
        ('create a.txt with "x"', "written", "`a.txt` is written."),
        ("search for x", "a.py:1:x\na.py:2:x\nb.py:1:x", "3 matching lines in 2 files"),
        ("search for x", "no lines match", "The result: no lines match"),
        ("find *.py", "a.py", "The result: a.py"),
        ("run ls", "a\nb", "The command has ended"),
    ],
)
def test_the_summary_says_what_the_result_says(prompt: str, result: str, says: str) -> None:
    assert says in Conversation(prompt).result(result).text


def test_a_tool_that_the_session_lacks_is_not_asked_for() -> None:
    talk = Conversation("run ls", tools=["read_file"])
    assert not talk.calls
    assert "`run_command`, which this session does not offer" in talk.text


def test_call_ids_differ_over_the_whole_conversation() -> None:
    talk = Conversation("delete a.txt and b.txt").result("ok").result("ok")
    talk.prompt("list files").result("a").prompt("/test fs 3")
    ids = [r.call_id for m in talk.messages if isinstance(m, AssistantMessage) for r in m.tool_requests]
    assert len(ids) == len(set(ids)) == 4


def test_results_of_another_providers_calls_are_not_misread() -> None:
    talk = Conversation()
    request = ToolRequest("toolu_1", "run_command", {"command": "ls"})
    talk.messages = [
        UserMessage((TextPart("run the tests"),)),
        AssistantMessage("", tool_requests=[request]),
        ToolResultMessage("toolu_1", "run_command", (TextPart("go.mod"),)),
    ]
    assert not talk._go_on().calls
    assert "not made by the offline provider" in talk.text


def test_an_answer_may_be_closed_at_any_event() -> None:
    async def close_after(count: int) -> None:
        messages = [UserMessage((TextPart("replace a with b everywhere"),))]
        stream = OfflineProvider().stream(ModelRequest("offline", messages, [ToolSpec("grep", "", {})]))
        for _ in range(count):
            await anext(stream)
        await stream.aclose()

    for count in range(5):
        asyncio.run(close_after(count))


def test_importing_the_provider_loads_no_parser() -> None:
    code = "import sys, agent_server.providers.offline as o; o.OfflineProvider().models(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    modules = loaded.stdout.split()
    assert [name for name in modules if name.startswith("agent_server.providers.offline.")] == [
        "agent_server.providers.offline.provider"
    ]
    assert "asyncio" not in modules
