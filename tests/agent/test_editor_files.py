from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent_server.conversation.messages import ToolResultMessage
from agent_server.providers.provider import Finished

from .puppets import PuppetModel, wants
from .scripted_client import FILES, Frame, Refusal, ScriptedClient, choose, in_loop, one_client

READ, WRITE, ASK = "fs/read_text_file", "fs/write_text_file", "session/request_permission"


async def use(
    cwd: Path,
    tool: str,
    arguments: dict[str, Any],
    *,
    answers: dict[str, Any],
    capabilities: Frame | None = FILES,
) -> tuple[ToolResultMessage, ScriptedClient]:
    """Let the model use a tool once: what it was told, and the client."""
    model = PuppetModel()
    async with one_client(model, capabilities=capabilities) as (client, _):
        client.answers.update({ASK: choose("approve"), **answers})
        prompt = client.prompt(await client.new_session(str(cwd)))
        await model.asked(1)
        model.say(1, wants(tool, **arguments), Finished("tool_use"))
        await model.asked(2)
        model.finish(2)
        assert await client.stop_reason(prompt) == "end_turn"
        result = model.seen[1][-1]
        assert isinstance(result, ToolResultMessage)
        return result, client


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path.resolve() / "a.txt"
    path.write_text("on disk\n")
    return path


@pytest.mark.req("TL-03")
@in_loop
async def test_a_read_gives_the_unsaved_text_of_the_editor(file: Path) -> None:
    result, client = await use(
        file.parent, "read_file", {"path": "a.txt"}, answers={READ: {"content": "in the buffer\n"}}
    )
    assert "in the buffer" in str(result.parts)
    assert "on disk" not in str(result.parts)
    assert client.requests(READ)[0]["params"]["path"] == str(file)


@pytest.mark.req("TL-03", "TL-04")
@in_loop
async def test_an_edit_starts_from_the_buffer_and_ends_in_the_editor(file: Path) -> None:
    edit = {"path": "a.txt", "old_text": "buffer", "new_text": "editor"}
    answers = {READ: {"content": "the buffer\n"}, WRITE: {}}
    result, client = await use(file.parent, "edit_file", edit, answers=answers)
    assert not result.is_error, result.parts
    (written,) = client.requests(WRITE)
    assert written["params"]["path"] == str(file)
    assert written["params"]["content"] == "the editor\n"
    assert file.read_text() == "on disk\n"
    (diff,) = client.requests(ASK)[0]["params"]["toolCall"]["content"]
    assert (diff["oldText"], diff["newText"]) == ("the buffer\n", "the editor\n")


@pytest.mark.spec("D-52")
@pytest.mark.req("TL-06")
@in_loop
async def test_whether_a_file_exists_is_decided_on_disk(file: Path) -> None:
    """Some editors answer an empty text for a file that is not there."""
    answers = {READ: {"content": ""}, WRITE: {}}
    new, client = await use(file.parent, "write_file", {"path": "new.txt", "content": "x"}, answers=answers)
    assert not new.is_error
    assert client.requests(READ) == []
    (diff,) = client.requests(ASK)[0]["params"]["toolCall"]["content"]
    assert "oldText" not in diff
    missing, client = await use(file.parent, "read_file", {"path": "none.txt"}, answers=answers)
    assert missing.is_error
    assert client.requests(READ) == []


@pytest.mark.req("TL-03")
@pytest.mark.parametrize("code", [-32002, -32601, -32602])
@in_loop
async def test_the_disk_is_right_where_the_editor_knows_nothing_of_a_file(file: Path, code: int) -> None:
    result, _ = await use(file.parent, "read_file", {"path": "a.txt"}, answers={READ: Refusal(code)})
    assert not result.is_error
    assert "on disk" in str(result.parts)


@pytest.mark.req("TL-03", "TL-11")
@pytest.mark.parametrize("answer", [Refusal(-32603, "the disk is on fire"), {"text": "wrong field"}, [], None])
@in_loop
async def test_an_editor_that_cannot_read_makes_a_failed_call_and_the_run_goes_on(file: Path, answer: object) -> None:
    result, _ = await use(file.parent, "read_file", {"path": "a.txt"}, answers={READ: answer})
    assert result.is_error
    assert "editor" in str(result.parts)
    assert "on disk" not in str(result.parts)


