"""What a run is told on the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from conformance.programs import Start, start_process

if TYPE_CHECKING:
    from conformance.schema import Schema

PROMPTS: Mapping[str, tuple[str, str]] = {
    "plain": ("hello", "is answered with some text"),
    "busy": ("/test wait", "works until it is cancelled"),
    "permission": ("/test perm 1", "asks for a permission"),
    "fs": ("/test fs 1", "reads a file of the session's directory through the client"),
    "terminal": ("/test terminal echo hello", "runs a command in a terminal of the client"),
    "tool": ("/read a.txt:2-3", "calls a tool that needs no permission, best of all on the lines of a file"),
    "plan": ("/test plan", "shows a plan that advances"),
    "usage": ("/test usage", "reports how much of its context is used"),
    "notice": ("/test notice", "shows a notice"),
    "compaction": ("/test compact", "compacts the conversation"),
    "form": ("/test form", "shows the user a form"),
    "url": ("/test url", "sends the user to a page"),
}
"""Name -> the text that does it with agent-server, and what a prompt of that name has to bring about."""


@dataclass(frozen=True)
class Options:
    """How to run the agent, or the client, and what to ask of it.

    ``cancel_command``: of a client that cancels its prompt. ``timeout_s``: how long an answer may take. ``quiet_s``:
    how long silence is listened to before it counts. ``login``: the id of a login to use before sessions are made.
    ``schema``: what messages are held against. ``start``: brings the agent to life.
    """

    command: Sequence[str]
    cancel_command: Sequence[str] = ()
    prompts: Mapping[str, str] = field(default_factory=lambda: {name: text for name, (text, _) in PROMPTS.items()})
    unstable: bool = False
    timeout_s: float = 10.0
    quiet_s: float = 0.25
    jobs: int = 8
    login: str | None = None
    schema: Schema | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    start: Start = start_process
