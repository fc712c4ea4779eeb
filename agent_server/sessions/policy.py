"""What a session may do: its mode and what the user has come to trust."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from agent_server.conversation.tool_calls import ToolSpec

ASK: Final = "ask"
PLAN: Final = "plan"


@dataclass(frozen=True, slots=True)
class Mode:
    """A way of working that the user can choose."""

    id: str
    name: str
    description: str


MODES: Final = (
    Mode(ASK, "Ask", "Reads freely; asks before it writes, deletes, moves or runs anything."),
    Mode(PLAN, "Plan", "Only reads; refuses everything that would change files or run programs."),
)


def restored(mode: str) -> str:
    """The mode in which a session goes on that was in this one: what narrows holds on, anything else is `ASK`."""
    return PLAN if mode == PLAN else ASK


@dataclass(slots=True)
class Policy:
    """The mode and the trust of one session (Req: AP-04..AP-07, ST-06).

    Trust is keyed by what the tool calls its trust key: its name, or for commands the exact command.
    """

    mode: str = ASK
    turn_trust: set[str] = field(default_factory=set)
    session_trust: set[str] = field(default_factory=set)

    def refusal(self, spec: ToolSpec) -> str | None:
        """Why a call may not run at all in this mode, as the model should read it; None when it may."""
        if self.mode == PLAN and spec.changes:
            return (
                f"{spec.name} is refused: the session is in plan mode, in which nothing may be changed. "
                "Describe what you would do; the user can switch to the mode 'ask'."
            )
        return None

    def needs_question(self, spec: ToolSpec, trust_key: str) -> bool:
        """Whether the user must be asked before this call."""
        return spec.changes and trust_key not in self.turn_trust and trust_key not in self.session_trust

    def end_turn(self) -> None:
        """Trust for the turn dies with it."""
        self.turn_trust.clear()