@pytest.mark.req("TL-06", "TL-11")
@in_loop
async def test_an_editor_that_cannot_write_makes_a_failed_call_and_nothing_is_written_behind_it(file: Path) -> None:
    answers = {READ: {"content": "on disk\n"}, WRITE: Refusal(-32603, "read-only")}
    result, _ = await use(file.parent, "write_file", {"path": "a.txt", "content": "x"}, answers=answers)
    assert result.is_error
    assert "read-only" in str(result.parts)
    assert file.read_text() == "on disk\n"


@pytest.mark.req("TL-04")
@pytest.mark.promise("P14")
@in_loop
async def test_a_buffer_that_changed_while_the_user_was_asked_is_not_overwritten(file: Path) -> None:
    texts = iter(["first\n", "the user typed on\n"])
    answers = {READ: lambda _params: {"content": next(texts)}, WRITE: {}}
    result, client = await use(file.parent, "write_file", {"path": "a.txt", "content": "x"}, answers=answers)
    assert result.is_error
    assert client.requests(WRITE) == []


@pytest.mark.spec("N-33")
@pytest.mark.req("TL-02")
@pytest.mark.promise("P14")
@pytest.mark.parametrize("tool", ["read_file", "write_file"])
@in_loop
async def test_the_editor_is_not_asked_for_what_lies_outside(file: Path, tmp_path: Path, tool: str) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    arguments = {"path": "../a.txt"} | ({"content": "x"} if tool == "write_file" else {})
    result, client = await use(inside, tool, arguments, answers={READ: {"content": "secret"}, WRITE: {}})
    assert result.is_error
    assert client.requests(READ) == client.requests(WRITE) == client.requests(ASK) == []


@pytest.mark.spec("N-64", "N-07")
@pytest.mark.promise("P10")
@pytest.mark.req("TL-03", "TL-06")
@pytest.mark.parametrize(
    ("capabilities", "reads", "writes"),
    [
        ({}, 0, 0),
        ({"fs": {}}, 0, 0),
        ({"fs": {"readTextFile": False, "writeTextFile": False}}, 0, 0),
        ({"fs": {"readTextFile": True}}, 2, 0),
        ({"fs": {"writeTextFile": True}}, 0, 1),
        ({"fs": {"readTextFile": "yes", "writeTextFile": 1}, "terminal": "true"}, 0, 0),
    ],
)
@in_loop
async def test_the_editor_is_asked_only_for_what_it_offers(
    file: Path, capabilities: Frame, reads: int, writes: int
) -> None:
    answers = {READ: {"content": "on disk\n"}, WRITE: {}}
    arguments = {"path": "a.txt", "content": "new\n"}
    result, client = await use(file.parent, "write_file", arguments, answers=answers, capabilities=capabilities)
    assert not result.is_error
    assert (len(client.requests(READ)), len(client.requests(WRITE))) == (reads, writes)
    assert file.read_text() == ("on disk\n" if writes else "new\n")


@pytest.mark.promise("P10")
@pytest.mark.req("TL-07")
@in_loop
async def test_a_command_needs_no_terminal_of_the_client(tmp_path: Path) -> None:
    result, client = await use(tmp_path, "run_command", {"command": "echo hi"}, answers={}, capabilities={})
    assert "hi" in str(result.parts)
    assert not [frame for frame in client.frames if str(frame.get("method")).startswith("terminal/")]


@pytest.mark.req("TL-06")
@in_loop
async def test_a_text_too_long_for_a_frame_is_not_written_and_the_model_is_told(tmp_path: Path) -> None:
    arguments = {"path": "a.txt", "content": "x" * (9 * 1024 * 1024)}
    result, client = await use(tmp_path, "write_file", arguments, answers={WRITE: {}})
    assert result.is_error
    assert client.requests(WRITE) == []
