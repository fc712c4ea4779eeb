"""Killed agents: what a client has seen comes back, and the kit sees it when it does not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from conformance.faults.kill import main, run
from conformance.faults.seen import Seen, losses
from conformance.faults.subject import Subject

AGENT = str(Path(__file__).with_name("agent_with_log.py"))


def logging_agent(broken: str = "") -> Subject:
    return Subject([sys.executable, "-I", "-S", AGENT, "--broken", broken])


def chunk(text: str, message_id: str = "m1", kind: str = "agent_message_chunk") -> dict[str, object]:
    return {"sessionUpdate": kind, "content": {"type": "text", "text": text}, "messageId": message_id}


def call(status: str | None, call_id: str = "c1", **fields: object) -> dict[str, object]:
    return {"sessionUpdate": "tool_call_update", "toolCallId": call_id, "status": status, **fields}


def told(*updates: dict[str, object], answered: bool = False, prompt: str = "hello") -> Seen:
    seen = Seen()
    seen.prompted(prompt)
    for update in updates:
        seen.take(update)
    if answered:
        seen.answered()
    return seen


def replayed(*updates: dict[str, object]) -> Seen:
    seen = Seen()
    for update in (chunk("hello", "u1", "user_message_chunk"), *updates):
        seen.take(update)
    return seen


def test_a_replay_that_tells_the_same_in_other_pieces_has_lost_nothing() -> None:
    seen = told(chunk("one "), chunk("two"), call("pending", title="x"), call("completed"), answered=True)
    assert losses(seen, replayed(chunk("one two"), call("completed", title="x"))) == []


def test_a_running_turn_may_be_further_on_and_an_ended_one_may_not() -> None:
    further = replayed(chunk("one two"))
    assert losses(told(chunk("one")), further) == []
    assert losses(told(chunk("one"), answered=True), further) == [
        "agent_message_chunk m1 has 7 characters instead of 3"
    ]


@pytest.mark.parametrize(
    ("replay", "loss"),
    [
        ([], "agent_message_chunk m1 is missing"),
        ([chunk("on")], "has 2 characters instead of 3"),
        ([chunk("oneX"), chunk("e")], "call c1 is missing"),
        ([chunk("oXe"), call("completed", title="x")], "another text from character 1 on"),
        ([chunk("one"), call("failed", title="x")], "call c1: status is 'failed' instead of 'completed'"),
        ([chunk("one"), call("completed", title="y")], "call c1: title is 'y' instead of 'x'"),
        ([call("completed", title="x"), chunk("one")], "another order"),
        ([chunk("one"), call("completed", title="x"), call("pending", "c2")], "call c2 has not ended"),
    ],
)
def test_what_is_missing_is_named(replay: list[dict[str, object]], loss: str) -> None:
    seen = told(chunk("one"), call("completed", title="x"))
    assert any(loss in found for found in losses(seen, replayed(*replay)))


def test_a_prompt_that_was_begun_must_be_told_and_one_that_was_not_need_not() -> None:
    assert losses(told(chunk("one")), Seen())[0] == "prompt 1 of 1 ('hello') is missing"
    assert losses(told(), Seen()) == []


def test_titles_and_plans_come_back() -> None:
    title: dict[str, object] = {"sessionUpdate": "session_info_update", "title": "A title"}
    plan: dict[str, object] = {"sessionUpdate": "plan", "entries": [{"content": "x"}]}
    seen = told(title, plan, answered=True)
    assert losses(seen, replayed(title, plan)) == []
    assert len(losses(seen, replayed())) == 2


def test_an_agent_that_writes_before_it_sends_loses_nothing_when_killed() -> None:
    tally = run(logging_agent(), 12, 1)
    assert tally.lost == []
    assert tally.did["sessions compared"] > 20


@pytest.mark.parametrize("broken", ["writes late", "rewrites"])
def test_an_agent_that_can_lose_what_was_seen_is_found_out(broken: str) -> None:
    assert run(logging_agent(broken), 12, 1).lost


def test_the_command_line_counts_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    command = f"{sys.executable} -I -S {AGENT}"
    assert main(["--agent", command, "--runs", "2"]) == 0
    assert "0 losses in 2 kills" in capsys.readouterr().out
    assert main(["--agent", f"{command} --broken 'writes late'", "--runs", "12", "--prompt", "long"]) == 1
    assert "LOST" in capsys.readouterr().out
