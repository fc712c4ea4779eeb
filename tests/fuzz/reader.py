"""What is fuzzed: everything between the bytes of a pipe and a message. To be run for hours, with atheris:

    pip install atheris && python -m tests.fuzz.reader -max_total_time=600
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

import orjson

from agent_server.jsonrpc.messages import Incoming, Notification, Request, Violation
from agent_server.jsonrpc.peer import Peer
from agent_server.transport.framing import LineFramer, Oversized

LIMIT_BYTES = 4096
SECOND_READ = 7


def read(data: bytes) -> list[Incoming]:
    """Take the bytes as a connection would, in uneven pieces, and hold what must hold of whatever comes out of them.

    Raises:
        AssertionError: it does not hold.
    """
    framer, peer = LineFramer(LIMIT_BYTES), Peer()
    lines = framer.feed(data[:SECOND_READ]) + framer.feed(data[SECOND_READ:]) + framer.finish()
    assert len(lines) <= data.count(b"\n") + 1
    messages: list[Incoming] = []
    for line in lines:
        if isinstance(line, Oversized):
            assert len(line.head) <= LIMIT_BYTES
            messages.append(peer.refuse_oversized(line.head, LIMIT_BYTES))
        else:
            assert b"\n" not in line
            messages.append(peer.receive(line))
    for message in messages:
        _hold(message)
    for owed in peer.owed:
        assert orjson.loads(peer.result(owed, b"{}"))["id"] == owed
    assert not peer.owed
    return messages


def _hold(message: Incoming) -> None:
    if isinstance(message, Violation):
        if message.reply is not None:
            reply = orjson.loads(message.reply)
            assert b"\n" not in message.reply
            assert reply["error"]["code"] in (-32700, -32600)
            assert reply["id"] == message.request_id
    elif isinstance(message, Request | Notification):
        orjson.dumps(message.params)  # whatever was let in can be written again
    else:
        raise AssertionError("nothing was asked, so nothing can be answered")


def main() -> None:
    """Fuzz until stopped; arguments go to libFuzzer."""
    atheris: Any = importlib.import_module("atheris")  # optional: nothing else needs it
    atheris.instrument_all()
    atheris.Setup(sys.argv, read)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
