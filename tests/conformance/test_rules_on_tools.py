"""The rules on tool calls and on the client's files and terminals, on hand-made conversations."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.talk import SESSION, Talk, judged, verdict


def call(talk: Talk, **fields: Any) -> Talk:
    return talk.update("tool_call", **{"toolCallId": "1", "title": "Read", **fields})


def change(talk: Talk, **fields: Any) -> Talk:
    return talk.update("tool_call_update", **{"toolCallId": "1", **fields})


def test_a_call_that_is_introduced_may_be_updated() -> None:
    assert verdict("tool.announced", change(call(Talk()), status="completed")) == "kept"


def test_an_update_of_a_call_that_nobody_knows_is_wrong() -> None:
    assert verdict("tool.announced", change(call(Talk()), toolCallId="2")) == "broken"


def test_the_calls_of_a_resumed_session_were_introduced_elsewhere() -> None:
    talk = Talk().ask("session/resume", "r", sessionId=SESSION).answer("r")
    assert verdict("tool.announced", change(talk, status="completed")) == "silent"


@pytest.mark.parametrize("end", ["completed", "failed"])
def test_a_turn_ends_with_its_calls_ended(end: str) -> None:
    assert verdict("tool.ends", change(call(Talk().prompt()), status=end).done()) == "kept"


@pytest.mark.parametrize("status", ["pending", "in_progress"])
def test_a_call_that_is_left_open_by_its_turn_is_wrong(status: str) -> None:
    assert verdict("tool.ends", change(call(Talk().prompt()), status=status).done()) == "broken"


def test_a_call_without_a_status_is_pending() -> None:
    assert verdict("tool.ends", call(Talk().prompt()).done()) == "broken"


def test_a_turn_without_calls_says_nothing_about_their_ends() -> None:
    assert verdict("tool.ends", Talk().prompt().done()) == "silent"


def test_the_calls_of_a_cancelled_turn_are_left_to_another_requirement() -> None:
    talk = call(Talk().prompt()).tell("session/cancel", sessionId=SESSION).done(reason="cancelled")
    assert verdict("tool.ends", talk) == "silent"


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/src/a.txt", "kept"), ("C:\\src\\a.txt", "kept"), ("a.txt", "broken"), ("./a.txt", "broken"), ("", "broken")],
)
def test_paths_are_absolute_wherever_they_stand(path: str, expected: str) -> None:
    diff = {"type": "diff", "path": path, "newText": "x"}
    places = [
        call(Talk(), locations=[{"path": path}]),
        change(Talk(), content=[diff]),
        Talk().wish(1, "session/request_permission", toolCall={"toolCallId": "1", "locations": [{"path": path}]}),
        Talk().wish(1, "fs/read_text_file", path=path),
        Talk().wish(1, "fs/write_text_file", path=path, content=""),
        Talk().wish(1, "terminal/create", command="ls", cwd=path),
        Talk().ask("session/list", "l").answer("l", sessions=[{"sessionId": SESSION, "cwd": path}]),
    ]
    assert [verdict("tool.absolute-paths", talk) for talk in places] == [expected] * len(places)


def test_texts_are_no_paths() -> None:
    talk = change(Talk(), content=[{"type": "content", "content": {"type": "text", "text": "a.txt", "path": "x"}}])
    assert verdict("tool.absolute-paths", talk) == "silent"


@pytest.mark.parametrize(("line", "expected"), [(1, "kept"), (0, "broken"), (-1, "broken"), (None, "silent")])
def test_lines_begin_at_one(line: object, expected: str) -> None:
    assert verdict("tool.lines-from-one", call(Talk(), locations=[{"path": "/a", "line": line}])) == expected
    assert verdict("tool.lines-from-one", Talk().wish(1, "fs/read_text_file", path="/a", line=line)) == expected


def test_a_file_is_asked_for_in_a_session_of_this_conversation() -> None:
    assert verdict("fs.used-with-a-known-session", Talk().made().wish(1, "fs/read_text_file", path="/a")) == "kept"


def test_a_file_may_be_asked_for_while_its_session_is_being_loaded() -> None:
    talk = Talk().ask("session/load", "load", sessionId=SESSION).wish(1, "fs/read_text_file", path="/a")
    assert verdict("fs.used-with-a-known-session", talk) == "kept"


@pytest.mark.parametrize("session", ["session-2", None, 5])
def test_a_file_for_no_session_of_this_conversation_is_wrong(session: object) -> None:
    talk = Talk().made().wish(1, "fs/write_text_file", sessionId=session, path="/a", content="")
    assert verdict("fs.used-with-a-known-session", talk) == "broken"


def terminal(*, ended: bool = True, released: bool = True) -> Talk:
    talk = Talk().prompt().wish(1, "terminal/create", command="ls").grant(1, terminalId="t")
    if ended:
        talk.wish(2, "terminal/wait_for_exit", terminalId="t").grant(2, exitCode=0)
    if released:
        talk.wish(3, "terminal/release", terminalId="t").grant(3)
    return talk


def test_a_terminal_that_is_released_before_the_answer_is_right() -> None:
    assert verdict("terminal.released", terminal().done()) == "kept"


def test_a_terminal_that_has_ended_and_is_kept_is_wrong() -> None:
    assert verdict("terminal.released", terminal(released=False).done()) == "broken"


def test_a_release_behind_the_answer_is_too_late() -> None:
    talk = terminal(released=False).done().wish(3, "terminal/release", terminalId="t")
    assert verdict("terminal.released", talk) == "broken"


def test_output_that_tells_how_the_command_ended_tells_that_it_has() -> None:
    talk = terminal(ended=False, released=False).wish(2, "terminal/output", terminalId="t")
    talk.grant(2, output="", truncated=False, exitStatus={"exitCode": 0})
    assert judged("terminal.released", talk.done()) == ["t has ended, and is not released by the end of the turn"]


def test_a_command_that_runs_on_may_outlive_its_turn() -> None:
    assert verdict("terminal.released", terminal(ended=False, released=False).done()) == "silent"


def test_a_terminal_that_could_not_be_made_needs_no_release() -> None:
    assert verdict("terminal.released", Talk().prompt().wish(1, "terminal/create", command="ls").done()) == "silent"
