"""The rules on lines, envelopes, ids, shapes and sessions, on hand-made conversations."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from conformance.registry import all_rules
from conformance.schema import load
from conformance.transcript import Transcript
from tests.conformance.talk import SESSION, Talk, verdict

LINE_RULES = [row for row in all_rules() if row.startswith(("frame.", "rpc."))]
SCHEMA = load(None, unstable=False)


def heard(*lines: object) -> Talk:
    """What an agent writes unasked; bytes stand for themselves."""
    talk = Talk()
    talk.transcript.schema = SCHEMA
    for line in lines:
        talk.transcript.add("agent", line if isinstance(line, bytes) else orjson.dumps(line))
    return talk


def broken_by(talk: Talk) -> set[str]:
    """All rules on lines that a talk breaks."""
    return {rule for rule in LINE_RULES if verdict(rule, talk) == "broken"}


NOTE = {"jsonrpc": "2.0", "method": "_own/note", "params": {}}


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        (b'{"jsonrpc":"2.0","method":"_own/caf\xe9"}', "frame.utf-8"),
        (b"Listening on stdio", "frame.stdout-is-pure"),
        (b"", "frame.stdout-is-pure"),
        (b"{", "frame.stdout-is-pure"),
        (b"17", "frame.stdout-is-pure"),
        ([NOTE], "frame.no-batches"),
        ({"method": "_own/note"}, "rpc.envelope"),
        ({**NOTE, "jsonrpc": 2.0}, "rpc.envelope"),
        ({**NOTE, "method": 5}, "rpc.envelope"),
        ({**NOTE, "result": {}}, "rpc.envelope"),
        ({"jsonrpc": "2.0"}, "rpc.envelope"),
        ({**NOTE, "id": True}, "rpc.envelope"),
        ({"jsonrpc": "2.0", "id": 5, "result": {}}, "rpc.answer-has-the-id"),
        ({"jsonrpc": "2.0", "id": None, "result": {}}, "rpc.answer-has-the-id"),
        ({"jsonrpc": "2.0", "id": None, "error": {"code": "x", "message": "m"}}, "rpc.error-object"),
        ({"jsonrpc": "2.0", "id": None, "error": {"code": True, "message": "m"}}, "rpc.error-object"),
        ({"jsonrpc": "2.0", "id": None, "error": {"code": -32700}}, "rpc.error-object"),
        ({"jsonrpc": "2.0", "id": None, "error": "no"}, "rpc.error-object"),
        ({"jsonrpc": "2.0", "id": None, "method": "_own/ask"}, "rpc.own-ids-plain"),
        ({"jsonrpc": "2.0", "id": 1.5, "method": "_own/ask"}, "rpc.own-ids-plain"),
        ({"jsonrpc": "2.0", "method": "made/up"}, "frame.schema"),
        ({"jsonrpc": "2.0", "method": "session/update", "params": {"sessionId": SESSION}}, "frame.schema"),
    ],
)
def test_a_wrong_line_breaks_its_rule_and_no_other(line: object, rule: str) -> None:
    assert broken_by(heard(NOTE, line)) == {rule}


@pytest.mark.parametrize(
    "line",
    [
        NOTE,
        {**NOTE, "id": "a text"},
        {**NOTE, "id": 2.0},
        {"jsonrpc": "2.0", "id": None, "error": {"code": -32700, "message": "Parse error", "data": {"any": 1}}},
        '"caf\u00e9 \u2028"'.encode().join([b'{"jsonrpc":"2.0","method":"_x","params":{"t":', b"}}"]),
        b'{"jsonrpc":"2.0","method":"_x","params":{"half":"\\ud83d"}}',
        b'  {"jsonrpc":"2.0","method":"_x"} \r',
    ],
)
def test_a_legal_line_breaks_no_rule(line: object) -> None:
    assert broken_by(heard(line)) == set()


def test_an_answer_keeps_the_rules_and_a_second_one_breaks_one() -> None:
    talk = Talk().ask("session/close", 1).answer(1)
    assert verdict("rpc.answer-has-the-id", talk) == verdict("rpc.one-answer", talk) == "kept"
    talk.answer(1)
    assert verdict("rpc.one-answer", talk) == "broken"
    assert verdict("rpc.answer-has-the-id", talk) == "kept"


def test_an_answer_with_result_and_error_is_the_envelopes_fault_alone() -> None:
    talk = Talk().ask("session/close", 1)
    talk.transcript.schema = SCHEMA
    talk.transcript.add("agent", b'{"jsonrpc":"2.0","id":1,"result":{},"error":null}')
    assert broken_by(talk) == {"rpc.envelope"}


def test_who_answers_a_stray_response_does_not_answer_out_of_nowhere() -> None:
    talk = Talk().grant(99)
    talk.refuse(99)
    assert verdict("rpc.answer-has-the-id", talk) == "silent"


def test_an_open_id_is_not_used_again_but_an_answered_one_may_be() -> None:
    assert verdict("rpc.own-ids", Talk().wish(1, "fs/read_text_file").wish(2, "fs/read_text_file")) == "kept"
    assert verdict("rpc.own-ids", Talk().wish(1, "fs/read_text_file").wish("1", "fs/read_text_file")) == "kept"
    assert verdict("rpc.own-ids", Talk().wish(1, "fs/a").grant(1).wish(1, "fs/a")) == "kept"
    assert verdict("rpc.own-ids", Talk().wish(1, "fs/a").wish(1, "fs/a")) == "broken"


def test_a_conversation_in_another_version_is_not_held_against_the_schema() -> None:
    def opened(version: int) -> Talk:
        talk = Talk().ask("initialize", 1, protocolVersion=version)
        talk.transcript.schema = SCHEMA
        return talk.answer(1, protocolVersion=version, capabilities={}, info={"name": "a", "version": "1"})

    assert verdict("frame.no-foreign-keys", opened(1)) == "broken"
    assert verdict("frame.no-foreign-keys", opened(2)) == "silent"


def test_without_a_schema_the_rules_on_shapes_are_silent() -> None:
    talk = Talk().made()
    assert isinstance(talk.transcript, Transcript)
    assert verdict("frame.schema", talk) == verdict("frame.no-foreign-keys", talk) == "silent"


def test_a_session_is_not_named_before_the_answer_that_makes_it() -> None:
    rule = "session.nothing-before-its-id"
    commands: dict[str, Any] = {"availableCommands": []}
    assert verdict(rule, Talk().made().update("available_commands_update", **commands)) == "kept"
    early = Talk().ask("session/new", "new").update("available_commands_update", **commands)
    assert verdict(rule, early.answer("new", sessionId=SESSION)) == "broken"
    back = Talk().ask("session/load", 1, sessionId=SESSION).update("available_commands_update", **commands).answer(1)
    assert verdict(rule, back) == "silent"


def test_two_sessions_with_one_id_are_not_called_early() -> None:
    talk = Talk().made().update("plan").ask("session/new", 2).answer(2, sessionId=SESSION)
    assert verdict("session.nothing-before-its-id", talk) == "kept"


def test_updates_name_sessions_that_somebody_made_or_named() -> None:
    rule = "session.updates-name-known-sessions"
    assert verdict(rule, Talk().made().update("plan")) == "kept"
    assert verdict(rule, Talk().made().update("plan", session="session-2")) == "broken"
    assert verdict(rule, Talk().made().wish(1, "session/request_permission")) == "kept"
    assert verdict(rule, Talk().wish(1, "session/request_permission")) == "broken"
    assert verdict(rule, Talk().ask("session/load", 1, sessionId=SESSION).update("plan")) == "kept"
    assert verdict(rule, Talk().update("plan").ask("session/load", 1, sessionId=SESSION)) == "broken"


def test_a_session_that_is_announced_as_part_of_another_is_known() -> None:
    talk = Talk().made().update("plan")
    params = {"sessionId": SESSION, "update": {"sessionUpdate": "subagent_update", "sessionId": "child"}}
    talk.notify("session/update", **params).update("plan", session="child")
    assert verdict("session.updates-name-known-sessions", talk) == "kept"
