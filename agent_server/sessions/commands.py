"""The slash commands that the server itself understands, whichever model answers the session (Req: MO-03, TN-10).

What they say is shown as an answer and is in the log, but no model ever hears of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from agent_server.conversation.content import Part, TextPart
from agent_server.conversation.usage import UsageTotals
from agent_server.errors import SessionConflict
from agent_server.providers.provider import Command
from agent_server.sessions.model_choice import (
    cycle_level,
    cycle_model,
    level_of,
    levels_of,
    models_of,
    set_level,
    set_model,
)

if TYPE_CHECKING:
    from agent_server.providers.provider import ModelInfo
    from agent_server.sessions.session import Session

CONTINUE: Final = "continue"
MAX_LISTED: Final = 50
"""Models in one answer: a chat is no place for three hundred lines."""

MAX_COMMAND_CHARS: Final = 1000


class _Known(NamedTuple):
    command: Command
    run: Callable[[Session, str], str]


def command_of(session: Session, parts: tuple[Part, ...]) -> tuple[str, Callable[[], str]] | None:
    """The name of the command that a prompt consists of, and what does it; None where the prompt is for the model.

    A command of the model's own of the same name wins.
    """
    if len(parts) != 1 or not isinstance(part := parts[0], TextPart):
        return None
    text = part.text
    if text[:1] != "/" or len(text) > MAX_COMMAND_CHARS or not session.spec.provider.session_commands:
        return None
    name, _, rest = text[1:].strip().partition(" ")
    known = _KNOWN.get(name)
    if known is None or any(own.name == name for own in session.provider.commands()):
        return None
    return name, partial(_answer, known.run, session, rest.strip())


def session_commands(session: Session) -> tuple[Command, ...]:
    """The commands that it understands beside those of its model."""
    if not session.spec.provider.session_commands:
        return ()
    own = {command.name for command in session.provider.commands()}
    return tuple(known.command for name, known in _KNOWN.items() if name not in own)


def _answer(run: Callable[[Session, str], str], session: Session, rest: str) -> str:
    try:
        return run(session, rest)
    except SessionConflict as conflict:
        return f"{conflict.details[:1].upper()}{conflict.details[1:]}."


def _model(session: Session, wanted: str) -> str:
    if wanted == "next":
        index, total = cycle_model(session)
        return f"The model is now {session.model} ({index} of {total})."
    models = models_of(session)
    if not wanted:
        return _listed(session, models)
    fitting = [info for info in models if info.id == wanted] or [
        info for info in models if wanted.lower() in info.id.lower() or wanted.lower() == info.name.lower()
    ]
    if not fitting:
        return "There is no such model. `/model` lists them."
    if len(fitting) > 1:
        return f"Several models fit:\n{_listed(session, fitting)}"
    set_model(session, fitting[0].id)
    return f"The model is now {session.model}."


def _listed(session: Session, models: Sequence[ModelInfo]) -> str:
    """The models, one a line: the session's own first, because not all of them may be shown."""
    in_order = sorted(models, key=lambda info: info.id != session.model)
    lines = [f"- {info.id}{' (current)' if info.id == session.model else ''}" for info in in_order[:MAX_LISTED]]
    if len(models) > MAX_LISTED:
        lines += ["", f"There are {len(models) - MAX_LISTED} more: `/model WORD` looks for a word in their names."]
    return "\n".join(lines)


def _thinking(session: Session, wanted: str) -> str:
    levels = levels_of(session.model_info)
    if not levels:
        return "This model's reasoning cannot be chosen."
    if wanted == "next":
        cycle_level(session)
    elif wanted in levels:
        set_level(session, wanted)
    elif wanted:
        return f"The levels are {', '.join(levels)}."
    return f"The model reasons at the level {level_of(session)}, of {', '.join(levels)}."


def _usage(session: Session, rest: str) -> str:
    used = session.record.usage or UsageTotals()
    lines = [
        f"- model calls: {used.model_calls}",
        f"- input tokens: {used.input_tokens} ({used.cached_read_tokens} of them from a cache)",
        f"- output tokens: {used.output_tokens} ({used.thought_tokens} of them thoughts)",
    ]
    if used.cost_usd is not None:
        lines.append(f"- cost: ${used.cost_usd:.4f}")
    return "\n".join(lines)


def _continue(session: Session, rest: str) -> str:
    """Only reached where there is nothing to go on with: else the model answers."""
    return "There is nothing to continue."


_KNOWN: Final = {
    known.command.name: known
    for known in (
        _Known(Command("model", "Show the models, or change to another", "[MODEL | next]"), _model),
        _Known(Command("thinking", "Show or set how much the model reasons", "[LEVEL | next]"), _thinking),
        _Known(Command("usage", "Show what the session used"), _usage),
        _Known(Command(CONTINUE, "Let the model go on with an answer that broke off"), _continue),
    )
}
