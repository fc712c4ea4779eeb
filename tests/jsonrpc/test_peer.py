"""Which message is legal now: owed and awaited answers, and two peers wired back to back."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, rule

from agent_server.jsonrpc import Failure, LocalProtocolError, Notification, Peer, Request, Success, Violation


def ask(request_id: Any, method: str = "m") -> bytes:
    return orjson.dumps({"jsonrpc": "2.0", "id": request_id, "method": method})


def sent(frame: bytes) -> dict[str, Any]:
    body: dict[str, Any] = orjson.loads(frame)
    return body


def refused(message: object) -> tuple[int, Any]:
    assert isinstance(message, Violation)
    assert message.reply is not None
    reply = sent(message.reply)
    return reply["error"]["code"], reply["id"]


@pytest.mark.promise("P1")
@pytest.mark.parametrize("request_id", [1, "1", "", None, -(2**63)])
def test_a_request_is_owed_an_answer_until_it_has_one(request_id: Any) -> None:
    peer = Peer()
    peer.receive(ask(request_id))
    assert peer.owed == {request_id}
    assert sent(peer.result(request_id, b"{}")) == {"jsonrpc": "2.0", "id": request_id, "result": {}}
    assert not peer.owed
    with pytest.raises(LocalProtocolError):
        peer.result(request_id, b"{}")
    with pytest.raises(LocalProtocolError):
        peer.error(request_id, 1, "m")


@pytest.mark.promise("P1")
def test_an_error_that_cannot_be_encoded_leaves_the_request_owed() -> None:
    peer = Peer()
    peer.receive(ask(1))
    with pytest.raises(TypeError):
        peer.error(1, -32603, "m", {"details": object()})
    assert peer.owed == {1}
    assert sent(peer.error(1, -32603, "m"))["id"] == 1


@pytest.mark.spec("D-55")
@pytest.mark.promise("P7")
@pytest.mark.parametrize("request_id", [1, "one"])
def test_an_id_in_flight_is_refused_with_null_and_free_again_after_its_answer(request_id: Any) -> None:
    peer = Peer()
    peer.receive(ask(request_id))
    assert refused(peer.receive(ask(request_id))) == (-32600, None)
    assert refused(peer.receive(b'{"id":%b,"jsonrpc":"1","method":"m"}' % orjson.dumps(request_id))) == (-32600, None)
    assert refused(peer.refuse_oversized(b'{"id":%b,"method":' % orjson.dumps(request_id), 10)) == (-32600, None)
    assert peer.owed == {request_id}
    peer.result(request_id, b"{}")
    assert isinstance(peer.receive(ask(request_id)), Request)


def test_the_number_one_and_the_text_one_are_different_ids() -> None:
    peer = Peer()
    peer.receive(ask(1))
    assert isinstance(peer.receive(ask("1")), Request)
    assert peer.owed == {1, "1"}


def test_ids_of_the_two_directions_never_clash() -> None:
    peer = Peer()
    request_id, _ = peer.request("m", b"{}")
    assert isinstance(peer.receive(ask(request_id)), Request)
    assert isinstance(peer.receive(b'{"jsonrpc":"2.0","id":%d,"result":{}}' % request_id), Success)
    assert peer.owed == {request_id}


@pytest.mark.spec("N-20")
@pytest.mark.req("JR-16")
def test_outgoing_ids_count_up_and_answers_may_come_in_any_order() -> None:
    peer = Peer()
    ids = [peer.request("m", b"{}")[0] for _ in range(3)]
    assert ids == sorted(set(ids))
    for request_id in reversed(ids):
        assert peer.receive(b'{"jsonrpc":"2.0","id":%d,"result":%d}' % (request_id, request_id)) == Success(
            request_id, request_id
        )


@pytest.mark.req("JR-16")
@pytest.mark.parametrize("body", [b'"result":{}', b'"error":{"code":1,"message":"m"}', b'"error":5'])
def test_unknown_duplicate_and_late_responses_are_ignored_without_a_reply(body: bytes) -> None:
    peer = Peer()
    answered, _ = peer.request("m", b"{}")
    forgotten, _ = peer.request("m", b"{}")
    peer.receive(b'{"jsonrpc":"2.0","id":%d,%b}' % (answered, body))
    peer.forget(forgotten)
    for request_id in (b"%d" % answered, b"%d" % forgotten, b"99", b'"1"', b"null"):
        message = peer.receive(b'{"jsonrpc":"2.0","id":%b,%b}' % (request_id, body))
        assert isinstance(message, Violation)
        assert message.reply is None


@pytest.mark.req("JR-17")
@pytest.mark.promise("P7")
def test_a_skipped_line_is_refused_with_the_id_that_leads_it() -> None:
    peer = Peer()
    assert refused(peer.refuse_oversized(b'{"jsonrpc":"2.0","id":"big","method":"m","params":', 10)) == (-32600, "big")
    assert refused(peer.refuse_oversized(b'{"jsonrpc":"2.0","method":"m","params":{"id":3', 10)) == (-32600, None)


@pytest.mark.promise("P7")
@pytest.mark.parametrize("key", [b"result", b"error"])
def test_an_answer_too_long_to_read_fails_our_request_and_is_not_answered(key: bytes) -> None:
    peer = Peer()
    request_id, _ = peer.request("m", b"{}")
    head = b'{"jsonrpc":"2.0","id":%d,"%b":"' % (request_id, key)
    message = peer.refuse_oversized(head, 10)
    assert isinstance(message, Failure)
    assert (message.id, message.code) == (request_id, -32603)
    for late in (head, b'{"%b":"' % key, b'{"id":null,"%b":' % key):
        message = peer.refuse_oversized(late, 10)
        assert isinstance(message, Violation)
        assert message.reply is None


class TwoPeers(RuleBasedStateMachine):
    """Both ends ask, tell, answer and withdraw as they like, over wires that deliver in order, at any time."""

    asked: Bundle[tuple[int, int]] = Bundle("asked")

    @initialize()
    def wire_up(self) -> None:
        self.peers = (Peer(), Peer())
        self.wires: tuple[list[bytes], list[bytes]] = ([], [])  # towards peer 0, towards peer 1
        self.waiting: tuple[list[int], list[int]] = ([], [])
        self.outcomes: dict[tuple[int, int], int] = {}
        self.requests: set[tuple[int, int]] = set()
        self.forgotten: set[tuple[int, int]] = set()

    @rule(side=st.sampled_from([0, 1]), target=asked)
    def ask(self, side: int) -> tuple[int, int]:
        request_id, frame = self.peers[side].request("m", b"{}")
        self.wires[1 - side].append(frame)
        self.requests.add((side, request_id))
        return side, request_id

    @rule(side=st.sampled_from([0, 1]))
    def tell(self, side: int) -> None:
        self.wires[1 - side].append(self.peers[side].notification("n", b"{}"))

    @rule(one=consumes(asked))
    def withdraw(self, one: tuple[int, int]) -> None:
        side, request_id = one
        self.peers[side].forget(request_id)
        if one not in self.outcomes:
            self.forgotten.add(one)

    @rule(
        side=st.sampled_from([0, 1]),
        noise=st.sampled_from([b"[]", b"{", b'{"id":1,"result":0}', b'{"id":77,"error":{}}']),
    )
    def garbage(self, side: int, noise: bytes) -> None:
        if noise.startswith(b'{"id":1,') and (side, 1) in self.requests:
            return  # that would be a forged answer
        self.wires[side].append(noise)

    @rule(side=st.sampled_from([0, 1]), well=st.booleans(), pick=st.integers(0, 99))
    def answer(self, side: int, well: bool, pick: int) -> None:
        if self.waiting[side]:
            request_id = self.waiting[side].pop(pick % len(self.waiting[side]))
            peer = self.peers[side]
            self.wires[1 - side].append(peer.result(request_id, b"{}") if well else peer.error(request_id, 1, "m"))

    @rule(side=st.sampled_from([0, 1]))
    def deliver(self, side: int) -> None:
        if not self.wires[side]:
            return
        message = self.peers[side].receive(self.wires[side].pop(0))
        if isinstance(message, Request):
            assert isinstance(message.id, int)
            self.waiting[side].append(message.id)
        elif isinstance(message, Success | Failure):
            assert isinstance(message.id, int)
            key = (side, message.id)
            self.outcomes[key] = self.outcomes.get(key, 0) + 1
        elif isinstance(message, Violation):
            if message.reply is not None:
                self.wires[1 - side].append(message.reply)
        else:
            assert isinstance(message, Notification)

    def teardown(self) -> None:
        if not hasattr(self, "wires"):
            return
        while any(self.wires) or any(self.waiting):
            for side in (0, 1):
                self.deliver(side)
                self.answer(side, True, 0)
        assert all(not peer.owed for peer in self.peers)
        assert set(self.outcomes) == self.requests - self.forgotten
        assert all(count == 1 for count in self.outcomes.values())


TwoPeers.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
test_two_peers_answer_every_request_exactly_once = pytest.mark.promise("P1")(TwoPeers.TestCase)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from([
    b'{"jsonrpc":"2.0","id":1,"method":"m"}', b'{"jsonrpc":"2.0","id":"1","method":"m"}', b"[]", b"nope", b'{"id":1}',
    b'{"jsonrpc":"2.0","id":null,"method":"m"}', b'{"id":1,"result":2}', b'{"jsonrpc":"2.0","id":1.5,"method":"m"}',
]), max_size=12))  # fmt: skip
def test_an_id_is_never_answered_more_often_than_it_was_sent(frames: list[bytes]) -> None:
    peer, replies = Peer(), []
    for frame in frames:
        message = peer.receive(frame)
        if isinstance(message, Request):
            replies.append(peer.result(message.id, b"{}"))
        elif isinstance(message, Violation) and message.reply is not None:
            replies.append(message.reply)
    silent = sum(frame == b'{"id":1,"result":2}' for frame in frames)
    assert len(replies) == len(frames) - silent
