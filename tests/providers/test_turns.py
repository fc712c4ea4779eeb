"""What formats with two speakers are given: turns that no server refuses."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agent_server.conversation.content import TextPart
from agent_server.conversation.messages import (
    AssistantMessage,
    ModelMessage,
    ToolRequest,
    ToolResultMessage,
    UserMessage,
)
from agent_server.conversation.reasoning import ReasoningState
from agent_server.providers.turns import NOTHING_CAME_BACK, ModelTurn, Turn, UserTurn, fitting_name, turns_of
from agent_server.providers.wire import GO_ON

PLAIN = re.compile(r"[a-z0-9]{1,12}")


def user(text: str) -> UserMessage:
    return UserMessage((TextPart(text),))


def asks(*calls: str, text: str = "") -> AssistantMessage:
    return AssistantMessage(text, tool_requests=[ToolRequest(call, "read", {"n": n}) for n, call in enumerate(calls)])


def result(call: str, text: str = "ok") -> ToolResultMessage:
    return ToolResultMessage(call, "read", (TextPart(text),))


def turns(*messages: ModelMessage) -> list[Turn]:
    return turns_of(messages, "o", PLAIN)


def outline(found: list[Turn]) -> list[str]:
    """The turns, one line each."""
    lines = []
    for turn in found:
        if isinstance(turn, ModelTurn):
            lines.append("model " + " ".join(piece.text or piece.kind for piece in turn.pieces))
        else:
            said = [f"{call}={_text(given)}" for call, given in turn.results] + [_text(one) for one in turn.messages]
            lines.append("user " + " ".join(said))
    return lines


def _text(message: UserMessage | ToolResultMessage) -> str:
    (part,) = message.parts
    assert isinstance(part, TextPart)
    return part.text


def test_results_and_what_the_user_says_behind_them_are_one_turn() -> None:
    found = turns(
        user("do"), asks("a", "b"), result("a", "1"), result("b", "2"), user("and"), asks(text="done"), user("?")
    )
    assert outline(found) == ["user do", "model tool tool", "user a=1 b=2 and", "model done", "user ?"]


def test_results_stand_in_front_of_what_was_said_meanwhile_and_in_the_order_of_the_calls() -> None:
    found = turns(user("do"), asks("a", "b"), user("wait"), result("b", "2"), result("a", "1"))
    assert outline(found) == ["user do", "model tool tool", "user a=1 b=2 wait"]


def test_a_call_without_a_result_gets_one_that_says_so() -> None:
    found = turns(user("do"), asks("a", "b"), result("b"), asks("c"))
    assert outline(found) == [
        "user do",
        "model tool tool",
        f"user a={NOTHING_CAME_BACK} b=ok",
        "model tool",
        f"user c={NOTHING_CAME_BACK}",
    ]
    assert isinstance(found[4], UserTurn) and found[4].results[0][1].is_error


def test_a_result_without_its_call_is_left_out() -> None:
    found = turns(result("a"), user("do"), asks("b"), result("a"), result("b"), result("b", "again"), user("?"))
    assert outline(found) == ["user do", "model tool", "user b=ok ?"]


def test_calls_of_the_same_id_are_sent_under_different_ones_with_their_own_results() -> None:
    found = turns(user("do"), asks("a", "a"), result("a", "1"), result("a", "2"), asks("a"), result("a", "3"))
    sent = [turn.calls for turn in found if isinstance(turn, ModelTurn)]
    assert len({call for calls in sent for call in calls}) == 3 and sent[0][0] == "a"
    given = [(call, _text(one)) for turn in found if isinstance(turn, UserTurn) for call, one in turn.results]
    assert given == [(sent[0][0], "1"), (sent[0][1], "2"), (sent[1][0], "3")]


def test_an_id_that_the_server_refuses_is_replaced_on_both_sides_and_stays_the_same() -> None:
    messages: list[ModelMessage] = [user("do"), asks("call|of another server"), result("call|of another server")]
    first, later = turns(*messages), turns(*messages, asks(text="done"), user("?"))
    assert first[1] == later[1] and isinstance(first[1], ModelTurn) and isinstance(first[2], UserTurn)
    (sent,) = first[1].calls
    assert PLAIN.fullmatch(sent) and first[2].results[0][0] == sent


def test_what_the_model_said_in_two_responses_is_one_turn() -> None:
    assert outline(turns(user("do"), asks(text="one"), asks("a", text="two"), result("a"))) == [
        "user do",
        "model one two tool",
        "user a=ok",
    ]


def test_a_response_that_says_nothing_is_left_out() -> None:
    blank = AssistantMessage(" \n", "a thought of its own")
    assert outline(turns(user("do"), blank, user("again"))) == ["user do again"]
    assert outline(turns(user("do"), AssistantMessage(), user("again"))) == ["user do again"]


def test_the_user_speaks_first_and_last() -> None:
    assert outline(turns()) == [f"user {GO_ON}"]
    assert outline(turns(asks(text="hello"))) == [f"user {GO_ON}", "model hello", f"user {GO_ON}"]


def test_a_model_that_its_server_interrupted_goes_on_without_a_word_of_the_user() -> None:
    items: list[dict[str, Any]] = [
        {"kind": "text", "chars": 2},
        {"kind": "opaque", "extra": {"block": {"type": "server_tool_use"}}},
    ]
    paused = AssistantMessage("so", reasoning=ReasoningState("o", items))
    assert outline(turns(user("do"), paused)) == ["user do", "model so opaque"]
    of_another = AssistantMessage("so", reasoning=ReasoningState("another", items))
    assert outline(turns(user("do"), of_another)) == ["user do", "model so", f"user {GO_ON}"]


def test_thoughts_without_a_signature_are_not_sent() -> None:
    items: list[dict[str, Any]] = [
        {"kind": "thought", "chars": 1},
        {"kind": "thought", "chars": 2, "extra": {"signature": "s"}},
        {"kind": "text", "chars": 1},
    ]
    message = AssistantMessage("x", "abc", reasoning=ReasoningState("o", items))
    assert outline(turns(user("do"), message, user("?")))[1] == "model bc x"


def test_a_name_that_the_server_refuses_is_written_so_that_it_does_not() -> None:
    refused = re.compile(r"[^a-z]")
    assert [fitting_name(name, refused, 4) for name in ("read", "a.b", "longer", "")] == ["read", "a_b", "long", "_"]


MESSAGES = st.one_of(
    st.sampled_from(["", " ", "hello"]).map(user),
    st.tuples(st.lists(st.sampled_from(["a", "b", "c!"]), max_size=3), st.sampled_from(["", "hi"])).map(
        lambda made: asks(*made[0], text=made[1])
    ),
    st.sampled_from(["a", "b", "c!", "d"]).map(result),
)


@given(st.lists(MESSAGES, max_size=12))
def test_whatever_was_said_the_turns_alternate_and_every_call_has_one_result(messages: list[ModelMessage]) -> None:
    found = turns(*messages)
    assert all(isinstance(turn, UserTurn) == (at % 2 == 0) for at, turn in enumerate(found))
    assert len(found) % 2 == 1
    asked = [turn.calls for turn in found if isinstance(turn, ModelTurn)]
    given = [[call for call, _ in turn.results] for turn in found[2:] if isinstance(turn, UserTurn)]
    assert given == asked
    every = [call for calls in asked for call in calls]
    assert len(set(every)) == len(every) and all(PLAIN.fullmatch(call) for call in every)
    assert len(every) == sum(len(one.tool_requests) for one in messages if isinstance(one, AssistantMessage))
