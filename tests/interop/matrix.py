"""Who drives whom, and what of it is tested: a cell is a step of a program, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

ROWS = (
    "initialize", "new_session", "stream", "permission_allow", "permission_reject", "fs_read", "terminal",
    "cancel_streaming", "close", "load", "list_sessions", "delete", "two_sessions", "big_prompt",
)  # fmt: skip
"""What every pair is to do; a program's step has the same name where nothing else is said."""


@dataclass(frozen=True)
class Shown:
    """The step of the program shows it."""

    program: str
    step: str


@dataclass(frozen=True)
class NotOffered:
    """The client, or the kit that the agent is built on, has no such thing."""

    why: str


Cell: TypeAlias = Shown | NotOffered


def _cells(program: str, **others: Cell) -> Mapping[str, Cell]:
    return {row: others.get(row, Shown(program, row)) for row in ROWS}


NO_DELETE = NotOffered("Python SDK 0.12 has no route for session/delete")

MATRIX: Mapping[str, Mapping[str, Cell]] = {
    "our agent, client on the Python SDK 0.12.1": _cells("python-client", delete=NO_DELETE),
    "our agent, client on the Python SDK 1.0.0rc3": _cells("python-prerelease-client"),
    "our agent, client on the TypeScript SDK 2.4.0": _cells(
        "typescript-client",
        load=Shown("typescript-sessions", "load_reads_as_lived"),
        list_sessions=Shown("typescript-sessions", "list"),
        delete=Shown("typescript-sessions", "close_and_delete"),
    ),
    "our agent, client on the TypeScript SDK 2.4.0 behind stdio-to-ws 0.2.0": _cells(
        "websocket-bridge",
        load=Shown("websocket-bridge", "load_reads_as_lived"),
        list_sessions=Shown("websocket-bridge", "list"),
        delete=Shown("websocket-bridge", "close_and_delete"),
    ),
    "our agent, acpx 0.19.1": _cells(
        "acpx",
        load=NotOffered("acpx sends session/resume to an agent that has it, and falls back to session/new"),
        delete=NotOffered("acpx closes sessions and never deletes one of the agent's"),
        two_sessions=NotOffered("acpx starts a process of the agent for each session"),
    ),
    "our client, agent on the Python SDK 0.12.1": _cells("our-client-python", delete=NO_DELETE),
    "our client, agent on the Python SDK 1.0.0rc3": _cells("our-client-python-prerelease"),
    "our client, agent on the TypeScript SDK 2.4.0": _cells("our-client-typescript"),
}
