"""How events are numbered: each takes one seq, and a text run one for each of its deltas."""

from __future__ import annotations

from collections.abc import Sequence

from agent_server.conversation.events import Event, TextRun


def last_seqs(head: int, events: Sequence[Event]) -> list[int]:
    """The last seq of each of these events, which come behind ``head``.

    Raises:
        ValueError: a text run of fewer than one delta.
    """
    found = []
    for event in events:
        head += 1 if type(event) is not TextRun else deltas(event)
        found.append(head)
    return found


def deltas(run: TextRun) -> int:
    """How many seqs a text run takes.

    Raises:
        ValueError: fewer than one.
    """
    if run.count < 1:
        raise ValueError(f"a text run holds at least one delta, not {run.count}")
    return run.count
